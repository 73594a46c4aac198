/** Hands requests for what is not ours on to the HTTP routes of apps, which run in worker processes. */
import { request as ask, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { BlockList } from 'node:net';
import { pipeline } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { clientAddress, isFromTrusted } from './client-address.js';

export interface AppPagesOptions {
  /** Path of a socket on which a worker's apps answer; undefined when no app has routes. */
  socket(): string | undefined;
  /** True while those that have routes are started again. */
  awaited?(): boolean;
  /** Name of the header by which a worker says that no app takes this address. */
  notTaken: string;
  /** Whose word of who asks, and how, is passed on; see `clientAddress`. */
  trustedProxies: BlockList;
  /** How visitors reach this server, where no such proxy says: what PUBLIC_URL begins with. */
  protocol(): 'http' | 'https';
  log: Logger;
  /** Longest silence of an app. */
  timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;
/** Between two neighbours only. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

function handedOn(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
}

/** What proxies say of a request, and so may anybody. */
const OF_PROXIES = /^(?:forwarded|x-forwarded-.+|x-real-ip)$/;

/** Who asks, as an app may believe it: it is reached by this server alone. */
function visitorHeaders(request: IncomingMessage, o: AppPagesOptions): Record<string, string> {
  const said = (name: string) =>
    String(request.headers[name] ?? '')
      .split(',', 1)[0]
      ?.trim() ?? '';
  const trusted = isFromTrusted(request, o.trustedProxies);
  const host = trusted ? said('x-forwarded-host') : '';
  return {
    'x-forwarded-for': clientAddress(request, o.trustedProxies),
    'x-forwarded-proto': (trusted && said('x-forwarded-proto')) || o.protocol(),
    ...(host !== '' && { 'x-forwarded-host': host }),
  };
}

/** Without ours: an app serves its own visitors, and has no use for the session of an administrator who is one of them. */
function theirCookies(cookies: string): string | undefined {
  const theirs = cookies.split(';').filter((one) => !/^\s*(?:__Secure-)?forgeway\./.test(one));
  return theirs.length === 0 ? undefined : theirs.join(';').trim();
}

/** Streams the request there and the answer back. `otherwise` answers when no app takes it; nothing has been sent then. */
function handOn(
  { raw: request }: { raw: IncomingMessage },
  response: ServerResponse,
  socketPath: string,
  o: AppPagesOptions,
  otherwise: (status: 404 | 502 | 504) => void,
): void {
  const timeout = o.timeoutMs ?? TIMEOUT_MS;
  const { cookie, ...told } = handedOn(request.headers);
  const others = Object.fromEntries(Object.entries(told).filter(([name]) => !OF_PROXIES.test(name)));
  const kept = cookie === undefined ? undefined : theirCookies(cookie);
  const headers = {
    ...others,
    ...(kept !== undefined && { cookie: kept }),
    ...visitorHeaders(request, o),
  };
  let late = false;
  const there = ask({ socketPath, path: request.url, method: request.method, headers, timeout, agent: false });
  there.once('timeout', () => {
    late = true;
    there.destroy();
  });
  there.once('error', (error) => {
    if (response.destroyed) return;
    o.log.warn({ err: messageOf(error), late }, 'a page of an app did not answer');
    if (response.headersSent) response.destroy();
    else otherwise(late ? 504 : 502);
  });
  there.once('response', (answer) => {
    if (answer.headers[o.notTaken] !== undefined) {
      answer.resume();
      return otherwise(404);
    }
    response.writeHead(answer.statusCode ?? 502, handedOn(answer.headers));
    // Whichever end goes away, the other is let go of.
    pipeline(answer, response, () => undefined);
  });
  response.once('close', () => there.destroy());
  pipeline(request, there, () => undefined);
}

/** To be added before any route, so that a body that is handed on is not read here. */
export function addAppPages(app: FastifyInstance, options: AppPagesOptions): void {
  app.addHook('onRequest', async (request, reply: FastifyReply) => {
    const socket = request.is404 ? options.socket() : undefined;
    const awaited = socket === undefined && request.is404 && options.awaited?.() === true;
    if (socket === undefined && !awaited) return;
    reply.hijack();
    const answer = (status: keyof typeof ANSWERS) => {
      const [code, message] = ANSWERS[status];
      const again = status === 503 ? { 'retry-after': String(RETRY_SECONDS) } : {};
      reply.raw
        .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...again })
        .end(JSON.stringify({ error: { code, message, requestId: request.id } }));
    };
    if (socket === undefined) answer(503);
    else handOn(request, reply.raw, socket, options, answer);
  });
}

/** A worker is there again about then. */
const RETRY_SECONDS = 5;

const ANSWERS = {
  404: ['NOT_FOUND', 'There is nothing here.'],
  502: ['BAD_GATEWAY', 'The app that serves this address did not answer.'],
  503: ['UNAVAILABLE', 'The app that may serve this address is being started. Ask again.'],
  504: ['GATEWAY_TIMEOUT', 'The app that serves this address did not answer in time.'],
} as const;
