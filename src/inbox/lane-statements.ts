/** Every statement that a worker writes or reads lanes with. Writes are refused unless the lease is still ours. */
import type pg from 'pg';
import { storable } from '../forges/kit/storable-text.js';
import type { Outcome } from './outcome.js';
import { type LaneRow, type LaneRowRecord, laneRow, laneRowColumns } from './row.js';

/**
 * Leases still ours. FOR SHARE makes a takeover wait for this statement, so that no write of a former owner can land
 * after the new owner has read the row. Always in the same order, so that two statements cannot block each other.
 *
 * The commit does not wait for the disk: if PostgreSQL crashes in that moment the row runs again, as it does when the
 * worker itself dies between a handler's end and this write. Waiting costs four fifths of the throughput.
 */
const HELD = `quick AS MATERIALIZED (
  SELECT set_config('synchronous_commit', 'off', true)
), held AS (
  SELECT l.shard, l.epoch, l.holds_version FROM lane_lease l CROSS JOIN quick
  WHERE l.owner = $1 AND l.shard = ANY($2::smallint[]) ORDER BY l.shard FOR SHARE OF l
)`;

export interface Lease {
  shard: number;
  epoch: bigint;
}

/** Parked rows whose time has come. */
export async function loadDue(
  pool: pg.Pool,
  shards: readonly number[],
  held: readonly bigint[],
  limit: number,
): Promise<LaneRow[]> {
  const { rows } = await pool.query<LaneRowRecord>({
    name: 'lane_load_due',
    text: `SELECT ${laneRowColumns} FROM dispatch d JOIN webhook_delivery w ON w.id = d.delivery_id
        LEFT JOIN hook k ON k.id = w.hook_id
      WHERE d.status = 'parked' AND d.next_attempt_at <= now() AND d.shard = ANY($1::smallint[])
        AND d.id <> ALL($2::bigint[])
      ORDER BY d.next_attempt_at LIMIT $3`,
    values: [shards, held, limit],
  });
  return rows.map(laneRow);
}

export interface Start {
  row: LaneRow;
  epoch: bigint;
}

/** Of the rows that a statement was to mark, those it could, with their attempts. */
export interface Marked {
  rows: ReadonlyMap<bigint, number>;
  /** The holds have changed since the caller read them, and no row was marked. */
  holdsChanged: boolean;
}

interface MarkedRecord {
  id: bigint | string | null;
  attempts: number;
  holds_version: bigint | string | null;
}

function marked(records: readonly MarkedRecord[], holdsVersion: bigint): Marked {
  const [first] = records;
  const version = first?.holds_version;
  return {
    rows: new Map(records.flatMap((row) => (row.id === null ? [] : [[BigInt(row.id), row.attempts] as const]))),
    holdsChanged: version !== null && version !== undefined && BigInt(version) !== holdsVersion,
  };
}

const MARKED = `SELECT m.id, m.attempts, v.holds_version
  FROM (SELECT max(holds_version) AS holds_version FROM held) v LEFT JOIN marked m ON true`;

/**
 * Marks rows as begun and counts the attempt. A row whose process died among others does not lose an attempt by it, since
 * any of the others may have been the cause. Nothing begins under holds that are no longer the ones in force.
 */
export async function markStarted(
  pool: pg.Pool,
  owner: string,
  starts: readonly Start[],
  { alone, holdsVersion }: { alone: boolean; holdsVersion: bigint },
): Promise<Marked> {
  const { rows } = await pool.query<MarkedRecord>({
    name: 'lane_mark_started',
    text: `WITH ${HELD}, marked AS (
      UPDATE dispatch d SET
        status = 'pending',
        next_attempt_at = NULL,
        attempts = d.attempts + CASE WHEN d.status = 'pending' AND d.started_epoch > 0 THEN 0 ELSE 1 END,
        started_epoch = CASE WHEN $5::boolean THEN -v.epoch ELSE v.epoch END,
        writes = v.writes
      FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $7::text[]) AS v(shard, id, epoch, writes)
      JOIN held h ON h.shard = v.shard AND h.epoch = v.epoch AND h.holds_version = $6
      WHERE d.id = v.id AND d.status IN ('pending', 'parked')
      RETURNING d.id, d.attempts
    ) ${MARKED}`,
    values: [
      owner,
      starts.map((s) => s.row.shard),
      starts.map((s) => s.row.id),
      starts.map((s) => s.epoch),
      alone,
      holdsVersion,
      starts.map((s) => s.row.writes),
    ],
  });
  return marked(rows, holdsVersion);
}

/**
 * Puts rows aside that a hold stops. A row that was cut off must still run alone when it is let go. A rehearsal is over by it,
 * and its delivery is told nothing. Not after the hold has been lifted: nobody would come for the row again.
 */
export async function markPaused(
  pool: pg.Pool,
  owner: string,
  rows: readonly Start[],
  holdsVersion: bigint,
): Promise<Marked> {
  const { rows: records } = await pool.query<MarkedRecord>({
    name: 'lane_mark_paused',
    text: `WITH ${HELD}, marked AS (
      UPDATE dispatch d SET
        status = CASE d.writes WHEN 'rehearsal' THEN 'ignored' ELSE 'paused' END,
        reason = CASE d.writes WHEN 'rehearsal' THEN 'a pause stops it: see \`forgeway holds\`' ELSE d.reason END,
        finished_at = CASE d.writes WHEN 'rehearsal' THEN now() END,
        next_attempt_at = NULL
      FROM unnest($2::smallint[], $3::bigint[], $4::bigint[]) AS v(shard, id, epoch)
      JOIN held h ON h.shard = v.shard AND h.epoch = v.epoch AND h.holds_version = $5
      WHERE d.id = v.id AND d.status IN ('pending', 'parked')
      RETURNING d.id, d.attempts
    ) ${MARKED}`,
    values: [owner, rows.map((s) => s.row.shard), rows.map((s) => s.row.id), rows.map((s) => s.epoch), holdsVersion],
  });
  return marked(records, holdsVersion);
}

export interface Finish {
  row: LaneRow;
  epoch: bigint;
  outcome: Outcome;
  /** The row is put aside without having begun: one that died with its process must still run alone next time. */
  unbegun?: boolean;
}

/**
 * Writes outcomes and rolls them up into their deliveries: done when every dispatch is done or ignored, dead as soon as
 * one is. A rehearsal says nothing about its delivery. All dispatches of a delivery share a lane, so no other worker can be
 * writing them. Answers the shards that are still ours; what belongs to any other was not written.
 */
export async function writeOutcomes(pool: pg.Pool, owner: string, finishes: readonly Finish[]): Promise<Set<number>> {
  const column = <T>(of: (finish: Finish) => T): T[] => finishes.map(of);
  const { rows } = await pool.query<{ shard: number }>({
    name: 'lane_write_outcomes',
    text: `WITH ${HELD}, v AS (
        SELECT * FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
          $8::double precision[], $9::boolean[], $10::boolean[])
          AS v(shard, id, epoch, status, reason, error, wait_ms, unbegun, uncounted)
      ), written AS (
        UPDATE dispatch d SET
          status = v.status,
          reason = v.reason,
          error = coalesce(v.error, CASE WHEN v.status IN ('done', 'ignored') THEN NULL ELSE d.error END),
          next_attempt_at = CASE WHEN v.wait_ms IS NULL THEN NULL ELSE now() + v.wait_ms * interval '1 millisecond' END,
          uncounted_attempts = d.uncounted_attempts + v.uncounted::int,
          started_epoch = CASE WHEN v.unbegun AND v.status = 'parked' THEN d.started_epoch END,
          finished_at = CASE WHEN v.status IN ('done', 'ignored', 'dead') THEN now() END
        FROM v JOIN held h ON h.shard = v.shard AND h.epoch = v.epoch
        WHERE d.id = v.id AND d.status IN ('pending', 'parked')
          AND (v.unbegun OR d.started_epoch IN (v.epoch, -v.epoch))
        RETURNING d.id, d.delivery_id, d.status, d.reason, d.error, d.attempts - d.uncounted_attempts AS attempts,
          d.next_attempt_at, d.writes
      ), counted AS (
        SELECT * FROM written WHERE writes <> 'rehearsal'
      ), siblings AS (
        SELECT w.delivery_id, w.id, w.status, w.reason, w.error, w.attempts, w.next_attempt_at FROM counted w
        UNION ALL
        SELECT d.delivery_id, d.id, d.status, d.reason, NULL, 0, NULL FROM dispatch d
        WHERE d.delivery_id IN (SELECT delivery_id FROM counted) AND d.id NOT IN (SELECT id FROM counted)
          AND d.writes <> 'rehearsal' AND NOT EXISTS (
            SELECT FROM dispatch r WHERE r.replay_of = d.id AND r.delivery_id = d.delivery_id AND r.writes <> 'rehearsal')
      ), summary AS (
        SELECT delivery_id,
          CASE WHEN bool_or(status = 'dead') THEN 'dead'
               WHEN bool_or(status IN ('pending', 'parked', 'paused')) THEN 'assigned'
               WHEN bool_and(status = 'ignored') THEN 'ignored' ELSE 'done' END AS status,
          min(reason) FILTER (WHERE status = 'dead') AS dead_reason,
          min(reason) FILTER (WHERE status = 'ignored') AS ignored_reason,
          min(error) AS error, max(attempts) AS attempts, min(next_attempt_at) AS next_attempt_at
        FROM siblings GROUP BY delivery_id
      ), rolled AS (
        UPDATE webhook_delivery w SET
          status = s.status,
          reason = CASE s.status WHEN 'dead' THEN s.dead_reason WHEN 'ignored' THEN s.ignored_reason END,
          error_message = CASE WHEN s.status IN ('done', 'ignored') THEN NULL ELSE coalesce(s.error, w.error_message) END,
          retry_count = greatest(w.retry_count, s.attempts - 1),
          next_retry_at = s.next_attempt_at,
          finished_at = CASE WHEN s.status <> 'assigned' THEN now() END
        FROM summary s
        WHERE w.id = s.delivery_id AND w.status <> 'received' AND (s.status <> 'assigned' OR s.error IS NOT NULL)
      )
      SELECT shard FROM held`,
    values: [
      owner,
      column((f) => f.row.shard),
      column((f) => f.row.id),
      column((f) => f.epoch),
      column((f) => f.outcome.status),
      // An app's words, which may quote what it read: one that PostgreSQL refuses would hold up every other result.
      column((f) => ('reason' in f.outcome ? storable(f.outcome.reason) : null)),
      column((f) => ('error' in f.outcome && f.outcome.error !== undefined ? storable(f.outcome.error) : null)),
      column((f) => ('waitMs' in f.outcome ? f.outcome.waitMs : null)),
      column((f) => f.unbegun ?? false),
      column((f) => 'uncounted' in f.outcome),
    ],
  });
  return new Set(rows.map((row) => row.shard));
}
