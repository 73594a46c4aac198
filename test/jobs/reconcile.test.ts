import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JobKey } from '../../src/jobs/queue/queue.js';
import { createReconciler, type Reconciler, type Settle } from '../../src/jobs/reconcile.js';
import { createKeyLocks, type KeyLocks, type KeyLocksOptions } from '../../src/jobs/reconcile-locks.js';
import { startSweeper } from '../../src/jobs/sweeper.js';
import { wantPullRequestSync } from '../../src/jobs/sync/desired.js';
import { ForgewayError } from '../../src/lib/errors.js';
import { createLogger } from '../../src/lib/logger.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore, type Store } from '../../src/store/database.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from './eventually.js';
import { insertPullRequests, recordingQueue } from './rows.js';

const log = createLogger({ level: 'silent', format: 'json' });
const table = { name: 'pull_request_sync', key: 'pull_request_id', errorColumn: 'error' };
const forever = new AbortController().signal;

let database: TestDatabase;
let store: Store;
let locks: KeyLocks;

beforeAll(async () => {
  database = await createTestDatabase();
  store = openStore(database.database, 'worker', { max: 30 });
  locks = createKeyLocks({ store, log });
});
afterAll(async () => {
  await locks.close();
  await store.close();
  await database.drop();
});

const want = (pullRequestId: string) =>
  store.tenant(database.organizationId, (tx) =>
    wantPullRequestSync(tx, { organizationId: database.organizationId, pullRequestId }),
  );

interface SyncRow {
  desired: number;
  observed: number;
  attempts: number;
  error: string | null;
  wait: number | null;
}

async function rowOf(id: string): Promise<SyncRow> {
  const { rows } = await store.tenant(database.organizationId, (tx) =>
    tx.query<SyncRow>(
      `SELECT desired_version::int AS desired, observed_version::int AS observed, attempts, error,
         extract(epoch FROM next_attempt_at - now())::float8 AS wait FROM pull_request_sync WHERE pull_request_id = $1`,
      [id],
    ),
  );
  const [row] = rows;
  if (row === undefined) throw new Error('no such row');
  return row;
}

const onePullRequest = async () => {
  const [pullRequest] = await insertPullRequests(store, database.organizationId, 1);
  return { organizationId: database.organizationId, id: pullRequest?.id ?? '' };
};

function reconciler(settle: Settle, options: { locks?: KeyLocks; supersededPollMs?: number } = {}) {
  const queue = recordingQueue();
  const made: Reconciler = createReconciler({
    store,
    locks,
    table,
    queue,
    settle,
    log,
    metrics: createMetrics(),
    ...options,
  });
  return { ...made, queue };
}

describe('the reconcile loop', () => {
  it('settles a row, step by step, and leaves a settled row alone', async () => {
    const key = await onePullRequest();
    await want(key.id);
    let steps = 0;
    const loop = reconciler(async () => {
      steps += 1;
      return steps < 3 ? 'again' : 'settled';
    });
    await loop.run(key, forever);
    await loop.run(key, forever);
    expect(steps).toBe(3);
    expect(await rowOf(key.id)).toMatchObject({ desired: 1, observed: 1, attempts: 0 });
  });

  it('acts again when the version moved while it was acting, and never records the old one', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const seen: bigint[] = [];
    const loop = reconciler(async (row) => {
      seen.push(row.version);
      expect((await rowOf(key.id)).observed).toBe(0);
      if (seen.length < 4) await want(key.id);
      return 'settled';
    });
    await loop.run(key, forever);
    expect(seen).toEqual([1n, 2n, 3n, 4n]);
    expect(await rowOf(key.id)).toMatchObject({ desired: 4, observed: 4 });
  });

  it('runs one key once at a time and different keys together, over several lock holders', async () => {
    const others = [createKeyLocks({ store, log }), createKeyLocks({ store, log })];
    const pullRequests = await insertPullRequests(store, database.organizationId, 5);
    const busy = new Map<string, number>();
    let together = 0;
    let clashes = 0;
    const settle: Settle = async ({ id }) => {
      busy.set(id, (busy.get(id) ?? 0) + 1);
      if ((busy.get(id) ?? 0) > 1) clashes += 1;
      together = Math.max(together, [...busy.values()].filter((count) => count > 0).length);
      await new Promise((resolve) => setTimeout(resolve, 30));
      busy.set(id, (busy.get(id) ?? 0) - 1);
      return 'settled';
    };
    const loops = [locks, ...others].map((held) => reconciler(settle, { locks: held }));
    for (let round = 0; round < 4; round += 1) {
      await Promise.all(pullRequests.map(({ id }) => want(id)));
      await Promise.all(
        loops.flatMap((loop) =>
          pullRequests.map(({ id }) => loop.run({ organizationId: database.organizationId, id }, forever)),
        ),
      );
      for (const { id } of pullRequests)
        expect(await rowOf(id)).toMatchObject({ desired: round + 1, observed: round + 1 });
    }
    expect(clashes).toBe(0);
    expect(together).toBeGreaterThan(1);
    await Promise.all(others.map((other) => other.close()));
  });

  it('looks again for whoever was turned away while it held the lock', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const second = createKeyLocks({ store, log });
    let runs = 0;
    const turnedAway = reconciler(async () => 'settled', { locks: second });
    const loop = reconciler(async () => {
      runs += 1;
      if (runs === 1) {
        await want(key.id);
        await turnedAway.run(key, forever);
      }
      return 'settled';
    });
    await loop.run(key, forever);
    expect(runs).toBe(2);
    expect(await rowOf(key.id)).toMatchObject({ desired: 2, observed: 2 });
    await second.close();
  });

  it('records a failure without secrets, waits, and pokes itself for the time it is due', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const loop = createReconciler({
      store,
      locks,
      table,
      queue: recordingQueue(),
      log,
      metrics: createMetrics(),
      backoff: { baseMs: 60_000_000, capMs: 60_000_000 },
      settle: async () => {
        throw new Error(`no answer for ghp_${'A1b2C3d4'.repeat(4)}`);
      },
    });
    await loop.run(key, forever);
    const row = await rowOf(key.id);
    expect(row).toMatchObject({ desired: 1, observed: 0, attempts: 1 });
    expect(row.error).toContain('no answer for');
    expect(row.error).not.toContain('ghp_');
    expect(row.wait).not.toBeNull();
    expect((loop.queue as ReturnType<typeof recordingQueue>).poked).toMatchObject([{ id: key.id, version: 1n }]);
  });

  it('asks rarely about what trying again cannot mend', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const loop = reconciler(async () => {
      throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', 'none');
    });
    await loop.run(key, forever);
    expect((await rowOf(key.id)).wait).toBeGreaterThan(3_000);
  });

  it('stops at shutdown without counting a failure', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const shutdown = new AbortController();
    const loop = reconciler(async (_, signal) => {
      shutdown.abort();
      signal.throwIfAborted();
      return 'settled';
    });
    await loop.run(key, shutdown.signal);
    expect(await rowOf(key.id)).toMatchObject({ observed: 0, attempts: 0, error: null });
  });

  it('ends work on an old version early when asked to watch for newer ones', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const seen: bigint[] = [];
    const loop = reconciler(
      async (row, signal) => {
        seen.push(row.version);
        if (row.version > 1n) return 'settled';
        await want(key.id);
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
        return 'settled';
      },
      { supersededPollMs: 20 },
    );
    await loop.run(key, forever);
    expect(seen).toEqual([1n, 2n]);
    expect(await rowOf(key.id)).toMatchObject({ observed: 2, attempts: 0 });
  });

  it('stops the work when the connection that holds the lock is lost, and can lock again', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const own = createKeyLocks({ store, log });
    let runs = 0;
    const loop = reconciler(
      async (_, signal) => {
        runs += 1;
        if (runs > 1) return 'settled';
        const { rowCount } = await store.pool.query(
          `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
           WHERE l.locktype = 'advisory' AND a.datname = current_database() AND l.pid <> pg_backend_pid()`,
        );
        expect(rowCount).toBeGreaterThan(0);
        await eventually(() => signal.aborted, 'the signal aborts');
        throw signal.reason;
      },
      { locks: own },
    );
    await loop.run(key, forever);
    await loop.run(key, forever);
    expect(runs).toBe(2);
    expect(await rowOf(key.id)).toMatchObject({ observed: 1, attempts: 0 });
    await own.close();
  });
});

describe('after a crash', () => {
  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  /** A process that has the key and keeps it, and what it has said. */
  async function holder(key: JobKey, own: Partial<KeyLocksOptions> = {}) {
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/jobs/hold-forever.ts'], {
      env: {
        ...process.env,
        HOLD: JSON.stringify({ config: database.database.poolConfig('worker'), table, key, locks: own }),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const said: string[] = [];
    child.stdout?.on('data', (chunk: Buffer) => said.push(...chunk.toString().trim().split('\n')));
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
    });
    return { child, said };
  }

  it('a stopped process loses its key where its work bears that, and knows it when it wakes up', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const { child, said } = await holder(key, { heartbeatMs: 500, silenceMs: 5_000 });
    let runs = 0;
    const loop = reconciler(async () => {
      runs += 1;
      return 'settled';
    });
    // While it says something it keeps it.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    await loop.run(key, forever);
    expect(runs).toBe(0);
    child.kill('SIGSTOP');
    await eventually(async () => {
      await loop.run(key, forever);
      return runs === 1;
    }, 'another process takes over');
    child.kill('SIGCONT');
    await eventually(() => said.includes('lost'), 'it knows that it has lost its turn');
    child.kill('SIGKILL');
  });

  it('a killed process frees its key; a stopped one keeps it', async () => {
    const key = await onePullRequest();
    await want(key.id);
    const { child } = await holder(key);

    let runs = 0;
    const loop = reconciler(async () => {
      runs += 1;
      return 'settled';
    });
    child.kill('SIGSTOP');
    await loop.run(key, forever);
    expect(runs).toBe(0);
    child.kill('SIGKILL');
    await eventually(async () => {
      await loop.run(key, forever);
      return runs === 1;
    }, 'another process takes over');
    expect(await rowOf(key.id)).toMatchObject({ observed: 1 });
  });
});

describe('the sweeper', () => {
  it('pokes what is unsettled and due, in every organization, and nothing else', async () => {
    const { rows } = await store.tenant('00000000-0000-4000-8000-00000000000b', (tx) =>
      tx.query<{ id: string }>(
        `INSERT INTO organization (id, slug, name) VALUES ('00000000-0000-4000-8000-00000000000b', 'b', 'B') RETURNING id`,
      ),
    );
    const other = rows[0]?.id ?? '';
    const settled = await onePullRequest();
    const waiting = await onePullRequest();
    const due = await onePullRequest();
    const [theirs] = await insertPullRequests(store, other, 1);
    const foreign = theirs?.id ?? '';
    for (const { id } of [settled, waiting, due]) await want(id);
    await store.tenant(other, (tx) => wantPullRequestSync(tx, { organizationId: other, pullRequestId: foreign }));
    const set = (id: string, sql: string) =>
      store.tenant(database.organizationId, (tx) =>
        tx.query(`UPDATE pull_request_sync SET ${sql} WHERE pull_request_id = $1`, [id]),
      );
    await set(settled.id, 'observed_version = desired_version');
    await set(waiting.id, `next_attempt_at = now() + interval '1 hour'`);

    const queue = recordingQueue();
    const sweeper = startSweeper({ store, locks, sweeps: [{ table, queue }], log, intervalMs: 60_000 });
    // Which tenant comes first is the database's affair.
    const reached = (id: string) => queue.poked.some((one) => one.id === id);
    await eventually(() => reached(foreign) && reached(due.id), 'the first pass reaches every tenant');
    await sweeper.stop();
    const ids = queue.poked.map(({ id }) => id);
    expect(ids).toContain(due.id);
    expect(ids).not.toContain(settled.id);
    expect(ids).not.toContain(waiting.id);
    expect(queue.poked.find(({ id }) => id === due.id)?.version).toBe(1n);
  });
});
