/** A process that begins to reconcile one row and never ends; the test kills it. */
import { createReconciler } from '../../src/jobs/reconcile.js';
import { createKeyLocks } from '../../src/jobs/reconcile-locks.js';
import { createLogger } from '../../src/lib/logger.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore } from '../../src/store/database.js';

const { config, table, key, locks = {} } = JSON.parse(process.env.HOLD ?? '{}');
const log = createLogger({ level: 'silent', format: 'json' });
const store = openStore({ poolConfig: () => config, keyCheck: '' }, 'worker');
const reconciler = createReconciler({
  store,
  locks: createKeyLocks({ store, log, ...locks }),
  table,
  queue: { name: 'none', poke: async () => undefined },
  log,
  metrics: createMetrics(),
  settle: async (_row, signal) => {
    process.stdout.write('holding\n');
    signal.addEventListener('abort', () => process.stdout.write('lost\n'));
    return new Promise(() => setInterval(() => undefined, 1_000));
  },
});
await reconciler.run(key, new AbortController().signal);
