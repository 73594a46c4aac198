/** What is left of previews that nobody knows any more, on whichever Kubernetes API the tests run against. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findOrphans, listOurNamespaces, removeOrphan } from '../../../src/jobs/preview/kubernetes/collector.js';
import { startInventory } from '../../../src/jobs/preview/kubernetes/inventory.js';
import { isReal } from '../../support/kubernetes-api/chosen.js';
import type { Asked } from '../../support/kubernetes-api/faults.js';
import { createRig, eventually, type Rig, sha } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig({
    ...(isReal && { timeoutMs: 10_000, readyTimeoutSeconds: 60 }),
    ...{ on: 'chosen, told', api: { fate: () => 'runs' } },
  });
});
afterAll(async () => {
  // Theirs are of no run that removes what it made.
  for (const name of planted) await rig.chosen.behind.delete('Namespace', undefined, name);
  await rig.end();
});

const planted = new Set<string>();
const later = () => new Date(Date.now() + 3_600_000);
/** A namespace like that of a preview of ours, but for what is said differently. */
async function plant(
  number: number,
  change: (metadata: {
    name: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
  }) => void = () => undefined,
) {
  const name = rig.nameOf(number);
  const metadata = {
    name,
    labels: {
      'app.kubernetes.io/managed-by': 'forgeway',
      'forgeway.dev/organization': rig.organizationId,
      'forgeway.dev/preview': name,
    },
    annotations: {
      'forgeway.dev/identity': JSON.stringify([rig.organizationId, 'forge-x', 'forge.example', '7', number]),
    },
  };
  change(metadata);
  await rig.chosen.behind.create({ apiVersion: 'v1', kind: 'Namespace', metadata });
  planted.add(metadata.name);
  return metadata.name;
}
const orphans = async (now = later()) =>
  findOrphans({
    store: rig.store,
    home: rig.home,
    namespaces: await listOurNamespaces(rig.cluster),
    now,
    tagOf: () => 'fx',
  });

describe('left-over namespaces', () => {
  it('finds 100 of 100 planted ones, and none of anybody else', async () => {
    await rig.want(1, sha('a'));
    const standing = (await rig.settled(1, 'ready')).name;
    const expected: string[] = [];
    for (let number = 100; number < 200; number += 1) {
      await rig.knows(number);
      expected.push(await plant(number));
    }
    for (let number = 200; number < 206; number += 1) await rig.knows(number);
    await plant(200, ({ labels }) => {
      delete labels['app.kubernetes.io/managed-by'];
    });
    await plant(201, ({ labels }) => {
      labels['forgeway.dev/organization'] = 'another';
    });
    await plant(202, ({ annotations }) => {
      annotations['forgeway.dev/identity'] = '["another"]';
    });
    await plant(203, ({ annotations }) => {
      delete annotations['forgeway.dev/identity'];
    });
    await plant(204, (metadata) => {
      metadata.name = `${metadata.name}-of-somebody`;
    });
    await plant(205, ({ labels }) => {
      labels['forgeway.dev/preview'] = 'another';
    });
    // Of a pull request that nobody here knows.
    await plant(999);

    const found = await orphans();
    expect(found.map(({ namespace }) => namespace).sort()).toEqual(expected.sort());
    // What was made a moment ago may be told of in the next.
    expect(await orphans(new Date())).toEqual([]);
    for (const orphan of found) await removeOrphan(rig.cluster, orphan);
    expect(await orphans()).toEqual([]);
    await eventually(async () => {
      const left = (await rig.chosen.behind.list('Namespace')).map(({ metadata }) => metadata.name);
      return expected.every((name) => !left.includes(name));
    });
    const { behind } = rig.chosen;
    const others = [...planted].filter((name) => !expected.includes(name));
    for (const name of [standing, ...others])
      expect((await behind.get('Namespace', undefined, name))?.metadata).toEqual(
        expect.not.objectContaining({ deletionTimestamp: expect.anything() }),
      );
  });

  it('leaves what a preview that is brought back in this moment goes on with', async () => {
    await rig.want(250, sha('a'));
    await rig.settled(250, 'ready');
    await rig.close(250);
    const { id } = await rig.settled(250, 'gone');
    const name = await plant(250);
    const has = async () => (await orphans()).some(({ namespace }) => namespace === name);
    expect(await has()).toBe(true);
    const ask = (by: number) =>
      rig.store.tenant(rig.organizationId, (tx) =>
        tx.query('UPDATE preview SET desired_version = desired_version + $2 WHERE id = $1', [id, by]),
      );
    await ask(1);
    expect(await has()).toBe(false);
    await ask(-1);
    for (const orphan of await orphans()) await removeOrphan(rig.cluster, orphan);
  });

  it('never removes another one that took the name meanwhile', async () => {
    await rig.knows(300);
    const name = await plant(300);
    const [orphan] = await orphans();
    expect(orphan?.namespace).toBe(name);
    await rig.chosen.behind.delete('Namespace', undefined, name);
    await eventually(async () => (await rig.chosen.behind.get('Namespace', undefined, name)) === undefined);
    await plant(300, ({ labels, annotations }) => {
      for (const key of Object.keys(labels)) delete labels[key];
      for (const key of Object.keys(annotations)) delete annotations[key];
    });
    if (orphan !== undefined) await removeOrphan(rig.cluster, orphan);
    const another = await rig.chosen.behind.get('Namespace', undefined, name);
    expect(another?.metadata).toBeDefined();
    expect(another?.metadata.deletionTimestamp).toBeUndefined();
  });

  it('is refused a namespace that is somebody else’s, says so, and leaves it as it is', async () => {
    const name = await plant(400, ({ labels, annotations }) => {
      for (const key of Object.keys(labels)) delete labels[key];
      for (const key of Object.keys(annotations)) delete annotations[key];
    });
    await rig.want(400, sha('a'));
    const row = await rig.phase(400, 'failed');
    expect(row.message).toContain('is not of this preview');
    const { behind } = rig.chosen;
    expect(await behind.everything(name)).toEqual([]);
    await rig.close(400);
    await rig.settled(400, 'gone');
    const theirs = await behind.get('Namespace', undefined, name);
    expect(Object.keys(theirs?.metadata.labels ?? {}).filter((key) => key !== 'kubernetes.io/metadata.name')).toEqual(
      [],
    );
    expect(theirs?.metadata.deletionTimestamp).toBeUndefined();
  });

  it('are not looked for while nobody knows what has changed meanwhile', async () => {
    const inventory = startInventory({ cluster: rig.cluster, log: rig.log, listEveryMs: 2_500 });
    await inventory.ready();
    const isWatched = ({ verb, kind }: Asked) => verb === 'watch' && kind === 'Namespace';
    const remembered = rig.chosen.faults.add('forgotten', { when: isWatched });
    await eventually(async () => {
      // Once may be before the watch is there.
      rig.chosen.endWatches();
      return !inventory.isComplete();
    });
    remembered();
    const before = inventory.all('Namespace').length;
    await plant(500);
    expect(inventory.all('Namespace')).toHaveLength(before);
    // Listed anew, and not sooner than it may.
    await eventually(async () => inventory.isComplete());
    expect(inventory.all('Namespace')).toHaveLength(before + 1);
    await inventory.close();
  });
});
