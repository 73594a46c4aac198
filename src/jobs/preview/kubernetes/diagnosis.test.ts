import { describe, expect, it } from '@jest/globals';
import type { CoreV1Event, V1Deployment, V1Job, V1Pod } from '@kubernetes/client-node';
import { jobResult, whyNotReady, whyStillNotReady } from './diagnosis.js';

const what = 'The preview';
const at = (minute: number) => new Date(Date.UTC(2025, 0, 1, 0, minute));
const pod = (name: string, status: V1Pod['status'], minute = 0): V1Pod => ({
  metadata: { name, creationTimestamp: at(minute) },
  status,
});
const container = (state: object, more: object = {}) => [
  { name: 'web', image: 'a/b:1', imageID: '', ready: false, restartCount: 0, state, ...more },
];
const warning = (name: string, reason: string, message: string): CoreV1Event => ({
  ...{ metadata: {}, involvedObject: { kind: 'Pod', name }, reason, message, type: 'Warning' },
});
const evicted = pod('old', {
  ...{ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' },
  conditions: [{ type: 'DisruptionTarget', status: 'True' }],
});
const coming = pod('new', { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True' }] }, 5);

describe('why a preview is not ready', () => {
  it('says why an image is not there, of the three things a node says of it', () => {
    const waiting = { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "a/b:1"' } };
    const events = ['Failed to pull image "a/b:1": manifest unknown', 'Error: ErrImagePull', 'Error: ImagePullBackOff'];
    const found = whyNotReady({
      ...{ what, deployment: undefined, pods: [pod('p', { containerStatuses: container(waiting) })] },
      events: events.map((message) => warning('p', 'Failed', message)),
    });
    expect(found?.cause).toBe('The image a/b:1 cannot be pulled: Failed to pull image "a/b:1": manifest unknown');
  });

  it('leaves out a pod that was evicted while another takes its place, in whatever order they are listed', () => {
    const given = { what, deployment: undefined, events: [] };
    expect(whyNotReady({ ...given, pods: [evicted, coming] })).toBeUndefined();
    expect(whyNotReady({ ...given, pods: [coming, evicted] })).toBeUndefined();
    expect(whyNotReady({ ...given, pods: [evicted] })?.cause).toContain('low on resource: memory');
  });

  it('tells after the longest wait of the newest pod that can still come up', () => {
    const events = [warning('old', 'Unhealthy', 'of before'), warning('new', 'Unhealthy', 'statuscode: 404')];
    const found = whyStillNotReady({ what, seconds: 300, pods: [evicted, coming], events });
    expect(found.cause).toContain('statuscode: 404');
    expect(found.pod?.name).toBe('new');
  });

  it('waits for a quota that is not counted by yet, and for an account that was made a moment ago', () => {
    const refusal = (message: string): V1Deployment => ({
      status: { conditions: [{ type: 'ReplicaFailure', status: 'True', message }] },
    });
    const given = { what, pods: [], events: [] };
    for (const soon of ['status unknown for quota: preview', 'error looking up service account a/preview: not found'])
      expect(whyNotReady({ ...given, deployment: refusal(`pods "web" is forbidden: ${soon}`) })).toBeUndefined();
    expect(whyNotReady({ ...given, deployment: refusal('exceeded quota: preview') })?.cause).toContain('exceeded');
  });
});

describe('how a build stands', () => {
  const job: V1Job = { metadata: { name: 'build' }, status: { active: 1 } };
  const given = { what: 'The build', job, events: [] };

  it('goes on when its pod was evicted: its job makes another', () => {
    expect(jobResult({ ...given, pods: [evicted] })).toBeUndefined();
    const failed = { conditions: [{ type: 'Failed', status: 'True', message: 'too often' }] };
    expect(jobResult({ ...given, job: { ...job, status: failed }, pods: [evicted] })).toMatchObject({ done: false });
  });

  it('says that there is no room, which may change, apart from what stays refused', () => {
    const refused = (message: string) =>
      jobResult({ ...given, pods: [], events: [warning('build', 'FailedCreate', `Error creating: ${message}`)] });
    expect(refused('pods "b" is forbidden: status unknown for quota: preview')).toBeUndefined();
    expect(refused('pods "b" is forbidden: exceeded quota: preview')).toMatchObject({ done: false, refused: true });
    expect(refused('violates PodSecurity "restricted"')).toMatchObject({ done: false, refused: true });
  });
});
