// (c) Forgeway's ingress as the server runs it, compiled. Arguments: dist folder, JSON of the ingress role's login, JSON of the secrets by forge.
import { createServer } from 'node:http';

const [dist, login, secrets] = process.argv.slice(2);
const secretOf = JSON.parse(secrets);
const load = (path) => import(new URL(path, `file://${dist}/src/`).href);
const [{ createIngress, ingressServerOptions }, { openStore }, { forges }, { createMetrics }, { createLogger }] =
  await Promise.all([
    load('webhook/ingress.js'),
    load('store/database.js'),
    load('forges/registry.js'),
    load('lib/metrics.js'),
    load('lib/logger.js'),
  ]);

const log = createLogger({ level: 'warn', format: 'json' });
const { pool } = openStore({ poolConfig: () => JSON.parse(login), keyCheck: '' }, 'ingress', { max: 5, log });
const secretsOf = async (hook) => [secretOf[hook.forge]];
const ingress = createIngress({ pool, forges, secretsOf, log, metrics: createMetrics() });
const server = createServer(ingressServerOptions, (req, res) => {
  if (!ingress.handle(req, res)) res.writeHead(404).end();
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: server.address().port }));
process.on('disconnect', () => process.exit(0));
