import { afterEach, describe, expect, it } from '@jest/globals';
import { createRig, eventually, type Rig, sha } from './rig.js';

describe('a preview on Kubernetes', () => {
  const rigs: Rig[] = [];
  const start = async (...o: Parameters<typeof createRig>) => {
    const rig = await createRig(...o);
    rigs.push(rig);
    return rig;
  };
  afterEach(async () => {
    for (const rig of rigs.splice(0)) await rig.end();
  });
  const names = (rig: Rig, kind: string, namespace: string) =>
    rig.api.store.list(kind, namespace).map(({ metadata }) => metadata.name);

  it('is made, replaced, put to sleep, woken and removed without a trace', async () => {
    const rig = await start();
    await rig.want(1, sha('a'));
    const first = await rig.settled(1, 'ready');
    const namespace = first.name;
    expect(
      rig.api.store.get('Namespace', undefined, namespace)?.metadata.annotations?.['forgeway.dev/identity'],
    ).toContain(rig.organizationId);
    expect(names(rig, 'Deployment', namespace)).toHaveLength(1);
    expect(first.driver_state.serving).toMatchObject({ sha: sha('a'), port: 8080, service: { namespace } });

    await rig.want(1, sha('b'));
    const second = await eventually(async () => {
      const row = await rig.settled(1, 'ready');
      return row.observed_sha === sha('b') ? row : undefined;
    });
    expect(names(rig, 'Deployment', namespace)).toEqual([second.driver_state.serving?.service?.name]);

    await rig.ask(1, 'sleep');
    await rig.settled(1, 'sleeping');
    expect(names(rig, 'Pod', namespace)).toEqual([]);
    await rig.ask(1, 'wake');
    await rig.settled(1, 'ready');
    expect(names(rig, 'Pod', namespace)).toHaveLength(1);

    await rig.close(1);
    await rig.settled(1, 'gone');
    expect(rig.api.store.get('Namespace', undefined, namespace)).toBeUndefined();
    expect(rig.api.store.inNamespace(namespace)).toEqual([]);
  });
});
