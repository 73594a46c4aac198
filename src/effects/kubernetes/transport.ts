/** HTTP to one API server: connections that are kept, a time limit for every answer, and another try where that is safe. */
import { randomBytes } from 'node:crypto';
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import { retryDelay } from '../../lib/backoff.js';
import { pause } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import type { ClusterConnection, Credentials } from './connection.js';
import { type ClusterAnswer, failureOfAnswer, failureOfNetwork } from './failures.js';

export interface TransportOptions {
  /** As people call the cluster. */
  name: string;
  connection: ClusterConnection;
  /** Checks the addresses that organizations gave us. */
  outbound: Pick<Outbound, 'pin'>;
  /** Longest wait for a whole answer; default 15 s. */
  timeoutMs?: number;
  /** Tries of a call that may be repeated; default 3. */
  attempts?: number;
}

export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  body?: unknown;
  contentType?: string;
  /** For the person who reads a failure. */
  what: string;
  /** Whether doing it twice is the same as doing it once. */
  repeatable: boolean;
  signal?: AbortSignal | undefined;
}

export interface Transport {
  readonly name: string;
  /** @throws ForgewayError for every status but 2xx, and when no answer came */
  json(call: Call): Promise<unknown>;
  text(call: Call, mostBytes: number): Promise<string>;
  /** An answer that goes on; only its beginning has a time limit. Ends with `call.signal`. */
  stream(call: Call): Promise<IncomingMessage>;
  /** A connection that stops being HTTP: the raw socket, and what came with the answer already. */
  upgrade(call: Call, protocol: string): Promise<{ socket: Duplex; head: Buffer }>;
  close(): void;
}

const ANSWER_BYTES = 32 * 1024 * 1024;
const SOCKETS = 32;
/** Inside one call; whoever called looks again later anyway. */
const AGAIN = { baseMs: 200, capMs: 2_000, attempts: 3 };
const LONGEST_WAIT_MS = 5_000;

async function bodyOf(response: IncomingMessage, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > most) {
      response.destroy();
      throw new Error(`the answer is larger than ${most} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function waitBefore(error: ForgewayError, attempt: number): number | undefined {
  const canPass = error.code === 'FORGEWAY_CLUSTER_UNREACHABLE' || error.code === 'FORGEWAY_CLUSTER_FAILED';
  if (!canPass) return undefined;
  const asked = error.details.waitMs;
  if (typeof asked !== 'number') return retryDelay(AGAIN, attempt);
  return asked <= LONGEST_WAIT_MS ? asked : undefined;
}

export function createTransport(options: TransportOptions): Transport {
  const { name, connection, outbound, timeoutMs = 15_000, attempts = AGAIN.attempts } = options;
  const { server } = connection;
  const isPlain = server.protocol === 'http:';
  const agents: { tls?: Credentials['tls']; agent?: HttpAgent } = {};

  /** Only an address that was checked is connected to, whatever DNS says a moment later. */
  async function pinned(): Promise<LookupFunction | undefined> {
    if (!connection.guarded) return undefined;
    const target = await outbound.pin(server.href);
    if (target.proxy !== undefined)
      throw new ForgewayError(
        'FORGEWAY_CLUSTER_UNUSABLE',
        `Cluster ${name} is reached directly: add ${server.hostname} to OUTBOUND_NO_PROXY.`,
      );
    const [first] = target.addresses;
    if (first === undefined) return undefined;
    const family = first.includes(':') ? 6 : 4;
    return (_hostname, lookup, done) =>
      lookup.all ? done(null, [{ address: first, family }]) : done(null, first, family);
  }

  const isSame = (a: Credentials['tls'] | undefined, b: Credentials['tls']) =>
    a !== undefined &&
    String(a.ca) === String(b.ca) &&
    String(a.cert) === String(b.cert) &&
    String(a.key) === String(b.key);

  function agentFor(tls: Credentials['tls']): HttpAgent {
    if (agents.agent !== undefined && isSame(agents.tls, tls)) return agents.agent;
    // Requests under way keep the one they have.
    const common = { keepAlive: true, maxSockets: SOCKETS, scheduling: 'lifo' as const };
    agents.agent = isPlain ? new HttpAgent(common) : new HttpsAgent({ ...common, ...tls });
    agents.tls = tls;
    return agents.agent;
  }

  /** A request that is ready and not ended yet. */
  async function begin(call: Call, signal: AbortSignal, more: Record<string, string> = {}): Promise<ClientRequest> {
    const { headers, tls } = await connection.credentials();
    const lookup = await pinned();
    const base = server.pathname.replace(/\/+$/, '');
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(call.query ?? {})) if (value !== undefined) query.set(key, String(value));
    const search = query.size === 0 ? '' : `?${query}`;
    return (isPlain ? httpRequest : httpsRequest)({
      hostname: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port === '' ? (isPlain ? 80 : 443) : Number(server.port),
      path: `${base}${call.path}${search}`,
      method: call.method,
      agent: agentFor(tls),
      signal,
      ...(lookup !== undefined && { lookup }),
      headers: { accept: 'application/json', 'user-agent': 'forgeway', ...headers, ...more },
    });
  }

  async function send(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const about: Record<string, string> =
      body === undefined
        ? {}
        : {
            'content-type': call.contentType ?? 'application/json',
            'content-length': String(Buffer.byteLength(body)),
          };
    const request = await begin(call, signal, about);
    return new Promise((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', reject);
      request.end(body);
    });
  }

  async function changeProtocol(
    call: Call,
    protocol: string,
    signal: AbortSignal,
  ): Promise<{ socket: Duplex; head: Buffer }> {
    const request = await begin(call, signal, {
      ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
      'sec-websocket-key': randomBytes(16).toString('base64'),
      'sec-websocket-protocol': protocol,
    });
    return new Promise((resolve, reject) => {
      request.once('upgrade', (_response, socket, head) => resolve({ socket, head }));
      request.once('response', (response) => {
        checked(call, response).then(() => reject(new Error('it did not change the protocol')), reject);
      });
      request.once('error', reject);
      request.end();
    });
  }

  async function checked(call: Call, response: IncomingMessage): Promise<IncomingMessage> {
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const answer: ClusterAnswer = { status, headers: response.headers, body: await bodyOf(response, ANSWER_BYTES) };
    throw failureOfAnswer(name, call.what, answer);
  }

  /** One try: all of the answer within the time limit. */
  async function once(call: Call, most: number): Promise<string> {
    const limit = AbortSignal.timeout(timeoutMs);
    const signal = call.signal === undefined ? limit : AbortSignal.any([call.signal, limit]);
    try {
      return await bodyOf(await checked(call, await send(call, signal)), most);
    } catch (error) {
      call.signal?.throwIfAborted();
      throw failureOfNetwork(name, call.what, limit.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error);
    }
  }

  async function tried(call: Call, most: number): Promise<string> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await once(call, most);
      } catch (error) {
        if (!(error instanceof ForgewayError) || !call.repeatable || attempt >= attempts) throw error;
        const wait = waitBefore(error, attempt);
        if (wait === undefined) throw error;
        await pause(wait, call.signal);
        call.signal?.throwIfAborted();
      }
    }
  }

  /** What goes on after its beginning, which alone has a time limit. */
  async function begun<T>(call: Call, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const signal = call.signal === undefined ? limit.signal : AbortSignal.any([call.signal, limit.signal]);
    try {
      return await start(signal);
    } catch (error) {
      call.signal?.throwIfAborted();
      throw failureOfNetwork(name, call.what, limit.signal.aborted ? limit.signal.reason : error);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    name,
    async json(call) {
      const text = await tried(call, ANSWER_BYTES);
      try {
        return JSON.parse(text);
      } catch (error) {
        throw failureOfNetwork(name, call.what, error);
      }
    },
    text: tried,
    stream: (call) => begun(call, async (signal) => checked(call, await send(call, signal))),
    upgrade: (call, protocol) => begun(call, (signal) => changeProtocol(call, protocol, signal)),
    close() {
      agents.agent?.destroy();
    },
  };
}
