/**
 * The way out for builds that have no network of their own: an HTTP proxy on a socket, which connects to public addresses
 * and to nothing of this machine or its neighbourhood. Package managers find it through the usual variables.
 */
import { lookup } from 'node:dns/promises';
import { mkdir } from 'node:fs/promises';
import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { isPublicAddress } from '../../lib/outbound/address.js';
import { listenInDirectory } from './door.js';

/** Where the sandbox finds the proxy on its own loopback. */
export const EGRESS_PORT = 3128;

/** What a command needs in its environment to use the proxy. */
export const EGRESS_ENVIRONMENT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy', 'YARN_HTTP_PROXY', 'YARN_HTTPS_PROXY'].map((name) => [
      name,
      `http://127.0.0.1:${EGRESS_PORT}`,
    ]),
  ),
  NO_PROXY: 'localhost,127.0.0.1,::1',
  no_proxy: 'localhost,127.0.0.1,::1',
  // node's own fetch, from version 24 on.
  NODE_USE_ENV_PROXY: '1',
};

export interface EgressOptions {
  /** Where it listens; a file of the sandbox's, removed with it. */
  path: string;
  /** Default {@link isPublicAddress}. */
  isAllowed?: (address: string, target: { host: string; port: number }) => boolean;
  /** Default: every name. Asked before a name is resolved. */
  allowsHost?: (host: string, port: number) => boolean;
  /** Default: the machine's resolver. */
  resolve?: (host: string) => Promise<{ address: string; family: number }[]>;
}

export interface Egress {
  /** Ends what is open, too. */
  close(): Promise<void>;
}

class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

const MAX_CONNECTIONS = 256;
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade'],
]);

const withoutHops = (headers: IncomingMessage['headers']) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));

/** Starts the proxy. It lives in this process, as the build that uses it does not outlive the worker that waits for it. */
export async function openEgress(options: EgressOptions): Promise<Egress> {
  const { isAllowed = isPublicAddress, allowsHost, resolve = (host: string) => lookup(host, { all: true }) } = options;
  const sockets = new Set<Duplex>();
  const track = <S extends Duplex>(socket: S): S => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };

  /** Connects to an address that was checked, and not to what the name means a moment later. */
  async function open(host: string, port: number): Promise<Socket> {
    if (allowsHost?.(host, port) === false) throw new RefusedError(`${host}:${port} is not in the list of this agent`);
    const family = isIP(host);
    const found = family === 0 ? await resolve(host) : [{ address: host, family }];
    const allowed = found.filter(({ address }) => isAllowed(address, { host, port }));
    if (allowed.length === 0)
      throw new RefusedError(`${host} is not a public address, and nothing else can be reached`);
    const checked: LookupFunction = (_host, _options, done) => done(null, allowed);
    const socket = track(connect({ host, port, lookup: checked, autoSelectFamily: true }));
    await new Promise<void>((connected, failed) => socket.once('connect', connected).once('error', failed));
    return socket;
  }

  const statusOf = (error: unknown) => (error instanceof RefusedError ? 403 : 502);
  const textOf = (error: unknown) => (error instanceof RefusedError ? error.message : 'no connection');

  function hostAndPort(authority: string): { host: string; port: number } | undefined {
    const [, six, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/@?#\s]+)):(\d{1,5})$/.exec(authority) ?? [];
    const host = six ?? name;
    return host === undefined || Number(port) < 1 || Number(port) > 65_535 ? undefined : { host, port: Number(port) };
  }

  async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = URL.canParse(request.url ?? '') ? new URL(request.url ?? '') : undefined;
    if (target?.protocol !== 'http:') {
      response.writeHead(400).end('a proxy request needs a whole http address\n');
      return;
    }
    const host = target.hostname.replace(/^\[|\]$/g, '');
    const socket = await open(host, target.port === '' ? 80 : Number(target.port));
    const onward = httpRequest({
      agent: Object.assign(new Agent(), { createConnection: () => socket }),
      method: request.method,
      path: `${target.pathname}${target.search}`,
      headers: { ...withoutHops(request.headers), host: target.host, connection: 'close' },
      setHost: false,
    });
    onward.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, withoutHops(answer.headers));
      answer.pipe(response);
      answer.once('error', () => response.destroy());
    });
    onward.once('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.once('close', () => onward.destroy());
    request.pipe(onward);
  }

  async function tunnel(authority: string, client: Duplex, head: Buffer): Promise<void> {
    const target = hostAndPort(authority);
    if (target === undefined) return void client.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
    const socket = await open(target.host, target.port);
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length > 0) socket.write(head);
    socket.on('error', () => client.destroy());
    client.once('close', () => socket.destroy());
    client.pipe(socket).pipe(client);
  }

  const server = createServer((request, response) => {
    forward(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(statusOf(error), { connection: 'close' }).end(`${textOf(error)}\n`);
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', track);
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('connect', (request, client, head) => {
    client.on('error', () => client.destroy());
    tunnel(request.url ?? '', client, head).catch((error: unknown) => {
      client.end(`HTTP/1.1 ${statusOf(error)} Refused\r\nconnection: close\r\n\r\n${textOf(error)}\n`);
    });
  });
  await mkdir(dirname(options.path), { recursive: true, mode: 0o700 });
  const closeDirectory = await listenInDirectory(server, options.path);

  return {
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      for (const socket of sockets) socket.destroy();
      await closed;
      await closeDirectory();
    },
  };
}
