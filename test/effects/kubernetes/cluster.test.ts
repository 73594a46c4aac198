/**
 * The port to a cluster, against the API in memory or, by `npm run test:kubernetes`, against whatever KUBECONFIG points at. What a
 * real server cannot be told to do, a front before it does; nothing is left out.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { V1ConfigMap, V1Job, V1Namespace } from '@kubernetes/client-node';
import { pino } from 'pino';
import { type Cluster, openCluster } from '../../../src/effects/kubernetes/cluster.js';
import { openConnection, readGivenKubeconfig } from '../../../src/effects/kubernetes/connection.js';
import type { JobManifest } from '../../../src/effects/kubernetes/manifest.js';
import { runJob } from '../../../src/jobs/preview/kubernetes/building.js';
import { checkCluster } from '../../../src/jobs/preview/kubernetes/check.js';
import { startInventory, WATCHED } from '../../../src/jobs/preview/kubernetes/inventory.js';
import { pause } from '../../../src/lib/clock.js';
import { settingsOf } from '../../preview/kubernetes/rig.js';
import { type ChosenApi, isReal, startChosenApi } from '../../support/kubernetes-api/chosen.js';
import { failures } from '../../support/kubernetes-api/faults.js';
import { loopback } from '../../support/loopback.js';

const namespace = `forgeway-test-${randomUUID().slice(0, 8)}`;

let api: ChosenApi;
let cluster: Cluster;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-kube-'));
  api = await startChosenApi({ token: 'a-token-of-a-test' });
  const path = join(folder, 'config');
  await writeFile(path, api.kubeconfig, { mode: 0o600 });
  const connection = openConnection({ kind: 'file', path });
  cluster = openCluster({
    name: 'test',
    connection,
    outbound: loopback,
    log: pino({ level: 'silent' }),
    timeoutMs: 10_000,
  });
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
});
afterAll(async () => {
  await cluster.delete({ kind: 'Namespace', name: namespace });
  cluster.close();
  await api.close();
  await rm(folder, { recursive: true, force: true });
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(50);
}

const map = (name: string, data: Record<string, string>): V1ConfigMap => ({
  ...{
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: { 'forgeway.dev/test': name } },
    data,
  },
});

describe('a cluster', () => {
  it('applies twice as once, takes out what is not said any more, and leaves what is another’s', async () => {
    const first = await cluster.apply(map('applied', { a: '1', b: '2' }));
    const again = await cluster.apply(map('applied', { a: '1', b: '2' }));
    expect(again.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
    const theirs: V1ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'applied', namespace },
      data: { c: '3' },
    };
    await cluster.apply(theirs, { manager: 'somebody' });
    const changed = await cluster.apply(map('applied', { a: '1' }));
    expect(changed.data).toEqual({ a: '1', c: '3' });
    // Of one field with two values ours wins, and the other manager does not hold it any more.
    expect((await cluster.apply(map('applied', { a: '1', c: '4' }))).data).toEqual({ a: '1', c: '4' });
  });

  it('lists by label, says of none that there is none, and creates once', async () => {
    expect(await cluster.create(map('made', { a: '1' }))).toBeDefined();
    expect(await cluster.create(map('made', { a: '2' }))).toBeUndefined();
    const { items } = await cluster.list<V1ConfigMap>('ConfigMap', { namespace, labels: 'forgeway.dev/test=made' });
    expect(items.map(({ kind, metadata }) => [kind, metadata.name])).toEqual([['ConfigMap', 'made']]);
    expect(await cluster.get({ kind: 'ConfigMap', namespace, name: 'none' })).toBeUndefined();
  });

  it('deletes only the very one, and says when there is none', async () => {
    const made = await cluster.apply(map('deleted', {}));
    const ref = { kind: 'ConfigMap' as const, namespace, name: 'deleted' };
    expect(await cluster.delete(ref, { uid: randomUUID() })).toBe(false);
    expect(await cluster.get(ref)).toBeDefined();
    expect(await cluster.delete(ref, { uid: made.metadata.uid })).toBe(true);
    expect(await cluster.delete(ref)).toBe(false);
  });

  it('is asked what Forgeway may do there, and changed by it in nothing', async () => {
    const { version, warnings } = await checkCluster(cluster, settingsOf(), true);
    expect(version).toMatch(/^v\d/);
    // Whoever runs the tests is an administrator, whom no policy of ours is about.
    expect(warnings.join()).toContain('Nothing keeps Forgeway’s account from writing');
    expect(await cluster.get({ kind: 'Service', namespace: 'default', name: 'forgeway-check' })).toBeUndefined();
  });

  it('watches from a list on', async () => {
    const { resourceVersion } = await cluster.list('ConfigMap', { namespace });
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { type, object } of cluster.watch('ConfigMap', {
        namespace,
        resourceVersion,
        signal: stop.signal,
      })) {
        if (type !== 'BOOKMARK' && object.metadata.name === 'watched') seen.push(type);
        if (seen.length === 2) stop.abort();
      }
    })().catch(() => undefined);
    await cluster.apply(map('watched', {}));
    await cluster.delete({ kind: 'ConfigMap', namespace, name: 'watched' });
    await following;
    expect(seen).toEqual(['ADDED', 'DELETED']);
  });

  it('says that a watch is too old, and ends a list that expired by beginning again', async () => {
    api.memory?.store.compact();
    // A real one forgets in its own time.
    if (isReal) api.faults.add('forgotten', { when: ({ verb }) => verb === 'watch', times: 1 });
    const old = cluster.watch('ConfigMap', { namespace, resourceVersion: '1' })[Symbol.asyncIterator]();
    await expect(old.next()).rejects.toMatchObject({ code: 'FORGEWAY_CLUSTER_EXPIRED' });
    api.faults.add(failures.expired(), { when: ({ verb }) => verb === 'list', times: 1 });
    expect((await cluster.list('ConfigMap', { namespace })).items.length).toBeGreaterThan(0);
  });

  it('takes a version that the server has not come to for one that is too old', async () => {
    // It was put back to an earlier state: it will never tell what came after ours.
    api.faults.add(failures.tooLargeVersion(), { when: ({ verb }) => verb === 'watch', times: 1 });
    const ahead = cluster.watch('ConfigMap', { namespace, resourceVersion: '90000' })[Symbol.asyncIterator]();
    await expect(ahead.next()).rejects.toMatchObject({ code: 'FORGEWAY_CLUSTER_EXPIRED' });
  });

  it('ends a watch itself that a server has forgotten, and an inventory goes on with another', async () => {
    const { connection } = cluster;
    const log = pino({ level: 'silent' });
    const short = openCluster({ name: 'short', connection, outbound: loopback, log, watchSeconds: 1 });
    api.faults.add('deaf', { when: ({ verb }) => verb === 'watch', times: WATCHED.length });
    const inventory = startInventory({ cluster: short, log });
    await inventory.ready();
    const name = `${namespace}-later`;
    const labels = { 'app.kubernetes.io/managed-by': 'forgeway' };
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    while (inventory.get('Namespace', undefined, name) === undefined) await pause(20);
    await inventory.close();
    short.close();
    await cluster.delete({ kind: 'Namespace', name });
  });

  it('lists anew what cannot be watched for long', async () => {
    const log = pino({ level: 'silent' });
    const repair = api.faults.add('reset', { when: ({ verb }) => verb === 'watch' });
    const lists = () => cluster.counts().lists.Namespace ?? 0;
    const before = lists();
    const inventory = startInventory({ cluster, log, listEveryMs: 10, againMs: 10 });
    while (lists() < before + 3) await pause(20);
    repair();
    await inventory.close();
  });

  it('takes a field of what it created itself from nobody else', async () => {
    const said: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) });
    const noting = openCluster({ name: 'noting', connection: cluster.connection, outbound: loopback, log });
    expect(await noting.create(map('own', { a: '1' }))).toBeDefined();
    expect((await noting.apply(map('own', { a: '2' }))).data).toEqual({ a: '2' });
    expect(said).toEqual([]);
    await noting.apply(map('own', { b: '1' }), { manager: 'somebody' });
    await noting.apply(map('own', { a: '2', b: '2' }));
    expect(said.join()).toContain('changed by somebody else');
    noting.close();
  });

  it('begins a job anew that was made to run something else', async () => {
    const job = (image: string): JobManifest => ({
      ...{ apiVersion: 'batch/v1', kind: 'Job' },
      metadata: { name: 'again', namespace, labels: {} },
      spec: {
        // No pod is wanted of a real one.
        ...{ backoffLimit: 0, parallelism: isReal ? 0 : 1 },
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image }] } },
      },
    });
    const before = await cluster.apply(job('registry.example.com/one:1'));
    const stop = new AbortController();
    const { signal } = stop;
    const ended = runJob(job('registry.example.com/two:1'), { cluster, what: 'It', pollMs: 20, signal });
    const found = async () => cluster.get<V1Job>({ kind: 'Job', namespace, name: 'again' });
    const imageOf = (one?: V1Job) => one?.spec?.template.spec?.containers[0]?.image;
    while (imageOf(await found()) !== 'registry.example.com/two:1') await pause(20);
    expect((await found())?.metadata.uid).not.toBe(before.metadata.uid);
    // Without a kubelet it never ends.
    if (!isReal) await ended;
    else {
      stop.abort();
      await expect(ended).rejects.toThrow();
    }
  });

  it.each([
    ['a conflict', failures.conflict(), 'FORGEWAY_CLUSTER_CONFLICT'],
    ['too many requests', failures.tooMany(0), 'FORGEWAY_CLUSTER_FAILED'],
    ['a quota', failures.quota(), 'FORGEWAY_CLUSTER_QUOTA'],
    ['a policy', failures.denied(), 'FORGEWAY_CLUSTER_ADMISSION'],
    ['a missing right', failures.forbidden(), 'FORGEWAY_CLUSTER_FORBIDDEN'],
    ['an internal error', failures.internal(), 'FORGEWAY_CLUSTER_FAILED'],
    ['a connection that breaks', 'reset' as const, 'FORGEWAY_CLUSTER_UNREACHABLE'],
    ['an answer that breaks off', 'truncated' as const, 'FORGEWAY_CLUSTER_UNREACHABLE'],
    ['a page in place of an answer', 'html' as const, 'FORGEWAY_CLUSTER_UNREACHABLE'],
  ])('tells %s for what it is', async (_name, failure, code) => {
    const repair = api.faults.add(failure);
    await expect(cluster.apply(map('refused', {}))).rejects.toMatchObject({ code });
    repair();
    await cluster.apply(map('refused', {}));
  });

  it('does again what may be done again when the answer was lost', async () => {
    api.faults.add('lost', { when: ({ verb }) => verb === 'apply', times: 1 });
    expect((await cluster.apply(map('lost', { a: '1' }))).data).toEqual({ a: '1' });
  });

  it('keeps a namespace that a finalizer holds, says what holds it, and lets it go after that', async () => {
    const name = `${namespace}-held`;
    await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const metadata = { name: 'held', namespace: name, finalizers: ['example.com/never'] };
    await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata } as V1ConfigMap);
    await cluster.delete({ kind: 'Namespace', name });
    await expect(
      cluster.apply({ ...map('late', {}), metadata: { name: 'late', namespace: name } }),
    ).rejects.toMatchObject({
      code: 'FORGEWAY_NAMESPACE_TERMINATING',
    });
    const left = () => cluster.get<V1Namespace>({ kind: 'Namespace', name });
    // Said by the namespace's controller, which takes its time.
    await until(async () => JSON.stringify((await left())?.status?.conditions ?? []).includes('example.com/never'));
    await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'held', namespace: name } });
    await until(async () => (await left()) === undefined);
  }, 120_000);
});

describe('a kubeconfig that somebody gave', () => {
  const config = (cluster: object, user: object) =>
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server: 'https://k8s.example.com', ...cluster } }],
      users: [{ name: 'u', user }],
    });

  it('is taken with an address and a token', () => {
    expect(readGivenKubeconfig(config({}, { token: 'x'.repeat(30) })).getCurrentCluster()?.server).toBe(
      'https://k8s.example.com',
    );
  });

  it.each([
    ['a program', {}, { exec: { command: '/bin/sh' } }],
    ['an old kind of program', {}, { 'auth-provider': { name: 'gcp', config: { 'cmd-path': '/bin/sh' } } }],
    ['a token file', {}, { tokenFile: '/etc/shadow' }],
    ['a key file', {}, { 'client-key': '/etc/shadow' }],
    ['a certificate file', { 'certificate-authority': '/etc/shadow' }, { token: 'x' }],
    ['a proxy', { 'proxy-url': 'http://127.0.0.1:1' }, { token: 'x' }],
    ['no check of certificates', { 'insecure-skip-tls-verify': true }, { token: 'x' }],
    ['a plain address', { server: 'http://k8s.example.com' }, { token: 'x' }],
    ['nobody', {}, {}],
  ])('is refused with %s', (_name, cluster, user) => {
    expect(() => readGivenKubeconfig(config(cluster, user))).toThrow(
      expect.objectContaining({ code: 'FORGEWAY_CLUSTER_UNUSABLE' }),
    );
  });
});
