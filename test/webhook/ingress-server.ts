import { createHmac } from 'node:crypto';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import type pg from 'pg';
import { pino } from 'pino';
import { forges } from '../../src/forges/registry.js';
import { unpackBody } from '../../src/inbox/packed-body.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createIngress, type Ingress, type IngressOptions, ingressServerOptions } from '../../src/webhook/ingress.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

export const SECRET = 'correct horse battery staple';

export interface Answer {
  status: number;
  body: string;
  headers: Record<string, string | string[] | undefined>;
}

/** The signature as the forge computes it, by hand and not with the project's code. */
export const signature = (body: string | Buffer, secret = SECRET) =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;

/** An ingress on a real database, with a hook from the environment and one of its own. */
export class IngressServer {
  readonly log: string[] = [];
  #delivery = 0;

  private constructor(
    readonly test: TestDatabase,
    readonly ingress: Ingress,
    readonly server: Server,
    readonly secrets: Map<string, readonly string[]>,
    log: string[],
  ) {
    this.log = log;
  }

  /** @param around Wraps the pool of the ingress, to see what it does. */
  static async start(
    options: Partial<IngressOptions> = {},
    around: (pool: pg.Pool) => pg.Pool = (pool) => pool,
  ): Promise<IngressServer> {
    const test = await createTestDatabase();
    await test.store('worker').tenant(test.organizationId, (tx) =>
      tx.query(
        `INSERT INTO hook (id, organization_id, forge, host, scope, secret_source) VALUES
           ('github', $1, 'github', 'github.com', 'app', 'environment'),
           ('team', $1, 'github', 'ghe.example', 'repository', 'sealed'),
           ('empty', $1, 'github', 'ghe.example', 'repository', 'sealed'),
           ('rotating', $1, 'github', 'ghe.example', 'repository', 'sealed')`,
        [test.organizationId],
      ),
    );
    const secrets = new Map<string, readonly string[]>([
      ['github', [SECRET]],
      ['team', ['another secret']],
      ['empty', ['']],
      ['rotating', ['new secret', 'old secret']],
    ]);
    const log: string[] = [];
    const ingress = createIngress({
      pool: around(test.store('ingress').pool),
      forges,
      secretsOf: async (hook) => secrets.get(hook.id) ?? [],
      log: pino({ level: 'trace' }, { write: (line: string) => void log.push(line) }),
      metrics: createMetrics(),
      ...options,
    });
    const server = createServer(ingressServerOptions, (req, res) => {
      if (!ingress.handle(req, res)) res.writeHead(404).end('no such page');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new IngressServer(test, ingress, server, secrets, log);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  send(
    path: string,
    body: string | Buffer,
    headers: Record<string, string | string[] | number> = {},
    method = 'POST',
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const req = httpRequest({ port: this.port, host: '127.0.0.1', path, method, headers, agent: false }, (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        res.on('end', () => resolve({ status: res.statusCode ?? 0, body: text, headers: res.headers }));
        res.on('error', reject);
      });
      req.on('error', reject);
      req.end(body);
    });
  }

  /** Headers of a correctly signed delivery with a fresh id. */
  signed(body: string | Buffer, more: Record<string, string> = {}): Record<string, string> {
    this.#delivery += 1;
    return {
      'content-type': 'application/json',
      'x-github-event': 'pull_request',
      'x-github-delivery': `delivery-${this.#delivery}`,
      'x-hub-signature-256': signature(body),
      ...more,
    };
  }

  /** Writes raw bytes and answers everything that comes back until the connection closes. */
  raw(pieces: readonly (string | Buffer)[], pauseMs = 0): Promise<string> {
    return new Promise((resolve) => {
      const socket = createConnection({ port: this.port, host: '127.0.0.1' });
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk: string) => {
        text += chunk;
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
      void (async () => {
        for (const piece of pieces) {
          if (socket.destroyed) return;
          socket.write(piece);
          if (pauseMs > 0) await new Promise((next) => setTimeout(next, pauseMs));
        }
      })();
    });
  }

  /** What is stored, with bodies as they were received. */
  async rows(): Promise<
    {
      id: bigint;
      delivery_key: string;
      hook_id: string;
      status: string;
      body: Buffer;
      stored: Buffer;
      headers: object;
    }[]
  > {
    const { rows } = await this.test.store('worker').pool.query('SELECT * FROM webhook_delivery ORDER BY id');
    return rows.map((row) => ({
      ...row,
      body: unpackBody({ coding: row.body_coding, bytes: row.body }),
      stored: row.body,
    }));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await this.ingress.close();
    await this.test.drop();
  }
}
