import { CHANNEL } from './leases.js';
import type { Queryable } from './list.js';

export type Replay =
  | { kind: 'queued'; dispatches: number }
  /** `unfinished`: some of it still runs or waits; `empty`: its body is no longer stored, or no app ever ran. */
  | { kind: 'refused'; reason: 'unknown' | 'unfinished' | 'empty' };

/**
 * Runs a delivery again, in every app or in one: new dispatch rows that name the ones they repeat. It passes by the
 * dedupe on purpose; effects are idempotent. A replay can itself be replayed. One of a row that failed goes on with its
 * write journal, so that what the row had written before it failed is not written again; one of a row that was done
 * starts its own, since the person wants it done once more.
 */
export async function replayDelivery(client: Queryable, deliveryId: bigint, app?: string): Promise<Replay> {
  const { rows } = await client.query<{
    known: boolean;
    stored: boolean;
    unfinished: boolean;
    dispatches: number;
    shards: number[];
  }>(
    `WITH delivery AS (
       SELECT w.id, w.body IS NOT NULL AS stored, EXISTS (
         SELECT FROM dispatch d WHERE d.delivery_id = w.id AND d.status IN ('pending', 'parked')
           AND ($2::text IS NULL OR d.app = $2)) AS unfinished
       FROM webhook_delivery w WHERE w.id = $1
     ), latest AS (
       SELECT DISTINCT ON (d.event_index, d.app) d.* FROM dispatch d JOIN delivery w ON w.id = d.delivery_id
       WHERE w.stored AND NOT w.unfinished AND ($2::text IS NULL OR d.app = $2)
       ORDER BY d.event_index, d.app, d.id DESC
     ), added AS (
       INSERT INTO dispatch (delivery_id, event_index, event_name, action, change, app, organization_id, lane, shard,
         replay_of, journal_of)
       SELECT delivery_id, event_index, event_name, action, change, app, organization_id, lane, shard,
         id, CASE WHEN status = 'dead' THEN coalesce(journal_of, id) END
       FROM latest
       ORDER BY event_index, app
       ON CONFLICT (delivery_id, event_index, app, coalesce(replay_of, 0)) DO NOTHING
       RETURNING shard
     ), reopened AS (
       UPDATE webhook_delivery SET status = 'assigned', reason = NULL, finished_at = NULL
       WHERE id = $1 AND EXISTS (SELECT FROM added)
     )
     SELECT EXISTS (SELECT FROM delivery) AS known,
       coalesce((SELECT stored FROM delivery), false) AS stored,
       coalesce((SELECT unfinished FROM delivery), false) AS unfinished,
       (SELECT count(*)::int FROM added) AS dispatches,
       (SELECT coalesce(array_agg(DISTINCT shard), '{}') FROM added) AS shards`,
    [deliveryId, app ?? null],
  );
  const [found] = rows;
  if (!found?.known) return { kind: 'refused', reason: 'unknown' };
  if (found.unfinished) return { kind: 'refused', reason: 'unfinished' };
  if (found.dispatches === 0) return { kind: 'refused', reason: 'empty' };
  await client.query('SELECT pg_notify($1, $2)', [CHANNEL, found.shards.join(',')]);
  return { kind: 'queued', dispatches: found.dispatches };
}
