/** A preview's whole life, on whichever Kubernetes API the tests run against; on one without a kubelet its pods are told that they run. */
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
  /** Of those that do not go already. */
  const names = async (rig: Rig, kind: string, namespace: string) =>
    (await rig.chosen.behind.list(kind, namespace))
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata.name);

  it('is made, replaced, put to sleep, woken and removed without a trace', async () => {
    const rig = await start({
      on: 'chosen, told',
      api: { fate: () => 'runs' },
      timeoutMs: 10_000,
      readyTimeoutSeconds: 60,
    });
    await rig.want(1, sha('a'));
    const first = await rig.settled(1, 'ready');
    const namespace = first.name;
    const { behind } = rig.chosen;
    const made = await behind.get('Namespace', undefined, namespace);
    expect(made?.metadata.annotations?.['forgeway.dev/identity']).toContain(rig.organizationId);
    expect(await names(rig, 'Deployment', namespace)).toHaveLength(1);
    expect(first.driver_state.serving).toMatchObject({ sha: sha('a'), port: 8080, service: { namespace } });

    await rig.want(1, sha('b'));
    const second = await eventually(async () => {
      const row = await rig.settled(1, 'ready');
      return row.observed_sha === sha('b') ? row : undefined;
    });
    expect(await names(rig, 'Deployment', namespace)).toEqual([second.driver_state.serving?.service?.name]);

    await rig.ask(1, 'sleep');
    await rig.settled(1, 'sleeping');
    // Taken away by the controllers of a real one, in their own time.
    await eventually(async () => (await names(rig, 'Pod', namespace)).length === 0);
    await rig.ask(1, 'wake');
    await rig.settled(1, 'ready');
    expect(await names(rig, 'Pod', namespace)).toHaveLength(1);

    await rig.close(1);
    await rig.settled(1, 'gone');
    expect(await behind.get('Namespace', undefined, namespace)).toBeUndefined();
    expect(await behind.everything(namespace)).toEqual([]);
  });
});
