/** A server that answers as forges and what stands before them do on a bad day, with real sockets. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Answer = (req: IncomingMessage, res: ServerResponse) => void;

const plain =
  (status: number, headers: Record<string, string> = {}, body = '{"message":"no"}'): Answer =>
  (_req, res) =>
    void res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);

const answers: Readonly<Record<string, Answer>> = {
  '500': plain(500),
  '502': plain(502),
  '503 with Retry-After': plain(503, { 'retry-after': '120' }),
  '429': plain(429, { 'retry-after': '120' }),
  '403 of a secondary limit': plain(403, { 'retry-after': '120' }),
  '401 of a revoked token': plain(401),
  '404 of lost access': plain(404),
  '301 of a moved repository': plain(301, { location: '/elsewhere' }),
  '451': plain(451),
  reset: (req) => void req.socket.resetAndDestroy(),
  hang: () => undefined,
  '200 with a web page': plain(200, { 'content-type': 'text/html; charset=utf-8' }, '<h1>We will be back</h1>'),
  'cut JSON': (_req, res) => {
    res.writeHead(201, { 'content-type': 'application/json', 'content-length': '1000' }).write('{"id":1,');
    setTimeout(() => res.destroy(), 20);
  },
  'an answer without end': (_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' });
    const piece = Buffer.alloc(256 * 1024, 0x20);
    const more = (): void => {
      while (!res.destroyed) if (!res.write(piece)) return void res.once('drain', more);
    };
    more();
  },
  'a limit with a reset in the far future': plain(429, {
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': '99999999999',
  }),
};

/** Every fault that a request can be given. */
export const faults = [...Object.keys(answers), 'TLS that nobody vouches for', 'no such name'];

export interface FaultServer {
  /** The address at which a request meets this fault. */
  urlOf(fault: string): string;
  close(): Promise<void>;
}

function certificate(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'forgeway-tls-'));
  const files = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') };
  try {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', files.key];
    execFileSync('openssl', ['req', '-x509', ...key, '-out', files.cert, '-days', '1', ...subject], { stdio: 'pipe' });
    return { key: readFileSync(files.key), cert: readFileSync(files.cert) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

export async function startFaultServer(): Promise<FaultServer> {
  const server = createServer((req, res) => {
    const fault = decodeURIComponent((req.url ?? '').slice(1));
    req.resume();
    (answers[fault] ?? plain(418))(req, res);
  });
  const tls = createTlsServer(certificate(), (_req, res) => res.end('{}'));
  const [port, tlsPort] = [await listen(server), await listen(tls)];
  return {
    urlOf(fault) {
      if (fault === 'no such name') return 'http://no-such-name.invalid/';
      return fault === 'TLS that nobody vouches for'
        ? `https://127.0.0.1:${tlsPort}/`
        : `http://127.0.0.1:${port}/${encodeURIComponent(fault)}`;
    },
    async close() {
      server.closeAllConnections();
      tls.closeAllConnections();
      await Promise.all([server, tls].map((one) => new Promise((resolve) => one.close(resolve))));
    },
  };
}
