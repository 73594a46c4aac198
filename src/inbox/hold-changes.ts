/** Pausing, silencing and letting go: what `forgeway pause` and `forgeway resume` do. */
import type pg from 'pg';
import { audit } from '../accounts/audit.js';
import type { Store } from '../store/database.js';
import { HOLD_COVERS, type HoldMode } from './holds.js';
import { CHANNEL } from './leases.js';
import type { Queryable } from './list.js';

/** What a hold covers: everything that fits each field that is there; without any, everything. */
export interface HoldScope {
  app?: string;
  connectionId?: string;
  /** Our row of an App's installation. */
  installationId?: string;
  repository?: { forge: string; host: string; remoteId: bigint };
}

export interface HoldSummary {
  id: string;
  mode: HoldMode;
  app: string | null;
  /** Name of the connection, or whose account an App is installed at. */
  connection: string | null;
  /** `owner/name`, where the mirror knows it, else the forge's id. */
  repository: string | null;
  host: string | null;
  reason: string | null;
  placedBy: string;
  since: Date;
  /** Runs whose turn came and that wait for it to be lifted. */
  waiting: number;
}

const RELEASED_AT_A_TIME = 10_000;

const columnsOf = ({ app, connectionId, installationId, repository }: HoldScope) => [
  app ?? null,
  connectionId ?? null,
  installationId ?? null,
  repository?.forge ?? null,
  repository?.host ?? null,
  repository?.remoteId ?? null,
];

/**
 * Puts a hold in force, or gives the same one another reason. When it resolves, nothing that a pause covers begins any more,
 * on any worker; `underWay` is how many runs had begun before and may still be at work.
 */
export async function placeHold(
  store: Store,
  organizationId: string,
  o: { mode: HoldMode; scope: HoldScope; reason?: string; actor: string },
): Promise<{ id: string; underWay: number }> {
  const id = await store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ id: string }>(
      `INSERT INTO run_hold AS h
         (organization_id, mode, app, connection_id, installation_id, forge, host, remote_repository_id, reason, placed_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
       ON CONFLICT (organization_id, mode, coalesce(app, ''), coalesce(connection_id::text, ''),
         coalesce(installation_id::text, ''), coalesce(forge, ''), coalesce(host, ''), coalesce(remote_repository_id, 0))
       DO UPDATE SET reason = coalesce(excluded.reason, h.reason), placed_by = excluded.placed_by RETURNING id`,
      [organizationId, o.mode, ...columnsOf(o.scope), o.reason ?? null, o.actor],
    );
    const placed = rows[0]?.id ?? '';
    const detail = { ...namedScope(o.scope), reason: o.reason ?? null };
    await audit(tx, organizationId, o.mode === 'pause' ? 'runs.paused' : 'runs.shadowed', placed, detail, o.actor);
    return placed;
  });
  return { id, underWay: await runsUnderWay(store.pool, id) };
}

const namedScope = ({ repository, ...scope }: HoldScope) => ({
  ...scope,
  ...(repository && { repository: { ...repository, remoteId: repository.remoteId.toString() } }),
});

/** Runs that a hold covers and that had begun before it was in force. */
export async function runsUnderWay(client: Queryable, holdId: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM dispatch d JOIN webhook_delivery w ON w.id = d.delivery_id
       LEFT JOIN hook k ON k.id = w.hook_id JOIN run_hold h ON h.id = $1 AND ${HOLD_COVERS}
     WHERE d.status = 'pending' AND d.started_epoch IS NOT NULL`,
    [holdId],
  );
  return rows[0]?.count ?? 0;
}

/**
 * Lifts holds, and lets go what no other one stops, in its order: nothing newer begins before this has been committed.
 * Answers how many runs that were.
 */
export async function liftHolds(
  store: Store,
  organizationId: string,
  ids: readonly string[],
  actor: string,
): Promise<{ released: number }> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ id: string; mode: HoldMode }>(
      'DELETE FROM run_hold WHERE organization_id = $1 AND id = ANY($2::uuid[]) RETURNING id, mode',
      [organizationId, ids],
    );
    for (const { id, mode } of rows) await audit(tx, organizationId, 'runs.resumed', id, { mode }, actor);
    return { released: await release(tx) };
  });
}

/**
 * Makes rows that no hold stops any more pending again, as if they had come now: the time of a pause is no outage of a forge
 * that they waited out, and no backlog for which new deliveries are refused. The caller's transaction has changed `holds_version`, so that every
 * worker reads its lanes again, in order, before it begins anything else.
 */
async function release(tx: pg.PoolClient): Promise<number> {
  const shards = new Set<number>();
  let released = 0;
  for (let more = true; more; ) {
    const { rows } = await tx.query<{ shard: number }>(
      `UPDATE dispatch SET status = 'pending', created_at = now() WHERE id IN (${unheld} ORDER BY d.id LIMIT $1) RETURNING shard`,
      [RELEASED_AT_A_TIME],
    );
    released += rows.length;
    for (const { shard } of rows) shards.add(shard);
    more = rows.length === RELEASED_AT_A_TIME;
  }
  if (shards.size > 0) await tx.query('SELECT pg_notify($1, $2)', [CHANNEL, [...shards].join(',')]);
  return released;
}

const unheld = `SELECT d.id FROM dispatch d JOIN webhook_delivery w ON w.id = d.delivery_id
  LEFT JOIN hook k ON k.id = w.hook_id
  WHERE d.status = 'paused' AND NOT EXISTS (SELECT FROM run_hold h WHERE h.mode = 'pause' AND ${HOLD_COVERS})`;

/**
 * Lets go what a hold left behind that ended in another way than by {@link liftHolds}, such as with its connection. `seen`
 * is what this answered the last time: while the holds have not changed since, nothing can be left over.
 */
export async function releaseLeftOver(client: pg.PoolClient, seen: bigint | undefined): Promise<bigint> {
  const version = await holdsVersion(client);
  if (version === seen) return version;
  const { rowCount } = await client.query(`${unheld} LIMIT 1`);
  if (rowCount === 0) return version;
  await client.query('BEGIN');
  try {
    await client.query('SELECT FROM lane_lease ORDER BY shard FOR NO KEY UPDATE');
    await client.query('UPDATE lane_lease SET holds_version = holds_version + 1');
    await release(client);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
  return holdsVersion(client);
}

async function holdsVersion(client: pg.PoolClient): Promise<bigint> {
  const { rows } = await client.query<{ version: bigint | string }>(
    'SELECT max(holds_version) AS version FROM lane_lease',
  );
  return BigInt(rows[0]?.version ?? 0);
}

/** Every hold of an organization, the oldest first. */
export async function listHolds(store: Store, organizationId: string): Promise<HoldSummary[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<HoldSummary>(
      `SELECT h.id, h.mode, h.app, h.host,
         CASE WHEN i.id IS NULL THEN c.name ELSE coalesce(i.account_login, i.installation_id::text) || ' on ' || i.host END
           AS connection,
         coalesce(r.remote_owner || '/' || r.remote_name, h.remote_repository_id::text) AS repository,
         h.reason, h.placed_by AS "placedBy", h.since,
         CASE h.mode WHEN 'pause' THEN (
           SELECT count(*)::int FROM dispatch d JOIN webhook_delivery w ON w.id = d.delivery_id
             LEFT JOIN hook k ON k.id = w.hook_id WHERE d.status = 'paused' AND ${HOLD_COVERS}
         ) ELSE 0 END AS waiting
       FROM run_hold h LEFT JOIN connection c ON c.id = h.connection_id
         LEFT JOIN installation i ON i.id = h.installation_id
         LEFT JOIN repository r ON r.forge = h.forge AND r.host = h.host AND r.remote_id = h.remote_repository_id
       WHERE h.organization_id = $1 ORDER BY h.since, h.id`,
      [organizationId],
    );
    return rows;
  });
}

/** Holds of this very scope, of one mode or of both. */
export async function holdsOf(
  store: Store,
  organizationId: string,
  scope: HoldScope,
  mode: HoldMode | undefined,
): Promise<string[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ id: string }>(
      `SELECT id FROM run_hold WHERE organization_id = $1 AND ($2::text IS NULL OR mode = $2)
         AND app IS NOT DISTINCT FROM $3 AND connection_id IS NOT DISTINCT FROM $4::uuid
         AND installation_id IS NOT DISTINCT FROM $5::uuid AND forge IS NOT DISTINCT FROM $6
         AND host IS NOT DISTINCT FROM $7 AND remote_repository_id IS NOT DISTINCT FROM $8::bigint`,
      [organizationId, mode ?? null, ...columnsOf(scope)],
    );
    return rows.map(({ id }) => id);
  });
}
