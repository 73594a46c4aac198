/** Pull requests on a pretended forge, a real database, and previews on whichever Kubernetes API the tests run against. */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createAccess } from '../../../src/accounts/access/access.js';
import { createPermissions } from '../../../src/accounts/permissions.js';
import { type Cluster, openCluster } from '../../../src/effects/kubernetes/cluster.js';
import { openConnection } from '../../../src/effects/kubernetes/connection.js';
import { type AskedPreview, askPreviewByHand, type PreviewAsk } from '../../../src/jobs/preview/by-hand.js';
import { askPreview, wantNoPreview, wantPreview } from '../../../src/jobs/preview/desired.js';
import type { Place } from '../../../src/jobs/preview/driver.js';
import type { PreviewCluster, PreviewClusters } from '../../../src/jobs/preview/kubernetes/clusters.js';
import { createKubernetesDriver } from '../../../src/jobs/preview/kubernetes/driver.js';
import { createInventories, type Inventory, startInventory } from '../../../src/jobs/preview/kubernetes/inventory.js';
import { clusterSettings } from '../../../src/jobs/preview/kubernetes/manifests/settings.js';
import { type PreviewMonitor, startPreviewMonitor } from '../../../src/jobs/preview/monitor.js';
import { createPreviewReconciler } from '../../../src/jobs/preview/reconciler.js';
import type { JobKey, JobQueue, PokeOptions } from '../../../src/jobs/queue/queue.js';
import { createKeyLocks } from '../../../src/jobs/reconcile-locks.js';
import type { ReportRow } from '../../../src/jobs/report/desired.js';
import { createMetrics } from '../../../src/lib/metrics.js';
import type { Store } from '../../../src/store/database.js';
import { createTestDatabase, type TestDatabase } from '../../support/database.js';
import { asShipped } from '../../support/kubernetes-api/as-shipped.js';
import { isReal, startChosenApi, startMemory } from '../../support/kubernetes-api/chosen.js';
import type { KubernetesApi, KubernetesApiOptions } from '../../support/kubernetes-api/server.js';
import { loopback } from '../../support/loopback.js';
import { PATIENCE_MS } from '../../support/patience.js';
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

const AT_ONCE = 8;

export const sha = (digit: string) => digit.repeat(40);

export interface RigOptions {
  /** Of a database that is there already; default: one of the tests' server. */
  database?: { store: Store; organizationId: string };
  /** Reconciles under way at the same time; default 8. */
  atOnce?: number;
  api?: KubernetesApiOptions;
  /** Whichever API the tests run against, and not always that in memory. `told`: also there it is told how pods fare. */
  on?: 'chosen' | 'chosen, told';
  settings?: Record<string, unknown>;
  limit?: number;
  pollMs?: number;
  readyTimeoutSeconds?: number;
  timeoutMs?: number;
  /** Where previews are made; default: on the one API. @param kubeconfig path of a file for it */
  clusters?: (parts: { store: Store; organizationId: string; kubeconfig: string }) => PreviewClusters;
  /** See `PreviewReconcilerOptions`. */
  againAfterMs?: readonly number[];
  /** See `startInventory`. */
  listEveryMs?: number;
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
  const given = { ...asShipped(true), ...o.api };
  const chosen = o.on === undefined ? await startMemory(given) : await startChosenApi(given, o.on === 'chosen, told');
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const { kubeconfig } = chosen;
  const path = await writeKubeconfig(kubeconfig);
  const connection = openConnection({ kind: 'file', path });
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
  const inventories: Inventory[] = [];
  const inventory = () => {
    inventories[0] ??= startInventory({ cluster, log, ...(o.listEveryMs && { listEveryMs: o.listEveryMs }) });
    return inventories[0];
  };
  const test = o.database === undefined ? await createTestDatabase({ connections: isReal ? 20 : 4 }) : undefined;
  const store: Store = o.database?.store ?? (test as TestDatabase).store('worker');
  const { organizationId } = o.database ?? (test as TestDatabase);
  const clusters: PreviewClusters = o.clusters?.({ store, organizationId, kubeconfig: path }) ?? {
    homeOf: async () => 'default',
    open: async () => home,
    opened: () => [home],
    close: async () => cluster.close(),
  };
  const others = createInventories(log);
  const driver = createKubernetesDriver({
    clusters,
    inventoryOf: o.clusters === undefined ? inventory : others.of,
    pollMs: o.pollMs ?? 30,
    removeWaitMs: 2_000,
    refusedForMs: isReal ? 2_000 : 200,
  });

  const metrics = createMetrics();
  const stopped = new AbortController();
  /** Of the worker that reconciles; see `crash`. */
  let life = new AbortController();
  const forge = {
    config: IMAGE_CONFIG as string | undefined,
    private: false,
    permission: 'write',
    /** Ids of the repository, and of whoever is asked about. */
    repositoryId: 7,
    userId: 42,
    files: new Set<string>(['Dockerfile']),
    pullRequests: new Map<
      number,
      { state: string; sha: string; headRepositoryId: number | null; labels?: string[]; files?: string[] }
    >(),
  };
  const octokit = {
    async request(route: string, parameters: Record<string, unknown> = {}) {
      const answer = (data: unknown) => ({ status: 200, headers: {}, data });
      if (route === 'GET /repos/{owner}/{repo}/pulls/{pull_number}') {
        const found = forge.pullRequests.get(Number(parameters.pull_number));
        if (found === undefined) throw new HttpError(404);
        const head = found.headRepositoryId === null ? null : { id: found.headRepositoryId };
        return answer({
          state: found.state,
          head: { sha: found.sha, repo: head },
          base: { repo: { id: forge.repositoryId } },
          labels: (found.labels ?? []).map((name) => ({ name })),
        });
      }
      if (route === 'GET /repos/{owner}/{repo}/pulls/{pull_number}/files')
        return answer(
          (forge.pullRequests.get(Number(parameters.pull_number))?.files ?? []).map((filename) => ({ filename })),
        );
      if (route === 'GET /repos/{owner}/{repo}/contents/{path}' && parameters.ref !== undefined) {
        if (!forge.files.has(String(parameters.path))) throw new HttpError(404);
        return answer({ type: 'file' });
      }
      if (route === 'GET /repos/{owner}/{repo}/contents/{path}') {
        if (forge.config === undefined) throw new HttpError(404);
        return answer(forge.config);
      }
      if (route === 'GET /repos/{owner}/{repo}/collaborators/{username}/permission')
        return answer({ permission: forge.permission, user: { id: forge.userId } });
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
  const due: JobKey[] = [];
  /** A test's database has few connections, and a queue runs only so many at once. */
  function runDue(): void {
    while (runs.size < (o.atOnce ?? AT_ONCE)) {
      const key = due.shift();
      if (key === undefined) return;
      const run = reconciler
        .run(key, AbortSignal.any([stopped.signal, life.signal]))
        .catch((error: unknown) => log.error(error));
      runs.add(run);
      void run.finally(() => {
        runs.delete(run);
        if (!stopped.signal.aborted) runDue();
      });
    }
  }
  const queue: JobQueue = {
    name: 'preview',
    async poke(key: JobKey, options?: PokeOptions) {
      if (stopped.signal.aborted) return;
      const timer = setTimeout(() => {
        timers.delete(timer);
        due.push(key);
        runDue();
      }, options?.delayMs ?? 0);
      timers.add(timer);
    },
  };
  const nowhere: JobQueue = { name: 'none', poke: async () => undefined };
  const locks = createKeyLocks({ store, log });
  const reconciler = createPreviewReconciler({
    ...{ store, locks, log, metrics, driver },
    pokes: { preview: queue, sync: nowhere, report: nowhere, run: nowhere, watch: nowhere, agent: nowhere },
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
    addressOf: ({ name, private: isPrivate }) => `http://${name}.preview.example.net${isPrivate ? '/?signed' : ''}`,
    logPageOf: (_organizationId, id) => `https://forgeway.example/preview-logs/${id}`,
    limit: o.limit ?? 1_000,
    organizationLimit: 2_000,
    backoff: { baseMs: 30, capMs: 200 },
    refusedPauses: { baseMs: 30, capMs: 200 },
    supersededPollMs: 60,
    againAfterMs: o.againAfterMs ?? [50, 100, 150],
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
    /** That in memory; where the rig is on whichever there is, `chosen` is what both can do. */
    api: chosen.memory as KubernetesApi,
    chosen,
    kubeconfigPath: path,
    ...{ cluster, clusters, driver, home, store, organizationId, repositoryId, forge, queue, row, kubeconfig, log },
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
    /** The repository is made private, or public; as the mirror writes it. */
    async setPrivate(isPrivate: boolean): Promise<void> {
      await store.tenant(organizationId, (tx) =>
        tx.query('UPDATE repository SET private = $2 WHERE id = $1', [repositoryId, isPrivate]),
      );
    },
    /** As the API does. */
    async askByHand(number: number, to: PreviewAsk): Promise<AskedPreview> {
      const found = await row(number);
      const wish = { organizationId, previewId: found?.id ?? '', to };
      const asked = await store.tenant(organizationId, (tx) => askPreviewByHand(tx, wish));
      if ('wanted' in asked && asked.wanted !== null) await poke(asked.wanted);
      return asked;
    },
    /** The line of the sticky comment. */
    async comment(number: number): Promise<ReportRow | undefined> {
      const { rows } = await store.tenant(organizationId, async (tx) =>
        tx.query<{ sections: Record<string, ReportRow> }>(
          'SELECT sections FROM sticky_comment WHERE pull_request_id = $1',
          [await pullRequestId(number)],
        ),
      );
      return Object.values(rows[0]?.sections ?? {})[0];
    },
    /** Of the newest commit. */
    async status(number: number) {
      const { rows } = await store.tenant(organizationId, async (tx) =>
        tx.query<{ sha: string; state: string; description: string; target_url: string | null }>(
          `SELECT sha, state, description, target_url FROM commit_status WHERE pull_request_id = $1
           ORDER BY created_at DESC LIMIT 1`,
          [await pullRequestId(number)],
        ),
      );
      return rows[0];
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
    /** The worker ends in the middle of whatever it does, nothing of it reaches the cluster any more, and another takes over. */
    async crash(): Promise<void> {
      chosen.down = true;
      life.abort(new Error('the worker was killed'));
      await Promise.all(runs);
      life = new AbortController();
      chosen.down = false;
      // As its sweeper finds them.
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<{ id: string; desired_version: string }>(
          'SELECT id, desired_version FROM preview WHERE observed_version < desired_version',
        ),
      );
      for (const { id, desired_version: version } of rows) await poke({ id, version: BigInt(version) });
    },
    /** Until nothing is left to be done, nor put off. */
    async drained(): Promise<void> {
      await eventually(
        async () => timers.size + due.length + runs.size === 0,
        () => ({ timers: timers.size, due: due.length, runs: runs.size }),
      );
    },
    startMonitor(
      o: { sleepAfterMs?: number; removeAfterMs?: number; intervalMs?: number; store?: Store } = {},
    ): PreviewMonitor {
      const monitor = startPreviewMonitor({
        ...{ store: o.store ?? store, queue, driver, log, metrics },
        removeAfterMs: o.removeAfterMs ?? 7 * 86_400_000,
        isSigned: (url) => url.endsWith('?signed'),
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
      await Promise.all([...inventories.map((one) => one.close()), others.close()]);
      await clusters.close();
      cluster.close();
      await chosen.close();
      await locks.close();
      await test?.drop();
    },
  };
}
export type Rig = Awaited<ReturnType<typeof createRig>>;

export async function eventually<T>(
  what: () => Promise<T | undefined | null | false>,
  describeLast?: () => unknown,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  for (const end = Date.now() + patienceMs; Date.now() < end; ) {
    const value = await what();
    if (value !== undefined && value !== null && value !== false) return value;
    await sleep(20);
  }
  const last = await describeLast?.();
  throw new Error(
    `did not come about: ${JSON.stringify(last ?? null, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`,
  );
}

export async function writeKubeconfig(text: string): Promise<string> {
  const { mkdtemp, writeFile } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const path = join(await mkdtemp(join(tmpdir(), 'forgeway-kube-')), 'config');
  await writeFile(path, text, { mode: 0o600 });
  return path;
}
