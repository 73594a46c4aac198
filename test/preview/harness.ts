/** A repository with pull requests on a pretended forge, a real git server, a real database and real processes. */

import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createAccess } from '../../src/accounts/access/access.js';
import { createPermissions } from '../../src/accounts/permissions.js';
import { originOf, upstreamAgent, upstreamOf } from '../../src/effects/gateway/upstream.js';
import { createGitMirrors } from '../../src/effects/git/mirror.js';
import { listProcesses } from '../../src/effects/process/process-table.js';
import { openSandboxes, type Sandboxes, type SandboxProbe } from '../../src/effects/process/sandbox.js';
import { askPreview, wantNoPreview, wantPreview } from '../../src/jobs/preview/desired.js';
import type { PreviewDriver } from '../../src/jobs/preview/driver.js';
import { type PreviewMonitor, startPreviewMonitor } from '../../src/jobs/preview/monitor.js';
import { type BuildNetwork, createProcessDriver } from '../../src/jobs/preview/process-driver.js';
import { createPreviewReconciler } from '../../src/jobs/preview/reconciler.js';
import type { JobKey, JobQueue, PokeOptions } from '../../src/jobs/queue/queue.js';
import { createKeyLocks } from '../../src/jobs/reconcile-locks.js';
import { createMetrics } from '../../src/lib/metrics.js';
import type { Store } from '../../src/store/database.js';
import { createTestDatabase } from '../support/database.js';
import { commitFiles } from '../support/git-repository.js';
import { startGitServer } from '../support/git-server.js';
import { loopback } from '../support/loopback.js';
import { PATIENCE_MS } from '../support/patience.js';

const PASSWORD = 'canary-git-password';

export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly response = { headers: {} };
  constructor(readonly status: number) {
    super(`HTTP ${status}`);
  }
}

/** What the row says of a commit in its place. */
export interface RunningPlace {
  id: string;
  port: number | null;
  door: string | null;
  sha: string;
  restarts: number;
}

export interface PreviewRow {
  id: string;
  name: string;
  phase: string;
  message: string | null;
  log_tail: string | null;
  url: string | null;
  observed_sha: string | null;
  trusted_sha: string | null;
  desired_version: bigint;
  observed_version: bigint;
  driver_state: {
    serving?: RunningPlace | null;
    candidate?: RunningPlace | null;
  };
}

export interface Page {
  status: number;
  body: string;
}

/** As the gateway reaches it. Undefined when nothing answers. */
export function open(
  place: Pick<RunningPlace, 'port' | 'door'> | null | undefined,
  path = '/',
): Promise<Page | undefined> {
  return new Promise((resolve) => {
    const upstream = place === null || place === undefined ? null : upstreamOf(place);
    if (upstream === null) return resolve(undefined);
    const request = get(`${originOf(upstream)}${path}`, { agent: upstreamAgent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    request.once('error', () => resolve(undefined));
  });
}

export async function eventually<T>(
  what: () => Promise<T | undefined | null | false>,
  describeLast?: () => unknown,
): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    const value = await what();
    if (value !== undefined && value !== null && value !== false) return value;
    await sleep(50);
  }
  throw new Error(
    `did not come about: ${JSON.stringify(describeLast?.() ?? null, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`,
  );
}

/** A web server that says which commit it is. */
export const SERVER = `
import { createServer } from 'node:http';
createServer((request, response) => response.end('commit ' + process.env.FORGEWAY_COMMIT_SHA))
  .listen(Number(process.env.PORT), process.env.HOST);
`;
export const CONFIG = 'preview:\n  build: echo built >built.txt\n  start: exec node server.mjs\n';

export async function createHarness(o: {
  probe: SandboxProbe;
  limit?: number;
  organizationLimit?: number;
  secrets?: Record<string, string>;
  buildTimeoutMs?: number;
  readyTimeoutMs?: number;
  buildNetwork?: BuildNetwork;
}) {
  const directory = await mkdtemp(join(tmpdir(), 'forgeway-previews-'));
  await chmod(directory, 0o711);
  const test = await createTestDatabase();
  const store: Store = test.store('worker');
  const { organizationId } = test;
  const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
  const metrics = createMetrics();
  const gitServer = await startGitServer({
    directory: join(directory, 'remote'),
    authorize: (credential) => credential?.password === PASSWORD,
  });
  const bare = await gitServer.create('acme/web');
  const stopped = new AbortController();

  const forge = {
    config: CONFIG as string | undefined,
    private: false,
    permission: 'write',
    permissionFails: false,
    pullRequests: new Map<
      number,
      { state: string; sha: string; headRepositoryId: number | null; labels?: string[]; files?: string[] }
    >(),
    branches: new Map<string, string>(),
    requests: [] as string[],
  };
  const octokit = {
    async request(route: string, parameters: Record<string, unknown> = {}) {
      forge.requests.push(route);
      const answer = (data: unknown) => ({ status: 200, headers: {}, data });
      if (route === 'GET /repos/{owner}/{repo}/pulls/{pull_number}') {
        const found = forge.pullRequests.get(Number(parameters.pull_number));
        if (found === undefined) throw new HttpError(404);
        const head = found.headRepositoryId === null ? null : { id: found.headRepositoryId };
        return answer({
          state: found.state,
          head: { sha: found.sha, repo: head },
          base: { repo: { id: 7 } },
          labels: (found.labels ?? []).map((name) => ({ name })),
        });
      }
      if (route === 'GET /repos/{owner}/{repo}/pulls/{pull_number}/files') {
        const files = forge.pullRequests.get(Number(parameters.pull_number))?.files ?? [];
        return answer(files.map((filename) => ({ filename })));
      }
      if (route === 'GET /repos/{owner}/{repo}/branches/{branch}') {
        const sha = forge.branches.get(String(parameters.branch));
        if (sha === undefined) throw new HttpError(404);
        return answer({ commit: { sha } });
      }
      if (route === 'GET /repos/{owner}/{repo}') return answer({ id: 7 });
      if (route === 'GET /repos/{owner}/{repo}/contents/{path}') {
        if (parameters.ref !== undefined) throw new Error('a policy is read from the default branch');
        if (forge.config === undefined) throw new HttpError(404);
        return answer(forge.config);
      }
      if (route === 'GET /repos/{owner}/{repo}/collaborators/{username}/permission') {
        if (forge.permissionFails) throw new HttpError(500);
        return answer({ permission: forge.permission, user: { id: 42 } });
      }
      throw new HttpError(404);
    },
  };

  const repositoryId = randomUUID();
  await store.tenant(organizationId, (tx) =>
    tx.query(
      `INSERT INTO repository (id, organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
       VALUES ($1, $2, 'forge-x', 'forge.example', 7, 'https://forge.example/acme/web', 'acme', 'web', 'main')`,
      [repositoryId, organizationId],
    ),
  );

  const running = new Set<Promise<void>>();
  const timers = new Set<NodeJS.Timeout>();
  const reported: JobKey[] = [];
  const previewQueue: JobQueue = {
    name: 'preview',
    async poke(key: JobKey, options?: PokeOptions) {
      if (stopped.signal.aborted) return;
      const timer = setTimeout(() => {
        timers.delete(timer);
        const run = reconciler.run(key, stopped.signal).catch((error: unknown) => log.error(error));
        running.add(run);
        void run.finally(() => running.delete(run));
      }, options?.delayMs ?? 0);
      timers.add(timer);
    },
  };
  const nowhere: JobQueue = { name: 'none', poke: async () => undefined };
  const reportQueue: JobQueue = { name: 'report', poke: async (key) => void reported.push(key) };

  const openOnce = () =>
    openSandboxes({
      directory: join(directory, 'work'),
      probe: o.probe,
      limits: { memoryMb: 300, processes: 60, diskMb: 60 },
      usersDirectory: join(directory, 'work/users'),
    });
  const sandboxes: Sandboxes = await openOnce();
  const driverOf = (from: Sandboxes): PreviewDriver =>
    createProcessDriver({
      mirrors: createGitMirrors({ directory: join(directory, 'git'), outbound: loopback }),
      sandboxes: from,
      buildTimeoutMs: o.buildTimeoutMs ?? 60_000,
      readyTimeoutMs: o.readyTimeoutMs ?? 30_000,
      buildNetwork: o.buildNetwork ?? 'public',
    });
  const driver = driverOf(sandboxes);
  const locks = createKeyLocks({ store, log });
  const reconciler = createPreviewReconciler({
    ...{ store, locks, log, metrics, driver },
    pokes: { preview: previewQueue, sync: nowhere, report: reportQueue, run: nowhere, watch: nowhere, agent: nowhere },
    octokitFor: async () => octokit,
    gitAccess: async () => ({
      url: `${gitServer.url}/acme/web.git`,
      origin: gitServer.url,
      username: 'x',
      password: PASSWORD,
      pullRequestRef: (number) => `refs/pull/${number}/head`,
    }),
    permissions: createPermissions({ clock: { now: () => new Date(Date.now() + forge.requests.length * 61_000) } }),
    access: createAccess({ store, log, organizationId }),
    tagOf: () => 'fx',
    addressOf: ({ name }) => `http://${name}.preview.localhost:1`,
    limit: o.limit ?? 10,
    organizationLimit: o.organizationLimit ?? 100,
    ...(o.secrets && { secretsOf: async () => o.secrets ?? {} }),
    backoff: { baseMs: 100, capMs: 500 },
    supersededPollMs: 100,
  });

  const actor = { id: 42n, login: 'ada' };
  let monitors: PreviewMonitor[] = [];

  return {
    directory,
    bare,
    forge,
    store,
    /** Where the database is. */
    superuser: test.superuser,
    organizationId,
    repositoryId,
    sandboxes,
    driver,
    driverOf,
    openOnce,
    reported,
    queue: previewQueue,
    gitServer,
    password: PASSWORD,

    commit: (ref: string, files: Record<string, string> = {}) =>
      commitFiles(bare, { ref, message: `commit ${randomUUID()}`, files: { 'server.mjs': SERVER, ...files } }),

    /** A row for a pull request, as the mirror would write it. */
    async pullRequest(number: number, sha: string, branch = `branch-${number}`): Promise<string> {
      forge.pullRequests.set(number, { state: 'open', sha, headRepositoryId: 7 });
      const id = randomUUID();
      await store.tenant(organizationId, (tx) =>
        tx.query(
          `INSERT INTO pull_request (id, organization_id, repository_id, forge, host, remote_repository_id, remote_id,
             remote_owner, remote_name, number, title, state, head_branch, base_branch, head_sha, base_sha, url, remote_updated_at)
           VALUES ($1, $2, $3, 'forge-x', 'forge.example', 7, $4::int, 'acme', 'web', $4::int, 't', 'open', $5, 'main', $6, $6, 'https://x', now())`,
          [id, organizationId, repositoryId, number, branch, sha],
        ),
      );
      return id;
    },

    async want(pullRequestId: string, sha: string, by: typeof actor | null = actor): Promise<void> {
      const wanted = await store.tenant(organizationId, (tx) =>
        wantPreview(tx, { organizationId, repositoryId, pullRequestId, sha, actor: by }),
      );
      await previewQueue.poke({ organizationId, id: wanted.id }, { version: wanted.version });
    },

    /** As a handler asks for another look. */
    async lookAgain(pullRequestId: string): Promise<void> {
      const { id: previewId } = await this.row(pullRequestId);
      const wanted = await store.tenant(organizationId, (tx) => askPreview(tx, { previewId, to: 'look-again' }));
      if (wanted !== null) await previewQueue.poke({ organizationId, id: wanted.id }, { version: wanted.version });
    },

    async wantNone(pullRequestId: string): Promise<void> {
      const wanted = await store.tenant(organizationId, (tx) => wantNoPreview(tx, { organizationId, pullRequestId }));
      if (wanted !== null) await previewQueue.poke({ organizationId, id: wanted.id }, { version: wanted.version });
    },

    async row(pullRequestId: string): Promise<PreviewRow> {
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<PreviewRow>('SELECT * FROM preview WHERE pull_request_id = $1', [pullRequestId]),
      );
      if (rows[0] === undefined) throw new Error('no preview row');
      return rows[0];
    },

    /** Waits until the row is settled in this phase. */
    async settled(pullRequestId: string, phase: string): Promise<PreviewRow> {
      let last: PreviewRow | undefined;
      return eventually(
        async () => {
          last = await this.row(pullRequestId);
          return last.phase === phase && last.observed_version === last.desired_version && last;
        },
        () => last,
      );
    },

    async statuses(pullRequestId: string): Promise<{ sha: string; state: string; description: string }[]> {
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<{ sha: string; state: string; description: string }>(
          'SELECT sha, state, description FROM commit_status WHERE pull_request_id = $1 ORDER BY created_at',
          [pullRequestId],
        ),
      );
      return rows;
    },

    async comment(
      pullRequestId: string,
    ): Promise<Record<string, { status: string; note?: string; links: unknown[] }> | undefined> {
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query('SELECT sections FROM sticky_comment WHERE pull_request_id = $1', [pullRequestId]),
      );
      return rows[0]?.sections;
    },

    startMonitor(options: { sleepAfterMs?: number; removeAfterMs?: number } = {}): PreviewMonitor {
      const monitor = startPreviewMonitor({
        ...{ store, queue: previewQueue, driver, log, metrics },
        sleepAfterMs: options.sleepAfterMs ?? 3_600_000,
        removeAfterMs: options.removeAfterMs ?? 86_400_000,
        intervalMs: 100,
      });
      monitors.push(monitor);
      return monitor;
    },

    /** Processes of any sandbox that is or was. */
    async processes(uids: ReadonlySet<number>): Promise<number> {
      return (await listProcesses()).filter((process) => process.uids.some((uid) => uids.has(uid))).length;
    },

    async close(): Promise<void> {
      for (const monitor of monitors) await monitor.stop();
      monitors = [];
      stopped.abort();
      for (const timer of timers) clearTimeout(timer);
      await Promise.allSettled([...running]);
      for (const sandbox of await sandboxes.list()) await sandboxes.destroy(sandbox);
      await locks.close();
      await gitServer.close();
      await test.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export type Harness = Awaited<ReturnType<typeof createHarness>>;
