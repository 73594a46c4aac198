/** A worker for tests to freeze: it has the turn of a session, and is in the middle of writing to its row. */

import { readSession } from '../../src/jobs/agent/session-record.js';
import { createKeyLocks } from '../../src/jobs/reconcile-locks.js';
import { createLogger } from '../../src/lib/logger.js';
import { openStore } from '../../src/store/database.js';

const { config, organizationId, sessionId, silenceMs } = JSON.parse(process.env.HOLD ?? '{}');
const log = createLogger({ level: 'silent', format: 'json' });
const store = openStore({ poolConfig: () => config, keyCheck: '' }, 'worker');
const locks = createKeyLocks({ store, log, heartbeatMs: 500, silenceMs });
while ((await locks.tryAcquire(`agent_session:${sessionId}`)) === undefined)
  await new Promise((resolve) => setTimeout(resolve, 20));
await store.tenant(organizationId, async (tx) => {
  await readSession(tx, sessionId, { lock: true });
  process.stdout.write('holding\n');
  await new Promise(() => setInterval(() => undefined, 1_000));
});
