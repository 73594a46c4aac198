/**
 * The forges' own queue of webhooks, kept by somebody who never dies: it takes each at once, sends it on, and sends it
 * again under the same id until it is answered 2xx, as a forge's redelivery would. What happened is written down.
 */
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.js';

export interface Delivery {
  forge: string;
  /** As the receiver keys it. */
  id: string;
  event: string;
  /** Milliseconds since 1970. */
  sent: number;
  /** Status of each attempt; 0 when nothing answered. */
  attempts: { at: number; status: number; ms: number }[];
  accepted: boolean;
}

export interface Ledger {
  /** Where the forges send. */
  readonly url: string;
  readonly deliveries: readonly Delivery[];
  /** Those that were not accepted yet. */
  waiting(): number;
  close(): Promise<void>;
}

export interface LedgerOptions {
  /** Where Forgeway listens. */
  target: string;
  /** JSON, a line for each delivery that was accepted. */
  file: string;
  random: Random;
  /** Share of accepted deliveries that are sent once more. */
  repeated: number;
  /** Share that waits up to a second before it is sent, so that others overtake it. */
  late: number;
}

const IDS = ['x-github-delivery', 'webhook-id', 'idempotency-key', 'x-gitea-delivery'];
const EVENTS = ['x-gitea-event-type', 'x-github-event', 'x-gitlab-event'];
/** As the forges wait for an answer. */
const ANSWER_MS = 10_000;
const AGAIN_MS = 300;
const LATE_MS = 1_000;
const AT_A_TIME = 24;

/** Those of the connection to us, not of the webhook. */
const HOP: ReadonlySet<string> = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive']);

interface Letter {
  delivery: Delivery;
  path: string;
  headers: Record<string, string>;
  body: Buffer;
}

const first = (headers: Record<string, string>, names: readonly string[]): string | undefined =>
  names.map((name) => headers[name]).find((value) => value !== undefined);

export async function startLedger(options: LedgerOptions): Promise<Ledger> {
  const { target, file, random } = options;
  const deliveries: Delivery[] = [];
  const queue: Letter[] = [];
  const state = { closed: false, running: 0, waiting: 0 };

  async function attempt({ delivery, path, headers, body }: Letter): Promise<boolean> {
    const at = Date.now();
    const status = await fetch(`${target}${path}`, {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    }).then(
      async (answer) => {
        await answer.arrayBuffer();
        return answer.status;
      },
      // Nobody there, or cut off before the answer: the same to a forge.
      () => 0,
    );
    delivery.attempts.push({ at, status, ms: Date.now() - at });
    return status >= 200 && status < 300;
  }

  async function deliver(letter: Letter): Promise<void> {
    if (random.next() < options.late) await sleep(random.next() * LATE_MS);
    while (!(await attempt(letter))) {
      if (state.closed) return;
      await sleep(AGAIN_MS);
    }
    letter.delivery.accepted = true;
    state.waiting -= 1;
    if (random.next() < options.repeated) await attempt(letter);
    appendFileSync(file, `${JSON.stringify(letter.delivery)}\n`);
  }

  function pump(): void {
    while (state.running < AT_A_TIME) {
      const letter = queue.shift();
      if (letter === undefined) return;
      state.running += 1;
      void deliver(letter).finally(() => {
        state.running -= 1;
        pump();
      });
    }
  }

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const path = request.url ?? '/';
    const headers = Object.fromEntries(
      Object.entries(request.headers)
        .filter(([name]) => !HOP.has(name))
        .map(([name, value]) => [name, String(value)]),
    );
    const delivery: Delivery = {
      forge: /^\/api\/webhooks\/([^/]+)/.exec(path)?.[1] ?? path,
      id: first(headers, IDS) ?? createHash('sha256').update(body).digest('hex'),
      event: first(headers, EVENTS) ?? '',
      sent: Date.now(),
      attempts: [],
      accepted: false,
    };
    deliveries.push(delivery);
    queue.push({ delivery, path, headers, body });
    state.waiting += 1;
    response.writeHead(202).end();
    pump();
  }

  const server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deliveries,
    waiting: () => state.waiting,
    async close() {
      state.closed = true;
      queue.length = 0;
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
