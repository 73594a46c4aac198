import type pg from 'pg';

/** What the queries below need: a pool or client of the worker role, or an api transaction of one organization. */
export interface Queryable {
  query<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<R>>;
}

export interface DeliveryFilter {
  status?: string;
  forge?: string;
  /** Native event name, or the GitHub name of one of its events. */
  event?: string;
  /** Only deliveries older than this one, for the next page. */
  before?: bigint;
  limit?: number;
}

export interface DeliverySummary {
  id: bigint;
  deliveryKey: string;
  forge: string;
  host: string;
  hookId: string;
  eventType: string;
  action: string | null;
  status: string;
  reason: string | null;
  error: string | null;
  retries: number;
  receivedAt: Date;
  finishedAt: Date | null;
}

export interface DispatchSummary {
  id: bigint;
  eventName: string;
  action: string | null;
  app: string;
  lane: string;
  status: string;
  attempts: number;
  nextAttemptAt: Date | null;
  reason: string | null;
  error: string | null;
  replayOf: bigint | null;
  finishedAt: Date | null;
}

const PAGE = 50;
const LARGEST_PAGE = 500;

const deliveryColumns = `w.id::text, w.delivery_key AS "deliveryKey", w.forge, w.host, w.hook_id AS "hookId",
  w.event_type AS "eventType", w.action, w.status, w.reason, w.error_message AS error, w.retry_count AS retries,
  w.received_at AS "receivedAt", w.finished_at AS "finishedAt"`;

/** Newest first. Bodies and headers are never part of it. */
export async function listDeliveries(client: Queryable, filter: DeliveryFilter = {}): Promise<DeliverySummary[]> {
  const { rows } = await client.query<Omit<DeliverySummary, 'id'> & { id: string }>(
    `SELECT ${deliveryColumns} FROM webhook_delivery w
     WHERE ($1::text IS NULL OR w.status = $1) AND ($2::text IS NULL OR w.forge = $2)
       AND ($3::text IS NULL OR w.event_type = $3
         OR EXISTS (SELECT FROM dispatch d WHERE d.delivery_id = w.id AND d.event_name = $3))
       AND ($4::bigint IS NULL OR w.id < $4)
     ORDER BY w.id DESC LIMIT $5`,
    [
      filter.status ?? null,
      filter.forge ?? null,
      filter.event ?? null,
      filter.before ?? null,
      Math.min(filter.limit ?? PAGE, LARGEST_PAGE),
    ],
  );
  return rows.map((row) => ({ ...row, id: BigInt(row.id) }));
}

/** The number of a delivery, from itself or from the forge's own id of it; of several hooks the newest. */
export async function findDelivery(client: Queryable, name: string): Promise<bigint | undefined> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id::text FROM webhook_delivery WHERE delivery_key = $1 OR id::text = $1
     ORDER BY (id::text = $1) DESC, id DESC LIMIT 1`,
    [name],
  );
  return rows[0] === undefined ? undefined : BigInt(rows[0].id);
}

/** One delivery with what became of it in each app; undefined when there is none with this number. */
export async function showDelivery(
  client: Queryable,
  id: bigint,
): Promise<{ delivery: DeliverySummary; dispatches: DispatchSummary[] } | undefined> {
  const found = await client.query<Omit<DeliverySummary, 'id'> & { id: string }>(
    `SELECT ${deliveryColumns} FROM webhook_delivery w WHERE w.id = $1`,
    [id],
  );
  const delivery = found.rows[0];
  if (!delivery) return undefined;
  const { rows } = await client.query<
    Omit<DispatchSummary, 'id' | 'replayOf'> & { id: string; replayOf: string | null }
  >(
    `SELECT id::text, event_name AS "eventName", action, app, lane, status, attempts,
       next_attempt_at AS "nextAttemptAt", reason, error, replay_of::text AS "replayOf", finished_at AS "finishedAt"
     FROM dispatch WHERE delivery_id = $1 ORDER BY id`,
    [id],
  );
  return {
    delivery: { ...delivery, id: BigInt(delivery.id) },
    dispatches: rows.map((row) => ({
      ...row,
      id: BigInt(row.id),
      replayOf: row.replayOf === null ? null : BigInt(row.replayOf),
    })),
  };
}
