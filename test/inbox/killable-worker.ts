/** A worker whose app ends the process when a delivery says so. Started by workers.test.ts. */
import type pg from 'pg';
import { pino } from 'pino';
import { startInbox } from '../../src/inbox/start-inbox.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore } from '../../src/store/database.js';
import { fakeDispatcher, fakeForges } from './fake-forge.js';

const config = JSON.parse(process.env.KILLABLE ?? '{}') as pg.PoolConfig;

startInbox({
  store: openStore({ poolConfig: () => config, keyCheck: '' }, 'worker', { max: 8 }),
  forges: fakeForges,
  dispatcher: fakeDispatcher({
    app: async (_row, { mark }) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (mark === 'exit') process.exit(7);
    },
  }),
  log: pino({ level: 'silent' }),
  metrics: createMetrics(),
  ownerId: `child-${process.pid}`,
  concurrency: 10,
  handlerTimeoutMs: 20_000,
  timing: { pollMs: 50, leaseMs: 2_000, tickMs: 100, inPlaceMs: 20, backoff: { baseMs: 10, capMs: 50, attempts: 8 } },
});
