/** A process that reconciles one sticky comment again and again; says `made` when the forge answered a creation. */
import { ProbotOctokit } from 'probot';
import { createKeyLocks } from '../../src/jobs/reconcile-locks.js';
import { createCommentReconciler } from '../../src/jobs/report/comment.js';
import { createLogger } from '../../src/lib/logger.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore } from '../../src/store/database.js';

const { config, key, url, markerKey } = JSON.parse(process.env.COMMENT_WORKER ?? '{}');
const log = createLogger({ level: 'silent', format: 'json' });
const store = openStore({ poolConfig: () => config, keyCheck: '' }, 'worker');
const octokit = new ProbotOctokit({ baseUrl: url, retry: { enabled: false }, throttle: { enabled: false } });
octokit.hook.after('request', async (_response, options) => {
  if (options.method !== 'POST') return;
  process.stdout.write('made\n');
  // Time for the test to kill this process before the id is stored.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
});
const reconciler = createCommentReconciler({
  store,
  locks: createKeyLocks({ store, log }),
  queue: { name: 'none', poke: async () => undefined },
  log,
  metrics: createMetrics(),
  octokitFor: async () => octokit,
  markerKey: Buffer.from(markerKey, 'hex'),
  debounceMs: 0,
  backoff: { baseMs: 1, capMs: 1 },
});
for (;;) {
  await reconciler.run(key, new AbortController().signal);
  await new Promise((resolve) => setTimeout(resolve, 20));
}
