/**
 * Moves a session: the one place where what happened meets the state machine, and where its record is written. Row, record,
 * task, and what people are told of it change in one transaction, the caller's.
 */
import type { PoolClient } from 'pg';
import { ForgewayError } from '../../lib/errors.js';
import type { Wanted } from '../report/desired.js';
import { advance, isLive, type SessionInput, type SessionState, taskStatusOf } from './machine.js';
import { noticeFor, wantNotice } from './notices.js';
import { readSession, type SessionRecord } from './session-record.js';
import { tellThreads } from './tell.js';

export interface Driven {
  session: SessionRecord;
  /** False when nothing that was said applied; `why` of the last that did not. */
  changed: boolean;
  why: string | undefined;
  /** To be poked in the queue `report` once the transaction has committed. */
  reports: Wanted[];
  /** The session's own row, to be poked in the queue `agent`. */
  version: bigint;
}

export interface DriveOptions {
  /**
   * False for the reconciler itself, whose own steps are no new wish; default true.
   */
  wakes?: boolean;
  /**
   * The start that whoever calls has been working on. When the session was started again since, what they say of it is told of
   * another start: nothing is written.
   */
  fence?: bigint | null;
  /** Columns that go with it, by their names in the table. Names are ours, never a caller's input. */
  columns?: Readonly<Record<string, unknown>>;
}

/** More than anybody uses, and a number that everything here can count with: agents say themselves what they use. */
const MOST_USED = 9_000_000_000_000_000n;
/** SQL: a count that has grown by the parameter. */
const grown = (count: string, parameter: string): string =>
  `least(${count} + ${parameter}::numeric, ${MOST_USED})::bigint`;

/** Time counts while it works: not while it waits for its turn or for a person. */
const works = (status: SessionState['status']): boolean =>
  status === 'provisioning' || status === 'running' || status === 'pushing';

interface Used {
  tokens: bigint;
  costMicros: bigint;
  message: string | null;
}

function note(used: Used, input: SessionInput): Used {
  switch (input.kind) {
    case 'cost':
      return {
        ...used,
        tokens: used.tokens + BigInt(Math.round(input.tokens)),
        costMicros: used.costMicros + BigInt(Math.round(input.costMicros)),
      };
    case 'message':
      return { ...used, message: input.text };
    case 'done':
      return input.summary === '' ? used : { ...used, message: input.summary };
    default:
      return used;
  }
}

async function writeEvents(
  tx: PoolClient,
  session: SessionRecord,
  entries: readonly { kind: string; data: Record<string, unknown> }[],
): Promise<void> {
  // Numbers are taken from the row, which is locked: none is left out and none is given twice.
  await tx.query(
    `WITH numbered AS (
       UPDATE agent_session SET event_sequence = event_sequence + $3 WHERE id = $1 RETURNING event_sequence - $3 AS before
     )
     INSERT INTO session_event (organization_id, session_id, sequence, kind, data)
     SELECT $2, $1, numbered.before + given.at, given.kind, given.data
       FROM numbered, jsonb_to_recordset($4::jsonb) AS given (at bigint, kind text, data jsonb)`,
    [
      session.id,
      session.organizationId,
      entries.length,
      JSON.stringify(entries.map((entry, index) => ({ ...entry, at: index + 1 }))),
    ],
  );
}

const assignments = (columns: Readonly<Record<string, unknown>>, first: number): string =>
  Object.keys(columns)
    .map((name, index) => `, "${name}" = $${first + index}`)
    .join('');

/**
 * Applies what happened, in order. What does not apply in the state that the session is in changes nothing.
 * @returns undefined when there is no such session
 * @throws ForgewayError FORGEWAY_AGENT_FENCED, see {@link DriveOptions.fence}
 */
export async function drive(
  tx: PoolClient,
  sessionId: string,
  inputs: readonly SessionInput[],
  { wakes = true, columns = {}, fence }: DriveOptions = {},
): Promise<Driven | undefined> {
  const before = await readSession(tx, sessionId, { lock: true });
  if (before === undefined) return undefined;
  if (fence !== undefined && before.fence !== fence)
    throw new ForgewayError('FORGEWAY_AGENT_FENCED', `Session ${sessionId} was started again since.`);
  let state: SessionState = { status: before.status, stop: before.stop, question: before.question };
  let used: Used = { tokens: 0n, costMicros: 0n, message: before.message };
  let failure = before.failure;
  let why: string | undefined;
  let pull: Record<string, unknown> = {};
  const entries: { kind: string; data: Record<string, unknown> }[] = [];
  for (const input of inputs) {
    const result = advance(state, input);
    if (!result.applies) {
      why = result.why;
      continue;
    }
    entries.push(...result.entries);
    used = note(used, input);
    if (input.kind === 'pr.created' || input.kind === 'pr.updated')
      pull = {
        pull_request_id: input.pullRequestId,
        pull_request_number: input.number,
        pull_request_url: input.url,
      };
    if (result.state.status !== state.status) {
      const reason = result.entries.at(-1)?.data.reason;
      const isFailure = result.state.status === 'failed' || result.state.status === 'cancelled';
      failure = isFailure && typeof reason === 'string' ? reason : null;
    }
    state = result.state;
  }
  if (entries.length > 0) await writeEvents(tx, before, entries);
  const changed = entries.length > 0;
  // What an agent asks while it waits already is shown, and neither told anew nor waited for anew: it could ask for ever.
  const asked = state.status === 'blocked' && before.status !== 'blocked';
  const written = { ...columns, ...pull };
  if (changed || Object.keys(written).length > 0) {
    const isOver = !isLive(state.status);
    const resumed = !isLive(before.status) && state.status === 'assigned';
    await tx.query(
      `UPDATE agent_session SET status = $2, stop_wanted = $3, question = $4, message = $5, failure = $6,
         tokens = ${grown('tokens', '$7')}, cost_micros = ${grown('cost_micros', '$8')},
         round_tokens = ${grown('CASE WHEN $9 THEN 0 ELSE round_tokens END', '$7')},
         round_cost_micros = ${grown('CASE WHEN $9 THEN 0 ELSE round_cost_micros END', '$8')},
         round = round + CASE WHEN $9 THEN 1 ELSE 0 END,
         worked_seconds = CASE WHEN $9 THEN 0 WHEN $10 THEN worked_seconds
           ELSE worked_seconds + coalesce(extract(epoch FROM clock_timestamp() - working_since)::int, 0) END,
         working_since = CASE WHEN $10 THEN coalesce(working_since, clock_timestamp()) ELSE NULL END,
         started_at = CASE WHEN $10 THEN coalesce(started_at, clock_timestamp()) ELSE started_at END,
         ended_at = CASE WHEN $11 THEN coalesce(ended_at, clock_timestamp()) ELSE NULL END,
         desired_version = desired_version + $12,
         attempts = CASE WHEN $12 = 1 OR $13 THEN 0 ELSE attempts END,
         next_attempt_at = CASE WHEN $12 = 1 THEN NULL ELSE next_attempt_at END,
         asked_at = CASE WHEN $2 <> 'blocked' THEN NULL WHEN $14 THEN clock_timestamp() ELSE asked_at END,
         reminded_at = CASE WHEN $2 <> 'blocked' OR $14 THEN NULL ELSE reminded_at END,
         updated_at = now()${assignments(written, 15)}
       WHERE id = $1`,
      [
        ...[before.id, state.status, state.stop, state.question === null ? null : JSON.stringify(state.question)],
        ...[used.message, failure, used.tokens, used.costMicros, resumed, works(state.status), isOver],
        ...[wakes && changed ? 1 : 0, state.status !== before.status, asked, ...Object.values(written)],
      ],
    );
  }
  const session = await readSession(tx, sessionId);
  if (session === undefined) throw new Error('a session vanished inside a transaction');
  if (changed) await followTask(tx, session);
  const reports = changed ? await tellThreads(tx, session) : [];
  const { rows } = await tx.query<{ version: bigint; sequence: bigint }>(
    'SELECT desired_version AS version, event_sequence AS sequence FROM agent_session WHERE id = $1',
    [sessionId],
  );
  const notice = session.status === before.status ? undefined : noticeFor(session, before.status);
  if (changed && notice !== undefined) await wantNotice(tx, session, notice, rows[0]?.sequence ?? 0n);
  return { session, changed, why, reports, version: rows[0]?.version ?? 0n };
}

/** The task on the board stands where its session stands. */
async function followTask(tx: PoolClient, session: SessionRecord): Promise<void> {
  const status = taskStatusOf(session.status);
  await tx.query(
    `UPDATE task_run SET status = $2, blocked_reason = $3, pull_request_id = $4,
       completed_at = CASE WHEN $5 THEN coalesce(completed_at, now()) ELSE NULL END, updated_at = now()
     WHERE session_id = $1`,
    [
      ...[session.id, status, session.question?.text ?? null, session.pullRequestId],
      status === 'completed' || status === 'failed',
    ],
  );
}
