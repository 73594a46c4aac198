/** Hostile deliveries as a forge would send them: signed, over HTTP, stored, assigned and run by an app on a real database. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { forges } from '../../src/forges/registry.js';
import { startInbox } from '../../src/inbox/start-inbox.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createBridge } from '../../src/translate/bridge.js';
import { createIngress, ingressServerOptions } from '../../src/webhook/ingress.js';
import { createTestDatabase } from '../support/database.js';
import { signedHeaders } from '../support/signed-delivery.js';

export interface Sent {
  /** For whoever reads the report. */
  name: string;
  forge: string;
  eventType: string;
  contentType: string;
  body: Buffer;
}

export interface WireReport {
  sent: number;
  /** How often each answer was given in the end. */
  answers: Record<string, number>;
  /** How often deliveries ended so. */
  ends: Record<string, number>;
  /** How often the ingress had too much in hand and was asked again, as a forge does. */
  busy: number;
  /** How often the app ran. */
  runs: number;
  /** What did not end as it must, one sentence each. */
  failures: string[];
}

const SECRET = 'correct horse battery staple';
const AT_A_TIME = 16;
const PATIENCE_MS = 60_000;
/** What a forge may be answered when its delivery is signed, however malformed it is. */
const RIGHT: ReadonlySet<number> = new Set([202]);
const MOST_FAILURES = 10;
const MOST_AGAIN = 10;

const timing = {
  pollMs: 100,
  leaseMs: 10_000,
  tickMs: 200,
  inPlaceMs: 5,
  backoff: { baseMs: 5, capMs: 20, attempts: 8 },
};

interface Row {
  delivery_key: string;
  status: string;
  reason: string | null;
  error_message: string | null;
}

/** Why this is no end for a delivery; undefined when it is one. */
function wrongEnd({ status, reason, error_message: error }: Row, forge: string): string | undefined {
  if (status === 'done') return undefined;
  if (status !== 'ignored' && status !== 'dead') return `it stayed ${status}`;
  if (reason === null || !/\S/.test(reason)) return `it is ${status} without a reason`;
  // An app that does nothing fails at nothing, and trying again cannot make a payload valid. What is translated is read before.
  const isTranslated = forges.get(forge)?.eventSupport !== undefined;
  const isRefused = !isTranslated && error?.startsWith('FORGEWAY_PAYLOAD_INVALID') === true;
  return status === 'dead' && !isRefused ? `it is dead: ${reason}: ${error}` : undefined;
}

/** Sends all of them, waits until every one has ended, and says how. */
export async function sendOverTheWire(deliveries: readonly Sent[]): Promise<WireReport> {
  const test = await createTestDatabase();
  const { organizationId } = test;
  const store = test.store('worker');
  const log = pino({ level: 'silent' });
  const metrics = createMetrics();
  for (const id of forges.keys())
    await store.tenant(organizationId, (tx) =>
      tx.query(
        `INSERT INTO hook (id, organization_id, forge, host, scope, app_id, secret_source, confidential)
         VALUES ($1, $2, $1, $1 || '.example', 'app', '1', 'environment', true)`,
        [id, organizationId],
      ),
    );
  const ingress = createIngress({
    pool: test.store('ingress').pool,
    forges,
    secretsOf: async () => [SECRET],
    log,
    metrics,
  });
  const server = createServer(ingressServerOptions, (req, res) => {
    if (!ingress.handle(req, res)) res.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  let runs = 0;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const bridge = await createBridge({
    github: {
      appId: 1,
      privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
      apiUrl: 'https://github.example/api/v3',
      webUrl: 'https://github.example',
      host: 'github.example',
    },
    apps: [
      {
        name: 'listener',
        hydrate: [],
        load: (app) =>
          app.onAny(async ({ payload }) => {
            runs += 1;
            JSON.stringify(payload);
          }),
      },
    ],
    store,
    log,
    metrics,
    fetch: async (url) => {
      throw new Error(`Nobody has asked for ${url}.`);
    },
  });
  const inbox = startInbox({
    store,
    dispatcher: bridge,
    forges,
    log,
    metrics,
    ownerId: 'fuzz',
    concurrency: 10,
    handlerTimeoutMs: 60_000,
    timing,
  });

  const report: WireReport = { sent: 0, answers: {}, ends: {}, busy: 0, runs: 0, failures: [] };
  const fail = (sentence: string) => {
    if (report.failures.length < MOST_FAILURES) report.failures.push(sentence);
  };
  const agent = new Agent({ keepAlive: true, maxSockets: AT_A_TIME });
  const post = ({ forge, eventType, contentType, body }: Sent, id: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = signedHeaders(forge, { eventType, body, id, contentType }, SECRET);
      const path = `/api/webhooks/${forge}`;
      const req = request({ port, host: '127.0.0.1', path, method: 'POST', headers, agent }, (res) => {
        res.resume().once('end', () => resolve(res.statusCode ?? 0));
      });
      req.once('error', reject).end(body);
    });

  const names = new Map<string, Sent>();
  const waiting = deliveries.map((one) => ({ one, id: randomUUID() })).reverse();
  const sendNext = async (): Promise<void> => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { one, id } = next;
      names.set(id, one);
      let answer = await post(one, id);
      // Bodies of 25 MiB, sixteen at a time, are more than it holds: that says nothing of what is in them.
      for (let again = 0; answer === 503 && again < MOST_AGAIN; again += 1) {
        report.busy += 1;
        await sleep(500);
        answer = await post(one, id);
      }
      report.sent += 1;
      report.answers[answer] = (report.answers[answer] ?? 0) + 1;
      if (!RIGHT.has(answer)) fail(`${one.forge}, ${one.name}: it was answered ${answer}`);
    }
  };

  const unfinished = async (): Promise<number> => {
    const { rows } = await store.pool.query<{ open: number }>(
      "SELECT count(*)::int AS open FROM webhook_delivery WHERE status IN ('received', 'assigned')",
    );
    return rows[0]?.open ?? 0;
  };

  try {
    await Promise.all(Array.from({ length: AT_A_TIME }, sendNext));
    // As long as there is progress, however slow, it is waited for.
    for (let before = Number.POSITIVE_INFINITY, since = Date.now(); ; await sleep(50)) {
      const open = await unfinished();
      if (open === 0 || Date.now() - since > PATIENCE_MS) break;
      if (open < before) since = Date.now();
      before = Math.min(before, open);
    }
    const { rows } = await store.pool.query<Row>(
      'SELECT delivery_key, status, reason, error_message FROM webhook_delivery ORDER BY id',
    );
    for (const row of rows) {
      report.ends[row.status] = (report.ends[row.status] ?? 0) + 1;
      const one = names.get(row.delivery_key);
      const wrong = wrongEnd(row, one?.forge ?? '');
      if (wrong !== undefined) fail(`${one?.forge}, ${one?.name}: ${wrong}`);
    }
    if (rows.length !== report.sent) fail(`${report.sent} were sent and ${rows.length} are stored`);
    report.runs = runs;
    return report;
  } finally {
    await inbox.drain(5_000);
    agent.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await ingress.close();
    await test.drop();
  }
}
