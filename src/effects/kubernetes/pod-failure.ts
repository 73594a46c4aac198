/** Why a pod does not run, as one line for a person, from what the cluster says of it. Pure. */
import type { CoreV1Event, V1ContainerStatus, V1Pod } from '@kubernetes/client-node';

export interface Diagnosis {
  cause: string;
  /** Whose log says more. */
  pod?: { name: string; container?: string; previous: boolean };
  /** Its cluster took it away; another may fare better. */
  passing?: boolean;
  /** Its cluster does not let it begin; it may as soon as somebody has changed what keeps it from that. */
  refused?: boolean;
}

const RESTARTS = 3;
export const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim().slice(0, 300);

const NO_IMAGE = new Set([
  ...['ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName', 'ImageInspectError', 'SignatureValidationFailed'],
]);
const NO_START = new Set(['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError']);

export const containersOf = ({ status }: V1Pod): V1ContainerStatus[] => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? []),
];

export const eventOf = (events: readonly CoreV1Event[], name: string | undefined, reason: string): string | undefined =>
  events.findLast((event) => event.reason === reason && event.involvedObject.name === name)?.message;

/** A node tells each failed pull three times as `Failed`; only this says why, the others are `Error: ImagePullBackOff`. */
const pullOf = (events: readonly CoreV1Event[], pod: string): string | undefined =>
  events.findLast(
    ({ reason, message = '', involvedObject }) =>
      reason === 'Failed' && involvedObject.name === pod && message.startsWith('Failed to pull image'),
  )?.message;

/** For the sake of its node or of others, and not for what it used beyond its own limits. */
export const isDisrupted = ({ status }: V1Pod): boolean =>
  (status?.conditions ?? []).some((one) => one.type === 'DisruptionTarget' && one.status === 'True');

/** Ended by its cluster and not by itself: what it belongs to makes another. */
export const isTakenAway = (pod: V1Pod): boolean => pod.status?.reason === 'Evicted' || isDisrupted(pod);

/** Those that can still come up, newest first; an evicted pod stays to be looked at long after another took its place. */
export function livePods(pods: readonly V1Pod[]): V1Pod[] {
  const isOver = ({ metadata, status }: V1Pod) =>
    metadata?.deletionTimestamp !== undefined || status?.phase === 'Failed' || status?.phase === 'Succeeded';
  const at = ({ metadata }: V1Pod) => new Date(metadata?.creationTimestamp ?? 0).getTime();
  return pods.filter((pod) => !isOver(pod)).sort((a, b) => at(b) - at(a));
}

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

/** What of a pod cannot mend itself soon; undefined: nothing, as far as it says. */
export function podFailure(pod: V1Pod, what: string, events: readonly CoreV1Event[]): Diagnosis | undefined {
  const name = pod.metadata?.name ?? '';
  if (pod.status?.reason === 'Evicted')
    return { cause: `${what} was ended by its node: ${oneLine(pod.status.message ?? 'it used more than it may')}` };
  for (const { name: container, image, state, lastState, restartCount } of containersOf(pod)) {
    const waiting = state?.waiting;
    if (waiting?.reason !== undefined && NO_IMAGE.has(waiting.reason)) {
      const why = pullOf(events, name) ?? waiting.message ?? waiting.reason;
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

/** What its scheduler says when no node takes it. */
export function unscheduled({ status }: V1Pod): string | undefined {
  const found = status?.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False');
  return found === undefined ? undefined : oneLine(found.message ?? '');
}
