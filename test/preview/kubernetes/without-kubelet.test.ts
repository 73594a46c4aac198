/**
 * The life of previews, through the reconciler and the driver, on an API server that runs nothing: that in memory or, by
 * `npm run test:kubernetes`, whatever KUBECONFIG points at. Pods stay pending; with a kubelet some may run meanwhile, which makes no
 * difference here, since nobody can pull their image.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { V1Deployment, V1Namespace } from '@kubernetes/client-node';
import { permutations } from '../../handlers/pull-request-life.js';
import { isReal } from '../../support/kubernetes-api/chosen.js';
import { createRig, eventually, type Rig, sha } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await createRig({
    // Those of a real cluster take longer.
    atOnce: isReal ? 16 : 8,
    ...{ on: 'chosen', api: { fate: () => 'stays-pending' as const } },
    // Longer than the tests: nothing is ever ready, and that is no failure of theirs.
    readyTimeoutSeconds: 3_600,
    timeoutMs: 20_000,
  });
});
afterAll(async () => {
  const { rows } = await rig.store.tenant(rig.organizationId, (tx) =>
    tx.query<{ name: string }>('SELECT name FROM preview WHERE repository_id = $1', [rig.repositoryId]),
  );
  for (const { name } of rows) await rig.cluster.delete({ kind: 'Namespace', name });
  await rig.end();
});

const namespaceOf = async (number: number) => {
  const name = (await rig.row(number))?.name;
  return name === undefined ? undefined : rig.cluster.get<V1Namespace>({ kind: 'Namespace', name });
};
async function imagesOf(number: number): Promise<(string | undefined)[]> {
  const namespace = (await rig.row(number))?.name ?? 'none';
  const { items } = await rig.cluster.list<V1Deployment>('Deployment', { namespace });
  return items.flatMap(({ spec }) => spec?.template.spec?.containers.map(({ image }) => image) ?? []);
}
const image = (commit: string) => `registry.example.com/web:${commit}`;
const hasOnly = (number: number, commit: string) =>
  eventually(
    async () => JSON.stringify(await imagesOf(number)) === JSON.stringify([image(commit)]),
    () => imagesOf(number),
  );
const isGone = (number: number) =>
  eventually(
    async () => (await rig.row(number))?.phase === 'gone' && (await namespaceOf(number)) === undefined,
    () => rig.row(number),
  );

describe('previews where nothing runs', () => {
  it('are made, changed, made anew after they were closed, and removed without a trace', async () => {
    await rig.want(1, sha('a'));
    await rig.phase(1, 'starting');
    expect((await namespaceOf(1))?.metadata?.annotations?.['forgeway.dev/identity']).toContain(rig.organizationId);
    await hasOnly(1, sha('a'));
    await rig.want(1, sha('b'));
    await hasOnly(1, sha('b'));
    const first = (await namespaceOf(1))?.metadata?.uid;
    await rig.close(1);
    await isGone(1);
    await rig.want(1, sha('c'));
    await hasOnly(1, sha('c'));
    expect((await namespaceOf(1))?.metadata?.uid).not.toBe(first);
    await rig.close(1);
    await isGone(1);
  });

  it('wait while a quota of somebody else’s keeps their pods out, say so, and go on once it is gone', async () => {
    const { behind } = rig.chosen;
    await rig.want(2, sha('a'));
    await rig.phase(2, 'starting');
    const { name: namespace } = (await rig.row(2)) ?? { name: '' };
    const metadata = { name: 'theirs', namespace };
    await behind.create({ apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec: { hard: { pods: '0' } } });
    const quota = () => behind.get('ResourceQuota', namespace, 'theirs');
    await eventually(async () => (await quota())?.status?.hard);
    await rig.want(2, sha('b'));
    const row = await rig.phase(2, 'failed');
    expect(row.message).toMatch(/does not let The preview start: .*exceeded quota: theirs.*Tried again by itself at/);
    await behind.delete('ResourceQuota', namespace, 'theirs');
    const pods = async () =>
      (await behind.list('Pod', namespace)).filter((pod) => JSON.stringify(pod.spec).includes(image(sha('b'))));
    await eventually(async () => (await pods()).length > 0);
    await rig.phase(2, 'starting');
    await rig.close(2);
    await isGone(2);
  });

  it('are what the pull request is now, in whatever order its events come', async () => {
    const orders = permutations(['opened', 'synchronize', 'closed'] as const);
    const told = orders.flatMap((order, at) => [
      { number: 10 + at, order, isOpen: false },
      { number: 30 + at, order, isOpen: true },
    ]);
    for (const { number, order, isOpen } of told) {
      const state = isOpen ? 'open' : 'closed';
      rig.forge.pullRequests.set(number, { state, sha: sha('b'), headRepositoryId: rig.forge.repositoryId });
      for (const event of order) {
        if (event === 'closed') await rig.close(number, { event: true });
        else await rig.event(number, sha(event === 'opened' ? 'a' : 'b'));
      }
      // Where it was reopened, whose event comes last or again.
      if (isOpen) await rig.event(number, sha('b'));
    }
    for (const { number, isOpen } of told) {
      if (isOpen) await hasOnly(number, sha('b'));
      else
        await eventually(
          async () => (await namespaceOf(number)) === undefined && (await rig.row(number))?.phase !== 'starting',
          () => rig.row(number),
        );
    }
    for (const { number, isOpen } of told) if (isOpen) await rig.close(number);
    for (const { number, isOpen } of told) if (isOpen) await isGone(number);
  }, 300_000);
});
