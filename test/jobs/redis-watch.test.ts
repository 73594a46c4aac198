import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { watchRedis } from '../../src/jobs/queue/redis-watch.js';
import { eventually } from './eventually.js';
import { describeWithRedis, startRedis } from './redis-server.js';

describeWithRedis('what the server says of Redis', () => {
  it('follows it away and back, and names settings that lose jobs', async () => {
    const redis = await startRedis();
    const watch = watchRedis(redis.url, pino({ level: 'silent' }));
    const becomes = (degraded: boolean, detail: RegExp) =>
      eventually(async () => {
        const state = await watch.state();
        return state.degraded === degraded && detail.test(state.detail);
      }, String(detail));
    try {
      await redis.client.config('SET', 'appendonly', 'yes');
      await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
      await becomes(false, /^Redis answers$/);
      await redis.client.config('SET', 'maxmemory-policy', 'allkeys-lru');
      await becomes(true, /answers\. .*allkeys-lru/);
      await redis.kill();
      await becomes(true, /does not answer/);
      await redis.restart();
      await becomes(true, /append-only/);
      expect((await watch.state()).detail).toContain('answers');
    } finally {
      watch.close();
      await redis.stop();
    }
  });
});
