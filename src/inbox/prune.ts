import type { Queryable } from './list.js';

export interface Retention {
  /** Raw bodies and headers of finished deliveries are emptied after this many days. */
  bodyDays: number;
  /** Whole rows go after this many days; until then a repeated delivery is recognised. */
  rowDays: number;
}

/** A row is remembered longer than forges offer to deliver again, and than a recorded request is worth replaying. */
export const MIN_ROW_DAYS = 30;

const REHEARSAL_DAYS = 1;
/** Whoever listens to changes and was away for longer reads everything again. */
const CHANGE_DAYS = 1;
/** How long an Idempotency-Key is known. */
const REQUEST_DAYS = 1;
/** Longer than anything waits for a forge that is down. */
const STOP_DAYS = 7;
const BATCH = 500;
const MOST_BATCHES = 100;

/** Runs a statement that touches up to {@link BATCH} rows until there are none left, or {@link MOST_BATCHES} have been run. */
async function repeat(client: Queryable, text: string, days: number, signal?: AbortSignal): Promise<number> {
  let total = 0;
  for (let batch = 0; batch < MOST_BATCHES && !signal?.aborted; batch += 1) {
    const { rowCount } = await client.query(text, [days, BATCH]);
    total += rowCount ?? 0;
    if ((rowCount ?? 0) < BATCH) break;
  }
  return total;
}

/**
 * Empties bodies and deletes rows whose time is over, in small transactions. Deliveries that are not finished are never
 * touched. Answers how many rows were emptied and deleted. What is left when `signal` aborts is left for the next time.
 */
export async function prune(
  client: Queryable,
  retention: Retention,
  signal?: AbortSignal,
): Promise<{ emptied: number; deleted: number }> {
  const emptied = await repeat(
    client,
    `UPDATE webhook_delivery SET body = NULL, headers = '{}' WHERE id IN (
       SELECT w.id FROM webhook_delivery w
       WHERE w.body IS NOT NULL AND w.finished_at < now() - $1 * interval '1 day'
         AND NOT EXISTS (SELECT FROM dispatch d WHERE d.delivery_id = w.id AND d.status IN ('pending', 'parked', 'paused'))
       ORDER BY w.finished_at LIMIT $2)`,
    retention.bodyDays,
    signal,
  );
  // What was answered to an app goes with the body that the app ran on: nothing can run it again.
  await repeat(
    client,
    `UPDATE write_journal SET answer_body = NULL, request_body = NULL
     WHERE (dispatch_id, request_hash, ordinal) IN (
       SELECT j.dispatch_id, j.request_hash, j.ordinal FROM write_journal j
       JOIN dispatch d ON d.id = j.dispatch_id JOIN webhook_delivery w ON w.id = d.delivery_id
       WHERE (j.answer_body IS NOT NULL OR j.request_body IS NOT NULL)
         AND j.sent_at < now() - $1 * interval '1 day' AND w.body IS NULL
       ORDER BY j.sent_at LIMIT $2)`,
    retention.bodyDays,
    signal,
  );
  const rowDays = Math.max(retention.rowDays, retention.bodyDays, MIN_ROW_DAYS);
  const deleted = await repeat(
    client,
    `DELETE FROM webhook_delivery WHERE id IN (
       SELECT w.id FROM webhook_delivery w
       WHERE w.body IS NULL AND w.finished_at < now() - $1 * interval '1 day'
         AND NOT EXISTS (SELECT FROM dispatch d WHERE d.delivery_id = w.id AND d.status IN ('pending', 'parked', 'paused'))
       ORDER BY w.id LIMIT $2)`,
    rowDays,
    signal,
  );
  await repeat(
    client,
    `DELETE FROM event_claim WHERE semantic_key IN (
       SELECT semantic_key FROM event_claim WHERE created_at < now() - $1 * interval '1 day' LIMIT $2)`,
    retention.bodyDays,
    signal,
  );
  // Whoever asked for a rehearsal takes its rows away; this one was killed.
  await repeat(
    client,
    `DELETE FROM dispatch WHERE id IN (
       SELECT id FROM dispatch WHERE writes = 'rehearsal' AND created_at < now() - $1 * interval '1 day' LIMIT $2)`,
    REHEARSAL_DAYS,
    signal,
  );
  // A webhook that comes later than this is one that nobody redelivers any more.
  await repeat(
    client,
    `DELETE FROM poll_report WHERE ctid IN (
       SELECT ctid FROM poll_report WHERE created_at < now() - $1 * interval '1 day' LIMIT $2)`,
    rowDays,
    signal,
  );
  await repeat(
    client,
    `DELETE FROM change_event WHERE ctid IN (
       SELECT ctid FROM change_event WHERE created_at < now() - $1 * interval '1 day' LIMIT $2)`,
    CHANGE_DAYS,
    signal,
  );
  // With the journal of what they wrote.
  await repeat(
    client,
    `DELETE FROM api_request WHERE id IN (
       SELECT id FROM api_request WHERE created_at < now() - $1 * interval '1 day' LIMIT $2)`,
    REQUEST_DAYS,
    signal,
  );
  // Longer than any window in which commands are counted.
  await repeat(
    client,
    `DELETE FROM command_sender WHERE ctid IN (
       SELECT ctid FROM command_sender WHERE window_start < now() - $1 * interval '1 day' LIMIT $2)`,
    REQUEST_DAYS,
    signal,
  );
  await repeat(
    client,
    `DELETE FROM remembered_right WHERE ctid IN (
       SELECT ctid FROM remembered_right WHERE asked_at < now() - $1 * interval '1 day' LIMIT $2)`,
    REQUEST_DAYS,
    signal,
  );
  await repeat(
    client,
    `DELETE FROM agent_stop WHERE ctid IN (
       SELECT ctid FROM agent_stop WHERE created_at < now() - $1 * interval '1 day' LIMIT $2)`,
    STOP_DAYS,
    signal,
  );
  return { emptied, deleted };
}
