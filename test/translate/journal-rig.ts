/** Runs of the inbox without the inbox: dispatch rows under a lease, and what the journal keeps of their writes. */
import type { DispatchAttempt, RunWrites } from '../../src/lib/delivery-scope.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

export interface JournalRow {
  route: string;
  ordinal: number;
  safety: string;
  status: string;
  sends: number;
  found: boolean;
  answer_status: number | null;
  answer_body: Buffer | null;
  request_body: Buffer | null;
}

export interface Dispatch {
  id: bigint;
  deliveryId: bigint;
  /** Begins the next attempt, as a worker does that holds the lease. */
  attempt(): Promise<DispatchAttempt>;
  /** In the order in which they were recorded. */
  rows(): Promise<JournalRow[]>;
}

export interface JournalDatabase {
  test: TestDatabase;
  dispatch(fields?: {
    replayOf?: bigint;
    journalOf?: bigint;
    deliveryId?: bigint;
    writes?: RunWrites;
  }): Promise<Dispatch>;
  /** Another worker takes the lease over. */
  takeOver(): Promise<void>;
}

const SHARD = 7;

export async function createJournalDatabase(test?: TestDatabase): Promise<JournalDatabase> {
  const database = test ?? (await createTestDatabase());
  const { pool } = database.store('worker');
  const lease = { epoch: 100n };
  const setLease = () => pool.query('UPDATE lane_lease SET epoch = $2 WHERE shard = $1', [SHARD, lease.epoch]);
  await setLease();
  let count = 0;

  const deliveryOf = async (known: bigint | undefined): Promise<bigint> => {
    if (known !== undefined) return known;
    count += 1;
    const { rows } = await pool.query<{ id: bigint }>(
      `INSERT INTO webhook_delivery (organization_id, hook_id, forge, host, delivery_key, status, body)
       VALUES ($1, 'journal', 'any', 'any.example', $2, 'assigned', '{}') RETURNING id`,
      [database.organizationId, `delivery-${count}`],
    );
    return rows[0]?.id ?? 0n;
  };

  return {
    test: database,
    async takeOver() {
      lease.epoch += 1n;
      await setLease();
    },
    async dispatch({ replayOf, journalOf, deliveryId: known, writes = 'send' } = {}) {
      const deliveryId = await deliveryOf(known);
      const { rows } = await pool.query<{ id: bigint }>(
        `INSERT INTO dispatch (delivery_id, event_name, app, organization_id, lane, shard, replay_of, journal_of, writes)
         VALUES ($1, 'issues', 'app', $2, 'lane', $3, $4, $5, $6) RETURNING id`,
        [deliveryId, database.organizationId, SHARD, replayOf ?? null, journalOf ?? null, writes],
      );
      const id = rows[0]?.id ?? 0n;
      return {
        id,
        deliveryId,
        async attempt() {
          const begun = await pool.query<{ attempts: number }>(
            `UPDATE dispatch SET attempts = attempts + 1, started_epoch = $2, status = 'pending' WHERE id = $1 RETURNING attempts`,
            [id, lease.epoch],
          );
          return { dispatchId: id, epoch: lease.epoch, number: begun.rows[0]?.attempts ?? 0 };
        },
        async rows() {
          const found = await pool.query<JournalRow>(
            `SELECT route, ordinal, safety, status, sends, found, answer_status, answer_body, request_body
             FROM write_journal WHERE dispatch_id = $1 ORDER BY created_at, ordinal`,
            [id],
          );
          return found.rows;
        },
      };
    },
  };
}
