/**
 * The listener that people open previews through. It has its own port and domain, so that a preview shares no origin with
 * our API: it knows each preview by host name, hands the request on, and keeps our cookies away from it.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import httpProxy from '@fastify/http-proxy';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { type Clock, systemClock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { cookieValues, ownHostCookies, withoutOurCookies } from './cookies.js';
import { listenEverywhereMeant } from './listen.js';
import { type Page, pages } from './pages.js';
import { type ConnectService, connectToOrigin, createUpstreamAgent, originOf, type Upstream } from './upstream.js';
import { LINK_PARAMETER, linkCookie, type VisitorLinks } from './visitor-link.js';

/** What the gateway must know about a preview. */
export interface GatewayRoute {
  id: string;
  phase: 'pending' | 'waiting' | 'building' | 'starting' | 'ready' | 'failed' | 'sleeping' | 'removing' | 'gone';
  /** Where it answers; null while nothing does. */
  upstream: Upstream | null;
  private: boolean;
  /** Strangers' code: served from a domain of its own, so that it shares no cookies with others. */
  stranger?: boolean;
  message: string | null;
}

export interface GatewayOptions<R extends GatewayRoute> {
  /** 127.0.0.1 and localhost mean ::1 too, where there is IPv6. */
  host: string;
  /** 0 picks a free one. */
  port: number;
  /** Previews are its direct sub-domains. */
  domain: string;
  /** Of another registrable domain, for strangers' code. Without it there is none to serve. */
  strangersDomain?: string | undefined;
  /** Reaches what is in a cluster. */
  connectService?: ConnectService | undefined;
  /** By the first label of the host name. */
  find: (name: string) => Promise<R | undefined>;
  opened: (route: R) => Promise<void>;
  wake: (route: R) => Promise<void>;
  links: VisitorLinks;
  /** Where visitors of a private preview sign in, and from where they come back with a link. Without it there is the link alone. */
  signInUrl?: ((label: string, path: string) => string) | undefined;
  /** Whether people come by https, through a proxy in front of us; default false. */
  secure?: boolean;
  log: Logger;
  /** Largest request body handed on; default 25 MiB. */
  bodyLimit?: number;
  /** Longest wait for the preview's answer to begin; default 60 s. */
  timeoutMs?: number;
  clock?: Clock;
}

export interface Gateway {
  port: number;
  /** Ends open connections. */
  close(): Promise<void>;
}

const HOP_BY_HOP = [
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade'],
];
const FORWARDED = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-real-ip',
];

declare module 'fastify' {
  interface FastifyRequest {
    /** Where the preview answers; set before a request is handed on. */
    previewOrigin: string;
  }
}

function send(reply: FastifyReply, { status, html }: Page) {
  return reply
    .code(status)
    .headers({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-robots-tag': 'noindex, nofollow',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      ...(status === 503 ? { 'retry-after': '3' } : {}),
    })
    .send(html);
}

/** Headers as the preview gets them. */
function forwardedHeaders(request: FastifyRequest, headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = Object.entries(headers).filter(
    ([name]) => !HOP_BY_HOP.includes(name) && !FORWARDED.includes(name) && !name.startsWith('x-forgeway'),
  );
  const cookie = withoutOurCookies(request.headers.cookie);
  const { cookie: _, ...rest } = Object.fromEntries(kept);
  return {
    ...rest,
    ...(cookie === undefined ? {} : { cookie }),
    host: request.headers.host ?? '',
    'x-forwarded-for': request.socket.remoteAddress ?? '',
    'x-forwarded-host': request.headers.host ?? '',
    'x-forwarded-proto': request.protocol,
  };
}

/** Headers as the visitor gets them. */
function returnedHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name.toLowerCase()));
  const { 'set-cookie': cookies, ...rest }: IncomingHttpHeaders = Object.fromEntries(kept);
  const own = ownHostCookies([cookies ?? []].flat());
  return { ...rest, ...(own.length === 0 ? {} : { 'set-cookie': own }), 'x-robots-tag': 'noindex, nofollow' };
}

type Connected = (...result: [error: null, socket: Socket] | [error: Error, socket: null]) => void;

/** What the proxy opens its connections with. */
const connectorForProxy =
  (connectService: ConnectService | undefined) =>
  (target: { hostname: string; port: string }, done: Connected): void => {
    const socket = connectToOrigin(target, connectService);
    const failed = (error: Error) => done(error, null);
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      done(null, socket);
    });
  };

/** Starts to listen. Rejects when the port is taken. */
export async function startGateway<R extends GatewayRoute>(options: GatewayOptions<R>): Promise<Gateway> {
  const { domain, strangersDomain, connectService, find, opened, wake, links, log, clock = systemClock } = options;
  const { secure = false } = options;
  const ourCookie = linkCookie(secure);
  const { bodyLimit = 25 * 1024 * 1024, timeoutMs = 60_000 } = options;

  const server = fastify({
    bodyLimit,
    requestTimeout: 120_000,
    connectionTimeout: 0,
    keepAliveTimeout: 30_000,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 16_384 },
    // What the router cannot decode comes by neither our hooks nor our error handler.
    frameworkErrors: (_error, _request, reply) => void send(reply as unknown as FastifyReply, pages.badRequest()),
  });
  server.decorateRequest('previewOrigin', '');

  /** The first label of the host, and whether it is of the domain for strangers' code. */
  function nameOf(request: FastifyRequest): { name: string; ofStrangers: boolean } | undefined {
    const host = (request.headers.host ?? '').toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
    for (const one of [domain, strangersDomain]) {
      if (one === undefined || !host.endsWith(`.${one}`)) continue;
      const name = host.slice(0, -one.length - 1);
      return name.includes('.') ? undefined : { name, ofStrangers: one === strangersDomain };
    }
    return undefined;
  }

  /** Lets a visitor with a good link or cookie pass. False when the answer has been sent. */
  function admit(request: FastifyRequest, reply: FastifyReply, route: R, label: string): boolean {
    const target = new URL(request.url, 'http://preview.invalid');
    const token = target.searchParams.get(LINK_PARAMETER);
    const now = clock.now();
    if (token !== null && links.isValid(token, route.id, now)) {
      target.searchParams.delete(LINK_PARAMETER);
      // The link is left behind at once, so that it reaches neither the preview nor a Referer.
      void reply
        .header('set-cookie', `${ourCookie}=${token}; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`)
        .header('cache-control', 'no-store')
        .header('referrer-policy', 'no-referrer')
        .redirect(`${target.pathname.replace(/^\/+/, '/')}${target.search}`, 302);
      return false;
    }
    const tokens = cookieValues(request.headers.cookie, ourCookie);
    if (tokens.some((candidate) => links.isValid(candidate, route.id, now))) return true;
    target.searchParams.delete(LINK_PARAMETER);
    const path = `${target.pathname.replace(/^\/+/, '/')}${target.search}`;
    void send(reply, pages.linkNeeded(options.signInUrl?.(label, path)));
    return false;
  }

  async function pageInstead(route: R): Promise<Page> {
    switch (route.phase) {
      case 'sleeping':
        await wake(route);
        return pages.waking();
      case 'waiting':
        return pages.waiting(route.message);
      case 'failed':
        return pages.failed(route.message);
      case 'removing':
      case 'gone':
        return pages.unknown();
      case 'starting':
        return pages.starting(route.message);
      default:
        return pages.building(route.message);
    }
  }

  server.addHook('onRequest', async (request, reply) => {
    // Any other form, such as `//host/path`, could be read as the address of another server.
    if (!/^\/(?!\/)/.test(request.url)) return send(reply, pages.badRequest());
    const asked = nameOf(request);
    const route = asked === undefined ? undefined : await find(asked.name);
    // On the other domain it would share cookies with what it must not.
    if (route === undefined || (route.stranger ?? false) !== asked?.ofStrangers) return send(reply, pages.unknown());
    if (route.private && !admit(request, reply, route, asked.name)) return reply;
    if (route.upstream === null) return send(reply, await pageInstead(route));
    if (Number(request.headers['content-length'] ?? 0) > bodyLimit) return send(reply, pages.tooLarge());
    request.previewOrigin = originOf(route.upstream);
    opened(route).catch((error: unknown) => log.warn({ error: messageOf(error) }, 'a visit was not written down'));
  });

  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    // The proxy refuses an address with `..`: that is the visitor's mistake and not ours.
    if (error.statusCode === 400) return send(reply, pages.badRequest());
    log.warn({ error: messageOf(error) }, 'preview request failed');
    return send(reply, pages.broken());
  });
  server.setNotFoundHandler((_request, reply) => send(reply, pages.unknown()));

  const wsClientOptions = {
    headers: {},
    agent: createUpstreamAgent(connectService),
    handshakeTimeout: timeoutMs,
    rewriteRequestHeaders: (_headers: unknown, request: FastifyRequest) => {
      const names = ['origin', 'user-agent', 'accept-language', 'authorization'];
      const kept = names.flatMap((name) =>
        request.headers[name] === undefined ? [] : [[name, request.headers[name]]],
      );
      return forwardedHeaders(request, Object.fromEntries(kept));
    },
  };
  await server.register(httpProxy, {
    upstream: '',
    websocket: true,
    disableCache: true,
    disableRequestLogging: true,
    undici: { connections: 64, headersTimeout: timeoutMs, bodyTimeout: 0, connect: connectorForProxy(connectService) },
    replyOptions: {
      getUpstream: (request) => (request as FastifyRequest).previewOrigin,
      rewriteRequestHeaders: (request, headers) => forwardedHeaders(request as FastifyRequest, headers),
      rewriteHeaders: returnedHeaders,
      // A preview's own 503 is its answer, not ours to repeat.
      retryDelay: () => null,
      onError: (reply, { error }) => {
        log.warn({ error: messageOf(error) }, 'preview did not answer');
        void send(reply as FastifyReply, pages.unreachable());
      },
    },
    wsClientOptions,
  });

  const port = await listenEverywhereMeant(server, options);
  return { port, close: () => server.close() };
}
