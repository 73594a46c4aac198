/**
 * Stands in front of a real API server, on this machine, and breaks what a test says, as the API in memory does; everything else is
 * sent on with the credentials of a kubeconfig, and answered in the server's own words. Connections that change their protocol
 * (logs of a shell, forwarded ports) are not let through: behind them is a kubelet.
 */
import {
  createServer,
  type IncomingMessage,
  Agent as PlainAgent,
  request as plainRequest,
  type ServerResponse,
} from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type ClusterConnection, openConnection } from '../../../src/effects/kubernetes/connection.js';
import { addressOf, answeredBy, askedOf, kubeconfigFor, verbOf } from './asking.js';
import { type Asked, Faults } from './faults.js';
import type { ApiObject } from './objects.js';

export interface FaultFront {
  url: string;
  /** For it, not for the server behind it. */
  kubeconfig: string;
  faults: Faults;
  asked: Asked[];
  /** Names of the namespaces that were made through it: all that a run may call its own on a cluster that others use, too. */
  made: ReadonlySet<string>;
  /** While true no connection is answered. */
  down: boolean;
  /** Ends the watches that are open, as a server does that restarts. */
  endWatches(): void;
  close(): Promise<void>;
}

/** Of one connection alone; who sends them on says its own. */
const BY_HOP = ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'host', 'authorization'];

const CREATED = 201;
const nameIn = (body: Buffer): string => (JSON.parse(body.toString()) as ApiObject).metadata.name;

/**
 * @param path of a kubeconfig
 * @param user in whose name all is asked; default: that of the kubeconfig
 */
export async function startFaultFront(path: string, user?: string): Promise<FaultFront> {
  const connection: ClusterConnection = openConnection({ kind: 'file', path });
  const { server: behind } = connection;
  const { headers, tls } = await connection.credentials();
  const credentials = { ...headers, ...(user !== undefined && { 'impersonate-user': user }) };
  const isPlain = behind.protocol === 'http:';
  const agent = isPlain ? new PlainAgent({ keepAlive: true }) : new TlsAgent({ keepAlive: true, ...tls });
  const watches = new Set<ServerResponse>();
  const made = new Set<string>();

  function sentOn(request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !BY_HOP.includes(name)));
    return new Promise((resolve, reject) => {
      const sent = (isPlain ? plainRequest : tlsRequest)({
        ...{ hostname: behind.hostname.replace(/^\[|\]$/g, ''), port: behind.port || (isPlain ? 80 : 443), agent },
        ...{ method: request.method, path: `${behind.pathname.replace(/\/+$/, '')}${request.url}` },
        headers: { ...headers, ...credentials },
      });
      sent.once('response', resolve);
      sent.once('error', reject);
      sent.end(body);
    });
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (front.down) return void request.socket.resetAndDestroy();
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://api.invalid');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const address = addressOf(pathname);
    const verb = address && verbOf(request.method ?? 'GET', address, query, request.headers['content-type'] ?? '');
    const asked = address && verb && askedOf(verb, address, query);
    if (asked !== undefined) front.asked.push(asked);
    const failure = asked && front.faults.next(asked);
    if (failure !== undefined && answeredBy(failure, response)) return;
    const sent = Buffer.concat(chunks);
    const answer = await sentOn(request, sent);
    if (asked?.kind === 'Namespace' && answer.statusCode === CREATED) made.add(asked.name || nameIn(sent));
    if (failure === 'lost') {
      // Done, all of it, before its answer is lost.
      for await (const _ of answer);
      return void response.socket?.resetAndDestroy();
    }
    if (verb === 'watch') {
      watches.add(response);
      response.once('close', () => watches.delete(response));
    }
    response.writeHead(
      answer.statusCode ?? 502,
      Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !BY_HOP.includes(name))),
    );
    response.flushHeaders();
    response.once('close', () => answer.destroy());
    answer.once('error', () => response.socket?.resetAndDestroy());
    answer.pipe(response);
  }

  const server = createServer((request, response) => {
    // What is not there is told as it would be without us: no answer.
    handle(request, response).catch(() => response.socket?.resetAndDestroy());
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const front: FaultFront = {
    ...{ url, kubeconfig: kubeconfigFor(url), faults: new Faults(), asked: [], made, down: false },
    endWatches: () => {
      for (const response of watches) response.socket?.destroy();
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      agent.destroy();
    },
  };
  return front;
}
