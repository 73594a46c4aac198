/**
 * The rule that the queue is only a hint: with 200 pull requests wanted, at least half of them unsettled and some being
 * worked on, it is emptied at 20 random points; half of all pokes are suppressed and so are BullMQ's own notifications;
 * and still every row ends at its last version.
 */
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createQueueBackend } from '../../src/jobs/queue/create-queue-backend.js';
import type { JobQueue } from '../../src/jobs/queue/queue.js';
import { createReconciler, type Settle } from '../../src/jobs/reconcile.js';
import { createKeyLocks } from '../../src/jobs/reconcile-locks.js';
import { startSweeper } from '../../src/jobs/sweeper.js';
import { wantPullRequestSync } from '../../src/jobs/sync/desired.js';
import { createLogger } from '../../src/lib/logger.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore, type Store } from '../../src/store/database.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from './eventually.js';
import { createGate } from './gate.js';
import { type Muted, muteOnPostgres, muteOnRedis } from './mute-queue.js';
import { describeWithRedis, type RedisServer, startRedis } from './redis-server.js';
import { insertPullRequests } from './rows.js';

const PULL_REQUESTS = 200;
const EVENTS = 1_000;
const WIPES = 20;
/** How many steps may be done between two wipes: so few that half of the rows are unsettled to the last of them. */
const STEPS_PER_WIPE = PULL_REQUESTS / 2 / WIPES;
const table = { name: 'pull_request_sync', key: 'pull_request_id', errorColumn: 'error' };
const log = createLogger({ level: 'silent', format: 'json' });

/** mulberry32: small, seeded, good enough to choose points. */
function randomFrom(seed: number): () => number {
  const state = { value: seed };
  return () => {
    state.value = (state.value + 0x6d2b79f5) | 0;
    const mixed = Math.imul(state.value ^ (state.value >>> 15), 1 | state.value);
    const more = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((more ^ (more >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Subject {
  redisUrl(): string | undefined;
  /** Keeps the queue from waking whoever waits for it. */
  mute(): Promise<Muted>;
  empty(): Promise<void>;
}

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await createTestDatabase();
  store = openStore(database.database, 'worker', { max: 30 });
});
afterAll(async () => {
  await store.close();
  await database.drop();
});

async function run(subject: Subject): Promise<void> {
  const seed = randomInt(2 ** 31);
  const random = randomFrom(seed);
  const note = `seed ${seed}`;
  const { organizationId } = database;
  const pullRequests = await insertPullRequests(store, organizationId, PULL_REQUESTS);
  const metrics = createMetrics();
  const ledger = new Map<string, bigint[]>(pullRequests.map(({ id }) => [id, []]));
  const wantedVersions = new Map<string, bigint>();
  const inFlight = new Set<string>();
  const gate = createGate();
  const muted = await subject.mute();
  let overlaps = 0;
  let suppressed = 0;

  const settle: Settle = async ({ id, version }) => {
    if (inFlight.has(id)) overlaps += 1;
    inFlight.add(id);
    try {
      await gate.pass();
      await new Promise((resolve) => setTimeout(resolve, random() * 15));
      if (random() < 0.05) throw new Error('the effect failed, as effects do');
      ledger.get(id)?.push(version);
      return 'settled';
    } finally {
      inFlight.delete(id);
    }
  };

  // Two workers, as two processes would be: each with its own queue connections and locks.
  const workers = [1, 2].map(() => {
    const backend = createQueueBackend({ database: database.database, redisUrl: subject.redisUrl(), log, metrics });
    const locks = createKeyLocks({ store, log });
    const sync = backend.queue('sync');
    // Half of the loop's own pokes are suppressed as well.
    const queue: JobQueue = {
      name: 'sync',
      poke: async (key, options) => (random() < 0.5 ? undefined : sync.poke(key, options)),
    };
    const reconciler = createReconciler({
      store,
      locks,
      table,
      queue,
      settle,
      log,
      metrics,
      backoff: { baseMs: 20, capMs: 200 },
    });
    return { backend, locks, queue, sync, reconciler };
  });
  const jobWorkers = workers.map(({ backend, reconciler }) => backend.work('sync', { concurrency: 8 }, reconciler.run));
  const sweepers = workers.map(({ locks, sync }) =>
    startSweeper({ store, locks, sweeps: [{ table, queue: sync }], log, intervalMs: 300 }),
  );

  const wipeAt = new Set<number>();
  while (wipeAt.size < WIPES) wipeAt.add(PULL_REQUESTS + Math.floor(random() * (EVENTS - PULL_REQUESTS)));
  const wipes: { unsettled: number; running: number }[] = [];
  const countUnsettled = async () => {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pull_request_sync
         WHERE observed_version <> desired_version AND pull_request_id = ANY($1)`,
        [pullRequests.map(({ id }) => id)],
      ),
    );
    return rows[0]?.n ?? 0;
  };
  try {
    for (let event = 0; event < EVENTS; event += 1) {
      const target = pullRequests[event < PULL_REQUESTS ? event : Math.floor(random() * PULL_REQUESTS)];
      if (target === undefined) throw new Error('no pull request');
      const wanted = await store.tenant(organizationId, (tx) =>
        wantPullRequestSync(tx, { organizationId, pullRequestId: target.id }),
      );
      wantedVersions.set(target.id, wanted.version);
      await workers[event % 2]?.queue.poke(wanted, { version: wanted.version });
      if (wipeAt.has(event)) {
        await eventually(() => gate.waiting() > 0, `some job runs before wipe ${wipes.length + 1} (${note})`);
        const unsettled = await countUnsettled();
        await subject.empty();
        // These were running all the time: nothing was let through.
        wipes.push({ unsettled, running: gate.waiting() });
        gate.let(STEPS_PER_WIPE);
      }
    }
    gate.open();
    await eventually(async () => (await countUnsettled()) === 0, `everything settles (${note})`);
  } finally {
    gate.open();
    await Promise.all(sweepers.map((sweeper) => sweeper.stop()));
    await Promise.all(jobWorkers.map((worker) => worker.drain(10_000)));
    await Promise.all(workers.map(({ backend }) => backend.close()));
    await Promise.all(workers.map(({ locks }) => locks.close()));
    suppressed = await muted.suppressed();
    await muted.close();
  }
  expect(suppressed).toBeGreaterThan(0);
  expect(muted.heard()).toEqual([]);
  const lost = pullRequests.filter(({ id }) => ledger.get(id)?.at(-1) !== wantedVersions.get(id));
  const backwards = [...ledger.values()].filter((versions) =>
    versions.some((version, index) => index > 0 && version < (versions[index - 1] ?? 0n)),
  );
  expect(wipes.map(({ running }) => running > 0)).toEqual(Array(WIPES).fill(true));
  expect(Math.min(...wipes.map(({ unsettled }) => unsettled))).toBeGreaterThanOrEqual(PULL_REQUESTS / 2);
  expect({ note, lost: lost.length, backwards: backwards.length, overlaps }).toEqual({
    note,
    lost: 0,
    backwards: 0,
    overlaps: 0,
  });
}

describe('the queue is only a hint', () => {
  it('on PostgreSQL, emptied at 20 points', async () => {
    const { default: pg } = await import('pg');
    // Truncating needs the owner; the rows and the events of the queue go, the schema stays.
    const owner = new pg.Pool({ ...database.superuser, max: 1 });
    try {
      await run({
        redisUrl: () => undefined,
        mute: () => muteOnPostgres(database),
        empty: () =>
          eventually(
            () =>
              owner
                .query('TRUNCATE bullmq.job, bullmq.event, bullmq.dedup, bullmq.dedup_next, bullmq.meta CASCADE')
                .then(
                  () => true,
                  (error: { code?: string }) => {
                    // The workers hold locks in another order; PostgreSQL may choose us to give way.
                    if (error.code === '40P01') return false;
                    throw error;
                  },
                ),
            'the queue is emptied',
          ),
      });
    } finally {
      await owner.end();
    }
  });
});

describeWithRedis('and on Redis', () => {
  const servers: { current?: RedisServer } = {};
  const server = () => {
    if (servers.current === undefined) throw new Error('no Redis yet');
    return servers.current;
  };
  beforeAll(async () => {
    servers.current = await startRedis();
  });
  afterAll(() => servers.current?.stop());

  it('flushed at 20 points', async () => {
    await run({
      redisUrl: () => server().url,
      mute: async () => muteOnRedis(),
      empty: async () => void (await server().client.flushall()),
    });
  });

  it('killed with SIGKILL at 20 points, without any persistence', async () => {
    await run({
      redisUrl: () => server().url,
      mute: async () => muteOnRedis(),
      empty: async () => {
        await server().kill();
        await server().restart();
      },
    });
  });
});
