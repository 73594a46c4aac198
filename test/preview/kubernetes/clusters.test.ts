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
import { createPreviewClusters } from '../../../src/jobs/preview/kubernetes/open-clusters.js';
import { TEST_KEYS } from '../../support/database.js';
import { asShipped } from '../../support/kubernetes-api/as-shipped.js';
import { type ChosenApi, isReal, startChosenApi, startMemory } from '../../support/kubernetes-api/chosen.js';
import type { KubernetesApi } from '../../support/kubernetes-api/server.js';
import { loopback } from '../../support/loopback.js';
import { createRig, eventually, type Rig, settingsOf, sha, writeKubeconfig } from './rig.js';

const TOKEN = 'canary-token-of-their-cluster';
const vault = createVault(TEST_KEYS.versions);

/** An API server as others reach it: by https, and with a token. */
async function startTheirs(): Promise<{ api: ChosenApi & KubernetesApi; kubeconfig: string; close(): Promise<void> }> {
  const api = await startMemory({ token: TOKEN });
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
  let other: ChosenApi & KubernetesApi;
  beforeAll(async () => {
    theirs = await startTheirs();
    other = await startMemory();
    rig = await createRig({
      ...(isReal && { timeoutMs: 10_000, readyTimeoutSeconds: 60 }),
      ...{ on: 'chosen, told', api: { fate: () => 'runs' } },
      clusters: ({ store, kubeconfig }) =>
        createPreviewClusters({
          ...{ store, vault, outbound: loopback, registries: {}, timeoutMs: isReal ? 10_000 : 3_000 },
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

  const where = async (name: string) => {
    const { behind } = rig.chosen;
    const places = { default: behind, second: other.behind, own: theirs.api.behind };
    const found = Object.entries(places).map(async ([which, place]) =>
      (await place.get('Namespace', undefined, name)) === undefined ? [] : [which],
    );
    return (await Promise.all(found)).flat();
  };
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
    expect(await where(name)).toEqual(['default']);

    await add('own', { kubeconfig: theirs.kubeconfig });
    expect(await where(await moved(1))).toEqual(['own']);
    await rig.want(2, sha('a'));
    const second = await rig.settled(2, 'ready');
    expect(await where(second.name)).toEqual(['own']);
    // While something lives there nobody may forget how to get there.
    await expect(removePreviewCluster(rig.store, rig.organizationId, 'own', 'ada')).rejects.toMatchObject({
      code: 'FORGEWAY_CONFLICT',
    });

    await add('second', { context: 'second' });
    expect(await where(await moved(1))).toEqual(['second']);
    await choosePreviewCluster(rig.store, rig.organizationId, null, 'ada');
    expect(await where(await moved(1))).toEqual(['default']);

    // What lives elsewhere is removed there, wherever new ones are made.
    await rig.close(2);
    await rig.settled(2, 'gone');
    expect(await where(second.name)).toEqual([]);
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
    expect(await where((await rig.settled(5, 'ready')).name)).toEqual(['default']);
    await rig.want(3, sha('b'));
    await rig.settled(3, 'ready');
    expect(await where(there.name)).toEqual(['default']);
    other.down = false;
    await rig.settled(4, 'ready');
  });
});

describe('what a cluster lets Forgeway do', () => {
  let chosen: ChosenApi;
  let cluster: Cluster;
  const { rules, policy } = asShipped(true);
  beforeAll(async () => {
    chosen = await startChosenApi({ rules, policy });
    const kubeconfig = await writeKubeconfig(chosen.kubeconfig);
    const connection = openConnection({ kind: 'file', path: kubeconfig });
    cluster = openCluster({ name: 'test', connection, outbound: loopback, log: pino({ level: 'silent' }) });
  });
  afterAll(async () => {
    cluster.close();
    await chosen.close();
  });
  /** But for what an older one lacks, which has a test of its own. */
  const check = async (outside = true, settings = settingsOf()) => {
    const { version, warnings } = await checkCluster(cluster, settings, outside);
    return { version, warnings: warnings.filter((one) => !one.startsWith('The cluster is older than')) };
  };
  /** A server learns of a role or a policy a moment later. */
  async function warned(warnings: readonly unknown[], outside = true): Promise<void> {
    const seen = await eventually(
      async () => {
        const { warnings: told } = await check(outside);
        return told.length === warnings.length && { told };
      },
      () => check(outside),
      20_000,
    );
    expect(seen.told).toEqual(warnings);
  }
  const NO_POLICY = expect.stringContaining('the admission policy is not there');

  it('is enough and not too much once role and policy are there; each that lacks is warned of', async () => {
    expect((await check()).version).toMatch(/^v1\./);
    const knowsPolicies = await chosen.limit('it');
    await warned(knowsPolicies ? [] : [NO_POLICY]);
    expect(await chosen.behind.get('Service', 'default', 'forgeway-check')).toBeUndefined();
    // For another account it protects nothing; the role alone cannot say "in namespaces of its own".
    for (const for_ of ['another', 'nobody'] as const) {
      await chosen.limit(for_);
      await warned([NO_POLICY]);
    }
    await chosen.limit('it');

    const lessAndMore = rules
      .filter(({ resources }) => !resources?.includes('pods/log'))
      .map((one) => {
        if (one.resources?.includes('secrets')) return { ...one, verbs: [...one.verbs, 'get'] };
        if (one.resources?.includes('deployments')) return { ...one, resources: ['statefulsets'] };
        return one;
      });
    const deployments = rules.find(({ resources }) => resources?.includes('deployments'));
    const verbs = deployments?.verbs.filter((verb) => verb !== 'patch') ?? [];
    await chosen.allow([...lessAndMore, { ...deployments, resources: ['deployments'], verbs }]);
    const policyWarning = knowsPolicies ? [] : [NO_POLICY];
    await warned([
      expect.stringContaining('Forgeway may not get pods/log, patch deployments.apps'),
      expect.stringContaining('may read Secrets of every namespace'),
      ...policyWarning,
    ]);

    await chosen.allow(
      rules.map((one) => (one.resources?.includes('pods/portforward') ? { ...one, verbs: ['create'] } : one)),
    );
    await warned(policyWarning, false);
    await warned([
      'Forgeway may not get pods/portforward: `forgeway clusters access --outside | kubectl apply -f -`.',
      ...policyWarning,
    ]);
    await chosen.allow(rules);
  });

  it('warns of strangers’ code below the same registered domain', async () => {
    const one = (untrustedDomain: string) => check(false, settingsOf({ untrustedDomain }));
    expect((await one('strangers.example.net')).warnings.join()).toContain('seem to be one registered domain');
    expect((await one('strangers.example.org')).warnings.join()).not.toContain('registered domain');
  });

  it.each([
    ['v1.20.2', ['Pod Security is not enforced', 'by the cluster (Kubernetes 1.26)', 'until its preview is removed']],
    ['v1.26.9-eks-1', ['until its preview is removed (Kubernetes 1.27)']],
    ['v1.31.0', []],
  ])('warns of what %s is too old for', async (version, lacking) => {
    const api = await startMemory({ rules, policy, version });
    const connection = openConnection({ kind: 'file', path: await writeKubeconfig(api.kubeconfig) });
    const one = openCluster({ name: 'test', connection, outbound: loopback, log: pino({ level: 'silent' }) });
    const { warnings } = await checkCluster(one, settingsOf(), true);
    expect(warnings).toHaveLength(lacking.length > 0 ? 1 : 0);
    for (const what of lacking) expect(warnings[0]).toContain(what);
    expect(warnings.join().match(/\(Kubernetes/g)?.length ?? 0).toBe(lacking.length);
    one.close();
    await api.close();
  });

  it('says so when it does not answer', async () => {
    chosen.down = true;
    await expect(check()).rejects.toMatchObject({ code: 'FORGEWAY_CLUSTER_UNREACHABLE' });
    chosen.down = false;
  });
});
