/** Jobs on the Kubernetes API in memory, whose pods really run, and the addresses of ours that they use, over HTTP. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import { pino } from 'pino';
import { createBlobs } from '../../src/accounts/blobs.js';
import { createSignedLinks } from '../../src/accounts/signed-links.js';
import { createVault } from '../../src/accounts/vault.js';
import { problemOf } from '../../src/api/problem.js';
import { addJobRoutes } from '../../src/api/workspaces/job-routes.js';
import { openCluster } from '../../src/effects/kubernetes/cluster.js';
import { openConnection } from '../../src/effects/kubernetes/connection.js';
import { type ClusterJobs, createClusterJobs } from '../../src/effects/kubernetes/job/cluster-jobs.js';
import { createJobRecords } from '../../src/jobs/cluster-job/records.js';
import { clusterSettings } from '../../src/jobs/preview/kubernetes/manifests/settings.js';
import type { Store } from '../../src/store/database.js';
import { TEST_KEYS } from './database.js';
import { asShipped } from './kubernetes-api/as-shipped.js';
import { type KubernetesApi, startKubernetesApi } from './kubernetes-api/server.js';
import { loopback } from './loopback.js';

export interface ClusterForJobs {
  api: KubernetesApi;
  /** What of ours was asked for, as `GET job-input`. */
  asked: string[];
  /** While true, our own addresses answer nothing useful, as in the midst of a restart. */
  down: boolean;
  /** As another process opens them: nothing but the rows is shared. */
  jobsOn(store: Store): ClusterJobs;
  /** The api role's, for the addresses. */
  serve(store: Store): Promise<void>;
  namespaces(): string[];
  url: string;
  /** A file that leads to it. */
  kubeconfig: string;
  close(): Promise<void>;
}

/** The cluster that a kubeconfig leads to, also from another process. */
export const clusterAt = (kubeconfig: string) =>
  openCluster({
    ...{ name: 'test', connection: openConnection({ kind: 'file', path: kubeconfig }), outbound: loopback },
    ...{ log: pino({ level: process.env.TEST_LOG ?? 'silent' }), timeoutMs: 3_000 },
  });

/** Jobs on it, whose pods find us at an address. */
export function jobsAt(o: {
  store: Store;
  cluster: ReturnType<typeof clusterAt>;
  url: string;
  settings?: Record<string, unknown>;
}): ClusterJobs {
  const { store, cluster, url, settings } = o;
  const vault = createVault(TEST_KEYS.versions);
  return createClusterJobs({
    records: createJobRecords({
      store,
      blobs: createBlobs({ store, vault }),
      links: createSignedLinks(TEST_KEYS.root),
    }),
    clusters: {
      homeOf: async () => 'default',
      open: async () => ({
        cluster,
        settings: clusterSettings.parse({
          domain: 'preview.example.net',
          route: { kind: 'gateway', from: { namespace: 'forgeway', labels: { app: 'forgeway' } } },
          ...settings,
        }),
        registries: { 'registry.example.com': { username: 'puller', password: 'pull-password' } },
      }),
    },
    ...{ url, pauseSeconds: 0.1, removeWaitMs: 400, pollMs: 30 },
  });
}

export async function openClusterForJobs(settings: Record<string, unknown> = {}): Promise<ClusterForJobs> {
  const api = await startKubernetesApi(asShipped());
  api.runProcesses();
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const directory = await mkdtemp(join(tmpdir(), 'forgeway-cluster-'));
  const kubeconfig = join(directory, 'config');
  await writeFile(kubeconfig, api.kubeconfig, { mode: 0o600 });
  const cluster = clusterAt(kubeconfig);
  const links = createSignedLinks(TEST_KEYS.root);
  const vault = createVault(TEST_KEYS.versions);
  const app = fastify({ routerOptions: { maxParamLength: 2_000 } });
  app.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
  app.setErrorHandler((error, request, reply) => {
    const { status, code, message } = problemOf(error, log, request.id);
    return reply.code(status).send({ code, message });
  });
  app.addHook('onRequest', async (request, reply) => {
    opened.asked.push(`${request.method} ${request.url.split('/')[4] ?? ''}`);
    if (opened.down) return reply.code(503).send();
  });
  const opened: ClusterForJobs = {
    ...{ api, asked: [], down: false, url: '', kubeconfig },
    jobsOn: (store) => jobsAt({ store, cluster, url: opened.url, settings }),
    async serve(store) {
      const services = { store, log, workspaces: { links, blobs: createBlobs({ store, vault }) } };
      app.register(async (scope) => addJobRoutes(scope, { o: { services } } as never), { prefix: '/api/v2' });
      await app.ready();
    },
    namespaces: () =>
      api.store
        .list('Namespace')
        .map(({ metadata }) => metadata.name)
        .filter((name) => name.startsWith('forgeway-')),
    async close() {
      await api.close();
      cluster.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await app.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  const server = createServer((request, response) => app.routing(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return opened;
}
