/** How the server sees the Redis that its workers queue on. Nothing is lost without it, so it is a matter of being told. */
import { Redis } from 'ioredis';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { redisWarnings } from './redis-warnings.js';

export interface QueueState {
  /** Work is done later than it could be, or would be found again late after a crash. */
  degraded: boolean;
  /** For people. */
  detail: string;
}

export interface RedisWatch {
  /** Asked at each request for readiness, so it answers within half a second. Never rejects. */
  state(): Promise<QueueState>;
  close(): void;
}

const PATIENCE_MS = 500;
const AWAY = 'Redis does not answer: feature jobs wait, and are found again in PostgreSQL when it is back';

export function watchRedis(url: string, log: Logger): RedisWatch {
  const client = new Redis(url, {
    connectTimeout: 2_000,
    commandTimeout: PATIENCE_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  });
  client.on('error', (error: Error) => log.debug({ error: messageOf(error) }, 'queue connection of the server'));
  return {
    async state() {
      if (client.status !== 'ready') return { degraded: true, detail: AWAY };
      try {
        await client.ping();
      } catch (error) {
        log.debug({ error: messageOf(error) }, 'Redis was asked whether it is there');
        return { degraded: true, detail: AWAY };
      }
      const warnings = await redisWarnings(client);
      return { degraded: warnings.length > 0, detail: ['Redis answers', ...warnings].join('. ') };
    },
    close: () => client.disconnect(),
  };
}
