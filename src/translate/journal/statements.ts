/** Every statement on the journal. A write begins only while its dispatch runs under the lease that it began under. */
import type pg from 'pg';
import type { RetrySafety } from '../../forges/kit/route.js';
import type { DispatchAttempt } from '../../lib/delivery-scope.js';

export type WriteSafety = Exclude<RetrySafety, 'read'>;
type WriteStatus = 'sent' | 'answered' | 'refused' | 'unknown' | 'shadow';

/** What one write is known by. */
export interface WriteIdentity {
  hash: Buffer;
  /** Counted from 1 among the writes of a run that have this hash. */
  ordinal: number;
}

export interface WriteFacts extends WriteIdentity {
  forge: string;
  host: string;
  /** GitHub's route string. */
  route: string;
  path: string;
  safety: WriteSafety;
  /** `sent` and what was asked, or for a write that is not to be sent `shadow` and its body. */
  status: 'sent' | 'shadow';
  requestBody: Buffer | undefined;
}

export interface StoredAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Undefined: there was none, or it was not kept. */
  body: Buffer | undefined;
}

/** A row as it was before this run came to it. */
export interface KnownWrite {
  status: WriteStatus;
  sentBy: bigint;
  sends: number;
  /** When it was sent first. */
  createdAt: Date;
  /** Milliseconds since it was sent last. */
  ageMs: number;
  answer: StoredAnswer | undefined;
}

export type Begun =
  /** The lease is lost, or another attempt has begun: nothing may be sent. */
  | { kind: 'refused' }
  /** It was never asked for before, and is recorded now. */
  | { kind: 'new'; journal: bigint }
  | { kind: 'known'; journal: bigint; known: KnownWrite };

/**
 * The attempt, while it is still the one that runs. FOR SHARE makes a takeover wait for this statement, so that nothing of a
 * former owner is recorded after the new one has read.
 */
const HELD = `held AS (
  SELECT d.id, d.organization_id,
    CASE WHEN d.writes = 'rehearsal' THEN d.id ELSE coalesce(d.journal_of, d.id) END AS journal,
    CASE WHEN d.writes = 'rehearsal' THEN d.journal_of END AS rehearsed
  FROM dispatch d JOIN lane_lease l ON l.shard = d.shard AND l.epoch = $2
  WHERE d.id = $1 AND d.status = 'pending' AND d.started_epoch IN ($2, -$2::bigint) AND d.attempts = $3
  FOR SHARE OF l
)`;

interface BegunRecord {
  journal: bigint;
  status: WriteStatus | null;
  sent_by: bigint;
  sends: number;
  created_at: Date;
  age_ms: number;
  answer_status: number | null;
  answer_headers: Record<string, string> | null;
  answer_body: Buffer | null;
}

/**
 * A rehearsal has a journal of its own. What the run that it rehearses would be answered from the journal that it goes on
 * with, it is answered from there too, and does not record: it is not written again.
 */
export async function beginWrite(pool: pg.Pool, attempt: DispatchAttempt, write: WriteFacts): Promise<Begun> {
  const { rows } = await pool.query<BegunRecord>({
    name: 'journal_begin',
    text: `WITH ${HELD}, added AS (
        INSERT INTO write_journal (dispatch_id, request_hash, ordinal, organization_id, forge, host, route, path, safety,
          status, sent_by, request_body)
        SELECT h.journal, $4::bytea, $5::int, h.organization_id, $6, $7, $8, $9, $10, $11, h.id, $12::bytea FROM held h
        WHERE h.rehearsed IS NULL OR NOT EXISTS (SELECT FROM write_journal r WHERE r.dispatch_id = h.rehearsed
          AND r.request_hash = $4::bytea AND r.ordinal = $5::int AND r.status = 'answered')
        ON CONFLICT DO NOTHING
      )
      SELECT h.journal, j.status, j.sent_by, j.sends, j.created_at, j.answer_status, j.answer_headers, j.answer_body,
        (extract(epoch FROM clock_timestamp() - j.sent_at) * 1000)::float8 AS age_ms
      FROM held h LEFT JOIN write_journal j
        ON j.dispatch_id = coalesce(h.rehearsed, h.journal) AND j.request_hash = $4::bytea AND j.ordinal = $5::int`,
    values: [
      attempt.dispatchId,
      attempt.epoch,
      attempt.number,
      write.hash,
      write.ordinal,
      write.forge,
      write.host,
      write.route,
      write.path,
      write.safety,
      write.status,
      write.requestBody ?? null,
    ],
  });
  const [row] = rows;
  if (row === undefined) return { kind: 'refused' };
  const { journal } = row;
  if (row.status === null) return { kind: 'new', journal };
  const { status, sent_by: sentBy, sends, created_at: createdAt, age_ms: ageMs } = row;
  const answer =
    row.answer_status === null
      ? undefined
      : { status: row.answer_status, headers: row.answer_headers ?? {}, body: row.answer_body ?? undefined };
  return { kind: 'known', journal, known: { status, sentBy, sends, createdAt, ageMs, answer } };
}

/** Records that a known write is sent once more. Answers the how-manyth time it is, or undefined when it may not be sent. */
export async function sendAgain(
  pool: pg.Pool,
  attempt: DispatchAttempt,
  { hash, ordinal }: WriteIdentity,
): Promise<number | undefined> {
  const { rows } = await pool.query<{ sends: number }>({
    name: 'journal_send_again',
    text: `WITH ${HELD}
      UPDATE write_journal j SET status = 'sent', sends = j.sends + 1, sent_by = h.id, sent_at = clock_timestamp(),
        request_body = NULL
      FROM held h
      WHERE j.dispatch_id = h.journal AND j.request_hash = $4::bytea AND j.ordinal = $5::int
        AND (j.status <> 'answered' OR j.safety = 'idempotent')
      RETURNING j.sends`,
    values: [attempt.dispatchId, attempt.epoch, attempt.number, hash, ordinal],
  });
  return rows[0]?.sends;
}

/** Records that a write leaves only now, a while after it was recorded. Answers false when its run is over. */
export async function confirmSend(
  pool: pg.Pool,
  attempt: DispatchAttempt,
  { hash, ordinal }: WriteIdentity,
): Promise<boolean> {
  const { rowCount } = await pool.query({
    name: 'journal_confirm',
    text: `WITH ${HELD}
      UPDATE write_journal j SET sent_at = clock_timestamp() FROM held h
      WHERE j.dispatch_id = h.journal AND j.request_hash = $4::bytea AND j.ordinal = $5::int AND j.sent_by = h.id
        AND j.status = 'sent'`,
    values: [attempt.dispatchId, attempt.epoch, attempt.number, hash, ordinal],
  });
  return rowCount === 1;
}

/**
 * Records an answer. Not under the lease: an answer is a fact, whoever heard it, and the worker that took over is glad of
 * it. It never replaces another answer.
 */
export async function noteAnswered(
  pool: pg.Pool,
  journal: bigint,
  { hash, ordinal }: WriteIdentity,
  answer: StoredAnswer & { effect: string | undefined; found: boolean },
): Promise<void> {
  await pool.query({
    name: 'journal_answered',
    text: `UPDATE write_journal SET status = 'answered', answered_at = clock_timestamp(), answer_status = $4,
        answer_headers = $5, answer_body = $6, effect = $7, found = $8
      WHERE dispatch_id = $1 AND request_hash = $2 AND ordinal = $3 AND (status <> 'answered' OR answer_body IS NULL)`,
    values: [
      journal,
      hash,
      ordinal,
      answer.status,
      answer.headers,
      answer.body ?? null,
      answer.effect ?? null,
      answer.found,
    ],
  });
}

/** Records how a write failed that was sent for the `sends`-th time; nothing when it was sent or answered since. */
export async function noteFailed(
  pool: pg.Pool,
  journal: bigint,
  { hash, ordinal }: WriteIdentity,
  status: 'refused' | 'unknown',
  sends: number,
): Promise<void> {
  await pool.query({
    name: 'journal_failed',
    text: `UPDATE write_journal SET status = $4
      WHERE dispatch_id = $1 AND request_hash = $2 AND ordinal = $3 AND status IN ('sent', 'unknown') AND sends = $5`,
    values: [journal, hash, ordinal, status, sends],
  });
}

/** Of these effects, the ones that are known as those of another write. */
export async function claimedEffects(
  pool: pg.Pool,
  organizationId: string,
  effects: readonly string[],
  journal: bigint,
  { hash, ordinal }: WriteIdentity,
): Promise<ReadonlySet<string>> {
  if (effects.length === 0) return new Set();
  const { rows } = await pool.query<{ effect: string }>({
    name: 'journal_claimed',
    text: `SELECT effect FROM write_journal WHERE organization_id = $1 AND effect = ANY($2::text[])
      AND NOT (dispatch_id = $3 AND request_hash = $4 AND ordinal = $5)`,
    values: [organizationId, effects, journal, hash, ordinal],
  });
  return new Set(rows.map((row) => row.effect));
}
