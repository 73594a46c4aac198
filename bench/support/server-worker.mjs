// A worker as the product runs it, with one Probot app whose handler does nothing. Arguments: dist folder, JSON of the worker role's login.
import { generateKeyPairSync } from 'node:crypto';

const [dist, login] = process.argv.slice(2);
const load = (path) => import(new URL(path, `file://${dist}/src/`).href);
const [{ startInbox }, { openStore }, { forges }, { createMetrics }, { createLogger }, { createBridge }] =
  await Promise.all([
    load('inbox/start-inbox.js'),
    load('store/database.js'),
    load('forges/registry.js'),
    load('lib/metrics.js'),
    load('lib/logger.js'),
    load('translate/bridge.js'),
  ]);

const log = createLogger({ level: 'warn', format: 'json' });
const metrics = createMetrics();
const store = openStore({ poolConfig: () => JSON.parse(login), keyCheck: '' }, 'worker', { max: 8, log });
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
let handled = 0;
let firstAt = 0;
let lastAt = 0;
/** Told of every delivery while it is wanted: for latency, where there is one at a time. */
let tells = false;
const bridge = await createBridge({
  github: {
    appId: 1,
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }),
    apiUrl: 'https://api.github.com',
    webUrl: 'https://github.com',
    host: 'github.com',
  },
  apps: [
    {
      name: 'app',
      hydrate: [],
      load: (app) =>
        app.on('pull_request', async ({ id }) => {
          handled += 1;
          // The same clock in every process of the machine, in fractions of a millisecond.
          lastAt = performance.timeOrigin + performance.now();
          firstAt ||= lastAt;
          if (tells) process.send?.({ id, at: lastAt });
        }),
    },
  ],
  store,
  log,
  metrics,
});
startInbox({
  store,
  dispatcher: bridge,
  forges,
  log,
  metrics,
  ownerId: 'bench',
  concurrency: 32,
  handlerTimeoutMs: 60_000,
});
process.on('message', (message) => {
  if (message === 'tell') tells = true;
  else if (message === 'hush') tells = false;
  else process.send?.({ handled, firstAt, lastAt });
});
process.on('disconnect', () => process.exit(0));
process.send?.({ port: 0 });
