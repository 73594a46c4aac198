/** The holds as a worker knows them: which rows may not begin, and which run without sending anything. */
import type pg from 'pg';
import type { LaneRow } from './row.js';

export type HoldMode = 'pause' | 'shadow';

interface Hold {
  organization_id: string;
  mode: HoldMode;
  app: string | null;
  connection_id: string | null;
  /** Of an App: what of its deliveries is the same. */
  installation: { forge: string; host: string; app_id: string; number: string } | null;
  forge: string | null;
  host: string | null;
  /** As text, since JSON has no 64-bit numbers. */
  remote_repository_id: string | null;
}

/** What of a row a hold is matched with. */
export type Held = Pick<
  LaneRow,
  | 'organizationId'
  | 'app'
  | 'connectionId'
  | 'hookAppId'
  | 'remoteInstallationId'
  | 'forge'
  | 'host'
  | 'remoteRepositoryId'
>;

/**
 * SQL: whether `run_hold h` covers `dispatch d`, of `webhook_delivery w`, which came through `hook k`. The same as
 * {@link Holds.of}, for rows that no worker has in hand.
 */
export const HOLD_COVERS = `h.organization_id = d.organization_id AND (h.app IS NULL OR h.app = d.app)
  AND (h.connection_id IS NULL OR h.connection_id = k.connection_id)
  AND (h.installation_id IS NULL OR EXISTS (SELECT FROM installation i WHERE i.id = h.installation_id AND i.forge = w.forge
    AND i.host = w.host AND i.app_id = k.app_id AND i.installation_id = w.remote_installation_id))
  AND (h.remote_repository_id IS NULL
    OR (h.forge = w.forge AND h.host = w.host AND h.remote_repository_id = w.remote_repository_id))`;

function covers(hold: Hold, row: Held): boolean {
  if (hold.organization_id !== row.organizationId || (hold.app ?? row.app) !== row.app) return false;
  if (hold.connection_id !== null && hold.connection_id !== row.connectionId) return false;
  const { forge, host, remoteRepositoryId } = row;
  const { installation } = hold;
  if (installation !== null) {
    const { number, app_id: appId } = installation;
    if (forge !== installation.forge || host !== installation.host) return false;
    if (row.hookAppId !== appId || String(row.remoteInstallationId) !== number) return false;
  }
  if (hold.remote_repository_id === null) return true;
  return hold.forge === forge && hold.host === host && hold.remote_repository_id === String(remoteRepositoryId);
}

export class Holds {
  #holds: readonly Hold[] = [];
  #version = -1n;

  /** A row begins only while the database still has this one; see the migration that made `holds_version`. */
  get version(): bigint {
    return this.#version;
  }

  /** What stops or silences a row, a pause before a shadow. */
  of(row: Held): HoldMode | undefined {
    let found: HoldMode | undefined;
    for (const hold of this.#holds) {
      if (!covers(hold, row)) continue;
      if (hold.mode === 'pause') return 'pause';
      found = hold.mode;
    }
    return found;
  }

  /** Whether a shadow covers it, also beside a pause. */
  silences(row: Held): boolean {
    return this.#holds.some((hold) => hold.mode === 'shadow' && covers(hold, row));
  }

  /** Reads all of them and their version at one moment. */
  async load(pool: pg.Pool): Promise<void> {
    const { rows } = await pool.query<{ version: bigint | string; holds: Hold[] }>({
      name: 'lane_holds',
      text: `SELECT (SELECT max(holds_version) FROM lane_lease) AS version,
        (SELECT coalesce(json_agg(h), '[]') FROM (
          SELECT r.organization_id, r.mode, r.app, r.connection_id, r.forge, r.host, r.remote_repository_id::text,
            CASE WHEN i.id IS NOT NULL THEN json_build_object('forge', i.forge, 'host', i.host, 'app_id', i.app_id,
              'number', i.installation_id::text) END AS installation
          FROM run_hold r LEFT JOIN installation i ON i.id = r.installation_id
        ) h) AS holds`,
    });
    const [found] = rows;
    if (found === undefined) return;
    this.#version = BigInt(found.version);
    this.#holds = found.holds;
  }
}
