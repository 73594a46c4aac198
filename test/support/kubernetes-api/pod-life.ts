/** What a kubelet and a scheduler would say of a pod, for each way in which it can fare. */
import type { V1Pod } from '@kubernetes/client-node';
import type { Fields } from './objects.js';
import { transcripts } from './transcripts.js';

/** How a pod fares. */
export type Fate =
  | 'runs'
  | 'succeeds'
  | 'fails'
  | 'out-of-memory'
  | 'no-image'
  | 'never-ready'
  | 'crashes'
  | 'no-node'
  | 'volume-pending'
  | 'stays-pending';

export interface PodOrder {
  pod: V1Pod;
  /** Of the job or the deployment that it belongs to. */
  owner: { kind: 'Job' | 'Deployment'; name: string; namespace: string };
  image: string;
}

export interface PodLife {
  status: Fields;
  prints: boolean;
  /** Warnings that are told about it, oldest first. */
  events?: { reason: string; message: string }[];
}

const ended = (reason: string, exitCode: number, now: string) => ({
  terminated: { reason, exitCode, startedAt: now, finishedAt: now },
});

export function lifeOf(order: PodOrder, fate: Fate, now: string): PodLife {
  const containers = order.pod.spec?.containers ?? [];
  const state = (state: Fields, more: Fields = {}) =>
    containers.map(({ name, image }) => ({ name, image, restartCount: 0, ready: false, state, ...more }));
  /** Those before it have ended by the time that a pod runs or has ended. */
  const initContainerStatuses = (order.pod.spec?.initContainers ?? []).map(({ name, image }) => ({
    ...{ name, image, restartCount: 0, ready: true },
    state: ended('Completed', 0, now),
  }));
  const life = (status: Fields, prints: boolean, ...events: NonNullable<PodLife['events']>): PodLife => ({
    ...{ status: { startTime: now, ...(prints && { initContainerStatuses }), ...status }, prints },
    events,
  });
  const running = { running: { startedAt: now } };
  const backOff = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s restarting failed container' } };
  const restarted = { reason: 'BackOff', message: 'Back-off restarting failed container' };
  const unscheduled = (message: string) =>
    life(
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] },
      false,
      { reason: 'FailedScheduling', message },
    );
  const looping = (reason: string, code: number) =>
    life(
      {
        phase: 'Running',
        containerStatuses: state(backOff, { restartCount: 3, lastState: ended(reason, code, now) }),
      },
      true,
      restarted,
    );
  const failed = (reason: string, code: number) =>
    life({ phase: 'Failed', containerStatuses: state(ended(reason, code, now)) }, true);
  switch (fate) {
    case 'runs':
      return life(
        {
          ...{ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
          containerStatuses: state(running, { ready: true, started: true }),
        },
        true,
      );
    case 'succeeds':
      return life({ phase: 'Succeeded', containerStatuses: state(ended('Completed', 0, now)) }, true);
    case 'fails':
      return failed('Error', 1);
    case 'out-of-memory':
      return order.owner.kind === 'Job' ? failed('OOMKilled', 137) : looping('OOMKilled', 137);
    case 'crashes':
      return looping('Error', 2);
    case 'no-image': {
      const waiting = { reason: 'ImagePullBackOff', message: `Back-off pulling image "${order.image}"` };
      // In the order and the words of a kubelet: the last of the three says least.
      return life(
        { phase: 'Pending', containerStatuses: state({ waiting }) },
        false,
        { reason: 'Failed', message: `Failed to pull image "${order.image}": not found` },
        { reason: 'Failed', message: 'Error: ErrImagePull' },
        { reason: 'Failed', message: 'Error: ImagePullBackOff' },
      );
    }
    case 'never-ready':
      return life(
        {
          ...{ phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] },
          containerStatuses: state(running, { started: true }),
        },
        true,
        { reason: 'Unhealthy', message: 'Readiness probe failed: HTTP probe failed with statuscode: 500' },
      );
    case 'no-node':
      return unscheduled(transcripts['a node that is gone'].message);
    case 'volume-pending':
      return unscheduled(transcripts['a volume that stays pending'].message);
    case 'stays-pending':
      return life({ phase: 'Pending' }, false);
  }
}
