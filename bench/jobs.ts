/**
 * Goals 5 and 6 of the performance page: how soon a feature job starts when nothing else runs, and how many no-op jobs
 * a second pass, through our port and through plain BullMQ, on the same stores, in interleaved rounds.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPostgresBackend, createRedisBackend, type JobsOptions, withBackend } from 'bullmq';
import { Redis } from 'ioredis';
import pg from 'pg';
import { createQueueBackend } from '../src/jobs/queue/create-queue-backend.js';
import { createLogger } from '../src/lib/logger.js';
import { createMetrics } from '../src/lib/metrics.js';
import { withConnection } from '../src/store/connection.js';
import { type Database, databaseAt } from '../src/store/database.js';
import { startEmbeddedPostgres } from '../src/store/embedded/embedded-postgres.js';
import { migrate } from '../src/store/migrate.js';
import { ensureOwner } from '../src/store/owner.js';
import { describeMachine } from './support/machine.js';

const ROUNDS = 7;
const CONCURRENCY = 10;
const IDLE_JOBS = 60;
const IDLE_PAUSE_MS = 10;
const BURST = { postgres: 1_000, redis: 10_000 };
const log = createLogger({ level: 'error', format: 'json' });

/** One way to queue jobs on one store. */
interface Contender {
  add(count: number): Promise<void>;
  /** Calls `onJob` as each job starts, until the returned function is called. */
  work(onJob: () => void): () => Promise<void>;
  close(): Promise<void>;
}

type Kind = 'postgres' | 'redis';
interface Where {
  kind: Kind;
  database: Database;
  redisUrl?: string;
}

function forgeway({ database, redisUrl }: Where): Contender {
  const backend = createQueueBackend({ database, redisUrl, log, metrics: createMetrics() });
  const name = `port-${randomUUID()}`;
  const queue = backend.queue(name);
  const organizationId = randomUUID();
  return {
    async add(count) {
      await Promise.all(
        Array.from({ length: count }, () => queue.poke({ organizationId, id: randomUUID() }, { version: 1 })),
      );
    },
    work(onJob) {
      const worker = backend.work(name, { concurrency: CONCURRENCY }, async () => onJob());
      return () => worker.drain(10_000);
    },
    close: () => backend.close(),
  };
}

/** BullMQ as its manual has it, with the same data and the same clearing away of ended jobs. */
function plain({ kind, database, redisUrl }: Where): Contender {
  const name = `plain-${randomUUID()}`;
  const data = () => ({ organizationId: randomUUID(), id: randomUUID() });
  const opts: JobsOptions = { removeOnComplete: true };
  const jobs = (count: number) => Array.from({ length: count }, () => ({ name: 'look', data: data(), opts }));
  if (kind === 'postgres') {
    const { Queue, Worker } = withBackend(createPostgresBackend);
    // As the owner of the schema: without ids of its own BullMQ makes a sequence at the first add.
    const pool = new pg.Pool({ ...database.poolConfig('migrate'), options: '-c search_path=bullmq', max: 12 });
    const queue = new Queue(name, { connection: pool });
    return {
      add: async (count) => void (await queue.addBulk(jobs(count))),
      work(onJob) {
        const worker = new Worker(name, async () => onJob(), { connection: pool, concurrency: CONCURRENCY });
        return () => worker.close();
      },
      async close() {
        await queue.close();
        await pool.end();
      },
    };
  }
  const { Queue, Worker } = withBackend(createRedisBackend);
  const connection = new Redis(redisUrl ?? '', { maxRetriesPerRequest: null });
  const queue = new Queue(name, { connection });
  return {
    add: async (count) => void (await queue.addBulk(jobs(count))),
    work(onJob) {
      const worker = new Worker(name, async () => onJob(), { connection, concurrency: CONCURRENCY });
      return () => worker.close();
    },
    async close() {
      await queue.close();
      connection.disconnect();
    },
  };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`did not happen: ${what}`);
    await sleep(1);
  }
}

/** Jobs a second while a backlog is worked off. */
async function throughput(contender: Contender, jobs: number): Promise<number> {
  await contender.add(jobs);
  const state = { done: 0, first: 0, last: 0 };
  const stop = contender.work(() => {
    state.last = performance.now();
    if (state.done === 0) state.first = state.last;
    state.done += 1;
  });
  await until(() => state.done >= jobs, `${jobs} jobs`);
  await stop();
  return ((state.done - 1) / (state.last - state.first)) * 1_000;
}

/** Milliseconds from the call that adds a job to the start of its handler, one job at a time. */
async function idleLatency(contender: Contender): Promise<number[]> {
  const state = { started: 0, at: 0 };
  const stop = contender.work(() => {
    state.at = performance.now();
    state.started += 1;
  });
  await contender.add(1);
  await until(() => state.started === 1, 'the worker is up');
  const samples: number[] = [];
  for (let job = 2; job <= IDLE_JOBS + 1; job += 1) {
    await sleep(IDLE_PAUSE_MS);
    const before = performance.now();
    await contender.add(1);
    await until(() => state.started === job, 'the job starts');
    samples.push(state.at - before);
  }
  await stop();
  return samples;
}

const sorted = (values: readonly number[]) => [...values].sort((left, right) => left - right);
const quantile = (values: readonly number[], q: number) =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Number.NaN;
const median = (values: readonly number[]) => quantile(values, 0.5);
const rounded = (value: number, digits = 1) => Number(value.toFixed(digits));

async function measure(where: Where) {
  const makers = { forgeway, plain };
  const names = ['forgeway', 'plain'] as const;
  const rates = { forgeway: [] as number[], plain: [] as number[] };
  const waits = { forgeway: [] as number[][], plain: [] as number[][] };
  const run = async (name: (typeof names)[number], keep: boolean) => {
    const contender = makers[name](where);
    // The queue connects in the background; a poke before that would be given up.
    if (where.kind === 'redis') await sleep(100);
    const rate = await throughput(contender, BURST[where.kind]);
    const wait = await idleLatency(contender);
    await contender.close();
    if (!keep) return;
    rates[name].push(rate);
    waits[name].push(wait);
  };
  // Both are warm before anything counts: the first thousands of jobs run in code that is not compiled yet.
  for (const name of names) await run(name, false);
  for (let round = 0; round < ROUNDS; round += 1)
    for (const name of round % 2 === 0 ? names : [...names].reverse()) await run(name, true);
  const summary = (name: (typeof names)[number]) => ({
    jobsPerSecond: Math.round(median(rates[name])),
    p50: rounded(median(waits[name].map((wait) => quantile(wait, 0.5)))),
    p99: rounded(median(waits[name].map((wait) => quantile(wait, 0.99)))),
    rounds: rates[name].map(Math.round),
  });
  const ratios = rates.forgeway.map((rate, round) => rate / (rates.plain[round] ?? Number.NaN));
  return { forgeway: summary('forgeway'), plain: summary('plain'), ratio: rounded(median(ratios), 2) };
}

type Measured = Awaited<ReturnType<typeof measure>>;

interface Goal {
  goal: string;
  store: Kind;
  measured: string;
  mustReach: string;
  met: boolean;
}

function goals(store: Kind, { forgeway: ours, ratio }: Measured): Goal[] {
  return [
    {
      goal: '5: add to handler, idle, p50 / p99 ms',
      store,
      measured: `${ours.p50} / ${ours.p99}`,
      mustReach: '6 / 15',
      met: ours.p50 <= 6 && ours.p99 <= 15,
    },
    {
      goal: `6: no-op jobs at concurrency ${CONCURRENCY}, share of plain BullMQ`,
      store,
      measured: `${Math.round(ratio * 100)} %`,
      mustReach: '90 %',
      met: ratio >= 0.9,
    },
  ];
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function startRedis(dir: string): Promise<{ url: string; version: string; stop(): void } | undefined> {
  const found = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  if (found.status !== 0) return undefined;
  const port = await freePort();
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir], {
    stdio: 'ignore',
  });
  return {
    url: `redis://127.0.0.1:${port}`,
    version: /v=([\d.]+)/.exec(found.stdout)?.[1] ?? 'unknown',
    stop: () => void child.kill('SIGKILL'),
  };
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-bench-'));
  await chmod(folder, 0o711);
  const masterKey = randomBytes(32);
  const server = await startEmbeddedPostgres({ dataDir: join(folder, 'data') });
  const redis = await startRedis(folder);
  try {
    await withConnection(server.location, (client) => ensureOwner(client, masterKey));
    const database = databaseAt(server.location, masterKey);
    await migrate(database, log);
    const version = await withConnection(server.location, async (client) => {
      const { rows } = await client.query<{ server_version: string }>('show server_version');
      return rows[0]?.server_version ?? 'unknown';
    });
    const postgres = await measure({ kind: 'postgres', database });
    const onRedis = redis && (await measure({ kind: 'redis', database, redisUrl: redis.url }));
    const reached = [...goals('postgres', postgres), ...(onRedis ? goals('redis', onRedis) : [])];
    const machine = {
      ...describeMachine(),
      postgres: version,
      redis: redis?.version ?? 'not installed: apt-get install redis-server',
    };
    const result = {
      machine,
      settings: {
        rounds: ROUNDS,
        concurrency: CONCURRENCY,
        burst: BURST,
        idleJobs: IDLE_JOBS,
        commits: 'plain BullMQ waits for the disk; our port does not, since its queue may forget',
      },
      postgres,
      ...(onRedis ? { redis: onRedis } : {}),
      goals: reached,
    };
    const results = join(import.meta.dirname, 'results');
    await mkdir(results, { recursive: true });
    await writeFile(join(results, 'jobs.json'), `${JSON.stringify(result, null, 2)}\n`);
    for (const [store, measured] of [['postgres', postgres] as const, ['redis', onRedis] as const])
      if (measured)
        console.table({
          [`${store}: our port`]: { ...measured.forgeway, rounds: measured.forgeway.rounds.join(' ') },
          [`${store}: plain BullMQ`]: { ...measured.plain, rounds: measured.plain.rounds.join(' ') },
        });
    console.table(reached.map((goal) => ({ ...goal, met: goal.met ? 'yes' : 'NO' })));
    if (redis === undefined) console.log('Redis was not measured: apt-get install redis-server');
    process.exitCode = reached.every((goal) => goal.met) ? 0 : 1;
  } finally {
    redis?.stop();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
