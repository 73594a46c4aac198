import type pg from 'pg';

/** What the queries below need: a pool or client of the worker role, or an api transaction of one organization. */
export interface Queryable {
  query<R extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<R>>;
}

/**
 * As a person is told it: `waiting` has a run that failed and is tried again later, `paused` one that a hold stops. Else as
 * it is stored.
 */
export const deliveryStatuses = ['received', 'assigned', 'waiting', 'paused', 'done', 'ignored', 'dead'] as const;

export interface DeliveryFilter {
  /** One of {@link deliveryStatuses}. */
  status?: string;
  forge?: string;
  /** Native event name, or the GitHub name of one of its events; with its action where that is to match too. */
  event?: string;
  /** That ran on it, or is to; with the status `dead`, that was given up on it. */
  app?: string;
  repository?: { forge: string; host: string; remoteId: bigint };
  /** Received at this time or later. */
  since?: Date;
  /** Received before this time. */
  until?: Date;
}

export interface DeliveryPage {
  /** Only deliveries older than this one. */
  before?: bigint;
  limit?: number;
}

export interface DeliverySummary {
  id: bigint;
  deliveryKey: string;
  forge: string;
  host: string;
  hookId: string;
  /** `owner/name`, where the mirror knows it, else the forge's id. */
  repository: string | null;
  eventType: string;
  action: string | null;
  status: string;
  reason: string | null;
  error: string | null;
  retries: number;
  /** Of a delivery that waits. */
  nextAttemptAt: Date | null;
  receivedAt: Date;
  finishedAt: Date | null;
}

const PAGE = 50;

const columns = `w.id::text, w.delivery_key AS "deliveryKey", w.forge, w.host, w.hook_id AS "hookId",
  coalesce(r.remote_owner || '/' || r.remote_name, w.remote_repository_id::text) AS repository,
  w.event_type AS "eventType", w.action, s.status, w.reason, w.error_message AS error, w.retry_count AS retries,
  s.next_attempt_at AS "nextAttemptAt", w.received_at AS "receivedAt", w.finished_at AS "finishedAt"`;

/** The mirror's rows are those of the transaction's organization; outside of one, repositories are told by their id. */
const deliveries = `webhook_delivery w
  CROSS JOIN LATERAL (
    SELECT CASE WHEN w.status <> 'assigned' THEN w.status WHEN bool_or(d.status = 'paused') THEN 'paused'
        WHEN bool_or(d.status = 'parked') THEN 'waiting' ELSE w.status END AS status,
      min(d.next_attempt_at) FILTER (WHERE w.status = 'assigned') AS next_attempt_at
    FROM dispatch d WHERE d.delivery_id = w.id AND d.status IN ('parked', 'paused') AND d.writes <> 'rehearsal'
  ) s
  LEFT JOIN repository r ON r.forge = w.forge AND r.host = w.host AND r.remote_id = w.remote_repository_id`;

const matches = `($1::text IS NULL OR s.status = $1) AND ($2::text IS NULL OR w.forge = $2)
  AND ($3::text IS NULL OR (w.event_type = $3 AND ($4::text IS NULL OR w.action = $4)) OR EXISTS (
    SELECT FROM dispatch d WHERE d.delivery_id = w.id AND d.event_name = $3 AND ($4::text IS NULL OR d.action = $4)))
  AND ($5::text IS NULL OR EXISTS (SELECT FROM dispatch d WHERE d.delivery_id = w.id AND d.app = $5
    AND d.writes <> 'rehearsal' AND ($1::text IS DISTINCT FROM 'dead' OR d.status = 'dead')))
  AND ($6::bigint IS NULL OR (w.remote_repository_id = $6 AND w.forge = $7 AND w.host = $8))
  AND ($9::timestamptz IS NULL OR w.received_at >= $9) AND ($10::timestamptz IS NULL OR w.received_at < $10)`;

function valuesOf({ status, forge, event, app, repository, since, until }: DeliveryFilter): unknown[] {
  const [name, action] = event === undefined ? [] : event.split('.', 2);
  const where = [repository?.remoteId ?? null, repository?.forge ?? null, repository?.host ?? null];
  const about = [status ?? null, forge ?? null, name ?? null, action ?? null, app ?? null];
  return [...about, ...where, since ?? null, until ?? null];
}

type Stored<T> = Omit<T, 'id'> & { id: string };
const withId = <T>({ id, ...rest }: Stored<T>) => ({ ...rest, id: BigInt(id) }) as unknown as T;

/** Newest first. Bodies and headers are never part of it. */
export async function listDeliveries(
  client: Queryable,
  { before, limit = PAGE, ...filter }: DeliveryFilter & DeliveryPage = {},
): Promise<DeliverySummary[]> {
  const { rows } = await client.query<Stored<DeliverySummary>>(
    `SELECT ${columns} FROM ${deliveries} WHERE ${matches} AND ($11::bigint IS NULL OR w.id < $11)
     ORDER BY w.id DESC LIMIT $12`,
    [...valuesOf(filter), before ?? null, limit],
  );
  return rows.map((row) => withId<DeliverySummary>(row));
}

export interface FailedRun {
  app: string;
  /** GitHub's name, with its action. */
  event: string;
  /** Why it was given up, and what the app threw last. */
  reason: string | null;
  error: string | null;
}

/** Runs that were given up and that no later one has replaced, by delivery. */
export async function failedRuns(client: Queryable, ids: readonly bigint[]): Promise<Map<bigint, FailedRun[]>> {
  const { rows } = await client.query<FailedRun & { deliveryId: string }>(
    `SELECT d.delivery_id::text AS "deliveryId", d.app, concat_ws('.', d.event_name, d.action) AS event, d.reason, d.error
     FROM dispatch d WHERE d.delivery_id = ANY($1::bigint[]) AND d.status = 'dead' AND d.writes <> 'rehearsal'
       AND NOT EXISTS (SELECT FROM dispatch r WHERE r.replay_of = d.id AND r.writes <> 'rehearsal') ORDER BY d.id`,
    [ids],
  );
  const found = new Map<bigint, FailedRun[]>();
  for (const { deliveryId, ...run } of rows)
    found.set(BigInt(deliveryId), [...(found.get(BigInt(deliveryId)) ?? []), run]);
  return found;
}

/** Numbers of those that match, the oldest first, at most `limit`; and how many match in all. */
export async function chooseDeliveries(
  client: Queryable,
  filter: DeliveryFilter,
  limit: number,
): Promise<{ ids: bigint[]; total: number }> {
  const { rows } = await client.query<{ id: string; total: number }>(
    `SELECT w.id::text, (count(*) OVER ())::int AS total FROM ${deliveries} WHERE ${matches} ORDER BY w.id LIMIT $11`,
    [...valuesOf(filter), limit],
  );
  return { ids: rows.map(({ id }) => BigInt(id)), total: rows[0]?.total ?? 0 };
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

export interface DispatchSummary {
  id: bigint;
  eventName: string;
  action: string | null;
  app: string;
  lane: string;
  status: string;
  /** True when its writes were recorded instead of sent. */
  shadow: boolean;
  attempts: number;
  nextAttemptAt: Date | null;
  reason: string | null;
  error: string | null;
  replayOf: bigint | null;
  finishedAt: Date | null;
  /** What it wrote to the forge, or in a shadow would have written, in order. */
  writes: readonly WriteSummary[];
}

export interface WriteSummary {
  /** GitHub's route, and what was asked. */
  route: string;
  path: string;
  status: string;
}

/** Writes of a dispatch `d` in order. A replay that went on with another journal tells those it sent itself. */
export const writesOf = (more = ''): string => `coalesce((
  SELECT json_agg(json_build_object('route', j.route, 'path', j.path, 'status', j.status ${more})
    ORDER BY j.created_at, j.ordinal)
  FROM write_journal j WHERE j.dispatch_id = coalesce(CASE WHEN d.writes <> 'rehearsal' THEN d.journal_of END, d.id)
    AND j.sent_by = d.id), '[]')`;

/** One delivery with what became of it in each app; undefined when there is none with this number. */
export async function showDelivery(
  client: Queryable,
  id: bigint,
): Promise<{ delivery: DeliverySummary; dispatches: DispatchSummary[] } | undefined> {
  const found = await client.query<Stored<DeliverySummary>>(`SELECT ${columns} FROM ${deliveries} WHERE w.id = $1`, [
    id,
  ]);
  const [delivery] = found.rows;
  if (!delivery) return undefined;
  const { rows } = await client.query<Stored<Omit<DispatchSummary, 'replayOf'> & { replayOf: string | null }>>(
    `SELECT d.id::text, d.event_name AS "eventName", d.action, d.app, d.lane, d.status, d.writes = 'shadow' AS shadow,
       d.attempts, d.next_attempt_at AS "nextAttemptAt", d.reason, d.error, d.replay_of::text AS "replayOf",
       d.finished_at AS "finishedAt", ${writesOf()} AS writes
     FROM dispatch d WHERE d.delivery_id = $1 AND d.writes <> 'rehearsal' ORDER BY d.id`,
    [id],
  );
  return {
    delivery: withId<DeliverySummary>(delivery),
    dispatches: rows.map(({ replayOf, ...row }) => ({
      ...withId<Omit<DispatchSummary, 'replayOf'>>(row),
      replayOf: replayOf === null ? null : BigInt(replayOf),
    })),
  };
}
