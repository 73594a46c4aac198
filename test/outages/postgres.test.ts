/** PostgreSQL stalls, or goes away and comes back, under an ingress and workers that are never restarted. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { forges } from '../../src/forges/registry.js';
import { type Inbox, startInbox } from '../../src/inbox/start-inbox.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { databaseAt, openStore, type Store } from '../../src/store/database.js';
import { createIngress, type Ingress, ingressServerOptions } from '../../src/webhook/ingress.js';
import { fakeDispatcher } from '../inbox/fake-forge.js';
import { eventually, quickTiming } from '../inbox/inbox-database.js';
import { createTestDatabase, TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.js';
import { SECRET, signature } from '../webhook/ingress-server.js';

const log = pino({ level: 'silent' });
const COMMIT_MS = 1_000;

let test: TestDatabase;
let proxy: FaultProxy;
let stores: Store[];
let ingress: Ingress;
let server: Server;
let worker: Inbox;
const dispatcher = fakeDispatcher({ app: async () => undefined });
const count = { sent: 0 };

beforeEach(async () => {
  test = await createTestDatabase();
  dispatcher.calls.length = 0;
  const { host, port, database } = test.superuser;
  proxy = await startFaultProxy({ host, port });
  const through = databaseAt({ host: '127.0.0.1', port: proxy.port, database }, TEST_MASTER_KEY);
  stores = [openStore(through, 'ingress', { max: 4 }), openStore(through, 'worker', { max: 8 })];
  const [ingressStore, workerStore] = stores as [Store, Store];
  await test.store('worker').tenant(test.organizationId, (tx) =>
    tx.query(
      `INSERT INTO hook (id, organization_id, forge, host, scope, secret_source)
       VALUES ('github', $1, 'github', 'github.com', 'repository', 'environment')`,
      [test.organizationId],
    ),
  );
  ingress = createIngress({
    pool: ingressStore.pool,
    forges,
    secretsOf: async () => [SECRET],
    log,
    metrics: createMetrics(),
    limits: { commitMs: COMMIT_MS },
  });
  server = createServer(ingressServerOptions, (req, res) => void ingress.handle(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  worker = startInbox({
    store: workerStore,
    dispatcher: {
      ...dispatcher,
      run: async (row) => {
        dispatcher.calls.push(row.deliveryKey);
        return { kind: 'done' };
      },
    },
    forges,
    log,
    metrics: createMetrics(),
    ownerId: 'worker',
    concurrency: 10,
    handlerTimeoutMs: 20_000,
    timing: quickTiming,
  });
});

afterEach(async () => {
  proxy.resume();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await ingress.close();
  await worker.drain(2_000);
  await Promise.all(stores.map((store) => store.close()));
  await proxy.close();
  await test.drop();
});

const repository = { id: 7, name: 'web', full_name: 'acme/web', owner: { id: 1, login: 'acme' } };

/** Answers the delivery's id and its answer. */
async function send(): Promise<{ key: string; status: number; retryAfter: string | null; ms: number }> {
  count.sent += 1;
  const key = `delivery-${count.sent}`;
  const body = JSON.stringify({ action: 'opened', issue: { number: 1 + (count.sent % 5) }, repository });
  const began = performance.now();
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/webhooks/github`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'issues',
      'x-github-delivery': key,
      'x-hub-signature-256': signature(body),
    },
    body,
  });
  await response.arrayBuffer();
  const { status, headers } = response;
  return { key, status, retryAfter: headers.get('retry-after'), ms: performance.now() - began };
}
const sendMany = (times: number) => Promise.all(Array.from({ length: times }, send));
const settled = async (keys: readonly string[]) =>
  eventually(async () => {
    const { rows } = await test
      .store('worker')
      .pool.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM webhook_delivery WHERE delivery_key = ANY($1) AND status IN ('done', 'ignored')",
        [keys],
      );
    return rows[0]?.n === keys.length;
  });

it.each([
  ['stalls', (): void => proxy.stall()],
  ['is gone', (): void => proxy.cut()],
])(
  'while it %s deliveries are told to come back, in time; afterwards all goes on, and none is lost',
  async (_what, fault) => {
    const before = await sendMany(20);
    expect(new Set(before.map(({ status }) => status))).toEqual(new Set([202]));
    await settled(before.map(({ key }) => key));
    fault();
    const during = await sendMany(200);
    for (const { status, retryAfter } of during) expect([status, Number(retryAfter) > 0]).toEqual([503, true]);
    proxy.resume();
    const after = await eventually(async () => {
      const answers = await sendMany(20);
      return answers.every(({ status }) => status === 202) && answers;
    });
    await settled(after.map(({ key }) => key));
    // What was refused may have been stored all the same, and then it runs; what was accepted has run, once.
    const accepted = [...before, ...after].map(({ key }) => key);
    for (const key of accepted) expect([key, dispatcher.calls.filter((call) => call === key).length]).toEqual([key, 1]);
  },
);
