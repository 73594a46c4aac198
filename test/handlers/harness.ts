/** Our apps in a real Probot, fed GitHub-shaped payloads as the bridge would, against a real database. */
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { pino } from 'pino';
import { Probot } from 'probot';
import { createApps } from '../../src/handlers/apps.js';
import type { IssueReader } from '../../src/handlers/mirror-issue.js';
import type { JobKey, JobQueue, PokeOptions } from '../../src/jobs/queue/queue.js';
import { type DeliveryScope, runInDelivery } from '../../src/lib/delivery-scope.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { rightsFor } from '../support/rights.js';

export type Payload = Record<string, unknown>;
type Examples = { name: string; examples: Payload[] }[];
const examples = createRequire(import.meta.url)('@octokit/webhooks-examples/api.github.com/index.json') as Examples;

/** Published example payloads of an event; a copy, so that a test may change it. */
export function examplesOf(event: string): Payload[] {
  return structuredClone(examples.find(({ name }) => name === event)?.examples ?? []);
}

export interface Poke {
  queue: string;
  key: JobKey;
  options: PokeOptions | undefined;
}

interface DeliverOptions {
  apps?: readonly string[];
  receivedAt?: Date;
  writes?: DeliveryScope['writes'];
  scope?: Pick<DeliveryScope, 'source' | 'headMoved'>;
}

export interface Harness {
  db: TestDatabase;
  pokes: Poke[];
  /** What was logged, parsed. */
  logs: Record<string, unknown>[];
  /** Runs every app that listens, in this order; rejects with the first handler's error. */
  deliver(event: string, payload: Payload, options?: DeliverOptions): Promise<void>;
  /** Rows of the test's organization. */
  rows<Row extends object = Record<string, unknown>>(sql: string, values?: unknown[]): Promise<Row[]>;
}

/** The first error inside what Probot rejects with, which is what the bridge hands to the inbox. */
function firstError(error: unknown): unknown {
  return error instanceof AggregateError ? firstError(error.errors[0]) : error;
}

export const FORGE = 'some-forge';
export const HOST = 'forge.example';

export async function createHarness(o: IssueReader = {}): Promise<Harness> {
  const db = await createTestDatabase();
  const store = db.store('worker');
  const pokes: Poke[] = [];
  const logs: Record<string, unknown>[] = [];
  const log = pino(
    { level: 'info' },
    { write: (line: string) => logs.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const queue = (name: string): JobQueue => ({
    name,
    poke: async (key, options) => {
      pokes.push({ queue: name, key, options });
    },
  });
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  await store.tenant(db.organizationId, (tx) =>
    tx.query(
      `INSERT INTO hook (id, organization_id, forge, host, scope, app_id, secret_source)
       VALUES ('the-hook', $1, $2, $3, 'app', '1', 'environment')`,
      [db.organizationId, FORGE, HOST],
    ),
  );
  const apps = createApps({
    store,
    pokes: {
      preview: queue('preview'),
      sync: queue('sync'),
      report: queue('report'),
      run: queue('run'),
      watch: queue('watch'),
      agent: queue('agent'),
    },
    rights: rightsFor(store, db.organizationId),
    previews: true,
    log,
    ...o,
  });
  const probots = new Map<string, Probot>();
  for (const app of apps) {
    const probot = new Probot({ appId: 1, privateKey: key, log: pino({ level: 'silent' }) });
    await probot.load(app.load);
    probots.set(app.name, probot);
  }
  let deliveries = 0n;
  return {
    db,
    pokes,
    logs,
    deliver: async (event, payload, options = {}) => {
      deliveries += 1n;
      for (const app of options.apps ?? [...probots.keys()]) {
        const scope: DeliveryScope = {
          organizationId: db.organizationId,
          forge: FORGE,
          host: HOST,
          hookId: 'the-hook',
          deliveryId: deliveries,
          deliveryKey: `delivery-${deliveries}`,
          eventName: event,
          eventIndex: 0,
          app,
          receivedAt: options.receivedAt ?? new Date(),
          instanceUrl: 'https://forge.example',
          loopDepth: 0,
          signal: new AbortController().signal,
          ...(options.writes && { writes: options.writes }),
          ...options.scope,
        };
        const received = { id: scope.deliveryKey, name: event, payload } as unknown as Parameters<Probot['receive']>[0];
        const probot = probots.get(app);
        if (probot === undefined) throw new Error(`no app ${app}`);
        try {
          await runInDelivery(scope, () => probot.receive(received));
        } catch (error) {
          throw firstError(error);
        }
      }
    },
    rows: (sql, values = []) =>
      store.tenant(db.organizationId, async (tx) => (await tx.query(sql, values)).rows as never[]),
  };
}
