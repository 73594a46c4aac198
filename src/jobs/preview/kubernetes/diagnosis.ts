/** Why something does not run, as one line for a person, from what the cluster says of it. Pure. */
import type { CoreV1Event, V1Deployment, V1Job, V1Pod } from '@kubernetes/client-node';
import {
  containersOf,
  type Diagnosis,
  eventOf,
  isDisrupted,
  isTakenAway,
  livePods,
  oneLine,
  podFailure,
  unscheduled,
} from '../../../effects/kubernetes/pod-failure.js';

export type { Diagnosis };

/** What a new namespace says for a moment, until its controllers have seen what stands in it. */
const SOON = /status unknown for quota|error looking up service account/i;

/** What cannot mend itself soon; undefined: it may still become ready. */
export function whyNotReady(o: {
  what: string;
  deployment: V1Deployment | undefined;
  pods: readonly V1Pod[];
  events: readonly CoreV1Event[];
}): Diagnosis | undefined {
  const refused = o.deployment?.status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  if (refused !== undefined && !SOON.test(refused.message ?? ''))
    return { cause: `The cluster does not let ${o.what} start: ${oneLine(refused.message ?? '')}`, refused: true };
  const live = livePods(o.pods);
  for (const pod of live.length > 0 ? live : o.pods) {
    const found = podFailure(pod, o.what, o.events);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** After the longest wait: what it waited for. */
export function whyStillNotReady(o: {
  what: string;
  seconds: number;
  pods: readonly V1Pod[];
  events: readonly CoreV1Event[];
}): Diagnosis {
  const { what, seconds, pods, events } = o;
  const late = `${what} was not ready after ${seconds} s`;
  const pod = livePods(pods)[0] ?? pods[0];
  if (pod === undefined) return { cause: `${late}: the cluster has made no pod for it` };
  const name = pod.metadata?.name ?? '';
  const noNode = unscheduled(pod);
  if (noNode !== undefined) return { cause: `${late}: no node takes it: ${noNode}` };
  const unhealthy = eventOf(events, name, 'Unhealthy');
  if (unhealthy !== undefined) return { cause: `${late}: ${oneLine(unhealthy)}`, pod: { name, previous: false } };
  const warning = events.findLast((event) => event.type === 'Warning' && event.involvedObject.name === name)?.message;
  return { cause: warning === undefined ? late : `${late}: ${oneLine(warning)}`, pod: { name, previous: false } };
}

/** How a job stands: undefined while it may still succeed. */
export function jobResult(o: {
  what: string;
  job: V1Job;
  pods: readonly V1Pod[];
  events: readonly CoreV1Event[];
}): { done: true; message: string } | ({ done: false } & Diagnosis) | undefined {
  const { what, job, pods, events } = o;
  const is = (wanted: string) =>
    job.status?.conditions?.find(({ type, status }) => type === wanted && status === 'True');
  if (is('Complete') !== undefined || is('SuccessCriteriaMet') !== undefined) {
    const ended = pods
      .flatMap(containersOf)
      .findLast(({ state }) => state?.terminated?.exitCode === 0 && state.terminated.message);
    return { done: true, message: ended?.state?.terminated?.message ?? '' };
  }
  const failed = is('Failed') ?? is('FailureTarget');
  for (const pod of pods) {
    const found = podFailure(pod, what, events);
    // A pod that failed may have been the cluster's doing, and another is tried; an image that is not there stays so.
    const isFinal = failed !== undefined || (found?.pod === undefined && !isTakenAway(pod));
    if (found !== undefined && isFinal) return { done: false, ...found, ...(isDisrupted(pod) && { passing: true }) };
  }
  if (failed !== undefined) {
    const cause =
      failed.reason === 'DeadlineExceeded'
        ? `${what} took too long`
        : `${what} failed: ${oneLine(failed.message ?? '')}`;
    // Of one whose container ended with a code the policy of the job says another reason: these were taken away, each time.
    const isPassing = failed.reason === 'BackoffLimitExceeded' && !pods.some((pod) => pod.status?.reason === 'Evicted');
    return { done: false, cause, ...(isPassing && { passing: true }) };
  }
  // Of this very job, and not of one before it that had its name.
  const own = events.filter(({ involvedObject: { uid } }) => uid === undefined || uid === job.metadata?.uid);
  const refused = eventOf(own, job.metadata?.name, 'FailedCreate');
  if (refused !== undefined && pods.length === 0 && !SOON.test(refused)) {
    const cause = `The cluster does not let ${what} start: ${oneLine(refused)}`;
    return { done: false, cause, refused: true };
  }
  return undefined;
}
