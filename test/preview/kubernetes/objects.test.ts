/**
 * All that a preview is on a cluster, written to a Kubernetes API: that in memory or, by `npm run test:kubernetes`, whatever
 * KUBECONFIG points at. Nothing here needs a kubelet: pods may stay pending.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { V1Deployment, V1NetworkPolicy, V1Secret, V1StatefulSet } from '@kubernetes/client-node';
import { pino } from 'pino';
import { type Cluster, openCluster } from '../../../src/effects/kubernetes/cluster.js';
import { openConnection } from '../../../src/effects/kubernetes/connection.js';
import { type KindName, kinds } from '../../../src/effects/kubernetes/kinds.js';
import type { Place, PreviewDriver, PreviewFacts } from '../../../src/jobs/preview/driver.js';
import { createKubernetesDriver } from '../../../src/jobs/preview/kubernetes/driver.js';
import { handleOf } from '../../../src/jobs/preview/kubernetes/handle.js';
import { createInventories, fingerprint } from '../../../src/jobs/preview/kubernetes/inventory.js';
import { LABEL, MANAGER } from '../../../src/jobs/preview/kubernetes/manifests/marks.js';
import { newPlace } from '../../../src/jobs/preview/process-driver.js';
import { pause } from '../../../src/lib/clock.js';
import { asShipped } from '../../support/kubernetes-api/as-shipped.js';
import { isReal, realKubeconfig } from '../../support/kubernetes-api/chosen.js';
import { leaveOut } from '../../support/kubernetes-api/left-out.js';
import type { Answer } from '../../support/kubernetes-api/scenarios.js';
import { type KubernetesApi, startKubernetesApi } from '../../support/kubernetes-api/server.js';
import { callsOf } from '../../support/kubernetes-api/telling.js';
import { loopback } from '../../support/loopback.js';
import { applied, configOf, FIXTURES, identityOf } from '../manifests/hostile.js';
import { eventually, settingsOf, sha, writeKubeconfig } from './rig.js';

const run = randomUUID().slice(0, 8);
const organizationId = randomUUID();

let api: KubernetesApi | undefined;
let cluster: Cluster;
let driver: PreviewDriver;
let end: () => Promise<void>;
let answerOf: (address: string) => Promise<Answer>;
const namespaces: string[] = [];
beforeAll(async () => {
  api = isReal ? undefined : await startKubernetesApi(asShipped());
  const path = api === undefined ? realKubeconfig : await writeKubeconfig(api.kubeconfig);
  const call = await callsOf(path ?? '');
  answerOf = (address) => call('GET', address);
  const log = pino({ level: 'silent' });
  cluster = openCluster({ name: 'test', connection: openConnection({ kind: 'file', path }), outbound: loopback, log });
  const home = { id: 'default', cluster, settings: settingsOf(), registries: {} };
  const inventories = createInventories(log);
  const clusters = {
    homeOf: async () => 'default',
    open: async () => home,
    opened: () => [home],
    close: async () => undefined,
  };
  driver = createKubernetesDriver({ clusters, inventoryOf: inventories.of, pollMs: 50, removeWaitMs: 60_000 });
  end = () => inventories.close();
});
afterAll(async () => {
  if (api !== undefined) api.policy = undefined;
  for (const name of namespaces) await cluster.delete({ kind: 'Namespace', name });
  await end();
  cluster.close();
  await api?.close();
});

const WRITTEN = {
  services: {
    web: {
      image: 'registry.example.com/web:{sha}',
      port: 3000,
      env: { API: '${service.api.url}' },
      secrets: ['TOKEN'],
    },
    api: { image: 'registry.example.com/api:{sha}', port: 9000, public: false, size: 'medium' },
  },
  database: { engine: 'postgres' },
};
/** @returns with them `places`, to which another commit beside it is added */
function preview(number: number): { facts: PreviewFacts & { places: string[] }; place: Place } {
  const name = `forgeway-test-${run}-${number}`;
  namespaces.push(name);
  const facts = {
    places: [] as string[],
    ...{ organizationId, repositoryId: randomUUID(), name, private: false, watched: false, cluster: 'default' },
    identity: identityOf({ organizationId, subject: { kind: 'pull-request', number } }),
    source: async () => ({
      ...{ url: 'https://forge.example/acme/web.git', origin: 'https://forge.example', username: 'x', password: '' },
      pullRequestRef: (of: number) => `refs/pull/${of}/head`,
    }),
    hasFile: async () => true,
    secrets: async (names: readonly string[]) => Object.fromEntries(names.map((one) => [one, 'canary-secret'])),
  };
  const config = configOf(WRITTEN);
  const place = newPlace({ previewId: randomUUID(), sha: sha('a'), version: 1n, config, trusted: true });
  facts.places.push(place.id);
  return { facts, place };
}
const { signal } = new AbortController();
const brought = async ({ facts, place }: ReturnType<typeof preview>) =>
  driver.start(await driver.build(place, facts, signal), facts, signal);
const written = (place: Place, namespace: string) =>
  Promise.all(
    Object.entries(handleOf(place)?.applied ?? {}).map(async ([text, mark]) => {
      const [kind = '', name = ''] = text.split('/');
      const ref = { kind: kind as KindName, name, ...(kind !== 'Namespace' && { namespace }) };
      const found = await cluster.get(ref);
      return { text, mark, found, generation: found?.metadata.generation };
    }),
  );
const gone = async ({ facts }: ReturnType<typeof preview>) => {
  await driver.removeAll(facts);
  expect(await cluster.get({ kind: 'Namespace', name: facts.name })).toBeUndefined();
};

describe('what a preview is', () => {
  it('is accepted, is as it was written, and written again changes nothing', async () => {
    const one = preview(1);
    const place = await brought(one);
    expect(place).toMatchObject({ port: 3000, failure: null, service: { namespace: one.facts.name } });
    const first = await written(place, one.facts.name);
    expect(first.map(({ text }) => text.split('/')[0])).toEqual(
      expect.arrayContaining(['Namespace', 'ResourceQuota', 'NetworkPolicy', 'Service', 'Deployment']),
    );
    for (const { text, mark, found } of first) expect([text, found && fingerprint(found)]).toEqual([text, mark]);
    const again = await brought(one);
    const second = await written(again, one.facts.name);
    expect(second.map(({ text, mark, generation }) => [text, mark, generation])).toEqual(
      first.map(({ text, mark, generation }) => [text, mark, generation]),
    );
    expect(['started', 'ready']).toContain(await driver.observe(again, one.facts));
  });

  it('is seen when somebody changes it, and mended', async () => {
    const one = preview(2);
    const place = await brought(one);
    const namespace = one.facts.name;
    const [deployment] = (await cluster.list<V1Deployment>('Deployment', { namespace })).items;
    const name = deployment?.metadata.name ?? '';
    const container = { name: deployment?.spec?.template.spec?.containers[0]?.name, image: 'busybox' };
    const theirs = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: { template: { spec: { containers: [container] } } },
    };
    // As `kubectl apply --server-side --force-conflicts` of somebody else does.
    await cluster.apply(theirs as never, { manager: 'somebody' });
    expect(await driver.observe(place, one.facts)).toBe('built');
    const mended = await driver.start(place, one.facts, signal);
    expect(['started', 'ready']).toContain(await driver.observe(mended, one.facts));
    const after = await cluster.get<V1Deployment>({ kind: 'Deployment', namespace, name });
    expect(after?.spec?.template.spec?.containers[0]?.image).toMatch(/^registry\.example\.com\//);

    await cluster.delete({ kind: 'NetworkPolicy', namespace, name: 'default-deny' });
    await eventually(async () => (await driver.observe(mended, one.facts)) === 'built');
    await driver.start(mended, one.facts, signal);
    const denies = await cluster.get<V1NetworkPolicy>({ kind: 'NetworkPolicy', namespace, name: 'default-deny' });
    expect(denies?.spec?.policyTypes).toEqual(['Ingress', 'Egress']);
  });

  it('sleeps at no replicas, and leaves nothing when it is removed', async () => {
    const one = preview(3);
    const place = await brought(one);
    const asleep = await driver.stop(place, one.facts);
    const { items } = await cluster.list<V1Deployment>('Deployment', { namespace: one.facts.name });
    expect(items.map(({ spec }) => spec?.replicas)).toEqual([0, 0]);
    expect(await driver.observe(asleep, one.facts)).toBe('built');
    await driver.remove(asleep, one.facts);
    await eventually(async () => (await cluster.list('Deployment', { namespace: one.facts.name })).items.length === 0);
    await gone(one);
    // Removed twice is removed once.
    await gone(one);
  });

  it('is not made in a namespace that is another’s, which stays as it is', async () => {
    const one = preview(4);
    const { name } = one.facts;
    const policy = api?.policy;
    // Whoever makes it is not Forgeway; against a cluster of yours the test's account is an administrator.
    if (api !== undefined) api.policy = undefined;
    const theirs = await cluster.create({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { team: 'x' } },
    });
    if (api !== undefined) api.policy = policy;
    await expect(brought(one)).rejects.toMatchObject({ code: 'FORGEWAY_NAMESPACE_FOREIGN' });
    await driver.removeAll(one.facts);
    const found = await cluster.get({ kind: 'Namespace', name });
    expect([found?.metadata.uid, found?.metadata.deletionTimestamp]).toEqual([theirs?.metadata.uid, undefined]);
    expect((await cluster.list('NetworkPolicy', { namespace: name })).items).toEqual([]);
  });

  it('is made by one of two who make it at once', async () => {
    const one = preview(5);
    const both = await Promise.allSettled([brought(one), brought(one)]);
    expect(both.some(({ status }) => status === 'fulfilled')).toBe(true);
    const { items } = await cluster.list('Deployment', { namespace: one.facts.name });
    expect(items).toHaveLength(2);
    await gone(one);
  });

  it('grows by services beside the commit that serves, as soon as its quota is counted by', async () => {
    const { facts, place } = preview(6);
    const services = (...names: string[]) => ({
      services: Object.fromEntries(names.map((name) => [name, { image: `registry.example.com/${name}:{sha}` }])),
    });
    await brought({ facts, place: { ...place, config: configOf(services('web')) } });
    // A real one takes a moment, too.
    if (api !== undefined) api.controllers.quotaLagMs = 200;
    const more = newPlace({ previewId: randomUUID(), sha: sha('b'), version: 2n, config: place.config, trusted: true });
    facts.places.push(more.id);
    await brought({ facts, place: { ...more, config: configOf(services('web', 'api', 'work', 'mail')) } });
    expect((await cluster.list('Service', { namespace: facts.name })).items).toHaveLength(5);
    if (api !== undefined) api.controllers.quotaLagMs = 0;
  });

  it('has a new database where the one that is there cannot become it', async () => {
    const one = preview(7);
    const namespace = one.facts.name;
    await brought(one);
    const set = () => cluster.get<V1StatefulSet>({ kind: 'StatefulSet', namespace, name: 'database' });
    const first = await set();
    const place = (database: object) => ({
      ...newPlace({ previewId: randomUUID(), sha: sha('b'), version: 2n, config: one.place.config, trusted: true }),
      config: configOf({ ...WRITTEN, database }),
    });
    // Of the same major version nothing is lost.
    await driver.remove(one.place, one.facts);
    const same = place({ engine: 'postgres', version: '17.2' });
    await brought({ facts: one.facts, place: same });
    await driver.remove(same, one.facts);
    expect((await set())?.metadata.uid).toBe(first?.metadata.uid);
    for (const [database, address] of [
      [{ engine: 'mysql' }, /^mysql:/],
      // On a larger volume: what cannot be changed of a StatefulSet.
      [{ engine: 'mysql', size: 'large' }, /^mysql:/],
    ] as const) {
      const before = await set();
      const next = place(database);
      // Older than 1.27: the volume stays, and that is said.
      if (before?.spec?.persistentVolumeClaimRetentionPolicy === undefined) {
        await expect(brought({ facts: one.facts, place: next })).rejects.toMatchObject({
          message: expect.stringMatching(/keeps the volume .* older than 1\.27/),
        });
        leaveOut(
          'a database of another engine that takes the place of one',
          'needs 1.27; that it is refused was checked',
        );
        break;
      }
      await brought({ facts: one.facts, place: next });
      await driver.remove(next, one.facts);
      expect((await set())?.metadata.uid).not.toBe(before?.metadata.uid);
      const secret =
        api?.store.get('Secret', namespace, 'database') ??
        (await cluster.get<V1Secret>({ kind: 'Secret', namespace, name: 'database' }));
      const { url = '' } = (secret as V1Secret).data ?? {};
      expect(Buffer.from(url, 'base64').toString()).toMatch(address);
    }
    await gone(one);
  });

  it('is let in whatever people call their things: sixty of them, which the server only looks at', async () => {
    const name = `forgeway-test-${run}-any`;
    namespaces.push(name);
    const labels = { [LABEL.managedBy]: MANAGER, 'pod-security.kubernetes.io/enforce': 'restricted' };
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    // What needs more than every API server has.
    const { status } = await answerOf('/apis/gateway.networking.k8s.io/v1');
    const hasRoutes = status === 200;
    if (!hasRoutes) leaveOut('HTTPRoutes of the hostile fixtures', 'this cluster has no Gateway API');
    const isKnown = (kind: string) => Object.hasOwn(kinds, kind) && (hasRoutes || kind !== 'HTTPRoute');
    for (const fixture of FIXTURES) {
      const all = applied(fixture).filter(({ kind }) => isKnown(kind));
      const isAsked = /"hostUsers":false/.test(JSON.stringify(all));
      const sent = all.map(async (one) => {
        const isNamespace = one.kind === 'Namespace';
        const placed = isNamespace ? one : { ...one, metadata: { ...one.metadata, namespace: name } };
        await cluster.apply(placed as never, { dryRun: true });
      });
      const refused = (await Promise.allSettled(sent)).flatMap((result) => {
        if (result.status === 'fulfilled') return [];
        // What an operator asks of a cluster that is too old for it, is told.
        const isTold =
          isReal && isAsked && /does not know \S+\.hostUsers: its Kubernetes is too old/.test(String(result.reason));
        if (isTold)
          leaveOut('namespaces of users (hostUsers)', 'this cluster is too old for them; that it says so was checked');
        return isTold ? [] : [`${fixture.name}: ${String(result.reason)}`];
      });
      expect(refused).toEqual([]);
      if (isReal) await pause(20);
    }
  }, 300_000);
});
