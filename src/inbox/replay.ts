import { audit } from '../accounts/audit.js';
import type { Store } from '../store/database.js';
import { DISPATCH_IDENTITY } from './assign.js';
import { CHANNEL } from './leases.js';

export type Refusal = 'unknown' | 'unfinished' | 'empty';

export type Replay =
  | { kind: 'queued'; dispatches: bigint[] }
  /** `unfinished`: some of it still runs or waits; `empty`: its body is no longer stored, or no such run was ever there. */
  | { kind: 'refused'; reason: Refusal };

export interface ReplayOptions {
  /** Only this app. */
  app?: string;
  /** Only what was given up the last time that it ran. */
  failed?: boolean;
  /** Tells the event as it was stored. By default what it is about is read from the forge again, so that old data cannot act. */
  asStored?: boolean;
  /** Nothing is to last: writes are only recorded, and the rows are no runs of the delivery. To be removed by the caller. */
  rehearsal?: boolean;
  /** Who wants it, for the audit trail. */
  actor: string;
}

/**
 * Runs a delivery again: new dispatch rows that name the ones they repeat. It passes by the dedupe on purpose; effects are
 * idempotent. A replay can itself be replayed. One of a row that failed goes on with its write journal, so that what the row
 * had written before it failed is not written again; one of a row that was done starts its own, since the person wants it
 * done once more.
 */
export async function replayDelivery(store: Store, deliveryId: bigint, o: ReplayOptions): Promise<Replay> {
  const found = await store.pool.query<{ organization_id: string | null }>(
    'SELECT organization_id FROM webhook_delivery WHERE id = $1',
    [deliveryId],
  );
  const [delivery] = found.rows;
  if (delivery === undefined) return { kind: 'refused', reason: 'unknown' };
  const { organization_id: organizationId } = delivery;
  // It belongs to nobody, so it never ran.
  if (organizationId === null) return { kind: 'refused', reason: 'empty' };
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ unfinished: boolean; ids: bigint[]; shards: number[] }>(
      `WITH runs AS (
         SELECT DISTINCT ON (d.event_index, d.app) d.* FROM dispatch d
         WHERE d.delivery_id = $1 AND d.writes <> 'rehearsal' AND ($2::text IS NULL OR d.app = $2)
         ORDER BY d.event_index, d.app, d.id DESC
       ), state AS (
         SELECT EXISTS (
           SELECT FROM dispatch d WHERE d.delivery_id = $1 AND d.writes <> 'rehearsal'
             AND ($2::text IS NULL OR d.app = $2) AND d.status IN ('pending', 'parked', 'paused')) AS unfinished
       ), added AS (
         INSERT INTO dispatch (delivery_id, event_index, event_name, action, change, app, organization_id, lane, shard,
           replay_of, journal_of, as_stored, writes)
         SELECT r.delivery_id, r.event_index, r.event_name, r.action, r.change, r.app, r.organization_id, r.lane, r.shard,
           r.id, CASE WHEN r.status = 'dead' THEN coalesce(r.journal_of, r.id) END, $4,
           CASE WHEN $5::boolean THEN 'rehearsal' ELSE 'send' END
         FROM runs r JOIN webhook_delivery w ON w.id = r.delivery_id AND w.body IS NOT NULL CROSS JOIN state s
         WHERE NOT s.unfinished AND (NOT $3::boolean OR r.status = 'dead')
         ORDER BY r.event_index, r.app
         ON CONFLICT ${DISPATCH_IDENTITY} DO NOTHING
         RETURNING id, shard
       ), reopened AS (
         UPDATE webhook_delivery SET status = 'assigned', reason = NULL, finished_at = NULL
         WHERE id = $1 AND NOT $5::boolean AND EXISTS (SELECT FROM added)
       )
       SELECT s.unfinished, coalesce((SELECT array_agg(id ORDER BY id) FROM added), '{}') AS ids,
         coalesce((SELECT array_agg(DISTINCT shard) FROM added), '{}') AS shards
       FROM state s`,
      [deliveryId, o.app ?? null, o.failed ?? false, o.asStored ?? false, o.rehearsal ?? false],
    );
    const { unfinished = false, ids = [], shards = [] } = rows[0] ?? {};
    if (unfinished) return { kind: 'refused', reason: 'unfinished' };
    if (ids.length === 0) return { kind: 'refused', reason: 'empty' };
    const { app, failed = false, asStored = false } = o;
    const action = o.rehearsal ? 'delivery.rehearsed' : 'delivery.replayed';
    const detail = { ...(app !== undefined && { app }), failed, asStored, dispatches: ids.map(String) };
    await audit(tx, organizationId, action, deliveryId.toString(), detail, o.actor);
    await tx.query('SELECT pg_notify($1, $2)', [CHANNEL, shards.join(',')]);
    return { kind: 'queued', dispatches: ids };
  });
}
