/** The process that serves a facade: HTTP on loopback, and the bridge behind it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createConnectionDirectory } from '../accounts/connections.js';
import { createVault } from '../accounts/vault.js';
import type { Config } from '../config/config.js';
import { forges } from '../forges/registry.js';
import { inboxForRoutes } from '../inbox/for-routes.js';
import { systemClock } from '../lib/clock.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import { openStore, type Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { openDatabase } from '../store/open-database.js';
import { ensureDefaultOrganization } from '../store/organization.js';
import { createBridge } from '../translate/bridge.js';
import { createFacade, type FacadeRequest } from '../translate/facade/requests.js';
import { createFacadeTokens } from '../translate/facade/tokens.js';
import { checkRunUrls, gitObjectsFor } from './bridge-ports.js';
import { defaultAppCredentials } from './default-app.js';
import { FACADE_APP_ID, openFacade, openRevocations } from './facade-files.js';
import type { LoopbackCertificate } from './loopback-certificate.js';
import { outboundOf } from './outbound.js';
import { shutdownRequested } from './shutdown.js';
import { reportTo } from './worker-report.js';

const ATTACH_WAIT_MS = 30_000;
const MOST_BYTES = 25 * 1024 * 1024;

type Answer = (request: FacadeRequest) => Promise<Response>;

async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function respond(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await read(request);
  if (body === undefined) {
    // The rest of it is on its way: whatever is sent after it would not be read as a request.
    response.writeHead(413, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify({ message: 'The body is too large.' }));
    return;
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) if (typeof value === 'string') headers.set(name, value);
  const answered = await answer({ method: request.method ?? 'GET', path: request.url ?? '/', headers, body });
  response.writeHead(answered.status, Object.fromEntries(answered.headers));
  response.end(Buffer.from(await answered.arrayBuffer()));
}

/**
 * Listens on 127.0.0.1 alone, with `tls` when it is given; resolves when it does. `fail` gets what nobody foresaw; its
 * request is answered 500.
 */
export function listenOnLoopback(
  answer: Answer,
  port: number,
  fail: (error: unknown) => void,
  tls?: LoopbackCertificate,
): Promise<{ port: number; close(): Promise<void> }> {
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    respond(answer, request, response).catch((error: unknown) => {
      fail(error);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ message: 'The facade failed; its log says why.' }));
    });
  };
  const server =
    tls === undefined ? createServer(serve) : createTlsServer({ key: tls.key, cert: tls.certificate }, serve);
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new ForgewayError('FORGEWAY_PORT_IN_USE', `Port ${port} of 127.0.0.1 is taken.`, { cause: error })
          : error,
      ),
    );
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : port,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeIdleConnections();
          }),
      });
    });
  });
}

/** The number under which apps see the one connection that was named. */
async function virtualIdOf(
  store: Store,
  keys: MasterKeys,
  connection: string | undefined,
): Promise<bigint | undefined> {
  if (connection === undefined) return undefined;
  const vault = createVault(keys.versions);
  const directory = createConnectionDirectory({ store, vault, forges, clock: systemClock });
  return (await directory.open(await ensureDefaultOrganization(store), connection)).virtualId;
}

/** Serves until a signal comes. @throws ForgewayError when it cannot start */
export async function runFacadeListener(config: Config, log: Logger, name: string): Promise<void> {
  const stopAsked = shutdownRequested(log);
  const facade = openFacade(config.dataDir, name);
  const opened = await openDatabase(config, { as: 'attach', log, waitMs: ATTACH_WAIT_MS });
  const store = openStore(opened.database, 'worker', { max: 5, log });
  const metrics = createMetrics();
  const outbound = outboundOf(config);
  const bridge = await createBridge({
    github: defaultAppCredentials(config),
    apps: [],
    store,
    keys: opened.keys,
    archiveBytes: config.archiveMaxMb * 1024 * 1024,
    fetch: outbound.fetch,
    gitFor: gitObjectsFor(config, outbound),
    inboxFor: inboxForRoutes(store),
    checkRunUrl: checkRunUrls(config, opened.keys.root),
    log,
    metrics,
  });
  const answer = await createFacade({
    appId: FACADE_APP_ID,
    publicKey: facade.publicKey,
    tokens: createFacadeTokens(facade.tokenKey, systemClock, openRevocations(config.dataDir, name, systemClock.now())),
    requestsOf: bridge.requestsOf,
    origin: facade.origin,
    only: await virtualIdOf(store, opened.keys, facade.connection),
    clock: systemClock,
  });
  const failed = (error: unknown) => log.error({ err: messageOf(error) }, 'a request to the facade failed');
  const listener = await listenOnLoopback(answer, facade.port, failed, facade.tls);
  const stopReporting = reportTo(process, metrics);
  log.info({ api: `${facade.origin}/api/v3`, app: facade.appUrl }, 'facade is up');
  await stopAsked;
  await listener.close();
  await store.close();
  await opened.stop();
  stopReporting();
  if (process.connected) process.disconnect();
}
