/** The store of a cluster is put back to an earlier state: what was made since is made again, and what was removed is removed again. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findOrphans, listOurNamespaces, removeOrphan } from '../../../src/jobs/preview/kubernetes/collector.js';
import { isReal } from '../../support/kubernetes-api/chosen.js';
import { createRig, eventually, type Rig, sha } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig({
    ...(isReal && { timeoutMs: 10_000, readyTimeoutSeconds: 60 }),
    ...{ on: 'chosen, told', api: { fate: () => 'runs' }, listEveryMs: 200 },
  });
  rig.startMonitor({ intervalMs: 100 });
});
afterAll(() => rig.end());

const imagesIn = async (number: number) =>
  (await rig.chosen.behind.list('Deployment', rig.nameOf(number)))
    .map(({ spec }) => (spec as { template: { spec: { containers: { image: string }[] } } }).template.spec)
    .map(({ containers }) => containers[0]?.image);

describe('a cluster that is put back to a backup', () => {
  it('has again what is wanted, and nothing else', async () => {
    const [changed, closed, opened] = [1, 2, 3];
    for (const number of [changed, closed]) {
      await rig.want(number, sha('a'));
      await rig.settled(number, 'ready');
    }
    await rig.drained();
    const restore = await rig.chosen.behind.backup([changed, closed, opened].map(rig.nameOf));
    await rig.want(changed, sha('b'));
    await rig.want(opened, sha('a'));
    await rig.close(closed);
    for (const number of [changed, opened]) await rig.settled(number, 'ready');
    await rig.settled(closed, 'gone');
    await rig.drained();

    // As an API server that is ended, and begun again when its store is another.
    rig.chosen.down = true;
    rig.chosen.endWatches();
    await restore();
    const images = () => Promise.all([changed, opened].map(imagesIn));
    expect(await images()).toEqual([[`registry.example.com/web:${sha('a')}`], []]);
    rig.chosen.down = false;
    await eventually(
      async () =>
        (await images()).join() === [sha('b'), sha('a')].map((one) => `registry.example.com/web:${one}`).join(),
      async () => ({ images: await images(), row: await rig.row(opened) }),
    );
    for (const number of [changed, opened]) await rig.settled(number, 'ready');

    // No row wants the closed one: the collector finds it, as old as it is.
    const { store, home, cluster } = rig;
    const orphans = async () =>
      findOrphans({
        ...{ store, home, namespaces: await listOurNamespaces(cluster), now: new Date(Date.now() + 3_600_000) },
        tagOf: () => 'fx',
      });
    expect((await orphans()).map(({ namespace, because }) => [namespace, because])).toEqual([
      [rig.nameOf(closed), 'its preview was removed'],
    ]);
    for (const orphan of await orphans()) await removeOrphan(cluster, orphan);
    const { behind } = rig.chosen;
    await eventually(async () => (await behind.get('Namespace', undefined, rig.nameOf(closed))) === undefined);
    for (const number of [changed, opened]) {
      await rig.close(number);
      await rig.settled(number, 'gone');
    }
  });
});
