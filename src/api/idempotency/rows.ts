/** Which requests were asked for under which key. Every function runs in one transaction that has named the tenant. */
import type pg from 'pg';
import type { RequestAttempt } from '../../lib/request-scope.js';

export interface AskedRequest {
  organizationId: string;
  /** Whose the keys are. */
  caller: string;
  /** Undefined: none was given. */
  key: string | undefined;
  hash: Buffer;
}

export type Begun =
  | { kind: 'run'; attempt: RequestAttempt }
  | { kind: 'answered'; answer: unknown }
  | { kind: 'under-way'; seconds: number }
  /** The key was used for something else. */
  | { kind: 'other' };

/** A process that was killed holds its requests for no longer than this. */
export const LEASE_SECONDS = 10;
const KEPT = `interval '1 day'`;
const UNTIL = `clock_timestamp() + interval '${LEASE_SECONDS} seconds'`;
const RUNS = '(running_until IS NOT NULL AND running_until > clock_timestamp())';

interface Row {
  id: bigint;
  same: boolean;
  answered: boolean;
  answer: string | null;
  runs: boolean;
  seconds: number;
}

async function goOn(tx: pg.PoolClient, id: bigint): Promise<Begun> {
  const { rows } = await tx.query<{ attempts: number }>(
    `UPDATE api_request SET attempts = attempts + 1, running_until = ${UNTIL} WHERE id = $1 RETURNING attempts`,
    [id],
  );
  return { kind: 'run', attempt: { requestId: id, number: rows[0]?.attempts ?? 0 } };
}

async function add(tx: pg.PoolClient, o: AskedRequest): Promise<Begun | undefined> {
  const { rows } = await tx.query<{ id: bigint }>(
    `INSERT INTO api_request (organization_id, caller, idempotency_key, request_hash, running_until)
     VALUES ($1, $2, $3, $4, ${UNTIL})
     ON CONFLICT (organization_id, caller, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING id`,
    [o.organizationId, o.caller, o.key ?? null, o.hash],
  );
  const [row] = rows;
  return row && { kind: 'run', attempt: { requestId: row.id, number: 1 } };
}

/** By its key, which the unique index gives to one of those who come at the same moment. */
export async function beginKeyed(tx: pg.PoolClient, o: AskedRequest): Promise<Begun> {
  const place = [o.organizationId, o.caller, o.key];
  const itsPlace = 'organization_id = $1 AND caller = $2 AND idempotency_key = $3';
  await tx.query(`DELETE FROM api_request WHERE ${itsPlace} AND created_at < now() - ${KEPT} AND NOT ${RUNS}`, place);
  const added = await add(tx, o);
  if (added !== undefined) return added;
  const { rows } = await tx.query<Row>(
    `SELECT id, request_hash = $4 AS same, answered_at IS NOT NULL AS answered, answer, ${RUNS} AS runs,
       ceil(extract(epoch FROM running_until - clock_timestamp()))::int AS seconds
     FROM api_request WHERE ${itsPlace} FOR UPDATE`,
    [...place, o.hash],
  );
  const [row] = rows;
  // It failed and was taken away since: whoever asks again is the first.
  if (row === undefined) return { kind: 'under-way', seconds: 1 };
  if (!row.same) return { kind: 'other' };
  if (row.answered) return { kind: 'answered', answer: row.answer === null ? undefined : JSON.parse(row.answer) };
  if (row.runs) return { kind: 'under-way', seconds: Math.max(1, row.seconds) };
  return goOn(tx, row.id);
}

/** Without a key: the repetition of an equal request that was never answered, where there is one, else a new one. */
export async function beginUnkeyed(tx: pg.PoolClient, o: AskedRequest): Promise<Begun> {
  const { rows } = await tx.query<{ id: bigint }>(
    `SELECT id FROM api_request WHERE organization_id = $1 AND caller = $2 AND request_hash = $3
       AND idempotency_key IS NULL AND answered_at IS NULL AND NOT ${RUNS} AND created_at > now() - ${KEPT}
     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [o.organizationId, o.caller, o.hash],
  );
  const [row] = rows;
  const begun = row === undefined ? await add(tx, o) : await goOn(tx, row.id);
  if (begun === undefined) throw new TypeError('a request without a key cannot be there already');
  return begun;
}

/** False when another attempt has begun. */
export async function prolong(tx: pg.PoolClient, { requestId, number }: RequestAttempt): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE api_request SET running_until = ${UNTIL} WHERE id = $1 AND attempts = $2 AND answered_at IS NULL`,
    [requestId, number],
  );
  return rowCount === 1;
}

export async function noteAnswer(tx: pg.PoolClient, attempt: RequestAttempt, answer: unknown): Promise<void> {
  await tx.query(
    `UPDATE api_request SET running_until = NULL, answered_at = clock_timestamp(), answer = $3
     WHERE id = $1 AND attempts = $2`,
    [attempt.requestId, attempt.number, answer === undefined ? null : JSON.stringify(answer)],
  );
}

/** What has done nothing on a forge leaves nothing behind: its key may be used for the request as it should have been. */
export async function noteFailure(tx: pg.PoolClient, { requestId, number }: RequestAttempt): Promise<void> {
  const { rowCount } = await tx.query(
    `DELETE FROM api_request r WHERE r.id = $1 AND r.attempts = $2 AND r.answered_at IS NULL
       AND NOT EXISTS (SELECT FROM api_write w WHERE w.request_id = r.id AND w.status <> 'refused')`,
    [requestId, number],
  );
  if (rowCount === 0)
    await tx.query('UPDATE api_request SET running_until = NULL WHERE id = $1 AND attempts = $2', [requestId, number]);
}
