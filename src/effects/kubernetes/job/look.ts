/** How a job stands, from what its cluster says of it. Pure. */
import type { CoreV1Event, V1ContainerStatus, V1Job, V1Pod } from '@kubernetes/client-node';
import { containersOf, eventOf, oneLine, podFailure, unscheduled } from '../pod-failure.js';
import { COURIER_CONTAINER, FETCH_CONTAINER, WORK_CONTAINER } from './manifests.js';

export type JobLook =
  /** The command has not begun. `why`: what it waits for, where the cluster says so. */
  | { state: 'waiting'; why: string | undefined }
  | { state: 'running'; pod: string }
  /** The command has ended, and what it left has arrived. `why`: not by itself nor by its limits; its node or its cluster ended it. */
  | { state: 'ended'; pod: string; code: number; reason: 'exit' | 'time' | 'memory'; why?: string }
  /** It will not end by itself any more. `began`: the command may have run. */
  | { state: 'failed'; why: string; began: boolean };

export interface JobFacts {
  /** Who it is, at the beginning of a sentence: `The plan`. */
  what: string;
  job: V1Job | undefined;
  pods: readonly V1Pod[];
  events: readonly CoreV1Event[];
  /** The pod that was given the input. */
  claimedBy: string | null;
  begunAt: Date;
  now: Date;
}

/** A pod that is on its way out for longer has a node that does not answer. */
const LEAVING_MS = 90_000;
/** Longest wait for a node, an image, or whatever else a pod needs to begin. */
const START_MS = 900_000;
/** So long a pod may be refused. */
const REFUSED_MS = 60_000;
/** What took a pod away is told when its last container has ended, somewhat later than the end of the command. */
const TOLD_MS = 60_000;
/** Without an end of the courier after that of the command. */
const DELIVERY_MS = 3_600_000;

const statusOf = (pod: V1Pod, container: string): V1ContainerStatus | undefined =>
  containersOf(pod).find(({ name }) => name === container);

/** What a node says of a pod that it has taken away. */
const TAKEN = new Set(['Evicted', 'NodeLost', 'Preempting', 'NodeShutdown', 'Terminated']);

const says = /^(-?\d{1,3}) (exit|time)\s*$/;

type Ended = NonNullable<NonNullable<V1ContainerStatus['state']>['terminated']>;

/** What the command itself said of its end; the container's own end where it could not. */
function endOf(ended: Ended) {
  const [, code, reason] = says.exec(ended.message ?? '') ?? [];
  if (code !== undefined)
    return { code: Number(code), reason: reason === 'time' ? ('time' as const) : ('exit' as const) };
  return { code: ended.exitCode, reason: ended.reason === 'OOMKilled' ? ('memory' as const) : ('exit' as const) };
}

/** Killed, before it could say how its command ended, and not for its memory. */
const isCut = (ended: Ended): boolean =>
  ended.exitCode > 128 && ended.reason !== 'OOMKilled' && !says.test(ended.message ?? '');

/** Why a node or its cluster took the pod away, where it says so. A pod that is still there may have the first word of it in a condition. */
function takenBecause({ status }: V1Pod): string | undefined {
  if (TAKEN.has(status?.reason ?? '')) return status?.message ?? status?.reason;
  const disrupted = status?.conditions?.find((one) => one.type === 'DisruptionTarget' && one.status === 'True');
  return disrupted && (disrupted.message || disrupted.reason || 'it was disrupted');
}

function waiting({ what, begunAt, now }: JobFacts, why: string | undefined): JobLook {
  if (now.getTime() - begunAt.getTime() < START_MS) return { state: 'waiting', why };
  const reason = why === undefined ? '' : `: no node takes it: ${why}`;
  return { state: 'failed', why: `${what} had not begun after ${START_MS / 1_000} s${reason}`, began: false };
}

function ofPod(pod: V1Pod, o: JobFacts): JobLook | { state: 'silent'; pod: string } {
  const { what, events, now } = o;
  const name = pod.metadata?.name ?? '';
  const work = statusOf(pod, WORK_CONTAINER)?.state;
  const courier = statusOf(pod, COURIER_CONTAINER)?.state;
  const fetched = statusOf(pod, FETCH_CONTAINER)?.state?.terminated;
  const began = work?.running !== undefined || work?.terminated !== undefined || o.claimedBy !== null;
  const failed = (why: string): JobLook => ({ state: 'failed', why: oneLine(why).replace(/\.$/, ''), began });

  const taken = takenBecause(pod);
  const isTold = taken !== undefined || pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
  if (work?.terminated !== undefined && courier?.terminated?.exitCode === 0) {
    const { finishedAt } = courier.terminated;
    if (!isCut(work.terminated)) return { state: 'ended', pod: name, ...endOf(work.terminated) };
    if (!isTold && now.getTime() - new Date(finishedAt ?? now).getTime() < TOLD_MS)
      return { state: 'running', pod: name };
    const why = taken === undefined ? 'was killed from outside' : `was ended by its node: ${taken}`;
    return { state: 'ended', pod: name, ...endOf(work.terminated), why: oneLine(`${what} ${why}`).replace(/\.$/, '') };
  }
  if (taken !== undefined && (pod.status?.phase === 'Failed' || courier?.terminated !== undefined))
    return failed(`${what} was ended by its node: ${taken}`);
  if (pod.status?.reason === 'DeadlineExceeded') return failed(`${what} took longer than a job may`);
  if (fetched !== undefined && fetched.exitCode !== 0)
    return {
      ...failed(fetched.message ?? `Its input could not be fetched (code ${fetched.exitCode})`),
      began: false,
    } as JobLook;
  if (courier?.terminated !== undefined && courier.terminated.exitCode !== 0)
    return failed(
      `What ${what.charAt(0).toLowerCase()}${what.slice(1)} has left could not be brought back: ${courier.terminated.message ?? `code ${courier.terminated.exitCode}`}`,
    );
  const leaving = pod.metadata?.deletionTimestamp;
  if (leaving !== undefined && now.getTime() - new Date(leaving).getTime() > LEAVING_MS)
    return failed(`The pod of ${what.toLowerCase()} was deleted, or its node does not answer`);
  if (work?.terminated !== undefined) {
    const { finishedAt } = work.terminated;
    if (finishedAt !== undefined && now.getTime() - new Date(finishedAt).getTime() > DELIVERY_MS)
      return failed(`What ${what.toLowerCase()} has left did not arrive within an hour`);
    return { state: 'silent', pod: name };
  }
  if (pod.status?.phase === 'Failed') {
    const found = podFailure(pod, what, events);
    return failed(
      found?.cause ?? `${what} failed: ${pod.status.message ?? pod.status.reason ?? 'its pod says no more'}`,
    );
  }
  if (work?.running !== undefined) return { state: 'running', pod: name };
  const stuck = podFailure(pod, what, events);
  if (stuck !== undefined) return failed(stuck.cause);
  return waiting(o, unscheduled(pod));
}

/**
 * `silent`: the command has ended, and the courier may not know it.
 */
export function lookAt(o: JobFacts): JobLook | { state: 'silent'; pod: string } {
  const { what, job, pods, events, claimedBy } = o;
  const began = claimedBy !== null;
  if (job === undefined) return { state: 'failed', why: `The job of ${what.toLowerCase()} was deleted`, began };
  // The pod that has the input is the one that counts; any other never gets to begin.
  const pod = pods.find(({ metadata }) => metadata?.uid === claimedBy) ?? (claimedBy === null ? pods[0] : undefined);
  if (pod !== undefined) return ofPod(pod, o);
  const ended = job.status?.conditions?.find(
    ({ type, status }) => (type === 'Failed' || type === 'Complete') && status === 'True',
  );
  if (ended !== undefined || began) {
    const why =
      ended?.reason === 'DeadlineExceeded'
        ? `${what} took longer than a job may`
        : `The pod of ${what.toLowerCase()} is gone${ended?.message === undefined ? ': it was deleted, or its node was' : `: ${ended.message}`}`;
    return { state: 'failed', why: oneLine(why), began };
  }
  const refused = eventOf(events, job.metadata?.name, 'FailedCreate');
  // A quota that was made a moment ago is not counted yet, and the pod is tried again.
  if (refused !== undefined && o.now.getTime() - o.begunAt.getTime() > REFUSED_MS)
    return { state: 'failed', why: `The cluster does not let ${what.toLowerCase()} start: ${oneLine(refused)}`, began };
  return waiting(o, undefined);
}
