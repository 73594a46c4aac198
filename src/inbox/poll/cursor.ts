/** Rows of the poller's cursors, and which repositories are due. */
import type { PoolClient } from 'pg';
import { tellsConfidential } from '../../accounts/connection-hooks.js';
import type { Store } from '../../store/database.js';
import type { Cursor, Pending, Watched } from './ports.js';

interface Row {
  id: string;
  remote_id: bigint;
  forge: string;
  host: string;
  instance_url: string | null;
  owner: string;
  name: string;
  virtual_id: bigint;
  installation_id: bigint | null;
  hook_id: string;
  confidential: boolean;
  watermark_at: Date | null;
  imported_at: Date | null;
  since: Date | null;
  etag: string | null;
  pending: Pending[] | null;
  cycles: number | null;
  failures: number | null;
  knows_branches: boolean;
  branches_etag: string | null;
}

/**
 * Active repositories whose connection is polled, or whose App is installed. The hook is the connection's own, or the App's.
 * A token that may not make webhooks is polled whatever its owner chose; another one only if he did not choose webhooks.
 */
const FROM = `FROM repository r
  JOIN installation i ON i.id = r.installation_id AND i.status = 'active'
  LEFT JOIN connection c ON c.id = i.connection_id
  JOIN LATERAL (
    SELECT h.id FROM hook h WHERE CASE WHEN i.connection_id IS NULL
      THEN h.scope = 'app' AND h.connection_id IS NULL AND h.forge = i.forge AND h.host = i.host AND h.app_id = i.app_id
      ELSE h.id = i.connection_id::text END
    ORDER BY h.id LIMIT 1
  ) h ON true
  LEFT JOIN sync_cursor s ON s.repository_id = r.id
  WHERE r.status = 'active' AND NOT r.archived AND r.organization_id = current_organization()
    AND (c.id IS NULL OR (c.status NOT IN ('expired', 'revoked')
      AND (c.sync_mode <> 'webhook' OR (jsonb_array_length(c.capabilities) > 0 AND NOT c.capabilities ? 'hooks'))))`;

/** As for webhooks, where the hook says so: the one that covers the repository, or, where none was made, the connection's own. */
const CONFIDENTIAL = `EXISTS (SELECT FROM hook k WHERE k.connection_id = c.id
  AND ${tellsConfidential({ owner: 'r.remote_owner', name: 'r.remote_name' })})`;

const cursorOf = (row: Row): Cursor => ({
  watermarkAt: row.watermark_at,
  importedAt: row.imported_at,
  since: row.since,
  etag: row.etag,
  pending: row.pending ?? [],
  cycles: row.cycles ?? 0,
  failures: row.failures ?? 0,
  knowsBranches: row.knows_branches,
  branchesEtag: row.branches_etag,
});

const PAGE = 500;
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Ids of all organizations. */
async function organizations(store: Store): Promise<string[]> {
  const all: string[] = [];
  for (let after = NO_ID; ; after = all.at(-1) ?? after) {
    const { rows } = await store.pool.query<{ id: string }>(
      'SELECT id FROM organization WHERE id > $1 ORDER BY id LIMIT $2',
      [after, PAGE],
    );
    all.push(...rows.map((row) => row.id));
    if (rows.length < PAGE) return all;
  }
}

/** The repositories that are to be looked at now, of all organizations; `all`: also those that are not due. */
export async function dueRepositories(store: Store, o: { all: boolean }): Promise<Watched[]> {
  const due: Watched[] = [];
  for (const organizationId of await organizations(store)) {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<Row>(
        `SELECT r.id, r.remote_id, r.forge, r.host, r.remote_instance_url AS instance_url, r.remote_owner AS owner,
           r.remote_name AS name, i.virtual_id, CASE WHEN i.connection_id IS NULL THEN i.installation_id END AS installation_id,
           h.id AS hook_id, ${CONFIDENTIAL} AS confidential, s.watermark_at, s.imported_at, s.since, s.etag, s.pending, s.cycles, s.failures,
           s.branches IS NOT NULL AS knows_branches, s.branches_etag
         ${FROM} AND ($1 OR s.next_run_at IS NULL OR s.next_run_at <= now())
         ORDER BY s.last_run_at NULLS FIRST, r.id`,
        [o.all],
      ),
    );
    for (const row of rows)
      due.push({
        organizationId,
        id: row.id,
        remoteId: row.remote_id,
        forge: row.forge,
        host: row.host,
        instanceUrl: row.instance_url,
        owner: row.owner,
        name: row.name,
        virtualId: row.virtual_id,
        installationId: row.installation_id,
        hookId: row.hook_id,
        confidential: row.confidential,
        cursor: cursorOf(row),
      });
  }
  return due;
}

/** Makes every polled repository due, of all organizations. Answers how many there are. */
export async function askForCycle(store: Store): Promise<number> {
  let asked = 0;
  for (const organizationId of await organizations(store))
    asked += await store.tenant(organizationId, async (tx) => {
      const { rows } = await tx.query<{ id: string }>(`SELECT r.id ${FROM}`);
      const ids = rows.map((row) => row.id);
      await tx.query('UPDATE sync_cursor SET next_run_at = now() WHERE repository_id = ANY($1::uuid[])', [ids]);
      return ids.length;
    });
  return asked;
}

/** Seconds since the repository that waits longest was looked at; 0 when none is polled. */
export async function oldestLook(store: Store): Promise<number> {
  let oldest = 0;
  for (const organizationId of await organizations(store)) {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<{ seconds: number | null }>(
        `SELECT extract(epoch FROM now() - min(coalesce(s.last_run_at, now())))::float8 AS seconds ${FROM}`,
      ),
    );
    oldest = Math.max(oldest, rows[0]?.seconds ?? 0);
  }
  return oldest;
}

export const inCursor = <T>(store: Store, watched: Watched, run: (tx: PoolClient) => Promise<T>): Promise<T> =>
  store.tenant(watched.organizationId, run);

/**
 * The first look: what is older than `watermark` is history, and from now on it is noted what apps are told. A second one of two
 * that begin changes nothing.
 */
export async function beginCursor(store: Store, watched: Watched, watermark: Date): Promise<Date> {
  const begun = await inCursor(store, watched, async (tx) => {
    const { rows } = await tx.query<{ watermark_at: Date }>(
      `INSERT INTO sync_cursor AS s (repository_id, organization_id, watermark_at, since) VALUES ($1, $2, $3, $3)
       ON CONFLICT (repository_id) DO UPDATE SET watermark_at = coalesce(s.watermark_at, excluded.watermark_at),
         since = coalesce(s.since, excluded.since)
       RETURNING watermark_at`,
      [watched.id, watched.organizationId, watermark],
    );
    return rows[0]?.watermark_at ?? watermark;
  });
  // In a transaction of its own: what notes nothing yet has begun before this.
  await inCursor(store, watched, (tx) =>
    tx.query('UPDATE sync_cursor SET begun_at = coalesce(begun_at, clock_timestamp()) WHERE repository_id = $1', [
      watched.id,
    ]),
  );
  return begun;
}

export interface CursorMove {
  imported?: boolean;
  since?: Date;
  etag?: string | null;
  branchesEtag?: string | null;
  pending: readonly Pending[];
}

/** After a look that went well; `nextMs` null: not before somebody asks. */
export async function moveCursor(
  store: Store,
  watched: Watched,
  move: CursorMove,
  nextMs: number | null,
): Promise<void> {
  await inCursor(store, watched, (tx) =>
    tx.query(
      `UPDATE sync_cursor SET
         imported_at = CASE WHEN $2 THEN coalesce(imported_at, now()) ELSE imported_at END,
         since = coalesce($3, since), etag = CASE WHEN $4 THEN $5 ELSE etag END,
         branches_etag = CASE WHEN $6 THEN $7 ELSE branches_etag END,
         pending = $8, cycles = cycles + 1, failures = 0, error = NULL, last_run_at = now(),
         next_run_at = coalesce(now() + $9::float8 * interval '1 millisecond', 'infinity')
       WHERE repository_id = $1`,
      [
        watched.id,
        move.imported ?? false,
        move.since ?? null,
        move.etag !== undefined,
        move.etag ?? null,
        move.branchesEtag !== undefined,
        move.branchesEtag ?? null,
        JSON.stringify(move.pending),
        nextMs,
      ],
    ),
  );
}

/** After a look that failed: it waits, so that it holds up nobody. */
export async function delayCursor(store: Store, watched: Watched, error: string, waitMs: number): Promise<void> {
  await inCursor(store, watched, (tx) =>
    tx.query(
      `INSERT INTO sync_cursor AS s (repository_id, organization_id, failures, error, next_run_at)
       VALUES ($1, $2, 1, $3, now() + $4::float8 * interval '1 millisecond')
       ON CONFLICT (repository_id) DO UPDATE SET failures = s.failures + 1, error = excluded.error,
         next_run_at = excluded.next_run_at`,
      [watched.id, watched.organizationId, error.slice(0, 1_000), waitMs],
    ),
  );
}
