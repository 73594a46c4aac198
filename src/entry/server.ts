import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { AggregatorRegistry } from 'prom-client';
import type { Check } from '../api/health.js';
import { createHttpApi } from '../api/http-api.js';
import { type Config, githubOrigin } from '../config/config.js';
import { variables } from '../config/variables.js';
import { forges } from '../forges/registry.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import { openStore } from '../store/database.js';
import { migrate } from '../store/migrate.js';
import { openDatabase } from '../store/open-database.js';
import { ensureDefaultOrganization } from '../store/organization.js';
import { createIngress, ingressServerOptions } from '../webhook/ingress.js';
import { defaultForge, ensureDefaultHook, missingForSetup, secretsOf } from './default-app.js';
import { startPreviewGateway } from './preview-gateway.js';
import { shutdownRequested } from './shutdown.js';
import { version } from './version.js';
import { startWorkerProcesses } from './worker-processes.js';

/** A worker gets this long to finish what it runs; forges and orchestrators wait 30 s before they kill. */
const DRAIN_MS = 25_000;

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Lets running requests finish; idle keep-alive connections are closed at once. */
function closeServer(server: Server, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), timeoutMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/**
 * The whole program: database, ingress, health, preview listener, worker processes. Resolves after a signal, when
 * everything has been drained and the database has stopped last.
 */
export async function runServer(config: Config, log: Logger): Promise<void> {
  const opened = await openDatabase(config, { as: 'server', log });
  const { applied } = await migrate(opened.database, log);
  if (applied.length > 0) log.info({ applied }, 'database migrated');

  const metrics = createMetrics();
  const store = openStore(opened.database, 'api', { max: 5, log });
  const ingressStore = openStore(opened.database, 'ingress', { max: 4, log });
  const setupStore = openStore(opened.database, 'worker', { max: 1, log });
  const organizationId = await ensureDefaultOrganization(setupStore);
  await ensureDefaultHook(setupStore, organizationId, config);
  await setupStore.close();

  const gateway = await startPreviewGateway({
    config,
    database: opened.database,
    masterKey: opened.masterKey,
    log,
    metrics,
  });
  const workers = startWorkerProcesses({
    count: config.workerProcesses,
    script: fileURLToPath(new URL('./cli.js', import.meta.url)),
    args: gateway === undefined ? ['work'] : ['work', '--preview-port', String(gateway.port)],
    silenceLimitMs: config.handlerTimeoutMs + 15_000,
    log,
  });

  const checks = async (): Promise<Check[]> => [
    await store.pool.query('SELECT 1').then(
      () => ({ name: 'database', ok: true, detail: 'answers' }),
      (error: unknown) => ({ name: 'database', ok: false, detail: `does not answer: ${messageOf(error)}` }),
    ),
    {
      name: 'workers',
      ok: config.workerProcesses === 0 || workers.alive() > 0,
      detail:
        config.workerProcesses === 0 ? 'run elsewhere' : `${workers.alive()} of ${config.workerProcesses} running`,
    },
  ];
  let publicUrl = config.publicUrl ?? '';
  const api = await createHttpApi({
    log,
    health: {
      checks,
      metrics: async () => {
        const all = [await metrics.registry.getMetricsAsJSON(), ...(await workers.metrics())];
        const merged = AggregatorRegistry.aggregate(all as Parameters<typeof AggregatorRegistry.aggregate>[0]);
        return { contentType: merged.contentType, text: await merged.metrics() };
      },
    },
    home: async () => ({
      version: version(),
      missing: missingForSetup(config).map((key) => ({
        variable: variables[key].name,
        meaning: variables[key].meaning,
        fix: variables[key].fix,
      })),
      webhookUrl: `${publicUrl}/api/webhooks/${defaultForge.id}`,
      previews: config.previewDriver !== 'off',
    }),
  });
  const ingress = createIngress({ pool: ingressStore.pool, forges, secretsOf: secretsOf(config), log, metrics });
  const server = createServer(ingressServerOptions, (request, response) => {
    if (!ingress.handle(request, response)) api.handle(request, response);
  });
  const health = createServer((request, response) => api.handle(request, response));

  const stopAsked = shutdownRequested(log);
  const port = await listen(server, config.port, config.host);
  if (config.healthPort !== undefined) await listen(health, config.healthPort, config.host);
  publicUrl ||= `http://${config.host}:${port}`;
  const missing = missingForSetup(config);
  if (missing.length > 0)
    log.warn(
      { missing: missing.map((key) => variables[key].name), page: publicUrl },
      'setup mode: no webhook is accepted yet',
    );
  log.info({ url: publicUrl, forgeHost: githubOrigin(config).host, previews: gateway?.url }, 'forgeway is up');

  await stopAsked;
  await Promise.all([closeServer(server, 5_000), gateway?.close(), workers.stop(DRAIN_MS)]);
  await ingress.close();
  await closeServer(health, 1_000);
  await api.close();
  await Promise.all([ingressStore.close(), store.close()]);
  await opened.stop();
  log.info('stopped');
}
