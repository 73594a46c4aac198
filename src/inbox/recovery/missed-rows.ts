/** Deliveries that a forge could not make, from the first time they are seen to their end. */
import type pg from 'pg';
import type { DeliveryAttempt } from '../../forges/delivery-log.js';
import type { Store } from '../../store/database.js';
import type { WatchedHook } from './watched-hooks.js';

/** How far a hook's list is read after a page. */
export type ReadingState = { seen: bigint | null } | { page: string; pageTop: bigint };

/** Rows are remembered as long as those of the inbox, by which a repetition is recognised. */
const REMEMBERED = "interval '30 days'";

/**
 * Notes what the inbox does not have, and in the same transaction how far the list is read: whatever stops this process,
 * nothing that failed lies before that point without a row. Answers how many are new.
 */
export async function noteMissed(
  store: Store,
  hook: WatchedHook,
  missed: readonly DeliveryAttempt[],
  reading: ReadingState,
): Promise<number> {
  return store.tenant(hook.organizationId, async (tx) => {
    const { rows } = await tx.query<{ isNew: boolean }>(
      `INSERT INTO missed_delivery AS m (hook_id, organization_id, delivery_key, attempt_id, position, event_type, answer, missed_at)
       SELECT $1, $2, f.key, f.attempt_id, f.position, f.event_type, f.answer, coalesce(f.at, now())
       FROM unnest($3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[])
         AS f (key, attempt_id, position, event_type, answer, at)
       WHERE NOT EXISTS (SELECT FROM webhook_delivery d WHERE d.hook_id = $1 AND d.delivery_key = f.key)
       ON CONFLICT (hook_id, delivery_key) DO UPDATE SET attempt_id = excluded.attempt_id,
         position = excluded.position, answer = excluded.answer
         WHERE m.status = 'open' AND m.position < excluded.position
       RETURNING xmax = 0 AS "isNew"`,
      [
        hook.id,
        hook.organizationId,
        missed.map(({ key }) => key),
        missed.map(({ id }) => id),
        missed.map(({ position }) => position),
        missed.map(({ event }) => event),
        missed.map(({ answer }) => answer.slice(0, 200)),
        missed.map(({ at }) => at ?? null),
      ],
    );
    if ('page' in reading)
      await tx.query('UPDATE hook_watch SET page = $2, page_top = $3 WHERE hook_id = $1', [
        hook.id,
        reading.page,
        reading.pageTop,
      ]);
    else
      await tx.query('UPDATE hook_watch SET seen = $2, page = NULL, page_top = NULL WHERE hook_id = $1', [
        hook.id,
        reading.seen,
      ]);
    return rows.filter(({ isNew }) => isNew).length;
  });
}

export interface GivenUp {
  key: string;
  event: string;
  answer: string;
  reason: string;
}

/**
 * Ends what has come since, and what was asked for `mostAsks` times or is older than the forge remembers; forgets what
 * ended long ago.
 */
export async function settleMissed(
  store: Store,
  hook: WatchedHook,
  limits: { mostAsks: number; keptMs: number },
): Promise<{ arrived: number; givenUp: GivenUp[] }> {
  return store.tenant(hook.organizationId, async (tx) => {
    const arrived = await tx.query(
      // Also what was given up, and which a person had sent again since.
      `UPDATE missed_delivery m SET status = 'arrived', reason = NULL, finished_at = now()
       WHERE m.hook_id = $1 AND m.status <> 'arrived'
         AND EXISTS (SELECT FROM webhook_delivery d WHERE d.hook_id = m.hook_id AND d.delivery_key = m.delivery_key)`,
      [hook.id],
    );
    const { rows } = await tx.query<GivenUp>(
      `UPDATE missed_delivery SET status = 'given_up', finished_at = now(),
         reason = CASE WHEN asks >= $2 THEN 'It was asked for ' || asks || ' times and did not come.'
           ELSE 'The forge does not keep it any longer.' END
       WHERE hook_id = $1 AND status = 'open' AND next_ask_at <= now()
         AND (asks >= $2 OR missed_at < now() - $3 * interval '1 millisecond')
       RETURNING delivery_key AS key, event_type AS event, answer, reason`,
      [hook.id, limits.mostAsks, limits.keptMs],
    );
    await tx.query(`DELETE FROM missed_delivery WHERE hook_id = $1 AND finished_at < now() - ${REMEMBERED}`, [hook.id]);
    return { arrived: arrived.rowCount ?? 0, givenUp: rows };
  });
}

export interface Asked {
  key: string;
  attemptId: string;
  event: string;
  answer: string;
}

/**
 * The oldest that is due, taken: it is not due again before its wait is over, so that no other process asks for it too and
 * a crash after this point costs one ask. The wait doubles from `baseMs` to `capMs`.
 */
export async function takeMissed(
  store: Store,
  hook: WatchedHook,
  wait: { baseMs: number; capMs: number },
): Promise<Asked | undefined> {
  return store.tenant(hook.organizationId, async (tx) => {
    const { rows } = await tx.query<Asked>(
      `UPDATE missed_delivery SET asks = asks + 1, asked_at = now(),
         next_ask_at = now() + least($3::float8, $2 * power(2, least(asks, 30))) * interval '1 millisecond'
       WHERE hook_id = $1 AND delivery_key = (
         SELECT delivery_key FROM missed_delivery WHERE hook_id = $1 AND status = 'open' AND next_ask_at <= now()
         ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING delivery_key AS key, attempt_id AS "attemptId", event_type AS event, answer`,
      [hook.id, wait.baseMs, wait.capMs],
    );
    if (rows[0] !== undefined) await tx.query('UPDATE hook_watch SET asked_at = now() WHERE hook_id = $1', [hook.id]);
    return rows[0];
  });
}

/** How many of the hook were asked for within the last minute. */
export async function askedLately(store: Store, hook: WatchedHook): Promise<number> {
  const { rows } = await change(
    store,
    hook,
    `SELECT count(*)::int AS count FROM missed_delivery WHERE hook_id = $1 AND asked_at > now() - interval '1 minute'`,
    [],
  );
  return rows[0]?.count ?? 0;
}

const change = (store: Store, hook: WatchedHook, text: string, values: unknown[]): Promise<pg.QueryResult> =>
  store.tenant(hook.organizationId, (tx) => tx.query(text, [hook.id, ...values]));

/** The forge could not even be asked: that was nobody's fault, and does not count. */
export async function untakeMissed(store: Store, hook: WatchedHook, key: string): Promise<void> {
  await change(
    store,
    hook,
    'UPDATE missed_delivery SET asks = asks - 1, next_ask_at = now() WHERE hook_id = $1 AND delivery_key = $2',
    [key],
  );
}

export async function giveUpMissed(store: Store, hook: WatchedHook, key: string, reason: string): Promise<void> {
  await change(
    store,
    hook,
    `UPDATE missed_delivery SET status = 'given_up', reason = $3, finished_at = now()
     WHERE hook_id = $1 AND delivery_key = $2 AND status = 'open'`,
    [key, reason],
  );
}

/** Whether one of them is in the inbox by now. */
export async function anyArrived(store: Store, hook: WatchedHook, keys: readonly string[]): Promise<boolean> {
  const { rowCount } = await store.pool.query(
    'SELECT FROM webhook_delivery WHERE hook_id = $1 AND delivery_key = ANY ($2) LIMIT 1',
    [hook.id, keys],
  );
  return rowCount === 1;
}
