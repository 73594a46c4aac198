/** Runs Terraform as a job in a namespace of its own on a cluster (ADR 37), in an image that the operator names. */
import { ForgewayError } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import type { ArchiveLimits } from '../archive/archive.js';
import { walkArchive } from '../archive/walk.js';
import type { ClusterJobs } from '../kubernetes/job/cluster-jobs.js';
import type { JobLook } from '../kubernetes/job/look.js';
import { type JobClusterSettings, type JobWork, WORKSPACE } from '../kubernetes/job/manifests.js';
import type { PodLogPlace } from '../kubernetes/job/pod-log.js';
import type { JobRecord } from '../kubernetes/job/records.js';
import { shownLine } from '../process/captured-log.js';
import type { LogPage, LogPosition } from '../process/log-page.js';
import { chooseTerraform } from './binary.js';
import { clusterInput } from './cluster-input.js';
import type { TerraformEnd, TerraformExecutor, TerraformWork } from './executor.js';
import { conclude, PLAN_BYTES, SCHEMA_BYTES } from './outcome.js';
import { APPLY, OUT, PLAN, planArguments, STATE, schemasArgument, stateFrom } from './work-files.js';

export interface ClusterExecutorOptions {
  jobs: ClusterJobs;
  /** At least one; a workspace takes the one whose tag it allows. */
  images: readonly string[];
  /** A path or a name in the image. */
  program: string;
  limits: ArchiveLimits;
  memoryMb: number;
  diskMb: number;
  planSeconds: number;
  applySeconds: number;
  /** Where providers are fetched from; undefined: from their registries, unless the image has them. */
  mirror?: string;
  pollMs?: number;
}

const POLL_MS = 2_000;
const LOG_LINES = 5_000;
/** For an image, a node, and what is brought back while Forgeway is away. */
const SLACK_SECONDS = 7_200;
const HOME = `${WORKSPACE}/home`;
/** Plan, its JSON, its text, its providers' schemas and a state, packed. */
const MOST_OUTPUT = 4 * PLAN_BYTES + SCHEMA_BYTES;

const phaseOf = (id: string): 'plan' | 'apply' => (id.endsWith('-apply') ? 'apply' : 'plan');
const whatOf = (id: string): string => `The ${phaseOf(id)}`;
const refOf = (subject: string) => ({ kind: 'run' as const, subject, fence: 0, turn: 0 });

/** A place in a pod's log, in the form that runs keep. `offset` counts lines. */
const placeOf = (position: LogPosition | undefined): PodLogPlace | undefined => {
  const [time, nth] = position?.inode.split(' ') ?? [];
  return time === undefined || nth === undefined ? undefined : { time, nth: Number(nth) };
};

async function filesOf(archive: AsyncIterable<Buffer>): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  await walkArchive(archive, {
    limits: { compressedBytes: MOST_OUTPUT, bytes: MOST_OUTPUT + 1024 * 1024, entries: 1_000 },
    stripRoot: false,
    async visit(entry, body) {
      const chunks: Buffer[] = [];
      const isOurs = entry.kind === 'file' && (entry.path === `home/${STATE}` || entry.path.startsWith(`home/${OUT}/`));
      for await (const chunk of body) if (isOurs) chunks.push(Buffer.from(chunk));
      if (isOurs) files.set(entry.path.slice('home/'.length), Buffer.concat(chunks));
    },
  });
  return files;
}

/** An image says by its tag what it has; one that does not is for workspaces that want nothing in particular. */
const versionOf = (image: string): string => /:v?(\d+\.\d+\.\d+)(?:[-@]|$)/.exec(image)?.[1] ?? '';

export function createClusterExecutor(o: ClusterExecutorOptions): TerraformExecutor {
  const { jobs, pollMs = POLL_MS } = o;
  const secondsOf = (phase: 'plan' | 'apply') => (phase === 'plan' ? o.planSeconds : o.applySeconds);

  const offered = o.images.map((path) => ({ path, product: path, version: versionOf(path) }));
  const chosen = (version: string | null) =>
    chooseTerraform(offered, version, { who: 'the cluster', setting: 'RUN_IMAGE' });

  function workOf(
    { do: wanted, configuration, untrusted, version }: TerraformWork,
    { jobs: own }: JobClusterSettings,
  ): JobWork {
    const { phase } = wanted;
    const seconds = secondsOf(phase);
    return {
      ...{ trusted: !untrusted, image: chosen(version).path, directory: `source/${configuration.workingDirectory}` },
      command: [
        ...['/bin/sh', '-c', phase === 'plan' ? PLAN : APPLY, 'forgeway-run', o.program, HOME],
        ...[stateFrom(configuration.workingDirectory), schemasArgument(wanted)],
        ...(wanted.phase === 'plan' ? planArguments(wanted.options) : []),
      ],
      env: {
        ...{ HOME, TMPDIR: `${WORKSPACE}/tmp`, LANG: 'C.UTF-8', CI: 'true' },
        // Nobody is told which versions are used where.
        ...{ TF_IN_AUTOMATION: '1', TF_INPUT: '0', CHECKPOINT_DISABLE: '1' },
      },
      // Variables of a workspace are in what is fetched, and in no object of the cluster.
      secrets: {},
      ...{ cpu: own.runs.cpu, memoryMb: o.memoryMb, diskMb: o.diskMb, seconds },
      deadlineSeconds: seconds + SLACK_SECONDS,
      egress: untrusted ? own.runs.untrustedEgress : own.runs.egress,
      listens: 'no',
      interrupts: ['terraform', 'tofu', (o.program.split('/').at(-1) ?? '').slice(0, 15)],
      errors: 'with',
      brings: ['home/out', 'home/state'],
    };
  }

  async function find(id: string): Promise<JobRecord | undefined> {
    const found = await jobs.records.newest('run', id);
    return found === undefined || found.removedAt !== null || found.namespaceUid === null ? undefined : found;
  }

  async function endOf(record: JobRecord, look: JobLook & { state: 'ended' }, phase: 'plan' | 'apply') {
    const files = await filesOf(jobs.part(record, 'result'));
    const read = async (name: string, limit: number) => {
      const file = files.get(name) ?? null;
      if (file !== null && file.length > limit)
        throw new ForgewayError(
          'FORGEWAY_RUN_FAILED',
          `The run has left ${name} with ${file.length} bytes, more than the ${limit} that are read.`,
        );
      return file;
    };
    const end = await conclude(read, { code: look.code, reason: look.reason }, { phase, seconds: secondsOf(phase) });
    // What it left is as good as it is; why it ended is told by its cluster.
    const isCut = look.why !== undefined && (end.kind === 'failed' || end.kind === 'vanished');
    return isCut ? { ...end, reason: `${look.why}.` } : end;
  }

  return {
    kind: 'kubernetes',
    // Every process finds it by its record.
    place: 'kubernetes',
    pollMs,

    async start(work, signal) {
      await jobs.begin(refOf(work.id), {
        state: {},
        input: () => clusterInput(work, { limits: o.limits, mirror: o.mirror, signal }),
        // A state, a plan and variables beside the configuration.
        mostInputBytes: o.limits.bytes + 3 * PLAN_BYTES,
        mostOutputBytes: MOST_OUTPUT,
        work: (settings) => workOf(work, settings),
      });
      return { version: chosen(work.version).version || null };
    },

    async look(id) {
      const record = await find(id);
      if (record === undefined) return 'absent';
      const { state } = await jobs.look(record, whatOf(id));
      return state === 'waiting' || state === 'running' ? 'running' : 'over';
    },

    async end(id, { phase }): Promise<TerraformEnd> {
      const record = await find(id);
      if (record === undefined) return { kind: 'vanished', state: null };
      const look = await jobs.look(record, whatOf(id));
      if (look.state === 'ended') return endOf(record, look, phase);
      if (look.state === 'failed') {
        // What never began has changed nothing, so nobody has to look at it.
        if (!look.began || phase === 'plan') return { kind: 'failed', reason: `${look.why}.`, state: null };
        return { kind: 'vanished', state: null, reason: `${look.why}.` };
      }
      // Nobody waits for it any more: it is over once it is known to be gone.
      await jobs.remove(record);
      return { kind: 'vanished', state: null };
    },

    async log(id, after, isOver): Promise<LogPage> {
      const nothing: LogPage = { lines: [], next: after ?? null, more: false, gap: false };
      const record = await find(id);
      const pod = record === undefined ? undefined : await jobs.podOf(record);
      if (record === undefined || pod === undefined) return nothing;
      const page = await jobs.log(record, pod, { place: placeOf(after), isWhole: isOver, mostLines: LOG_LINES });
      const { place } = page;
      if (place === undefined) return nothing;
      const next = { inode: `${place.time} ${place.nth}`, offset: (after?.offset ?? 0) + page.lines.length };
      const text = page.lines.map(shownLine).join('\n');
      return {
        lines: page.lines.length === 0 ? [] : redactText(text).split('\n'),
        next,
        more: page.more,
        gap: page.gap,
      };
    },

    async interrupt(id) {
      const record = await find(id);
      if (record === undefined) return;
      // What has not begun hears nothing, and does not have to.
      if (record.claimedBy === null) await jobs.remove(record);
      else await jobs.tell(record, { kind: 'interrupt' });
    },

    async remove(id) {
      const record = await jobs.records.newest('run', id);
      if (record !== undefined) await jobs.remove(record);
    },

    list: async () => (await jobs.records.live('run')).map(({ subject }) => subject),
  };
}
