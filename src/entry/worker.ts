import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createAccess } from '../accounts/access/access.js';
import { keepTrailShort } from '../accounts/access/trail.js';
import { startConfirmations } from '../accounts/connecting/confirmations.js';
import { startRevocations } from '../accounts/connecting/revocations.js';
import { startMembershipMirror } from '../accounts/membership/mirror.js';
import { createPermissions } from '../accounts/permissions.js';
import type { Config } from '../config/config.js';
import { forges } from '../forges/registry.js';
import { createApps, MIRROR } from '../handlers/apps.js';
import { inboxForRoutes } from '../inbox/for-routes.js';
import { startPoller } from '../inbox/poll/poller.js';
import { startInbox } from '../inbox/start-inbox.js';
import { systemClock } from '../lib/clock.js';
import type { DeliveryScope } from '../lib/delivery-scope.js';
import { placeOf } from '../lib/error-place.js';
import { guardOutput } from '../lib/guarded-output.js';
import { catchStrayRejections, tellWhoEnds } from '../lib/left-behind.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import { openStore } from '../store/database.js';
import { openDatabase } from '../store/open-database.js';
import { ensureDefaultOrganization } from '../store/organization.js';
import { type App, type Bridge, createBridge } from '../translate/bridge.js';
import { facadeApp } from '../translate/facade/webhooks.js';
import { unwrap } from '../translate/failures.js';
import { type AddedApps, importApps } from './added-apps.js';
import { plannedAgents } from './agent-jobs.js';
import { createApiConnections } from './api-connections.js';
import { checkRunUrls, gitObjectsFor } from './bridge-ports.js';
import { defaultAppCredentials } from './default-app.js';
import { openFacade } from './facade-files.js';
import { startFeatureJobs } from './feature-jobs.js';
import { createHookRecovery } from './hook-recovery.js';
import { membershipPorts } from './membership-ports.js';
import { outboundOf } from './outbound.js';
import { portTaken } from './port-taken.js';
import { shutdownRequested } from './shutdown.js';
import { servePages, type WorkerPages } from './worker-pages.js';
import { reportTo } from './worker-report.js';

/** Leaves time, within what the server waits, to stop previews and to let go of the database. */
const DRAIN_MS = 15_000;
/** `forgeway work` may be started before the server has its database up. */
const ATTACH_WAIT_MS = 30_000;
/** What has not ended by then never will. */
const STOP_LIMIT_MS = 24_000;
/** Of the time that a handler has: an app that does not answer is a result, before it is a handler that hangs. */
const FACADE_SHARE = 0.75;
/** Handlers that run at the same time in one worker. */
const LANE_CONCURRENCY = 32;

export interface WorkerOptions {
  /**
   * Port of the preview listener: the server gives it to the workers it starts. Without it this worker runs no previews,
   * since their processes must be on the machine that serves them.
   */
  previewPort?: number;
  /** Other people's apps, to be loaded. */
  added?: AddedApps;
  /** The same, loaded already. */
  apps?: readonly App[];
  /** Apps in processes of their own, by the name of their facade. */
  facades?: readonly string[];
}

/** The listener for HTTP routes of apps, in a worker that has a server to hand requests on. */
async function openPages(pages: Bridge['pages'], log: Logger): Promise<WorkerPages | undefined> {
  if (pages === undefined) return undefined;
  const { apps } = pages;
  if (process.connected) log.info({ apps }, 'apps serve HTTP routes, at the address of the server');
  else log.warn({ apps }, 'HTTP routes of apps are served by workers that the server started, and not by this one');
  return process.connected ? servePages(pages) : undefined;
}

/** What an app left alone is told, and is no end of what else runs here. */
function outliveStrays(log: Logger): void {
  const told = ({ app, eventName: event, deliveryKey: delivery }: DeliveryScope) => ({ app, event, delivery });
  catchStrayRejections((scope, error) => {
    const at = placeOf(error);
    const details = { ...told(scope), err: unwrap(error).message, ...(at !== undefined && { at }) };
    log.error(details, 'a promise was rejected that the handler did not await: what it had to do was not done');
  });
  process.on('uncaughtExceptionMonitor', (error) => {
    const said = portTaken(error);
    if (said !== undefined) log.error(said);
  });
  tellWhoEnds((scope, code) => log.error({ ...told(scope), code }, 'an app ended the process of the worker'));
}

/** One worker: assigner, lanes, handlers and reconcilers. Resolves after a signal, when what ran has been finished. */
export async function runWorker(config: Config, log: Logger, options: WorkerOptions = {}): Promise<void> {
  guardOutput();
  outliveStrays(log);
  const stopAsked = shutdownRequested(log);
  // Before anything is opened: an app that does not load ends the worker, with nothing to let go of.
  const added = options.added === undefined ? [] : await importApps(options.added);
  const beside = (options.facades ?? []).map((name) =>
    facadeApp({ ...openFacade(config.dataDir, name), timeoutMs: config.handlerTimeoutMs * FACADE_SHARE }),
  );
  const opening = openDatabase(config, { as: 'attach', log, waitMs: ATTACH_WAIT_MS });
  const waiting = setTimeout(() => log.info({ dataDir: config.dataDir }, 'waiting for the database'), 1_000);
  const opened = await Promise.race([opening, stopAsked.then(() => undefined)]).finally(() => clearTimeout(waiting));
  if (opened === undefined) {
    log.info('worker stopped before the database was there');
    process.exit(0);
  }
  const store = openStore(opened.database, 'worker', { max: 20, log });
  const metrics = createMetrics();
  const outbound = outboundOf(config);

  const access = createAccess({ store, log, organizationId: await ensureDefaultOrganization(store) });
  const agents = plannedAgents(config);
  const jobs = startFeatureJobs({
    config,
    outbound,
    database: opened.database,
    keys: opened.keys,
    store,
    access,
    metrics,
    log,
    previewPort: options.previewPort,
    agents,
    // Their processes are on the machine of the server that started this worker.
    runsAgents: options.previewPort !== undefined || process.connected,
  });
  const rights = { access, permissions: createPermissions({ clock: systemClock }) };
  const own = createApps({
    store,
    pokes: jobs.pokes,
    rights,
    previews: config.previewDriver !== 'off',
    agents,
    commandLimit: config.commandLimit,
    askAs: async (installationId) => (await bridge.askAs(installationId, { confidential: false })).github,
    log,
  });
  const apps = [...own, ...(options.apps ?? []), ...added, ...beside];
  const bridge = await createBridge({
    github: defaultAppCredentials(config),
    apps,
    store,
    keys: opened.keys,
    archiveBytes: config.archiveMaxMb * 1024 * 1024,
    fetch: outbound.fetch,
    gitFor: gitObjectsFor(config, outbound),
    inboxFor: inboxForRoutes(store),
    checkRunUrl: checkRunUrls(config, opened.keys.root),
    log,
    metrics,
    paced: true,
  });
  await jobs.start(bridge);
  const inbox = startInbox({
    store,
    dispatcher: bridge,
    forges,
    log,
    metrics,
    ownerId: `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`,
    concurrency: LANE_CONCURRENCY,
    handlerTimeoutMs: config.handlerTimeoutMs,
    retentionDays: config.retentionDays,
  });
  const pages = await openPages(bridge.pages, log);
  const trail = keepTrailShort({ store, days: config.retentionDays, log });
  const recovery = createHookRecovery({ config, store, keys: opened.keys, bridge, metrics, log });
  recovery?.start();
  const poller = startPoller(
    { store, access: bridge.askAs, recorder: MIRROR, log, metrics },
    { intervalMs: config.pollIntervalSeconds * 1_000 },
  );
  const { confirm, revocations } = createApiConnections({
    ...{ store, keys: opened.keys, outbound, publicUrl: config.publicUrl, log },
  });
  const confirmations = startConfirmations({ store, clock: systemClock, log, confirm });
  const ending = startRevocations(revocations);
  const members = startMembershipMirror(membershipPorts({ store, log, bridge: async () => bridge }));
  const stopReporting = reportTo(process, metrics, pages?.socket);
  log.info({ apps: apps.map((app) => app.name) }, 'worker is up');

  await stopAsked;
  // With the database gone nothing can be written down any more, and no step below would ever end.
  setTimeout(() => {
    log.error('the worker could not stop in time; what it ran is run again elsewhere');
    process.exit(1);
  }, STOP_LIMIT_MS).unref();
  const asking = [poller.stop(), members.stop(), confirmations.stop(), ending.stop(), recovery?.stop()];
  await Promise.all([...asking, inbox.drain(DRAIN_MS), jobs.drain(DRAIN_MS)]);
  await pages?.close();
  await jobs.close();
  trail.stop();
  await access.close();
  await store.close();
  await opened.stop();
  stopReporting();
  log.info('worker stopped');
  if (process.connected) process.disconnect();
}
