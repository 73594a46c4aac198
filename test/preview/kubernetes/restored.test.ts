/** The store of a cluster is put back to an earlier state: what was made since is made again, and what was removed is removed again. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findOrphans, listOurNamespaces, removeOrphan } from '../../../src/jobs/preview/kubernetes/collector.js';
import { createRig, eventually, type Rig, sha } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig({ listEveryMs: 200 });
  rig.startMonitor({ intervalMs: 100 });
});
afterAll(() => rig.end());

const imagesIn = (number: number) =>
  rig.api.store
    .list('Deployment', rig.nameOf(number))
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
    const backup = rig.api.store.backup();
    await rig.want(changed, sha('b'));
    await rig.want(opened, sha('a'));
    await rig.close(closed);
    for (const number of [changed, opened]) await rig.settled(number, 'ready');
    await rig.settled(closed, 'gone');
    await rig.drained();

    rig.api.store.restore(backup);
    rig.api.endWatches();
    expect([imagesIn(changed), imagesIn(opened)]).toEqual([[`registry.example.com/web:${sha('a')}`], []]);
    await eventually(
      async () => imagesIn(opened).length === 1 && imagesIn(changed).join() === `registry.example.com/web:${sha('b')}`,
      async () => ({ changed: imagesIn(changed), opened: imagesIn(opened), row: await rig.row(opened) }),
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
    await eventually(async () => rig.api.store.get('Namespace', undefined, rig.nameOf(closed)) === undefined);
    for (const number of [changed, opened]) {
      await rig.close(number);
      await rig.settled(number, 'gone');
    }
  });
});
