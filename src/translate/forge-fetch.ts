/**
 * The one way out to a forge: every request of every handler, and the ones for tokens, pass through here. Each goes to
 * an origin its credential was stored for or carries no credential, ends in time, is read up to a limit, is counted and
 * logged by its shape. Only reads are sent again.
 */

import type { OpenConnection } from '../accounts/connections.js';
import { retryAfter, retryDelay } from '../lib/backoff.js';
import { type Clock, pause } from '../lib/clock.js';
import { currentDelivery, type DeliveryScope, noteOutage } from '../lib/delivery-scope.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';
import { type Circuits, createCircuits, type Passage } from './circuits.js';
import type { Credential } from './credential.js';
import { mayStillLeave, noteAnswer, noteLost } from './journal/in-flight.js';
import type { Paces } from './paces.js';
import { readLimited } from './read-limited.js';
import { isRateLimit, type RequestLimits } from './request-limits.js';
import { routeShape } from './route-shape.js';
import { keepCredential, withoutOurSecrets } from './without-secrets.js';

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** What really sends: `Outbound.fetch`, or what a test has in its place. */
export type Send = (url: string, init?: RequestInit, route?: OutboundRoute) => Promise<Response>;

/** Told of what the requests of a connection meet. Must not throw, and is not waited for. */
export interface ForgeWatch {
  /** `path` is below the API's base. */
  answered(connection: OpenConnection, method: string, path: string, response: Response): void;
  /** Its host is not asked for a while, or may not be. */
  unanswered(connection: OpenConnection, reason: string): void;
}

export interface ForgeFetchOptions {
  send: Send;
  limits: RequestLimits;
  /** What it knows of hosts that do not answer; its own unless a test says otherwise. */
  circuits?: Circuits;
  watch?: ForgeWatch | undefined;
  /** Keeps what is sent within what a forge allows beforehand; without it only its answers are heeded. */
  paces?: Paces;
  log: Logger;
  metrics: Metrics;
  clock: Clock;
  /** Longest time one attempt may take, its body included. */
  timeoutMs?: number;
  /** Largest body that is read, after decompression. */
  maxBytes?: number;
  /** The same for the archive of a repository. */
  archiveBytes?: number | undefined;
}

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 10 * 1024 * 1024;
/** Of an archive; what is read of them at one time in a process is at most {@link ARCHIVES_AT_ONCE} times as much. */
const ARCHIVE_BYTES = 256 * 1024 * 1024;
const ARCHIVE_TIMEOUT_MS = 10 * 60_000;
const ARCHIVES_AT_ONCE = 2;
const ARCHIVE_ADVICE = ' Clone the repository with git, or have the administrator raise ARCHIVE_MAX_MB.';
const MAX_REDIRECTS = 5;
const RETRIES = { baseMs: 200, capMs: 5_000, attempts: 3 };
/** A wait that is longer than this is not spent inside a handler. */
const LONGEST_RETRY_AFTER_MS = 10_000;
/** It cannot do what was asked, and is well. */
const CANNOT_DO = 501;
/** It may have stumbled over this very request, which must not be repeated for ever. */
const BROKE = 500;
const UNSTEADY: ReadonlySet<number> = new Set([502, 503, 504]);
const REDIRECT: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

interface Exchange {
  credential: Credential;
  method: string;
  init: RequestInit;
  signal: AbortSignal | undefined;
  scope: DeliveryScope | undefined;
  /** Asks for the files of a repository in one, wherever it is redirected to. */
  isArchive: boolean;
}

/** A query of GraphQL is sent like a write, and is none. */
const isWrite = (method: string, path: string, body: unknown): boolean =>
  !isRead(method) && (path !== '/graphql' || typeof body !== 'string' || body.includes('mutation'));

const isRead = (method: string) => method === 'GET' || method === 'HEAD';

/** Path below the API's base, as routes are written. */
function apiPath(credential: Credential, url: URL): string {
  const base = new URL(credential.endpoint.apiUrl).pathname.replace(/\/$/, '');
  return url.pathname.startsWith(`${base}/`) ? url.pathname.slice(base.length) : url.pathname;
}

const isArchiveOf = (credential: Credential, url: URL): boolean =>
  credential.endpoint.archives?.test(apiPath(credential, url)) === true &&
  credential.endpoint.apiOrigins.has(url.origin);

/** Work that takes memory, a few at a time; the others wait in their order until `signal` gives them up. */
function createTurns(most: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  /** Hands its turn on, so that nobody comes in between. */
  const next = () => {
    const first = waiting.shift();
    if (first === undefined) running -= 1;
    else first();
  };
  return {
    async run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
      if (running < most) running += 1;
      else
        await new Promise<void>((resolve, reject) => {
          const go = () => {
            signal?.removeEventListener('abort', stop);
            resolve();
          };
          const stop = () => {
            waiting.splice(waiting.indexOf(go), 1);
            reject(signal?.reason);
          };
          signal?.addEventListener('abort', stop, { once: true });
          waiting.push(go);
        });
      try {
        return await work();
      } finally {
        next();
      }
    },
  };
}

/**
 * How a URL may be asked for: with the credential, without any, or not at all. `storage` is the origin that the API named for
 * a large file, as the one of an object storage.
 */
function admission(credential: Credential, url: URL, method: string, storage?: string): 'signed' | 'open' | undefined {
  const { apiOrigins, openOrigins } = credential.endpoint;
  if (url.username !== '' || url.password !== '') return undefined;
  if (apiOrigins.has(url.origin)) return 'signed';
  return (openOrigins.has(url.origin) || url.origin === storage) && isRead(method) ? 'open' : undefined;
}

/**
 * The origin that a server keeps its large files at. The API alone may name one, for such a file alone; what it is asked for
 * there carries no credential, and no private address is asked, as everywhere.
 */
function storageOf({ isArchive, credential }: Exchange, from: URL, to: URL): string | undefined {
  const isKept = isArchive && credential.endpoint.apiOrigins.has(from.origin);
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  return isKept && isSafe ? to.origin : undefined;
}

const refusedOrigin = (method: string, where: string) =>
  new ForgewayError('FORGEWAY_ORIGIN_REFUSED', `${method} to ${where} does not belong to this forge.`);

/** A login page in front of the forge, or an address that has moved. */
const redirectedAway = (from: string, to: string) =>
  new ForgewayError(
    'FORGEWAY_ORIGIN_REFUSED',
    `${from} redirects to ${to}, which is not this forge: nothing is asked there. Connect the forge by the address that it answers at.`,
  );

/** An answer of ours while the forge wants silence; a handler sees what the forge itself would have said. */
function tooManyRequests(waitMs: number): Response {
  const headers = { 'content-type': 'application/json', 'retry-after': String(Math.ceil(waitMs / 1_000)) };
  const message = 'Forgeway holds this request back: the forge asked this installation to wait.';
  return new Response(JSON.stringify({ message }), { status: 429, headers });
}

/** Whoever sends it knows them: a length that an app has counted of something else would keep both ends waiting. */
const OF_THE_SENDER = ['connection', 'content-length', 'expect', 'host', 'keep-alive', 'transfer-encoding'];

/**
 * A page for people, with success, where JSON was asked for: a proxy's word, or the page of a maintenance, and not the
 * forge's. An app would take it for the answer.
 */
function isPage(asked: Headers, path: string, { ok, headers }: Response): boolean {
  if (!ok || !(headers.get('content-type') ?? '').startsWith('text/html')) return false;
  const accept = asked.get('accept') ?? '';
  return accept.includes('json') && !accept.includes('html') && !path.startsWith('/markdown');
}

const outOfTime = () =>
  new ForgewayError('FORGEWAY_HANDLER_TIMEOUT', 'Its handler was over before the request had its turn.');

export function createForgeFetch(o: ForgeFetchOptions): (credential: Credential) => Fetch {
  const archives = createTurns(ARCHIVES_AT_ONCE);
  const timeoutMs = o.timeoutMs ?? TIMEOUT_MS;
  const circuits = o.circuits ?? createCircuits(o);

  /** Nothing has left when this throws. @throws ForgewayError FORGEWAY_FORGE_DOWN */
  const enter = ({ credential, scope }: Exchange, url: URL): Passage => {
    try {
      return circuits.enter(credential.endpoint.forge, url.host);
    } catch (error) {
      if (error instanceof ForgewayError) noteOutage(scope, Number(error.details.waitMs));
      throw error;
    }
  };

  const judge = (passage: Passage, { status, headers }: Response, scope: DeliveryScope | undefined): void => {
    if (status < BROKE || status === CANNOT_DO) passage.succeeded();
    else {
      const waitMs = passage.failed(retryAfter(headers.get('retry-after') ?? undefined, o.clock.now()));
      if (status !== BROKE) noteOutage(scope, waitMs);
    }
  };

  /** Waits for its turn. Nothing has left when this throws. */
  const paced = async ({ credential, method, init, signal, scope }: Exchange, url: URL) => {
    const { pace } = credential.endpoint;
    if (o.paces === undefined || pace === undefined || credential.installation === undefined) return () => undefined;
    const kind = isWrite(method, apiPath(credential, url), init.body) ? 'write' : 'read';
    try {
      return await o.paces.enter(credential.name, pace, kind, signal);
    } catch (error) {
      if (!scope?.signal.aborted) throw error;
      throw outOfTime();
    }
  };

  /** One request, one answer, read to its end. */
  const attempt = async (exchange: Exchange, url: URL, authorization: string | undefined): Promise<Response> => {
    const leave = await paced(exchange, url);
    try {
      return await exchanged(exchange, url, authorization);
    } finally {
      leave();
    }
  };

  const exchanged = async (exchange: Exchange, url: URL, authorization: string | undefined): Promise<Response> => {
    const { credential, method, scope } = exchange;
    const headers = new Headers(exchange.init.headers);
    for (const name of OF_THE_SENDER) headers.delete(name);
    if (authorization !== undefined) headers.set('authorization', authorization);
    await mayStillLeave(method, apiPath(credential, url));
    // What waited for its turn until its handler was over was never sent: nobody has to find out whether it arrived.
    if (exchange.signal?.aborted) throw scope?.signal.aborted ? outOfTime() : exchange.signal.reason;
    const spokenWith = keepCredential(headers);
    const passage = enter(exchange, url);
    const { isArchive } = exchange;
    const isOfForge = credential.endpoint.apiOrigins.has(url.origin);
    const patience = isArchive ? Math.max(timeoutMs, ARCHIVE_TIMEOUT_MS) : timeoutMs;
    const timeout = AbortSignal.timeout(patience);
    // A signal made of one is dear.
    const signal = exchange.signal === undefined ? timeout : AbortSignal.any([timeout, exchange.signal]);
    const began = performance.now();
    const record = (status: number | string) => {
      const label = typeof status === 'number' ? `${Math.floor(status / 100)}xx` : 'error';
      o.metrics.forgeRequests.inc({ forge: credential.endpoint.forge, status: label });
      o.log.debug(
        {
          ...(scope && { delivery: scope.deliveryKey, event: scope.eventName, app: scope.app }),
          host: url.host,
          request: `${method} ${routeShape(apiPath(credential, url))}`,
          status,
          ms: Math.round(performance.now() - began),
        },
        'forge request',
      );
    };
    try {
      const init = { ...exchange.init, method, headers, redirect: 'manual', signal } as const;
      const response = await o.send(url.href, init, credential.route);
      const whole = await withoutOurSecrets(
        isArchive
          ? await readLimited(response, url, o.archiveBytes ?? ARCHIVE_BYTES, ARCHIVE_ADVICE)
          : await readLimited(response, url, o.maxBytes ?? MAX_BYTES),
        spokenWith,
      );
      if (isPage(headers, apiPath(credential, url), whole))
        throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', `${url.host} answered ${method} with a web page.`);
      noteAnswer(method, apiPath(credential, url), whole, o.clock.now());
      record(whole.status);
      // What a storage says is no word of the forge's about its token or its limits.
      if (isOfForge) o.limits.note(credential.name, apiPath(credential, url), whole);
      judge(passage, whole, scope);
      if (isOfForge && credential.connection !== undefined)
        o.watch?.answered(credential.connection, method, apiPath(credential, url), whole);
      return whole;
    } catch (error) {
      record(timeout.aborted ? 'timeout' : 'failed');
      noteLost(method, apiPath(credential, url), error);
      // An answer that is too large is an answer.
      if (error instanceof ForgewayError && error.code === 'FORGEWAY_ANSWER_TOO_LARGE') passage.succeeded();
      else if (exchange.signal?.aborted && !timeout.aborted) passage.abandoned();
      else {
        const waitMs = passage.failed();
        noteOutage(scope, waitMs);
        const mayNot = error instanceof ForgewayError && error.code === 'FORGEWAY_ADDRESS_REFUSED';
        if (isOfForge && credential.connection !== undefined && (waitMs > 0 || mayNot))
          o.watch?.unanswered(credential.connection, mayNot ? error.message : `${url.host} does not answer.`);
      }
      if (error instanceof ForgewayError) throw error;
      if (exchange.init.signal?.aborted) throw error;
      if (scope?.signal.aborted)
        throw new ForgewayError('FORGEWAY_HANDLER_TIMEOUT', 'The request was given up with its handler.', {
          cause: error,
        });
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      const why = timeout.aborted ? `no answer in ${patience / 1_000} s` : messageOf(cause);
      throw new ForgewayError('FORGEWAY_FORGE_UNREACHABLE', `${method} to ${url.host} failed: ${why}`, {
        cause: error,
      });
    }
  };

  /** Signs where the origin allows it; a read is signed anew once when its token was refused. */
  const authorized = async (exchange: Exchange, url: URL, storage?: string): Promise<Response> => {
    const { credential, init, method } = exchange;
    const admitted = admission(credential, url, method, storage);
    if (admitted === undefined) throw refusedOrigin(method, url.host);
    const headers = new Headers(init.headers);
    if (admitted === 'open') {
      headers.delete('authorization');
      headers.delete('cookie');
      return attempt({ ...exchange, init: { ...init, headers } }, url, undefined);
    }
    if (headers.has('authorization')) return attempt(exchange, url, undefined);
    const path = apiPath(credential, url);
    const authorization = await credential.authorization(path);
    const response = await attempt(exchange, url, authorization);
    const renewed = response.status === 401 && (await credential.refused(path, authorization));
    if (!renewed || !isRead(method)) return response;
    return attempt(exchange, url, await credential.authorization(path));
  };

  /** Follows redirects itself, so that each hop is checked like a request of its own. */
  const followed = async (exchange: Exchange, url: URL): Promise<Response> => {
    const { credential, init, method } = exchange;
    let at = url;
    let storage: string | undefined;
    for (let hops = 1; hops <= MAX_REDIRECTS; hops += 1) {
      const response = await authorized(exchange, at, storage);
      const location = response.headers.get('location');
      if (!REDIRECT.has(response.status) || location === null || init.redirect === 'manual') return response;
      // Other redirects would silently turn a mutation into a read, and a stream cannot be sent twice.
      const keepsMethod = response.status === 307 || response.status === 308;
      if (!isRead(method) && !(keepsMethod && !(init.body instanceof ReadableStream)))
        throw refusedOrigin(method, `${at.host}, which redirected it,`);
      if (!URL.canParse(location, at.href)) throw refusedOrigin(method, 'an address that cannot be read');
      const next = new URL(location, at);
      storage ??= storageOf(exchange, at, next);
      if (admission(credential, next, method, storage) === undefined) throw redirectedAway(at.host, next.host);
      at = next;
    }
    throw refusedOrigin(method, `${at.host}, after ${MAX_REDIRECTS} redirects,`);
  };

  const repeated = async (exchange: Exchange, url: URL): Promise<Response> => {
    for (let attempts = 1; ; attempts += 1) {
      const last = attempts >= RETRIES.attempts || exchange.signal?.aborted === true;
      let wait = retryDelay(RETRIES, attempts);
      try {
        const response = await followed(exchange, url);
        const unsteady = UNSTEADY.has(response.status) || isRateLimit(response.status, response.headers);
        if (last || !unsteady) return response;
        wait = Math.max(wait, retryAfter(response.headers.get('retry-after') ?? undefined, o.clock.now()) ?? 0);
        if (wait > LONGEST_RETRY_AFTER_MS) return response;
        if (o.limits.blockedFor(exchange.credential.name, apiPath(exchange.credential, url)) > LONGEST_RETRY_AFTER_MS)
          return response;
      } catch (error) {
        const passing = error instanceof ForgewayError && error.code === 'FORGEWAY_FORGE_UNREACHABLE';
        if (last || !passing) throw error;
      }
      await pause(wait, exchange.signal);
    }
  };

  return (credential) => async (input, init) => {
    const url = new URL(input);
    const scope = currentDelivery();
    const signals = [scope?.signal, init?.signal].filter((signal) => signal !== undefined && signal !== null);
    const exchange: Exchange = {
      credential,
      method: (init?.method ?? 'GET').toUpperCase(),
      init: init ?? {},
      signal: signals.length === 0 ? undefined : AbortSignal.any(signals),
      scope,
      isArchive: isRead(init?.method?.toUpperCase() ?? 'GET') && isArchiveOf(credential, url),
    };
    const path = apiPath(credential, url);
    const sent = async () => {
      if (!(await o.limits.awaitTurn(credential.name, path, exchange.signal)))
        return tooManyRequests(o.limits.blockedFor(credential.name, path));
      return isRead(exchange.method) ? repeated(exchange, url) : followed(exchange, url);
    };
    const run = async () => {
      const response = await sent();
      if (isRateLimit(response.status, response.headers))
        noteOutage(scope, o.limits.blockedFor(credential.name, path), 'limit');
      return response;
    };
    if (exchange.isArchive) return archives.run(run, exchange.signal);
    const speaksForSomebody = credential.installation !== undefined || credential.connection !== undefined;
    if (isRead(exchange.method) || !speaksForSomebody) return run();
    return o.limits.inOrder(credential.name, run);
  };
}
