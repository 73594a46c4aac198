/** BullMQ on PostgreSQL, in its own schema that the migrator keeps (no DDL at run time). */
import { createPostgresBackend, withBackend } from 'bullmq';
import pg from 'pg';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Database } from '../../store/database.js';
import { type BullmqStore, queueOf } from './bullmq.js';
import type { JobKey } from './queue.js';
import { reopening } from './reopening.js';

// Bound here and not through setDefaultBackendFactory, which is global to the process.
const { Queue, Worker } = withBackend(createPostgresBackend);

const PRODUCER_CONNECTIONS = 3;
const CONNECT_TIMEOUT_MS = 2_000;
/** Longer than the half minute after which a worker looks for jobs whose worker died: it need not connect anew each time. */
const IDLE_MS = 60_000;

// Commits do not wait for the disk: the queue may forget (the sweeper looks in the tables that may not), and a job then
// costs a fraction.
const SESSION_OPTIONS = '-c search_path=bullmq -c synchronous_commit=off';

/** The options of a connection URL win over those beside it, so ours are added where they stand. */
function withSessionOptions({ types: _types, ...config }: pg.PoolConfig): pg.PoolConfig {
  if (config.connectionString === undefined)
    return { ...config, options: [config.options, SESSION_OPTIONS].filter(Boolean).join(' ') };
  const url = new URL(config.connectionString);
  url.searchParams.set('options', [url.searchParams.get('options'), SESSION_OPTIONS].filter(Boolean).join(' '));
  return { ...config, connectionString: url.href };
}

function openPool(database: Pick<Database, 'poolConfig'>, max: number, log: Logger): pg.Pool {
  const pool = new pg.Pool({
    ...withSessionOptions(database.poolConfig('worker')),
    max,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_MS,
    application_name: 'forgeway queue',
  });
  const lost = (error: Error) => log.debug({ error: messageOf(error) }, 'queue connection lost');
  // Without listeners a connection that the server closes, idle or in use, would end the process.
  pool.on('error', lost);
  pool.on('connect', (client) => client.on('error', lost));
  return pool;
}

export function openPostgresQueueStore(database: Pick<Database, 'poolConfig'>, log: Logger): BullmqStore {
  const producers = openPool(database, PRODUCER_CONNECTIONS, log);
  const pools = [producers];
  return {
    kind: 'postgres',
    openQueue(name) {
      const open = () => {
        const queue = new Queue<JobKey>(name, { connection: producers });
        queue.on('error', (error) => log.debug({ queue: name, error: messageOf(error) }, 'job queue connection'));
        return queue;
      };
      // One by one: BullMQ's bulk statement makes tables and sequences, which our role may not.
      return queueOf(reopening(open, log), (queue, jobs) =>
        Promise.all(jobs.map((job) => queue.add(job.name, job.data, job.opts))),
      );
    },
    openWorker(name, processor, tuning) {
      // One connection listens; the rest fetch and finish jobs.
      const pool = openPool(database, Math.min(tuning.concurrency, 8) + 2, log);
      pools.push(pool);
      return reopening(() => {
        const worker = new Worker(name, processor, { connection: pool, ...tuning });
        // A queue that is away or was emptied under a running job is expected; the sweeper makes up for it.
        worker.on('error', (error) => log.debug({ queue: name, error: messageOf(error) }, 'job worker'));
        return worker;
      }, log);
    },
    isReachable: () => true,
    async ping() {
      try {
        await producers.query('SELECT 1');
      } catch (cause) {
        throw new ForgewayError('FORGEWAY_QUEUE_UNAVAILABLE', 'the job queue in PostgreSQL does not answer', { cause });
      }
    },
    warnings: async () => [],
    async close() {
      await Promise.all(pools.map((pool) => pool.end()));
    },
  };
}
