/** Why something does not run, as one line for a person, from what the cluster says of it. Pure. */
import type { CoreV1Event, V1ContainerStatus, V1Deployment, V1Job, V1Pod } from '@kubernetes/client-node';

export interface Diagnosis {
  cause: string;
  /** Whose log says more. */
  pod?: { name: string; container?: string; previous: boolean };
}

const RESTARTS = 3;
const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim().slice(0, 300);

const NO_IMAGE = new Set(['ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName']);
const NO_START = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);

const statuses = ({ status }: V1Pod): V1ContainerStatus[] => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? []),
];

const eventOf = (events: readonly CoreV1Event[], name: string | undefined, reason: string): string | undefined =>
  events.findLast((event) => event.reason === reason && event.involvedObject.name === name)?.message;

/** How a container ended. */
function endOf(
  what: string,
  ended: { reason?: string; exitCode: number; message?: string },
  memory: string | undefined,
): string {
  if (ended.reason === 'OOMKilled') {
    const limit = memory === undefined ? '' : ` (${memory})`;
    return `${what} used more memory than it may${limit}`;
  }
  if (ended.reason === 'DeadlineExceeded') return `${what} took too long`;
  return `${what} ended with code ${ended.exitCode}`;
}

const memoryOf = (pod: V1Pod, container: string): string | undefined =>
  [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].find(({ name }) => name === container)
    ?.resources?.limits?.memory;

function ofPod(pod: V1Pod, what: string, events: readonly CoreV1Event[]): Diagnosis | undefined {
  const name = pod.metadata?.name ?? '';
  if (pod.status?.reason === 'Evicted')
    return { cause: `${what} was ended by its node: ${oneLine(pod.status.message ?? 'it used more than it may')}` };
  for (const { name: container, image, state, lastState, restartCount } of statuses(pod)) {
    const waiting = state?.waiting;
    if (waiting?.reason !== undefined && NO_IMAGE.has(waiting.reason)) {
      const why = eventOf(events, name, 'Failed') ?? waiting.message ?? waiting.reason;
      return { cause: `The image ${image} cannot be pulled: ${oneLine(why)}` };
    }
    if (waiting?.reason !== undefined && NO_START.has(waiting.reason))
      return { cause: `${what} cannot be started: ${oneLine(waiting.message ?? waiting.reason)}` };
    const ended = state?.terminated;
    if (ended !== undefined && ended.exitCode !== 0) {
      return { cause: endOf(what, ended, memoryOf(pod, container)), pod: { name, container, previous: false } };
    }
    const last = lastState?.terminated;
    if (last !== undefined && restartCount >= RESTARTS && state?.running === undefined)
      return { cause: endOf(what, last, memoryOf(pod, container)), pod: { name, container, previous: true } };
  }
  return undefined;
}

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
  if (refused !== undefined)
    return { cause: `The cluster does not let ${o.what} start: ${oneLine(refused.message ?? '')}` };
  for (const pod of o.pods) {
    const found = ofPod(pod, o.what, o.events);
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
  const [pod] = pods;
  if (pod === undefined) return { cause: `${late}: the cluster has made no pod for it` };
  const name = pod.metadata?.name ?? '';
  const unscheduled = pod.status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (unscheduled !== undefined) return { cause: `${late}: no node takes it: ${oneLine(unscheduled.message ?? '')}` };
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
      .flatMap(statuses)
      .findLast(({ state }) => state?.terminated?.exitCode === 0 && state.terminated.message);
    return { done: true, message: ended?.state?.terminated?.message ?? '' };
  }
  const failed = is('Failed') ?? is('FailureTarget');
  for (const pod of pods) {
    const found = ofPod(pod, what, events);
    // A pod that failed may have been the cluster's doing, and another is tried; an image that is not there stays so.
    if (found !== undefined && (failed !== undefined || found.pod === undefined)) return { done: false, ...found };
  }
  if (failed !== undefined) {
    const cause =
      failed.reason === 'DeadlineExceeded'
        ? `${what} took too long`
        : `${what} failed: ${oneLine(failed.message ?? '')}`;
    return { done: false, cause };
  }
  const refused = eventOf(events, job.metadata?.name, 'FailedCreate');
  if (refused !== undefined && pods.length === 0)
    return { done: false, cause: `The cluster does not let ${what} start: ${oneLine(refused)}` };
  return undefined;
}
