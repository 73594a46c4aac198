/** BullMQ on Redis. */
import { createRedisBackend, withBackend } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { type BullmqStore, queueOf } from './bullmq.js';
import type { JobKey } from './queue.js';
import { redisWarnings } from './redis-warnings.js';
import { reopening } from './reopening.js';

const { Queue, Worker } = withBackend(createRedisBackend);

const PREFIX = 'forgeway';
const CONNECT_TIMEOUT_MS = 2_000;
const COMMAND_TIMEOUT_MS = 2_000;

const common: RedisOptions = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  retryStrategy: (times) => Math.min(times * 100, 2_000),
};

export function openRedisQueueStore(url: string, log: Logger): BullmqStore {
  const connect = (options: RedisOptions) => {
    const client = new Redis(url, { ...common, ...options });
    client.on('error', (error: Error) => log.debug({ error: messageOf(error) }, 'queue connection'));
    return client;
  };
  // Producers fail at once when Redis is away: a poke that is not taken now is repeated by the sweeper.
  const producers = connect({
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
  });
  const consumers: Redis[] = [];

  return {
    kind: 'redis',
    openQueue(name) {
      const open = () => {
        const queue = new Queue<JobKey>(name, { connection: producers, prefix: PREFIX });
        queue.on('error', (error) => log.debug({ queue: name, error: messageOf(error) }, 'job queue connection'));
        return queue;
      };
      return queueOf(reopening(open, log), (queue, jobs) => queue.addBulk([...jobs]));
    },
    openWorker(name, processor, tuning) {
      // Workers wait for as long as it takes; BullMQ requires null here.
      const connection = connect({ maxRetriesPerRequest: null });
      consumers.push(connection);
      return reopening(() => {
        const worker = new Worker(name, processor, { connection, prefix: PREFIX, ...tuning });
        worker.on('error', (error) => log.debug({ queue: name, error: messageOf(error) }, 'job worker'));
        return worker;
      }, log);
    },
    isReachable: () => producers.status === 'ready',
    async ping() {
      try {
        await producers.ping();
      } catch (cause) {
        throw new ForgewayError('FORGEWAY_QUEUE_UNAVAILABLE', 'Redis does not answer', { cause });
      }
    },
    warnings: () => redisWarnings(producers),
    async close() {
      for (const client of [producers, ...consumers]) client.disconnect();
    },
  };
}
