import { readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { AggregatorRegistry } from 'prom-client';
import { createAccess } from '../accounts/access/access.js';
import { admitInstallation } from '../accounts/admit-installation.js';
import { createCheckRunLinks } from '../accounts/check-run-links.js';
import { createPageLinks } from '../accounts/page-links.js';
import type { CheckRunRequests } from '../api/check-run-requests.js';
import { clientAddress } from '../api/client-address.js';
import type { Check } from '../api/health.js';
import { createHttpApi } from '../api/http-api.js';
import type { Services } from '../api/procedures/services.js';
import { type Config, githubOrigin } from '../config/config.js';
import { forges } from '../forges/registry.js';
import { askForCycle } from '../inbox/poll/cursor.js';
import { type RedisWatch, watchRedis } from '../jobs/queue/redis-watch.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics, type Metrics } from '../lib/metrics.js';
import { type Database, openStore, type Store } from '../store/database.js';
import { migrate } from '../store/migrate.js';
import { openDatabase } from '../store/open-database.js';
import { ensureDefaultOrganization } from '../store/organization.js';
import { countHolds } from '../store/run-holds.js';
import { limitConnections } from '../webhook/connections.js';
import { createIngress, ingressServerOptions } from '../webhook/ingress.js';
import { askLoad, type LoadWatch, watchLoad } from '../webhook/load.js';
import { admitPorts } from './admit-installations.js';
import { plannedAgents } from './agent-jobs.js';
import type { ApiConnections } from './api-connections.js';
import { lackingOf, openAppPage, visibleWith } from './app-page.js';
import { ensureDefaultHook, secretsOf } from './default-app.js';
import { forgeAppSettings, setupState } from './forge-apps.js';
import { lazyBridge } from './lazy-bridge.js';
import { membershipPorts } from './membership-ports.js';
import { outboundOf } from './outbound.js';
import { startPreviewGateway } from './preview-gateway.js';
import { openPreviewDriver } from './preview-jobs.js';
import { shutdownRequested } from './shutdown.js';
import { announceSetup, openSignIn } from './sign-in.js';
import { version } from './version.js';
import { NOT_TAKEN } from './worker-pages.js';
import { startWorkerProcesses, type WorkerProcesses } from './worker-processes.js';

/** A worker gets this long to finish what it runs; forges and orchestrators wait 30 s before they kill. */
const DRAIN_MS = 25_000;
/** Requests that run get this long. */
const CLOSE_MS = 5_000;

const LOOPBACK = '127.0.0.1';
const NO_SUCH_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']);

/** @throws ForgewayError FORGEWAY_PORT_IN_USE */
function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new ForgewayError('FORGEWAY_PORT_IN_USE', `Port ${port} of ${host} is taken.`, { cause: error })
          : error,
      ),
    );
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/**
 * Serves one port. On loopback both of its addresses are taken, so that a preview, which shares this machine's network,
 * cannot have the other one and be taken for us by whoever asks for `localhost`.
 */
async function serve(
  make: () => Server,
  port: number,
  host: string,
): Promise<{ port: number; close(timeoutMs: number): Promise<unknown> }> {
  const servers = [make()];
  const bound = await listen(servers[0] as Server, port, host);
  if (host === LOOPBACK) {
    const second = make();
    await listen(second, bound, '::1').then(
      () => servers.push(second),
      (error: NodeJS.ErrnoException) => {
        if (!NO_SUCH_ADDRESS.has(String(error.code))) throw error;
      },
    );
  }
  return { port: bound, close: (timeoutMs) => Promise.all(servers.map((server) => closeServer(server, timeoutMs))) };
}

/**
 * A second start fails at once, and not after it has made a database. Where there is one already, a preview that a killed
 * server left running may hold the port, and is stopped first.
 * @throws ForgewayError FORGEWAY_PORT_IN_USE
 */
async function refuseTakenPorts({ dataDir, port, healthPort, host }: Config): Promise<void> {
  const held = await readdir(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return [];
  });
  if (held.length > 0) return;
  for (const wanted of [port, healthPort ?? 0]) {
    if (wanted === 0) continue;
    const probe = createServer();
    await listen(probe, wanted, host);
    await new Promise((resolve) => probe.close(resolve));
  }
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

/** Ends what was started, whatever happens to one of them. */
async function endAll(ends: readonly (() => Promise<unknown>)[], log: Logger): Promise<void> {
  for (const end of ends) {
    try {
      await end();
    } catch (error) {
      log.error({ err: error }, 'something did not end well; the rest is ended all the same');
    }
  }
}

/** Makes the organization and the hook that the environment describes, if they are not there yet. Answers the organization. */
async function prepareDefaults(config: Config, database: Database, log: Logger): Promise<string> {
  const store = openStore(database, 'worker', { max: 1, log });
  try {
    const organizationId = await ensureDefaultOrganization(store);
    await ensureDefaultHook(store, organizationId, config);
    return organizationId;
  } finally {
    await store.close();
  }
}

export interface ServerOptions {
  /** Further arguments of each worker process. */
  workerArguments?: readonly string[];
  /** What is started as a worker instead of our own program. */
  worker?: { script: string; args: readonly string[] };
  /** Arguments of one more process of ours, kept running beside the workers. */
  companion?: readonly string[];
}

async function start(
  config: Config,
  log: Logger,
  options: ServerOptions,
  ends: (() => Promise<unknown>)[],
): Promise<void> {
  await refuseTakenPorts(config);
  const opened = await openDatabase(config, { as: 'server', log });
  ends.push(() => opened.stop());
  // Only now are we the one server of this data directory. What a killed one left running might hold our ports.
  const previews =
    config.previewDriver !== 'process' ? undefined : await openPreviewDriver(config, outboundOf(config), log);
  await previews?.stopAll();
  // The workers have stopped theirs; of one that was killed, or was just being started, we do.
  ends.push(async () => previews?.stopAll());
  const { database, keys } = opened;
  const { applied } = await migrate(database, log);
  if (applied.length > 0) log.info({ applied }, 'database migrated');
  const organizationId = await prepareDefaults(config, database, log);

  const metrics = createMetrics();
  const store = openStore(database, 'api', { max: 5, log });
  const ingressStore = openStore(database, 'ingress', { max: 5, log });
  // Which repositories are polled is asked across tenants, and deliveries are run again, which the role of the API may not.
  const workerStore = openStore(database, 'worker', { max: 4, log });
  ends.push(() => Promise.all([ingressStore.close(), store.close(), workerStore.close()]));
  const access = createAccess({ store, log, organizationId });
  ends.push(() => access.close());
  const apiEnds: (() => Promise<void>)[] = [];
  ends.push(async () => endAll(apiEnds, log));

  const queue = config.redisUrl === undefined ? undefined : watchRedis(config.redisUrl, log);
  ends.push(async () => queue?.close());
  const load = watchInbox(config, ingressStore, log, metrics);
  ends.push(async () => load.close());

  // What people and forges reach is closed together, and before everything that it needs.
  const front: (() => Promise<unknown> | undefined)[] = [];
  ends.push(() => Promise.all(front.map((close) => close())));
  const address = { public: config.publicUrl ?? '' };
  const gateway = await startPreviewGateway({
    ...{ config, database, keys, outbound: outboundOf(config), log, metrics },
    publicUrl: () => address.public,
  });
  front.push(() => gateway?.close());
  const script = fileURLToPath(new URL('./cli.js', import.meta.url));
  const workers = startWorkerProcesses({
    count: config.workerProcesses,
    script: options.worker?.script ?? script,
    args: [
      ...(options.worker?.args ?? ['work']),
      ...(gateway === undefined ? [] : ['--preview-port', String(gateway.port)]),
      ...(options.workerArguments ?? []),
    ],
    log,
  });
  front.push(() => workers.stop(DRAIN_MS));
  const companion = options.companion && startWorkerProcesses({ count: 1, script, args: options.companion, log });
  front.push(() => companion?.stop(DRAIN_MS));

  const bridge = lazyBridge({ config, store: workerStore, keys, log, metrics });
  const appPage = openAppPage({ config, store, bridge, log });
  const members = membershipPorts({ store: workerStore, log, bridge });
  const outbound = outboundOf(config);
  let opening: Promise<ApiConnections> | undefined;
  // Loaded when somebody first asks for it: a server must start quickly.
  const connections = (): Promise<ApiConnections> => {
    opening ??= import('./api-connections.js').then(({ createApiConnections }) =>
      createApiConnections({ store: workerStore, keys, outbound, publicUrl: config.publicUrl, log }),
    );
    return opening;
  };
  const signInRoutes = openSignIn({
    config,
    store,
    keys,
    access,
    organizationId,
    publicUrl: () => address.public,
    outbound,
    connections,
    members,
    log,
  });
  const begun: { services?: Promise<Services> } = {};
  /** Loaded at the first request that needs them. */
  const apiServices = () => {
    begun.services ??= (async () => {
      const { createApiServices } = await import('./api-services.js');
      const parts = { config, database, keys, store, workerStore, access, bridge, members, appPage, log, metrics };
      const { services, close } = createApiServices({ ...parts, connections: await connections() });
      apiEnds.push(close);
      return services;
    })();
    return begun.services;
  };
  let checkRunRequests: CheckRunRequests | undefined;
  const api = await createHttpApi({
    log,
    health: {
      checks: () => readinessChecks({ config, store, workers, load, queue }),
      metrics: async () => {
        const all = [
          await metrics.registry.getMetricsAsJSON(),
          ...(await workers.metrics()),
          ...((await companion?.metrics()) ?? []),
        ];
        const merged = AggregatorRegistry.aggregate(all as Parameters<typeof AggregatorRegistry.aggregate>[0]);
        return { contentType: merged.contentType, text: await merged.metrics() };
      },
    },
    auth: signInRoutes,
    forgeApps: {
      ...forgeAppSettings(config),
      ...{ log, store, vault: signInRoutes.vault, outbound, organizationId },
      admit: (waiting, by) => admitInstallation(admitPorts({ store: workerStore, bridge }), waiting, by),
    },
    async resources() {
      const services = await apiServices();
      const { sessionActor, signIn } = signInRoutes;
      const limits = {
        perCaller: config.apiRequestsPerMinute,
        perAddress: config.apiAnonymousRequestsPerMinute,
        addressOf: ({ raw }: { raw: IncomingMessage }) => clientAddress(raw, signInRoutes.trustedProxies),
      };
      return { services, sessionActor, signIn, limits, publicOrigin: () => new URL(address.public).origin };
    },
    cron: { secret: config.cronSecret, askForCycle: () => askForCycle(workerStore) },
    checkRuns: {
      ...{ store, links: createCheckRunLinks(keys.root) },
      async requests() {
        const { createCheckRunRequests } = await import('./check-run-requests.js');
        checkRunRequests ??= createCheckRunRequests({ store: workerStore, access, bridge, log });
        return checkRunRequests;
      },
    },
    runPages: { store, links: createPageLinks(keys.root, 'run') },
    previewLogs: {
      ...{ store, links: createPageLinks(keys.root, 'preview') },
      read: async () => (await apiServices()).previewLog,
    },
    ...(gateway !== undefined && { previewVisits: gateway.visits }),
    appPages: {
      socket: () => workers.pages(),
      awaited: () => workers.pagesAwaited(),
      notTaken: NOT_TAKEN,
      trustedProxies: signInRoutes.trustedProxies,
      protocol: () => (address.public.startsWith('https:') ? 'https' : 'http'),
    },
    home: async (person) => ({
      version: version(),
      ...(await setupState(config, store, address.public)),
      previews: config.previewDriver !== 'off',
      lacking: person && (await lackingOf(person, { store, appPage, visibleWith: visibleWith(bridge), log })),
      holds: await countHolds(store, organizationId).catch((error: unknown) => {
        log.warn({ err: messageOf(error) }, 'the page cannot say whether something is paused');
        return undefined;
      }),
    }),
  });
  const ingress = createIngress({
    pool: ingressStore.pool,
    forges,
    secretsOf: secretsOf(config, keys),
    log,
    metrics,
    overload: load.refusal,
  });
  const makeServer = () => {
    const made = createServer(ingressServerOptions, (request, response) => {
      if (!ingress.handle(request, response)) api.handle(request, response);
    });
    limitConnections(made, { perAddress: config.ingressConnectionsPerAddress, log, metrics });
    return made;
  };
  const server = await serve(makeServer, config.port, config.host);
  front.push(async () => {
    api.endStreams();
    await server.close(CLOSE_MS);
    await ingress.close();
  });
  if (config.healthPort !== undefined) {
    const makeHealth = () => createServer((request, response) => api.handle(request, response));
    const health = await serve(makeHealth, config.healthPort, config.host);
    // Answers while the rest drains, so that an orchestrator sees what happens.
    ends.splice(-1, 0, () => health.close(1_000));
  }
  ends.splice(-1, 0, () => api.close());
  address.public ||= `http://${config.host}:${server.port}`;
  const { missing } = await setupState(config, store, address.public);
  if (missing.length > 0)
    log.warn(
      { missing: missing.map(({ variable }) => variable), page: address.public },
      'setup mode: no webhook of GitHub is accepted yet; register an App at /setup/apps; other forges need no App, see `forgeway connections add --help`',
    );
  await announceSetup(store, address.public, log);
  log.info({ url: address.public, forgeHost: githubOrigin(config).host, previews: gateway?.url }, 'forgeway is up');
}

/** The ingress is told the load of the inbox, and nothing else of it. */
function watchInbox(config: Config, { pool }: Store, log: Logger, metrics: Metrics): LoadWatch {
  const { inboxMaxDepth, inboxMaxAgeMinutes, ingressMaxLagMs } = config;
  return watchLoad({
    limits: { depth: inboxMaxDepth, ageSeconds: inboxMaxAgeMinutes * 60, lagMs: ingressMaxLagMs },
    ask: (most) => askLoad(pool, most),
    log,
    metrics,
  });
}

interface Watched {
  config: Config;
  store: Store;
  workers: WorkerProcesses;
  load: LoadWatch;
  queue: RedisWatch | undefined;
}

async function readinessChecks({ config, store, workers, load, queue }: Watched): Promise<Check[]> {
  const expected = config.workerProcesses;
  return [
    await store.pool.query('SELECT 1').then(
      () => ({ name: 'database', ok: true, detail: 'answers' }),
      () => ({ name: 'database', ok: false, detail: 'does not answer; the log says why' }),
    ),
    {
      name: 'workers',
      ok: expected === 0 || workers.alive() > 0,
      detail: expected === 0 ? 'run elsewhere' : `${workers.alive()} of ${expected} running`,
    },
    // Ready all the same: who asks should get our 503 and its Retry-After, and not none from whoever stands in front.
    { name: 'ingress', ok: true, detail: load.describe() },
    ...(queue === undefined ? [] : [{ name: 'queue', ok: true, ...(await queue.state()) }]),
  ];
}

/**
 * The whole program: database, ingress, health, preview listener, worker processes. Resolves after a signal, when
 * everything has been drained and the database has stopped last; rejects, with everything ended, when it cannot start.
 */
export async function runServer(config: Config, log: Logger, options: ServerOptions = {}): Promise<void> {
  // Before anything is opened: workers would only say it again and again.
  plannedAgents(config);
  const stopAsked = shutdownRequested(log);
  const ends: (() => Promise<unknown>)[] = [];
  try {
    await start(config, log, options, ends);
    await stopAsked;
  } finally {
    await endAll([...ends].reverse(), log);
  }
  log.info('stopped');
}
