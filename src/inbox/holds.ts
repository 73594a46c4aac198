/** The holds as a worker knows them: which rows may not begin, and which run without sending anything. */
import type pg from 'pg';
import type { LaneRow } from './row.js';

export type HoldMode = 'pause' | 'shadow';

interface Hold {
  organization_id: string;
  mode: HoldMode;
  app: string | null;
  connection_id: string | null;
  forge: string | null;
  host: string | null;
  /** As text, since JSON has no 64-bit numbers. */
  remote_repository_id: string | null;
}

/** What of a row a hold is matched with. */
export type Held = Pick<LaneRow, 'organizationId' | 'app' | 'connectionId' | 'forge' | 'host' | 'remoteRepositoryId'>;

/**
 * SQL: whether `run_hold h` covers `dispatch d`, of `webhook_delivery w`, which came through `hook k`. The same as
 * {@link Holds.of}, for rows that no worker has in hand.
 */
export const HOLD_COVERS = `h.organization_id = d.organization_id AND (h.app IS NULL OR h.app = d.app)
  AND (h.connection_id IS NULL OR h.connection_id = k.connection_id)
  AND (h.remote_repository_id IS NULL
    OR (h.forge = w.forge AND h.host = w.host AND h.remote_repository_id = w.remote_repository_id))`;

function covers(hold: Hold, row: Held): boolean {
  if (hold.organization_id !== row.organizationId || (hold.app ?? row.app) !== row.app) return false;
  if (hold.connection_id !== null && hold.connection_id !== row.connectionId) return false;
  if (hold.remote_repository_id === null) return true;
  const { forge, host, remoteRepositoryId } = row;
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

  /** Reads all of them and their version at one moment. */
  async load(pool: pg.Pool): Promise<void> {
    const { rows } = await pool.query<{ version: bigint | string; holds: Hold[] }>({
      name: 'lane_holds',
      text: `SELECT (SELECT max(holds_version) FROM lane_lease) AS version,
        (SELECT coalesce(json_agg(h), '[]') FROM (
          SELECT organization_id, mode, app, connection_id, forge, host, remote_repository_id::text FROM run_hold
        ) h) AS holds`,
    });
    const [found] = rows;
    if (found === undefined) return;
    this.#version = BigInt(found.version);
    this.#holds = found.holds;
  }
}
