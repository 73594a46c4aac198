import { pino } from 'pino';
import { packBody } from '../../src/inbox/packed-body.js';
import { type Inbox, type InboxOptions, type InboxTiming, startInbox } from '../../src/inbox/start-inbox.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { openStore, type Store } from '../../src/store/database.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { PATIENCE_MS } from '../support/patience.js';
import { type FakePayload, fakeForges } from './fake-forge.js';

/** Short enough that a test of eight attempts takes no time, long enough that order can be seen. */
export const quickTiming: InboxTiming = {
  pollMs: 50,
  leaseMs: 2_000,
  tickMs: 100,
  inPlaceMs: 20,
  backoff: { baseMs: 10, capMs: 50, attempts: 8 },
};

export interface DeliveryRow {
  id: bigint;
  delivery_key: string;
  status: string;
  reason: string | null;
  error_message: string | null;
  organization_id: string | null;
  body: Buffer | null;
}

export interface DispatchRecord {
  id: bigint;
  delivery_id: bigint;
  app: string;
  lane: string;
  status: string;
  attempts: number;
  started_epoch: bigint | null;
  reason: string | null;
  error: string | null;
  next_attempt_at: Date | null;
}

/** Waits until `check` answers something; fails with what `state` shows when that takes far too long. */
export async function eventually<T>(
  check: () => Promise<T | undefined | false> | T | undefined | false,
  state?: () => Promise<unknown>,
): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`it never happened: ${JSON.stringify(await state?.(), (_, v) => String(v))}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

/** A database with a hook named `hook`, into which deliveries are put, and workers that run on it. */
export class InboxDatabase {
  readonly #stores: Store[] = [];
  readonly #inboxes: Inbox[] = [];
  #count = 0;

  private constructor(readonly test: TestDatabase) {}

  static async create(): Promise<InboxDatabase> {
    const created = new InboxDatabase(await createTestDatabase());
    await created.addHook('hook', created.test.organizationId);
    return created;
  }

  get pool() {
    return this.test.store('worker').pool;
  }

  openWorkerStore(): Store {
    const store = openStore(this.test.database, 'worker', { max: 8 });
    this.#stores.push(store);
    return store;
  }

  start(options: Partial<InboxOptions> & Pick<InboxOptions, 'dispatcher'>): Inbox {
    const inbox = startInbox({
      store: this.openWorkerStore(),
      forges: fakeForges,
      log: pino({ level: process.env.TEST_LOG ?? 'silent' }),
      metrics: createMetrics(),
      ownerId: `worker-${this.#inboxes.length}`,
      concurrency: 10,
      handlerTimeoutMs: 20_000,
      timing: quickTiming,
      ...options,
    });
    this.#inboxes.push(inbox);
    return inbox;
  }

  async addOrganization(slug: string): Promise<string> {
    const { rows } = await this.test.store('migrate').pool.query<{ id: string }>('SELECT gen_random_uuid() AS id');
    const id = rows[0]?.id ?? '';
    await this.test
      .store('worker')
      .tenant(id, (tx) => tx.query('INSERT INTO organization (id, slug, name) VALUES ($1, $2, $2)', [id, slug]));
    return id;
  }

  /** @param repositoryId of the one repository at which it was made */
  async addHook(
    id: string,
    organizationId: string,
    appId: string | null = null,
    repositoryId: number | null = null,
  ): Promise<void> {
    const scope = repositoryId === null ? 'app' : 'repository';
    await this.test.store('worker').tenant(organizationId, (tx) =>
      tx.query(
        `INSERT INTO hook (id, organization_id, forge, host, scope, app_id, remote_repository_id, secret_source)
         VALUES ($1, $2, 'fake', 'fake.example', $3, $4, $5, 'environment')`,
        [id, organizationId, scope, appId, repositoryId],
      ),
    );
  }

  async deliver(
    payload: FakePayload | Buffer,
    options: { eventType?: string; hook?: string; key?: string } = {},
  ): Promise<bigint> {
    this.#count += 1;
    const { coding, bytes } = packBody(Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload)));
    const { rows } = await this.pool.query<{ id: bigint }>(
      `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, event_type, body, body_coding)
       VALUES ($1, 'fake', 'fake.example', $2, $3, $4, $5) RETURNING id`,
      [options.hook ?? 'hook', options.key ?? `key-${this.#count}`, options.eventType ?? 'thing', bytes, coding],
    );
    const [row] = rows;
    if (!row) throw new Error('the delivery was not stored');
    return row.id;
  }

  async delivery(id: bigint): Promise<DeliveryRow> {
    const { rows } = await this.pool.query<DeliveryRow>('SELECT * FROM webhook_delivery WHERE id = $1', [id]);
    const [row] = rows;
    if (!row) throw new Error(`there is no delivery ${id}`);
    return row;
  }

  async dispatches(deliveryId?: bigint): Promise<DispatchRecord[]> {
    const { rows } = await this.pool.query<DispatchRecord>(
      'SELECT * FROM dispatch WHERE $1::bigint IS NULL OR delivery_id = $1 ORDER BY id',
      [deliveryId ?? null],
    );
    return rows;
  }

  /** Waits until the delivery has one of these statuses. */
  settled(id: bigint, ...statuses: string[]): Promise<DeliveryRow> {
    const wanted = statuses.length > 0 ? statuses : ['done', 'ignored', 'dead'];
    return eventually(
      async () => {
        const row = await this.delivery(id);
        return wanted.includes(row.status) ? row : undefined;
      },
      async () => ({ delivery: await this.delivery(id), dispatches: await this.dispatches(id) }),
    );
  }

  async drop(): Promise<void> {
    await Promise.all(this.#inboxes.map((inbox) => inbox.drain(2_000)));
    await Promise.all(this.#stores.map((store) => store.close()));
    await this.test.drop();
  }
}
