/** Pull requests on a pretended forge, a real database, and previews on whichever Kubernetes API the tests run against. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createAccess } from '../../../src/accounts/access/access.js';
import { createPermissions } from '../../../src/accounts/permissions.js';
import { type Cluster, openCluster } from '../../../src/effects/kubernetes/cluster.js';
import { openConnection } from '../../../src/effects/kubernetes/connection.js';
import { askPreview, wantNoPreview, wantPreview } from '../../../src/jobs/preview/desired.js';
import type { Place } from '../../../src/jobs/preview/driver.js';
import type { PreviewCluster, PreviewClusters } from '../../../src/jobs/preview/kubernetes/clusters.js';
import { createKubernetesDriver } from '../../../src/jobs/preview/kubernetes/driver.js';
import { type Inventory, startInventory } from '../../../src/jobs/preview/kubernetes/inventory.js';
import { clusterSettings } from '../../../src/jobs/preview/kubernetes/manifests/settings.js';
import { type PreviewMonitor, startPreviewMonitor } from '../../../src/jobs/preview/monitor.js';
import { createPreviewReconciler } from '../../../src/jobs/preview/reconciler.js';
import type { JobKey, JobQueue, PokeOptions } from '../../../src/jobs/queue/queue.js';
import { createKeyLocks } from '../../../src/jobs/reconcile-locks.js';
import { createMetrics } from '../../../src/lib/metrics.js';
import type { Store } from '../../../src/store/database.js';
import { createTestDatabase } from '../../support/database.js';
import {
  type KubernetesApi,
  type KubernetesApiOptions,
  startKubernetesApi,
} from '../../support/kubernetes-api/server.js';
import { loopback } from '../../support/loopback.js';
import { HttpError } from '../harness.js';

export const IMAGE_CONFIG = `preview:
  services:
    web:
      image: registry.example.com/web:{sha}
      port: 8080
`;

export interface KubernetesRow {
  id: string;
  name: string;
  phase: string;
  message: string | null;
  log_tail: string | null;
  url: string | null;
  observed_sha: string | null;
  desired_version: bigint;
  observed_version: bigint;
  driver_state: { serving?: Place | null; candidate?: Place | null };
}

export const sha = (digit: string) => digit.repeat(40);

export interface RigOptions {
  api?: KubernetesApiOptions;
  /** Also a real server's, from KUBECONFIG. */
  kubeconfigFile?: string;
  settings?: Record<string, unknown>;
  limit?: number;
  pollMs?: number;
  readyTimeoutSeconds?: number;
  timeoutMs?: number;
}

/** @param settings laid over those that fit every test */
export const settingsOf = (settings: Record<string, unknown> = {}) =>
  clusterSettings.parse({
    domain: 'preview.example.net',
    untrustedDomain: 'stranger.example.org',
    route: { kind: 'gateway', from: { namespace: 'forgeway', labels: { app: 'forgeway' } } },
    build: {
      buildkit: { address: 'tcp://buildkitd.build.svc:1234', to: { namespace: 'build', labels: { app: 'buildkitd' } } },
    },
    readyTimeoutSeconds: 10,
    ...settings,
  });

export async function createRig(o: RigOptions = {}) {
  const api: KubernetesApi | undefined = o.kubeconfigFile === undefined ? await startKubernetesApi(o.api) : undefined;
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const kubeconfig = o.kubeconfigFile === undefined ? undefined : await readFile(o.kubeconfigFile, 'utf8');
  const connection = openConnection(
    api === undefined
      ? { kind: 'file', path: o.kubeconfigFile }
      : { kind: 'file', path: await writeKubeconfig(api.kubeconfig) },
  );
  const cluster: Cluster = openCluster({
    name: 'test',
    connection,
    outbound: loopback,
    log,
    timeoutMs: o.timeoutMs ?? 3_000,
  });
  // Shorter than an operator may say.
  const settings = { ...settingsOf(o.settings), readyTimeoutSeconds: o.readyTimeoutSeconds ?? 10 };
  const home: PreviewCluster = { id: 'default', cluster, settings, registries: {} };
  const clusters: PreviewClusters = {
    homeOf: async () => 'default',
    open: async () => home,
    opened: () => [home],
    close: async () => cluster.close(),
  };
  const inventories: Inventory[] = [];
  const inventory = () => {
    inventories[0] ??= startInventory({ cluster, log });
    return inventories[0];
  };
  const driver = createKubernetesDriver({
    clusters,
    inventoryOf: inventory,
    pollMs: o.pollMs ?? 100,
    removeWaitMs: 2_000,
  });

  const test = await createTestDatabase();
  const store: Store = test.store('worker');
  const { organizationId } = test;
  const metrics = createMetrics();
  const stopped = new AbortController();
  const forge = {
    config: IMAGE_CONFIG as string | undefined,
    private: false,
    permission: 'write',
    files: new Set<string>(['Dockerfile']),
    pullRequests: new Map<number, { state: string; sha: string; headRepositoryId: number | null }>(),
  };
  const octokit = {
    async request(route: string, parameters: Record<string, unknown> = {}) {
      const answer = (data: unknown) => ({ status: 200, headers: {}, data });
      if (route === 'GET /repos/{owner}/{repo}/pulls/{pull_number}') {
        const found = forge.pullRequests.get(Number(parameters.pull_number));
        if (found === undefined) throw new HttpError(404);
        const head = found.headRepositoryId === null ? null : { id: found.headRepositoryId };
        return answer({ state: found.state, head: { sha: found.sha, repo: head }, base: { repo: { id: 7 } } });
      }
      if (route === 'GET /repos/{owner}/{repo}/contents/{path}' && parameters.ref !== undefined) {
        if (!forge.files.has(String(parameters.path))) throw new HttpError(404);
        return answer({ type: 'file' });
      }
      if (route === 'GET /repos/{owner}/{repo}/contents/{path}') {
        if (forge.config === undefined) throw new HttpError(404);
        return answer(forge.config);
      }
      if (route === 'GET /repos/{owner}/{repo}/collaborators/{username}/permission')
        return answer({ permission: forge.permission, user: { id: 42 } });
      throw new HttpError(404);
    },
  };
  const repositoryId = randomUUID();
  const owner = `acme${randomUUID().slice(0, 8)}`;
  await store.tenant(organizationId, (tx) =>
    tx.query(
      `INSERT INTO repository (id, organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
       VALUES ($1, $2, 'forge-x', 'forge.example', 7, 'https://forge.example/acme/web', $3, 'web', 'main')`,
      [repositoryId, organizationId, owner],
    ),
  );

  const runs = new Set<Promise<void>>();
  const timers = new Set<NodeJS.Timeout>();
  const queue: JobQueue = {
    name: 'preview',
    async poke(key: JobKey, options?: PokeOptions) {
      if (stopped.signal.aborted) return;
      const timer = setTimeout(() => {
        timers.delete(timer);
        const run = reconciler.run(key, stopped.signal).catch((error: unknown) => log.error(error));
        runs.add(run);
        void run.finally(() => runs.delete(run));
      }, options?.delayMs ?? 0);
      timers.add(timer);
    },
  };
  const nowhere: JobQueue = { name: 'none', poke: async () => undefined };
  const locks = createKeyLocks({ store, log });
  const reconciler = createPreviewReconciler({
    ...{ store, locks, log, metrics, driver },
    pokes: { preview: queue, sync: nowhere, report: nowhere },
    octokitFor: async () => octokit,
    gitAccess: async () => ({
      ...{ url: 'https://forge.example/acme/web.git', origin: 'https://forge.example' },
      ...{
        username: 'x',
        password: 'canary-git-password',
        pullRequestRef: (number: number) => `refs/pull/${number}/head`,
      },
    }),
    permissions: createPermissions({ clock: { now: () => new Date() } }),
    access: createAccess({ store, log, organizationId }),
    tagOf: () => 'fx',
    addressOf: ({ name }) => `http://${name}.preview.example.net`,
    limit: o.limit ?? 1_000,
    organizationLimit: 2_000,
    backoff: { baseMs: 50, capMs: 300 },
    supersededPollMs: 100,
  });
  const monitors: PreviewMonitor[] = [];
  const actor = { id: 42n, login: 'ada' };

  async function row(number: number): Promise<KubernetesRow | undefined> {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<KubernetesRow>(
        'SELECT p.* FROM preview p JOIN pull_request q ON q.id = p.pull_request_id WHERE q.number = $1 AND q.repository_id = $2',
        [number, repositoryId],
      ),
    );
    return rows[0];
  }
  const pullRequestIds = new Map<number, string>();
  async function pullRequestId(number: number): Promise<string> {
    const known = pullRequestIds.get(number);
    if (known !== undefined) return known;
    const id = randomUUID();
    await store.tenant(organizationId, (tx) =>
      tx.query(
        `INSERT INTO pull_request (id, organization_id, repository_id, forge, host, remote_repository_id, remote_id,
           remote_owner, remote_name, number, title, state, head_branch, base_branch, head_sha, base_sha, url, remote_updated_at)
         VALUES ($1, $2, $3, 'forge-x', 'forge.example', 7, $4::int, 'acme', 'web', $4::int, 't', 'open', 'f', 'main', $5, $5,
           'https://x', now())`,
        [id, organizationId, repositoryId, number, sha('a')],
      ),
    );
    pullRequestIds.set(number, id);
    return id;
  }
  const poke = (key: { id: string; version: bigint }) =>
    queue.poke({ organizationId, id: key.id }, { version: key.version });

  return {
    api: api as KubernetesApi,
    ...{ cluster, driver, home, store, organizationId, repositoryId, forge, queue, row, kubeconfig, log },
    inventory,
    nameOf: (number: number) => `${owner}-web-fx-pr-${number}`,

    /** A pull request of which there is no more than its row. */
    knows: pullRequestId,

    /** As the handler does for opened, synchronize and reopened. */
    async want(number: number, commit: string, o: { tell?: boolean; fork?: boolean } = {}): Promise<string> {
      forge.pullRequests.set(number, { state: 'open', sha: commit, headRepositoryId: o.fork ? 8 : 7 });
      return this.event(number, commit);
    },
    /** The same wish, whatever the forge says by now. */
    async event(number: number, commit: string): Promise<string> {
      const id = await pullRequestId(number);
      const wanted = await store.tenant(organizationId, (tx) =>
        wantPreview(tx, { organizationId, repositoryId, pullRequestId: id, sha: commit, actor }),
      );
      await poke(wanted);
      return wanted.id;
    },
    async close(number: number, o: { event?: boolean } = {}): Promise<void> {
      const found = forge.pullRequests.get(number);
      if (found !== undefined && o.event !== true) forge.pullRequests.set(number, { ...found, state: 'closed' });
      const id = await pullRequestId(number);
      const wanted = await store.tenant(organizationId, (tx) =>
        wantNoPreview(tx, { organizationId, pullRequestId: id }),
      );
      if (wanted !== null) await poke(wanted);
    },
    async ask(number: number, to: 'sleep' | 'wake' | 'look-again'): Promise<void> {
      const found = await row(number);
      const asked = await store.tenant(organizationId, (tx) => askPreview(tx, { previewId: found?.id ?? '', to }));
      if (asked !== null) await poke(asked);
    },
    async settled(number: number, phase?: string): Promise<KubernetesRow> {
      return eventually(
        async () => {
          const found = await row(number);
          const is = found?.observed_version === found?.desired_version;
          return found !== undefined && is && (phase === undefined || found.phase === phase) ? found : undefined;
        },
        () => row(number),
      );
    },
    async phase(number: number, phase: string): Promise<KubernetesRow> {
      return eventually(
        async () => {
          const found = await row(number);
          return found?.phase === phase ? found : undefined;
        },
        () => row(number),
      );
    },
    startMonitor(o: { sleepAfterMs?: number; intervalMs?: number } = {}): PreviewMonitor {
      const monitor = startPreviewMonitor({
        ...{ store, queue, driver, log, metrics },
        removeAfterMs: 7 * 86_400_000,
        ...{ sleepAfterMs: o.sleepAfterMs ?? 3_600_000, intervalMs: o.intervalMs ?? 500 },
      });
      monitors.push(monitor);
      return monitor;
    },
    /** The process ends wherever it is; nothing is put right. */
    async halt(): Promise<void> {
      stopped.abort();
      for (const timer of timers) clearTimeout(timer);
      await Promise.all(runs);
    },
    async end(): Promise<void> {
      await Promise.all(monitors.map((monitor) => monitor.stop()));
      stopped.abort();
      for (const timer of timers) clearTimeout(timer);
      await Promise.all(runs);
      await Promise.all(inventories.map((one) => one.close()));
      cluster.close();
      await api?.close();
      await locks.close();
      await test.drop();
    },
  };
}
export type Rig = Awaited<ReturnType<typeof createRig>>;

export async function eventually<T>(
  what: () => Promise<T | undefined | null | false>,
  describeLast?: () => unknown,
  rounds = 400,
): Promise<T> {
  for (let round = 0; round < rounds; round += 1) {
    const value = await what();
    if (value !== undefined && value !== null && value !== false) return value;
    await sleep(150);
  }
  const last = await describeLast?.();
  throw new Error(
    `did not come about: ${JSON.stringify(last ?? null, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`,
  );
}

async function writeKubeconfig(text: string): Promise<string> {
  const { mkdtemp, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const path = join(await mkdtemp(join(tmpdir(), 'forgeway-kube-')), 'config');
  await writeFile(path, text, { mode: 0o600 });
  return path;
}
