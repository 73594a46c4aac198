import type { Logger } from '../../lib/logger.js';
import type { Metrics } from '../../lib/metrics.js';
import type { Database } from '../../store/database.js';
import { createBullmqBackend } from './bullmq.js';
import { openPostgresQueueStore } from './postgres-queue.js';
import type { QueueBackend } from './queue.js';
import { openRedisQueueStore } from './redis-queue.js';

export interface QueueBackendOptions {
  database: Pick<Database, 'poolConfig'>;
  /** Selects Redis; without it the queue lies in PostgreSQL. */
  redisUrl?: string;
  log: Logger;
  metrics: Metrics;
}

/** Opens the queue of this process. Does not wait for it: `ping` tells whether it answers. */
export function createQueueBackend({ database, redisUrl, log, metrics }: QueueBackendOptions): QueueBackend {
  const store = redisUrl === undefined ? openPostgresQueueStore(database, log) : openRedisQueueStore(redisUrl, log);
  return createBullmqBackend(store, log, metrics);
}
