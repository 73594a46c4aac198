/** Workspaces on a pretended forge, with a real database and the real reconcilers, driven step by step. */
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { createBlobs } from '../../src/accounts/blobs.js';
import { createPermissions } from '../../src/accounts/permissions.js';
import { createVault } from '../../src/accounts/vault.js';
import type { TerraformExecutor } from '../../src/effects/terraform/executor.js';
import type { JobKey, JobQueue } from '../../src/jobs/queue/queue.js';
import { createKeyLocks } from '../../src/jobs/reconcile-locks.js';
import type { Gate } from '../../src/jobs/run/may-apply.js';
import { askRun } from '../../src/jobs/run/move.js';
import { createRunReconciler } from '../../src/jobs/run/reconciler.js';
import type { Wish } from '../../src/jobs/run/state.js';
import { createWatchReconciler } from '../../src/jobs/run/watch.js';
import type { ForgeOctokit } from '../../src/jobs/sync/octokit.js';
import { type Clock, systemClock } from '../../src/lib/clock.js';
import { createMetrics } from '../../src/lib/metrics.js';
import type { Store } from '../../src/store/database.js';
import { readLog } from '../../src/store/workspace/run-log.js';
import { getRun, phasesOf, type RunRow } from '../../src/store/workspace/runs.js';
import { getWorkspace, insertWorkspace, type WorkspaceChange } from '../../src/store/workspace/workspaces.js';
import { archiveOf } from '../support/archives.js';
import { createTestDatabase, TEST_KEYS } from '../support/database.js';
import { type StubExecutor, stubExecutor } from './stub-executor.js';

export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly response = { headers: {} };
  constructor(readonly status: number) {
    super(`HTTP ${status}`);
  }
}

async function* half(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes.subarray(0, bytes.length / 2);
  throw new Error('the connection was reset');
}

export const shaOf = (letter: string): string => letter.repeat(40);

interface Pull {
  number: number;
  title: string;
  user: { id: number; login: string };
  head: { sha: string; ref: string; repo: { id: number } | null };
  base: { ref: string; repo: { id: number } };
}

export interface PretendedForge {
  id: number;
  fullName: string;
  /** Another repository that has taken the name. */
  branches: Map<string, string>;
  pulls: Map<number, Pull>;
  /** Of a pull request, or between two commits. */
  files: string[];
  permission: string;
  archive: Buffer;
  /** So many downloads break off in the middle. */
  breaks: number;
  requests: string[];
  /** Called before every request; throws to fail it. */
  before: (request: string) => void | Promise<void>;
}

/** From one look at a repository to the next. */
export const INTERVAL_MS = 60_000;
const FORGE = 'some-forge';
const HOST = 'forge.example';

/** Everything that outlives a process of ours. */
export interface Outside {
  store: Store;
  octokit: ForgeOctokit;
  executor: TerraformExecutor;
}

export interface RunRigOptions {
  executor?: TerraformExecutor;
  /** Made once there is a database. */
  executorOf?: (on: { store: Store }) => TerraformExecutor;
  gate?: Gate;
  supersededPollMs?: number;
}

export async function createRunRig(o: RunRigOptions = {}) {
  const test = await createTestDatabase();
  const store = test.store('worker');
  const { organizationId } = test;
  const logged: Record<string, unknown>[] = [];
  const log = pino(
    { level: process.env.TEST_LOG ?? 'info' },
    {
      write(line: string) {
        logged.push(JSON.parse(line));
        if (process.env.TEST_LOG !== undefined) process.stderr.write(line);
      },
    },
  );
  const stub: StubExecutor = stubExecutor();
  const vault = createVault(TEST_KEYS.versions);
  const blobs = createBlobs({ store, vault });
  const forge: PretendedForge = {
    ...{
      id: 7,
      fullName: 'acme/infra',
      files: [],
      permission: 'write',
      breaks: 0,
      requests: [],
      before: () => undefined,
    },
    branches: new Map([['main', shaOf('a')]]),
    pulls: new Map(),
    archive: await archiveOf({ 'main.tf': '' }, 'acme-infra'),
  };
  const octokit: ForgeOctokit = {
    async request(route, parameters = {}) {
      const request =
        `${route} ${parameters.ref ?? parameters.pull_number ?? parameters.page ?? parameters.username ?? ''}`.trim();
      forge.requests.push(request);
      await forge.before(request);
      const { headers } = parameters as { headers?: Record<string, string> };
      const answer = (data: unknown) => {
        const etag = `"${JSON.stringify(data).length}-${JSON.stringify(data).slice(0, 4_000)}"`;
        if (headers?.['if-none-match'] === etag) throw new HttpError(304);
        return { status: 200, headers: { etag }, data };
      };
      const { ref = '' } = parameters as { ref?: string };
      switch (route) {
        case 'GET /repos/{owner}/{repo}':
          return answer({ id: forge.id, full_name: forge.fullName, default_branch: 'main', private: true });
        case 'GET /repos/{owner}/{repo}/git/ref/{ref}': {
          const sha = forge.branches.get(ref.replace('heads/', ''));
          if (sha === undefined) throw new HttpError(404);
          return answer({ object: { sha } });
        }
        case 'GET /repos/{owner}/{repo}/pulls':
          return answer([...forge.pulls.values()].filter(({ base }) => base.ref === parameters.base));
        case 'GET /repos/{owner}/{repo}/compare/{basehead}':
          return answer({ files: forge.files.map((filename) => ({ filename })) });
        case 'GET /repos/{owner}/{repo}/pulls/{pull_number}/files':
          return answer(forge.files.map((filename) => ({ filename })));
        case 'GET /repos/{owner}/{repo}/collaborators/{username}/permission': {
          const { login } = { login: String(parameters.username) };
          return answer({ permission: forge.permission, user: { id: login.length } });
        }
        case 'GET /repos/{owner}/{repo}/tarball/{ref}':
          forge.breaks -= 1;
          return {
            status: 200,
            headers: {},
            data: forge.breaks < 0 ? new Uint8Array(forge.archive) : half(forge.archive),
          };
        default:
          throw new Error(`not pretended: ${route}`);
      }
    },
  };
  const poked: { queue: string; key: JobKey }[] = [];
  const queue = (name: string): JobQueue => ({
    name,
    poke: async (key) => {
      poked.push({ queue: name, key });
    },
  });
  const pokes = {
    ...{
      preview: queue('preview'),
      sync: queue('sync'),
      report: queue('report'),
      run: queue('run'),
      watch: queue('watch'),
      agent: queue('agent'),
    },
  };
  const metrics = createMetrics();
  const permissions = createPermissions({ clock: { now: () => new Date(), monotonicMs: () => 0 } as never });

  /** The reconcilers as one process has them. */
  function begin(seen: Outside, clock: Clock = systemClock) {
    const locks = createKeyLocks({ store, log });
    const common = { store: seen.store, locks, log, metrics, pokes, octokitOf: async () => seen.octokit };
    return {
      locks,
      watch: createWatchReconciler({ ...common, permissions, clock, intervalMs: INTERVAL_MS }),
      runs: createRunReconciler({
        ...common,
        blobs: createBlobs({ store: seen.store, vault }),
        ...{ vault, gate: o.gate, pollMs: 20, patienceMs: 200, supersededPollMs: o.supersededPollMs ?? 30 },
        executor: async () => seen.executor,
        limits: { compressedBytes: 1_000_000, bytes: 5_000_000, entries: 100 },
        backoff: { baseMs: 1, capMs: 2 },
      }),
    };
  }
  const outside: Outside = { store, octokit, executor: o.executor ?? o.executorOf?.({ store }) ?? stub };
  let running = begin(outside);

  const tenant = store.tenant.bind(store, organizationId);
  const rows = async <T extends object>(sql: string, values: unknown[] = []): Promise<T[]> =>
    store.tenant(organizationId, async (tx) => (await tx.query<T>(sql, values)).rows);

  const connectionId = randomUUID();
  await store.tenant(organizationId, async (tx) => {
    await tx.query(
      `INSERT INTO connection (id, organization_id, name, kind, forge, host, provider_account_id, status)
       VALUES ($1, $2, 'c', 'pat', $3, $4, '1', 'active')`,
      [connectionId, organizationId, FORGE, HOST],
    );
    await tx.query(
      `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch,
         private, status, watermark_at) VALUES ($1, $2, $3, 7, 'https://forge.example/acme/infra', 'acme', 'infra', 'main', true,
         'active', now())`,
      [organizationId, FORGE, HOST],
    );
  });

  const rig = {
    ...{
      test,
      store,
      organizationId,
      forge,
      octokit,
      stub,
      poked,
      logged,
      rows,
      tenant,
      connectionId,
      outside,
      blobs,
      vault,
    },

    /** The reconciler of runs in the process that is there now. */
    get runs() {
      return running.runs;
    },
    /** Another process in the place of the one before, which has died: its locks are gone with its connections. */
    async restart(seen: Outside = outside, clock?: Clock): Promise<void> {
      await running.locks.close();
      running = begin(seen, clock);
    },

    async workspace(change: WorkspaceChange = {}): Promise<string> {
      const id = await store.tenant(organizationId, (tx) =>
        insertWorkspace(tx, organizationId, {
          ...{
            name: `w-${randomUUID().slice(0, 8)}`,
            createdBy: 'ada',
            vcsConnectionId: connectionId,
            forge: FORGE,
            host: HOST,
          },
          ...{ vcsRepoUrl: 'https://forge.example/acme/infra', remotePath: 'acme/infra' },
          ...change,
        }),
      );
      if (id === undefined) throw new Error('a workspace of this name is there');
      return id;
    },
    row: async (id: string) => {
      const found = await store.tenant(organizationId, (tx) => getWorkspace(tx, id));
      if (found === undefined) throw new Error('no such workspace');
      return found;
    },
    pull(number: number, sha: string, more: Partial<Pull> = {}): void {
      forge.pulls.set(number, {
        ...{ number, title: `change ${number}`, user: { id: 3, login: 'ada' } },
        head: { sha, ref: 'topic', repo: { id: 7 } },
        base: { ref: 'main', repo: { id: 7 } },
        ...more,
      });
    },
    /** One look at every repository. */
    async look(signal = new AbortController().signal): Promise<void> {
      await rows('UPDATE repository_watch SET next_attempt_at = NULL');
      for (const { id } of await rows<{ id: string }>('SELECT id FROM repository_watch'))
        await running.watch.run({ organizationId, id }, signal);
    },
    /** Every run as far as it goes now. */
    async drive(signal = new AbortController().signal): Promise<void> {
      for (let round = 0; round < 30; round += 1) {
        const due = await rows<{ id: string }>(
          `SELECT id FROM run WHERE observed_version <> desired_version
             AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp()) ORDER BY number`,
        );
        if (due.length === 0) return;
        for (const { id } of due) await running.runs.run({ organizationId, id }, signal);
      }
    },
    runsOf: async (workspaceId: string): Promise<RunRow[]> => {
      const ids = await rows<{ id: string }>('SELECT id FROM run WHERE workspace_id = $1 ORDER BY number', [
        workspaceId,
      ]);
      const found = await Promise.all(ids.map(({ id }) => store.tenant(organizationId, (tx) => getRun(tx, id))));
      return found.filter((run) => run !== undefined);
    },
    run: async (id: string): Promise<RunRow> => {
      const found = await store.tenant(organizationId, (tx) => getRun(tx, id));
      if (found === undefined) throw new Error('no such run');
      return found;
    },
    ask: (id: string, wish: Wish['kind'], by = 'ada') =>
      store.tenant(organizationId, (tx) => askRun(tx, id, { kind: wish }, { by })),
    log: async (id: string, phase: 'plan' | 'apply'): Promise<string> =>
      store.tenant(organizationId, async (tx) => {
        const phases = await phasesOf(tx, id);
        const row = phases[phase];
        if (row === undefined) return '';
        return (await readLog(tx, row.id, { offset: 0, limit: 10_000_000 }))?.bytes.toString('utf8') ?? '';
      }),
    async close(): Promise<void> {
      await running.locks.close();
      await test.drop();
    },
  };
  return rig;
}
export type RunRig = Awaited<ReturnType<typeof createRunRig>>;
