/**
 * One job in one namespace that comes and goes with it (ADR 37). What is to be is written down first; everything on the cluster
 * may be made, looked at and removed again by any process that finds the record.
 */
import { createHash } from 'node:crypto';
import type { V1Job, V1Namespace, V1Pod } from '@kubernetes/client-node';
import { type Clock, pause, systemClock } from '../../../lib/clock.js';
import { ForgewayError } from '../../../lib/errors.js';
import type { Cluster, Stored } from '../cluster.js';
import { holdUp } from '../hold-up.js';
import type { RegistryCredentials } from '../registries.js';
import { type JobLook, lookAt } from './look.js';
import {
  isOfJob,
  JOB,
  type JobClusterSettings,
  type JobFrame,
  type JobWork,
  jobManifests,
  jobNamespace,
  WORK_CONTAINER,
} from './manifests.js';
import { type PodLogPage, type PodLogPlace, readPodLog } from './pod-log.js';
import type { JobKind, JobPart, JobRecord, JobRecords, JobRef, JobWord } from './records.js';

export interface JobCluster {
  cluster: Cluster;
  settings: JobClusterSettings;
  registries: RegistryCredentials;
}

export interface JobClusters {
  homeOf(organizationId: string): Promise<string>;
  open(id: string, organizationId: string): Promise<JobCluster>;
}

export interface ClusterJobsOptions {
  records: JobRecords;
  clusters: JobClusters;
  /** Where Forgeway answers, unless a cluster's settings name another address. */
  url: string | undefined;
  /** Between two looks of a courier; default 2 s. */
  pauseSeconds?: number;
  /** How long a namespace that is removed is waited for at a time; default 10 s. */
  removeWaitMs?: number;
  pollMs?: number;
  clock?: Clock;
}

export interface JobBeginning {
  state: Readonly<Record<string, unknown>>;
  /** What the workspace begins with: a gzip-compressed tar, asked for at most once. */
  input(): AsyncIterable<Uint8Array>;
  mostInputBytes: number;
  /** Of each part of what it leaves. */
  mostOutputBytes: number;
  /** Of what it prints, where its courier brings that; default: it stands in the pod's log. */
  mostPrintedBytes?: number;
  work(settings: JobClusterSettings): JobWork;
}

/** Links outlive the job by so much. */
const LINK_SLACK_SECONDS = 7_200;
const REMOVE_WAIT_MS = 10_000;
const POLL_MS = 500;

/** Readable, and different for every job there will ever be. */
export function namespaceOfJob({ kind, id }: { kind: JobKind; id: string }): string {
  return `forgeway-${kind}-${createHash('sha256').update(id).digest('hex').slice(0, 16)}`;
}

const terminating = (name: string, namespace: Pick<V1Namespace, 'status'>) => {
  const why = holdUp(namespace);
  return new ForgewayError(
    'FORGEWAY_NAMESPACE_TERMINATING',
    `The namespace ${name} is still being removed${why === '' ? '' : `: ${why}`}`,
    { details: { namespace: name } },
  );
};

export type ClusterJobs = ReturnType<typeof createClusterJobs>;

export function createClusterJobs(o: ClusterJobsOptions) {
  const { records, clusters, pauseSeconds = 2, removeWaitMs = REMOVE_WAIT_MS, pollMs = POLL_MS } = o;
  const { clock = systemClock } = o;

  const homeOf = (record: JobRecord) => clusters.open(record.cluster, record.organizationId);

  async function namespaceOf(cluster: Cluster, name: string): Promise<Stored<V1Namespace> | undefined> {
    return cluster.get<V1Namespace>({ kind: 'Namespace', name });
  }

  /** Made once; whatever else has the name is not touched. */
  async function ensureNamespace(cluster: Cluster, frame: JobFrame): Promise<string> {
    const { namespace: name } = frame.record;
    const made = await cluster.create<V1Namespace>(jobNamespace(frame));
    const found = made ?? (await namespaceOf(cluster, name));
    if (found === undefined)
      throw new ForgewayError('FORGEWAY_CLUSTER_CONFLICT', `The namespace ${name} came and went meanwhile.`);
    if (!isOfJob(found, frame.record))
      throw new ForgewayError(
        'FORGEWAY_NAMESPACE_FOREIGN',
        `The namespace ${name} is not ours, so nothing in it was touched.`,
      );
    if (found.metadata.deletionTimestamp !== undefined) throw terminating(name, found);
    return found.metadata.uid;
  }

  return {
    records,

    /**
     * Begins a job, or goes on where a killed process left off. One that was begun is left as it is.
     * @throws ForgewayError FORGEWAY_CLUSTER_*, FORGEWAY_NAMESPACE_*, FORGEWAY_TOO_LARGE
     */
    async begin(ref: JobRef, beginning: JobBeginning): Promise<JobRecord> {
      const known = await records.find(ref);
      if (known?.namespaceUid != null) return known;
      const organizationId = known?.organizationId ?? (await records.organizationOf(ref.kind, ref.subject));
      if (organizationId === undefined) throw new ForgewayError('FORGEWAY_NOT_FOUND', 'What the job is of is gone.');
      const { state, mostOutputBytes, mostPrintedBytes } = beginning;
      const record =
        known ??
        (await records.create(ref, {
          ...{ cluster: await clusters.homeOf(organizationId), state, mostOutputBytes },
          mostPrintedBytes: mostPrintedBytes ?? 0,
        }));
      if (record.removedAt !== null)
        throw new ForgewayError('FORGEWAY_CONFLICT', 'The job was removed before it had begun.');
      const { cluster, settings, registries } = await homeOf(record);
      const work: JobWork = {
        ...beginning.work(settings),
        ...(mostPrintedBytes !== undefined && { prints: mostPrintedBytes }),
      };
      const url = settings.jobs.url ?? o.url;
      if (url === undefined)
        throw new ForgewayError(
          'FORGEWAY_CLUSTER_UNUSABLE',
          'Jobs on a cluster need an address at which their pods find Forgeway: set PUBLIC_URL, or `jobs.url` in the cluster’s settings.',
        );
      if (!record.hasInput) await records.putInput(record, beginning.input(), beginning.mostInputBytes);
      const links = records.links(record, url, work.deadlineSeconds + LINK_SLACK_SECONDS);
      const frame: JobFrame = { record, work, links, settings, registries, pauseSeconds };
      const uid = await ensureNamespace(cluster, frame);
      const { walls, job } = jobManifests(frame);
      for (const wall of walls) await cluster.apply(wall);
      await cluster.create(job);
      await records.noteBegun(record, uid);
      return { ...record, namespaceUid: uid };
    },

    /** @param what who it is, at the beginning of a sentence */
    async look(record: JobRecord, what: string): Promise<JobLook> {
      const { cluster } = await homeOf(record);
      const { namespace, claimedBy } = record;
      const began = claimedBy !== null;
      const found = await namespaceOf(cluster, namespace);
      if (found === undefined || found.metadata.uid !== record.namespaceUid)
        return { state: 'failed', why: `The namespace ${namespace} of ${what.toLowerCase()} was deleted`, began };
      const job = await cluster.get<V1Job>({ kind: 'Job', namespace, name: JOB });
      const { items: pods } = await cluster.list<V1Pod>('Pod', { namespace });
      const isQuiet = pods.every(({ status }) => status?.phase === 'Running');
      const events = isQuiet && pods.length > 0 ? [] : await cluster.events(namespace);
      const look = lookAt({ what, job, pods, events, claimedBy, begunAt: record.createdAt, now: clock.now() });
      if (look.state !== 'silent') return look;
      await records.say(record, { kind: 'finish' });
      return { state: 'running', pod: look.pod };
    },

    /** What the command printed after a line. */
    async log(
      record: JobRecord,
      pod: string,
      read: { place: PodLogPlace | undefined; isWhole: boolean; mostLines: number },
    ): Promise<PodLogPage> {
      const { cluster } = await homeOf(record);
      return readPodLog(cluster, { namespace: record.namespace, pod, container: WORK_CONTAINER }, read);
    },

    /** The pod that counts; undefined while there is none. */
    async podOf(record: JobRecord): Promise<string | undefined> {
      const { cluster } = await homeOf(record);
      const { items } = await cluster.list<V1Pod>('Pod', { namespace: record.namespace });
      const own = items.find(({ metadata }) => metadata.uid === record.claimedBy);
      return own?.metadata.name;
    },

    tell: (record: JobRecord, word: JobWord): Promise<boolean> => records.say(record, word),

    part: (record: JobRecord, part: JobPart): AsyncIterable<Buffer> => records.part(record, part),

    /**
     * Removes the namespace with everything in it. When it answers, nothing of it runs.
     * @throws ForgewayError FORGEWAY_NAMESPACE_TERMINATING when it takes longer: ask again
     */
    async remove(record: JobRecord): Promise<void> {
      if (record.removedAt !== null) return;
      const { cluster } = await homeOf(record);
      const ref = { kind: 'Namespace' as const, name: record.namespace };
      const found = await cluster.get<V1Namespace>(ref);
      if (found !== undefined && isOfJob(found, record)) {
        const { uid } = found.metadata;
        if (found.metadata.deletionTimestamp === undefined) await cluster.delete(ref, { uid });
        const until = performance.now() + removeWaitMs;
        for (;;) {
          const now = await cluster.get<V1Namespace>(ref);
          if (now === undefined || now.metadata.uid !== uid) break;
          if (performance.now() >= until) throw terminating(record.namespace, now);
          await pause(pollMs);
        }
      }
      await records.noteRemoved(record);
    },
  };
}
