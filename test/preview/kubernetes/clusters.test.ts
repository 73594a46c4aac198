/** Several clusters: that of the environment, another context of it, and one whose kubeconfig an organization has sealed. */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import {
  addPreviewCluster,
  choosePreviewCluster,
  listPreviewClusters,
  removePreviewCluster,
} from '../../../src/accounts/preview-clusters.js';
import { createVault } from '../../../src/accounts/vault.js';
import { type Cluster, openCluster } from '../../../src/effects/kubernetes/cluster.js';
import { openConnection } from '../../../src/effects/kubernetes/connection.js';
import { makeLoopbackCertificate } from '../../../src/entry/loopback-certificate.js';
import { checkCluster } from '../../../src/jobs/preview/kubernetes/check.js';
import { admissionPolicy } from '../../../src/jobs/preview/kubernetes/manifests/access.js';
import { createPreviewClusters } from '../../../src/jobs/preview/kubernetes/open-clusters.js';
import { TEST_KEYS } from '../../support/database.js';
import { type KubernetesApi, startKubernetesApi } from '../../support/kubernetes-api/server.js';
import { loopback } from '../../support/loopback.js';
import { createRig, eventually, type Rig, settingsOf, sha, writeKubeconfig } from './rig.js';

const TOKEN = 'canary-token-of-their-cluster';
const vault = createVault(TEST_KEYS.versions);

/** An API server as others reach it: by https, and with a token. */
async function startTheirs(): Promise<{ api: KubernetesApi; kubeconfig: string; close(): Promise<void> }> {
  const api = await startKubernetesApi({ token: TOKEN });
  const { key, certificate } = makeLoopbackCertificate(new Date());
  const server = createServer({ key, cert: certificate }, (socket) => {
    const inner = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.pipe(inner).pipe(socket);
    socket.once('error', () => inner.destroy());
    inner.once('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const cluster = { server: url, 'certificate-authority-data': Buffer.from(certificate).toString('base64') };
  const kubeconfig = JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'own' },
    clusters: [{ name: 'own', cluster }],
    users: [{ name: 'own', user: { token: TOKEN } }],
    contexts: [{ name: 'own', context: { cluster: 'own', user: 'own' } }],
  });
  return {
    ...{ api, kubeconfig },
    async close() {
      await api.close();
      server.close();
    },
  };
}

describe('previews on several clusters', () => {
  let rig: Rig;
  let theirs: Awaited<ReturnType<typeof startTheirs>>;
  let other: KubernetesApi;
  beforeAll(async () => {
    theirs = await startTheirs();
    other = await startKubernetesApi();
    rig = await createRig({
      clusters: ({ store, kubeconfig }) =>
        createPreviewClusters({
          ...{ store, vault, outbound: loopback, registries: {}, timeoutMs: 3_000 },
          source: { kind: 'file', path: kubeconfig },
          settings: {
            domain: 'preview.example.net',
            route: { kind: 'gateway', from: { namespace: 'forgeway', labels: { app: 'forgeway' } } },
          },
          log: pino({ level: 'silent' }),
        }),
    });
    // The server's own kubeconfig names two clusters.
    const file = JSON.parse(await readFile(rig.kubeconfigPath, 'utf8'));
    const { server } = { server: other.url };
    file.clusters.push({ name: 'second', cluster: { server } });
    file.contexts.push({ name: 'second', context: { cluster: 'second', user: 'test' } });
    await writeFile(rig.kubeconfigPath, JSON.stringify(file));
  });
  afterAll(async () => {
    await rig.end();
    await theirs.close();
    await other.close();
  });

  const where = (name: string) =>
    Object.entries({ default: rig.api, second: other, own: theirs.api })
      .filter(([, api]) => api.store.get('Namespace', undefined, name) !== undefined)
      .map(([which]) => which);
  const add = (name: string, at: { context: string } | { kubeconfig: string }) =>
    addPreviewCluster(rig.store, vault, rig.organizationId, {
      name,
      at,
      settings: { readyTimeoutSeconds: 20 },
      by: 'ada',
    });
  /** As the sweep or the next event does. */
  const moved = async (number: number) => {
    await rig.ask(number, 'look-again');
    return (await rig.settled(number, 'ready')).name;
  };

  it('lives on the one of the environment, then on the chosen one, and nothing stays behind', async () => {
    await rig.want(1, sha('a'));
    const { name } = await rig.settled(1, 'ready');
    expect(where(name)).toEqual(['default']);

    await add('own', { kubeconfig: theirs.kubeconfig });
    expect(where(await moved(1))).toEqual(['own']);
    await rig.want(2, sha('a'));
    const second = await rig.settled(2, 'ready');
    expect(where(second.name)).toEqual(['own']);
    // While something lives there nobody may forget how to get there.
    await expect(removePreviewCluster(rig.store, rig.organizationId, 'own', 'ada')).rejects.toMatchObject({
      code: 'FORGEWAY_CONFLICT',
    });

    await add('second', { context: 'second' });
    expect(where(await moved(1))).toEqual(['second']);
    await choosePreviewCluster(rig.store, rig.organizationId, null, 'ada');
    expect(where(await moved(1))).toEqual(['default']);

    // What lives elsewhere is removed there, wherever new ones are made.
    await rig.close(2);
    await rig.settled(2, 'gone');
    expect(where(second.name)).toEqual([]);
    expect(theirs.api.store.inNamespace(second.name)).toEqual([]);
    await removePreviewCluster(rig.store, rig.organizationId, 'own', 'ada');
    expect((await listPreviewClusters(rig.store, rig.organizationId)).map((one) => one.name)).toEqual(['second']);
  });

  it('keeps a given kubeconfig sealed', async () => {
    await add('sealed', { kubeconfig: theirs.kubeconfig });
    const { rows } = await rig.store.tenant(rig.organizationId, (tx) => tx.query('SELECT * FROM preview_cluster'));
    const text = JSON.stringify(rows, (_, value) =>
      value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
    );
    expect(text).not.toContain(TOKEN);
    expect(text).not.toContain('certificate-authority-data');
    await choosePreviewCluster(rig.store, rig.organizationId, null, 'ada');
  });

  it('goes on on other clusters while one is away', async () => {
    await rig.want(3, sha('a'));
    const there = await rig.settled(3, 'ready');
    await choosePreviewCluster(rig.store, rig.organizationId, 'second', 'ada');
    other.down = true;
    await rig.want(4, sha('a'));
    await eventually(async () => (await rig.row(4))?.message?.includes('Tried again soon'));
    await choosePreviewCluster(rig.store, rig.organizationId, null, 'ada');
    await rig.want(5, sha('a'));
    expect(where((await rig.settled(5, 'ready')).name)).toEqual(['default']);
    await rig.want(3, sha('b'));
    await rig.settled(3, 'ready');
    expect(where(there.name)).toEqual(['default']);
    other.down = false;
    await rig.settled(4, 'ready');
  });
});

describe('what a cluster lets Forgeway do', () => {
  let api: KubernetesApi;
  let cluster: Cluster;
  beforeAll(async () => {
    api = await startKubernetesApi();
    const kubeconfig = await writeKubeconfig(api.kubeconfig);
    const connection = openConnection({ kind: 'file', path: kubeconfig });
    cluster = openCluster({ name: 'test', connection, outbound: loopback, log: pino({ level: 'silent' }) });
  });
  afterAll(async () => {
    cluster.close();
    await api.close();
  });
  const check = (outside = false) => checkCluster(cluster, settingsOf(), outside);

  it('is enough and not too much once role and policy are there; each that lacks is warned of', async () => {
    const { version, warnings } = await check();
    expect(version).toMatch(/^v1\./);
    // The role alone cannot say "in namespaces of its own".
    expect(warnings).toEqual([expect.stringContaining('the admission policy is not there')]);
    expect(api.store.get('Service', 'default', 'forgeway-check')).toBeUndefined();

    // For another account it protects nothing.
    api.policy = admissionPolicy({ namespace: 'forgeway', name: 'another' });
    expect((await check()).warnings).toEqual([expect.stringContaining('the admission policy is not there')]);
    api.policy = admissionPolicy({ namespace: 'forgeway', name: 'forgeway' });
    expect((await check()).warnings).toEqual([]);

    api.mayDo = ({ resource, verb, subresource }) =>
      resource === 'secrets' || (resource === 'deployments' ? verb !== 'patch' : subresource !== 'log');
    const { warnings: two } = await check();
    expect(two).toHaveLength(2);
    expect(two[0]).toContain('Forgeway may not get pods/log, patch deployments.apps');
    expect(two[1]).toContain('may read Secrets of every namespace');

    api.mayDo = ({ resource, verb, subresource }) =>
      subresource === 'portforward' ? verb === 'create' : resource !== 'secrets' || verb !== 'get';
    expect((await check()).warnings.join()).not.toContain('portforward');
    expect((await check(true)).warnings[0]).toBe(
      'Forgeway may not get pods/portforward: `forgeway clusters access --outside | kubectl apply -f -`.',
    );
  });

  it('warns of strangers’ code below the same registered domain', async () => {
    const one = (untrustedDomain: string) => checkCluster(cluster, settingsOf({ untrustedDomain }), false);
    expect((await one('strangers.example.net')).warnings.join()).toContain('seem to be one registered domain');
    expect((await one('strangers.example.org')).warnings.join()).not.toContain('registered domain');
  });

  it('says so when it does not answer', async () => {
    api.down = true;
    await expect(check()).rejects.toMatchObject({ code: 'FORGEWAY_CLUSTER_UNREACHABLE' });
    api.down = false;
  });
});
