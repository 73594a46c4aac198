/** Every statement on the journal. A write begins only while its dispatch runs under the lease that it began under. */
import type pg from 'pg';
import type { RetrySafety } from '../../forges/kit/route.js';
import type { DispatchAttempt } from '../../lib/delivery-scope.js';
import type { RequestAttempt } from '../../lib/request-scope.js';

/** What a journal belongs to: a run of the inbox, or a request of a caller of the API. */
export type Attempt = DispatchAttempt | RequestAttempt;
export type Ledger = 'dispatch' | 'request';
export const ledgerOf = (attempt: Attempt): Ledger => ('dispatchId' in attempt ? 'dispatch' : 'request');
/** The worker's pool; for requests of the API a transaction that has named their tenant. */
export type Queryable = Pick<pg.Pool | pg.PoolClient, 'query'>;

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

interface LedgerTable {
  table: string;
  /** Column of what a row belongs to. */
  owner: string;
  /** `WITH` clause for $1 to $3 of {@link valuesOf}. */
  held: string;
}

/**
 * The attempt, while it is still the one that runs. FOR SHARE makes a takeover wait for this statement, so that nothing of a
 * former owner is recorded after the new one has read.
 */
const LEDGERS: Readonly<Record<Ledger, LedgerTable>> = {
  dispatch: {
    table: 'write_journal',
    owner: 'dispatch_id',
    held: `held AS (
  SELECT d.id, d.organization_id,
    CASE WHEN d.writes = 'rehearsal' THEN d.id ELSE coalesce(d.journal_of, d.id) END AS journal,
    CASE WHEN d.writes = 'rehearsal' THEN d.journal_of END AS rehearsed
  FROM dispatch d JOIN lane_lease l ON l.shard = d.shard AND l.epoch = $2
  WHERE d.id = $1 AND d.status = 'pending' AND d.started_epoch IN ($2, -$2::bigint) AND d.attempts = $3
  FOR SHARE OF l
)`,
  },
  request: {
    table: 'api_write',
    owner: 'request_id',
    held: `held AS (
  SELECT r.id, r.organization_id, r.id AS journal, NULL::bigint AS rehearsed
  FROM api_request r
  WHERE r.id = $1 AND $2::bigint = 0 AND r.attempts = $3 AND r.answered_at IS NULL
    AND r.running_until > clock_timestamp()
  FOR SHARE OF r
)`,
  },
};

const valuesOf = (attempt: Attempt): [bigint, bigint, number] =>
  'dispatchId' in attempt
    ? [attempt.dispatchId, attempt.epoch, attempt.number]
    : [attempt.requestId, 0n, attempt.number];

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
export async function beginWrite(db: Queryable, attempt: Attempt, write: WriteFacts): Promise<Begun> {
  const ledger = ledgerOf(attempt);
  const { table, owner, held } = LEDGERS[ledger];
  const { rows } = await db.query<BegunRecord>({
    name: `journal_begin_${ledger}`,
    text: `WITH ${held}, added AS (
        INSERT INTO ${table} (${owner}, request_hash, ordinal, organization_id, forge, host, route, path, safety,
          status, sent_by, request_body)
        SELECT h.journal, $4::bytea, $5::int, h.organization_id, $6, $7, $8, $9, $10, $11, h.id, $12::bytea FROM held h
        WHERE h.rehearsed IS NULL OR NOT EXISTS (SELECT FROM ${table} r WHERE r.${owner} = h.rehearsed
          AND r.request_hash = $4::bytea AND r.ordinal = $5::int AND r.status = 'answered')
        ON CONFLICT DO NOTHING
      )
      SELECT h.journal, j.status, j.sent_by, j.sends, j.created_at, j.answer_status, j.answer_headers, j.answer_body,
        (extract(epoch FROM clock_timestamp() - j.sent_at) * 1000)::float8 AS age_ms
      FROM held h LEFT JOIN ${table} j
        ON j.${owner} = coalesce(h.rehearsed, h.journal) AND j.request_hash = $4::bytea AND j.ordinal = $5::int`,
    values: [
      ...valuesOf(attempt),
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
  db: Queryable,
  attempt: Attempt,
  { hash, ordinal }: WriteIdentity,
): Promise<number | undefined> {
  const ledger = ledgerOf(attempt);
  const { table, owner, held } = LEDGERS[ledger];
  const { rows } = await db.query<{ sends: number }>({
    name: `journal_send_again_${ledger}`,
    text: `WITH ${held}
      UPDATE ${table} j SET status = 'sent', sends = j.sends + 1, sent_by = h.id, sent_at = clock_timestamp(),
        request_body = NULL
      FROM held h
      WHERE j.${owner} = h.journal AND j.request_hash = $4::bytea AND j.ordinal = $5::int
        AND (j.status <> 'answered' OR j.safety = 'idempotent')
      RETURNING j.sends`,
    values: [...valuesOf(attempt), hash, ordinal],
  });
  return rows[0]?.sends;
}

/** Records that a write leaves only now, a while after it was recorded. Answers false when its run is over. */
export async function confirmSend(db: Queryable, attempt: Attempt, { hash, ordinal }: WriteIdentity): Promise<boolean> {
  const ledger = ledgerOf(attempt);
  const { table, owner, held } = LEDGERS[ledger];
  const { rowCount } = await db.query({
    name: `journal_confirm_${ledger}`,
    text: `WITH ${held}
      UPDATE ${table} j SET sent_at = clock_timestamp() FROM held h
      WHERE j.${owner} = h.journal AND j.request_hash = $4::bytea AND j.ordinal = $5::int AND j.sent_by = h.id
        AND j.status = 'sent'`,
    values: [...valuesOf(attempt), hash, ordinal],
  });
  return rowCount === 1;
}

/**
 * Records an answer. Not under the lease: an answer is a fact, whoever heard it, and the worker that took over is glad of
 * it. It never replaces another answer.
 */
export async function noteAnswered(
  db: Queryable,
  ledger: Ledger,
  journal: bigint,
  { hash, ordinal }: WriteIdentity,
  answer: StoredAnswer & { effect: string | undefined; found: boolean },
): Promise<void> {
  const { table, owner } = LEDGERS[ledger];
  await db.query({
    name: `journal_answered_${ledger}`,
    text: `UPDATE ${table} SET status = 'answered', answered_at = clock_timestamp(), answer_status = $4,
        answer_headers = $5, answer_body = $6, effect = $7, found = $8
      WHERE ${owner} = $1 AND request_hash = $2 AND ordinal = $3 AND (status <> 'answered' OR answer_body IS NULL)`,
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
  db: Queryable,
  ledger: Ledger,
  journal: bigint,
  { hash, ordinal }: WriteIdentity,
  status: 'refused' | 'unknown',
  sends: number,
): Promise<void> {
  const { table, owner } = LEDGERS[ledger];
  await db.query({
    name: `journal_failed_${ledger}`,
    text: `UPDATE ${table} SET status = $4
      WHERE ${owner} = $1 AND request_hash = $2 AND ordinal = $3 AND status IN ('sent', 'unknown') AND sends = $5`,
    values: [journal, hash, ordinal, status, sends],
  });
}

/** Of these effects, the ones that are known as those of another write. In a transaction that has named the tenant. */
export async function claimedEffects(
  db: Queryable,
  o: { organizationId: string; effects: readonly string[]; ledger: Ledger; journal: bigint },
  { hash, ordinal }: WriteIdentity,
): Promise<ReadonlySet<string>> {
  if (o.effects.length === 0) return new Set();
  const claimed = (ledger: Ledger) => {
    const { table, owner } = LEDGERS[ledger];
    const itself = ledger === o.ledger ? `AND NOT (${owner} = $3 AND request_hash = $4 AND ordinal = $5)` : '';
    return `SELECT effect FROM ${table} WHERE organization_id = $1 AND effect = ANY($2::text[]) ${itself}`;
  };
  const { rows } = await db.query<{ effect: string }>({
    name: `journal_claimed_${o.ledger}`,
    text: `${claimed('dispatch')} UNION ${claimed('request')}`,
    values: [o.organizationId, o.effects, o.journal, hash, ordinal],
  });
  return new Set(rows.map((row) => row.effect));
}
