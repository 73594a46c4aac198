// A worker with one app that does nothing. Arguments: dist folder, JSON of the worker role's login.
const [dist, login] = process.argv.slice(2);
const load = (path) => import(new URL(path, `file://${dist}/src/`).href);
const [{ startInbox }, { openStore }, { forges }, { createMetrics }, { createLogger }] = await Promise.all([
  load('inbox/start-inbox.js'),
  load('store/database.js'),
  load('forges/registry.js'),
  load('lib/metrics.js'),
  load('lib/logger.js'),
]);

const log = createLogger({ level: 'warn', format: 'json' });
let handled = 0;
let lastAt = 0;
startInbox({
  store: openStore({ poolConfig: () => JSON.parse(login), keyCheck: '' }, 'worker', { max: 8, log }),
  dispatcher: {
    subscribers: () => ['app'],
    isPermanent: () => false,
    async run() {
      handled += 1;
      lastAt = Date.now();
      return { kind: 'done' };
    },
  },
  forges,
  log,
  metrics: createMetrics(),
  ownerId: 'bench',
  concurrency: 32,
  handlerTimeoutMs: 60_000,
});
process.on('message', () => process.send?.({ handled, lastAt }));
process.on('disconnect', () => process.exit(0));
process.send?.({ port: 0 });
