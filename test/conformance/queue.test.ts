/** What every queue backend does, tested on each. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createQueueBackend } from '../../src/jobs/queue/create-queue-backend.js';
import type { JobKey, QueueBackend } from '../../src/jobs/queue/queue.js';
import { createLogger } from '../../src/lib/logger.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { eventually } from '../jobs/eventually.js';
import { describeWithRedis, type RedisServer, startRedis } from '../jobs/redis-server.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const log = createLogger({ level: 'silent', format: 'json' });
const key = (): JobKey => ({ organizationId: randomUUID(), id: randomUUID() });

/** Something to wait on: open it once, everybody passes. */
function gate() {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

async function lostPokes(metrics: ReturnType<typeof createMetrics>): Promise<number> {
  return (await metrics.lostPokes.get()).values.reduce((sum, { value }) => sum + value, 0);
}

interface Subject {
  redisUrl(): string | undefined;
  database(): TestDatabase;
  /** Jobs that the store still holds, of whatever kind. */
  leftovers(): Promise<number>;
  wipe(): Promise<void>;
}

function conformance(kind: QueueBackend['kind'], subject: Subject): void {
  const open: QueueBackend[] = [];
  const metrics = createMetrics();
  const backend = () => {
    const made = createQueueBackend({
      database: subject.database().database,
      redisUrl: subject.redisUrl(),
      log,
      metrics,
    });
    open.push(made);
    return made;
  };
  afterEach(async () => {
    await Promise.all(open.splice(0).map((made) => made.close()));
    await subject.wipe();
  });

  it('answers and says which store it is', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    expect(made.kind).toBe(kind);
  });

  it('hands every poked key to a handler, with nothing but the key', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const keys = Array.from({ length: 200 }, key);
    const seen: JobKey[] = [];
    made.work('all', { concurrency: 10 }, async (job) => {
      seen.push(job);
    });
    await Promise.all(keys.map((job) => made.queue('all').poke(job, { version: 1 })));
    await eventually(() => seen.length >= keys.length, 'all handled');
    expect(seen.map((job) => JSON.stringify(job)).sort()).toEqual(keys.map((job) => JSON.stringify(job)).sort());
  });

  it('keeps nothing of jobs that ended, well or badly', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    let ended = 0;
    for (let count = 0; count < 20; count += 1) await made.queue('ends').poke(key(), { version: 1 });
    made.work('ends', { concurrency: 5 }, async () => {
      ended += 1;
      if (ended % 2 === 0) throw new Error('on purpose');
    });
    await eventually(() => ended === 20, 'all ran once');
    await eventually(async () => (await subject.leftovers()) === 0, 'nothing is kept');
    expect(ended).toBe(20);
  });

  it('makes one job of equal keys and versions that wait, and another of each new version', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const job = key();
    for (let count = 0; count < 5; count += 1) await made.queue('once').poke(job, { version: 7n });
    await made.queue('once').poke(job, { version: 8n });
    await made.queue('once').poke(key(), { version: 7n });
    let runs = 0;
    made.work('once', { concurrency: 1 }, async () => {
      runs += 1;
    });
    await eventually(async () => runs > 0 && (await subject.leftovers()) === 0, 'the queue is empty');
    expect(runs).toBe(3);
  });

  it('does not lose a poke for a newer version while the older one runs', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const job = key();
    const hold = gate();
    let started = 0;
    made.work('newer', { concurrency: 1 }, async () => {
      started += 1;
      if (started === 1) await hold.opened;
    });
    await made.queue('newer').poke(job, { version: 1 });
    await eventually(() => started === 1, 'the first runs');
    await made.queue('newer').poke(job, { version: 2 });
    hold.open();
    await eventually(() => started === 2, 'the second runs');
  });

  it('delays, and takes an immediate poke of the same version meanwhile', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const job = key();
    const times: number[] = [];
    made.work('later', { concurrency: 2 }, async () => {
      times.push(Date.now());
    });
    const start = Date.now();
    await made.queue('later').poke(job, { version: 1, delayMs: 1_500 });
    await made.queue('later').poke(job, { version: 1 });
    await eventually(() => times.length === 2, 'both ran');
    expect((times[1] ?? 0) - start).toBeGreaterThanOrEqual(1_400);
  });

  it('runs as many at a time as asked, and no more', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const hold = gate();
    let now = 0;
    let most = 0;
    let done = 0;
    made.work('width', { concurrency: 4 }, async () => {
      now += 1;
      most = Math.max(most, now);
      await hold.opened;
      now -= 1;
      done += 1;
    });
    for (let count = 0; count < 12; count += 1) await made.queue('width').poke(key(), { version: 1 });
    await eventually(() => now === 4, 'four run together');
    hold.open();
    await eventually(() => done === 12, 'all ran');
    expect(most).toBe(4);
  });

  it('drains: waits for what runs, takes nothing new', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const hold = gate();
    let started = 0;
    let finished = 0;
    const worker = made.work('drain', { concurrency: 1 }, async () => {
      started += 1;
      await hold.opened;
      finished += 1;
    });
    await made.queue('drain').poke(key(), { version: 1 });
    await made.queue('drain').poke(key(), { version: 1 });
    await eventually(() => started === 1, 'one runs');
    const drained = worker.drain(30_000);
    hold.open();
    await drained;
    expect({ started, finished }).toEqual({ started: 1, finished: 1 });
  });

  it('aborts the signal of what still runs when the drain time is over', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    let aborted = false;
    let started = false;
    const worker = made.work('abort', { concurrency: 1 }, async (_, signal) => {
      started = true;
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      aborted = signal.aborted;
    });
    await made.queue('abort').poke(key(), { version: 1 });
    await eventually(() => started, 'it runs');
    await worker.drain(50);
    expect(aborted).toBe(true);
  });

  it('goes on after everything in it was wiped', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const seen: string[] = [];
    made.work('wiped', { concurrency: 2 }, async ({ id }) => {
      seen.push(id);
    });
    await made.queue('wiped').poke(key(), { version: 1 });
    await eventually(() => seen.length === 1, 'the first ran');
    await subject.wipe();
    const job = key();
    await made.queue('wiped').poke(job, { version: 1 });
    await eventually(() => seen.includes(job.id), 'the second ran');
  });

  it('counts a poke that the store did not take, and never rejects', async () => {
    const made = backend();
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const queue = made.queue('gone');
    await queue.poke(key(), { version: 1 });
    const before = await lostPokes(metrics);
    await open.splice(0)[0]?.close();
    await expect(queue.poke(key(), { version: 1 })).resolves.toBeUndefined();
    expect(await lostPokes(metrics)).toBe(before + 1);
  });
}

const databases: { current?: TestDatabase } = {};
const database = () => {
  if (databases.current === undefined) throw new Error('no database yet');
  return databases.current;
};
beforeAll(async () => {
  databases.current = await createTestDatabase();
});
afterAll(() => databases.current?.drop());

describe('the queue on PostgreSQL', () => {
  conformance('postgres', {
    redisUrl: () => undefined,
    database,
    leftovers: async () => {
      const { rows } = await database()
        .store('worker')
        .pool.query<{ n: number }>('SELECT count(*)::int AS n FROM bullmq.job');
      return rows[0]?.n ?? 0;
    },
    wipe: async () => {
      await database().store('worker').pool.query('DELETE FROM bullmq.job');
    },
  });
});

describeWithRedis('the queue on Redis', () => {
  const servers: { current?: RedisServer } = {};
  const server = () => {
    if (servers.current === undefined) throw new Error('no Redis yet');
    return servers.current;
  };
  beforeAll(async () => {
    servers.current = await startRedis();
  });
  afterAll(() => servers.current?.stop());

  conformance('redis', {
    redisUrl: () => server().url,
    database,
    leftovers: async () => {
      const keys = await server().client.keys('forgeway:*:*.*.*');
      return keys.length;
    },
    wipe: async () => {
      await server().client.flushall();
    },
  });

  it('warns of a Redis that forgets or evicts, and not of one that is set up well', async () => {
    const metrics = createMetrics();
    const made = createQueueBackend({ database: database().database, redisUrl: server().url, log, metrics });
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    await server().client.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await made.warnings()).toHaveLength(2);
    await server().client.config('SET', 'maxmemory-policy', 'noeviction');
    await server().client.config('SET', 'appendonly', 'yes');
    expect(await made.warnings()).toEqual([]);
    await made.close();
  });

  it('gives pokes up at once while Redis is away, and goes on when it is back', async () => {
    const metrics = createMetrics();
    const made = createQueueBackend({ database: database().database, redisUrl: server().url, log, metrics });
    await eventually(
      () =>
        made.ping().then(
          () => true,
          () => false,
        ),
      'ping answers',
    );
    const seen: string[] = [];
    made.work('away', { concurrency: 2 }, async ({ id }) => {
      seen.push(id);
    });
    await server().kill();
    for (let count = 0; count < 20; count += 1) await made.queue('away').poke(key(), { version: 1 });
    expect(await lostPokes(metrics)).toBe(20);
    await expect(made.ping()).rejects.toMatchObject({ code: 'FORGEWAY_QUEUE_UNAVAILABLE' });
    await server().restart();
    const job = key();
    await eventually(async () => {
      await made.queue('away').poke(job, { version: 1 });
      return seen.includes(job.id);
    }, 'jobs run again');
    await made.close();
  });
});
