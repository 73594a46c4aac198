/** Versions of a workspace's state as rows. Every function runs in one transaction that has named the tenant. */
import type pg from 'pg';

export interface StateOutput {
  name: string;
  /** As Terraform writes a type. */
  type: unknown;
  sensitive: boolean;
}

export interface StateResource {
  name: string;
  type: string;
  count: number;
  module: string;
  provider: string;
}

export interface StateVersionRow {
  id: string;
  organizationId: string;
  workspaceId: string;
  runId: string | null;
  /** It may follow whatever was before it. */
  forced: boolean;
  /** The last: it was one, and its bytes are not kept any more. */
  status: 'pending' | 'finalized' | 'discarded' | 'backing_data_permanently_deleted';
  serial: bigint;
  lineage: string | null;
  md5: string;
  size: bigint | null;
  stateBlobId: string | null;
  jsonBlobId: string | null;
  terraformVersion: string | null;
  resources: StateResource[];
  outputs: StateOutput[];
  createdBy: string;
  createdAt: Date;
}

const COLUMNS = `s.id, s.organization_id AS "organizationId", s.workspace_id AS "workspaceId", s.run_id AS "runId", s.forced, s.status,
  s.serial, s.lineage, s.md5, s.size, s.state_blob_id AS "stateBlobId", s.json_blob_id AS "jsonBlobId",
  s.terraform_version AS "terraformVersion", s.resources, s.outputs, s.created_by AS "createdBy", s.created_at AS "createdAt"`;

export interface NewStateVersion {
  workspaceId: string;
  serial: bigint;
  md5: string;
  lineage?: string | null;
  runId?: string | null;
  forced?: boolean;
  createdBy: string;
}

/** Pending: it is the workspace's state once its bytes are there, see {@link finalizeStateVersion}. */
export async function insertStateVersion(
  tx: pg.PoolClient,
  organizationId: string,
  o: NewStateVersion,
): Promise<string> {
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO state_version (organization_id, workspace_id, run_id, serial, lineage, md5, created_by, forced)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
    [
      organizationId,
      o.workspaceId,
      o.runId ?? null,
      o.serial,
      o.lineage ?? null,
      o.md5,
      o.createdBy,
      o.forced ?? false,
    ],
  );
  const [row] = rows;
  if (row === undefined) throw new TypeError('a row that was inserted has an id');
  return row.id;
}

export interface StateFacts {
  blobId: string;
  size: bigint;
  lineage: string;
  terraformVersion: string | null;
  resources: readonly StateResource[];
  outputs: readonly StateOutput[];
}

/** From now on it is the workspace's current state. False when it was not pending. */
export async function finalizeStateVersion(tx: pg.PoolClient, id: string, facts: StateFacts): Promise<boolean> {
  const { rowCount } = await tx.query(
    `WITH done AS (
       UPDATE state_version SET status = 'finalized', state_blob_id = $2, size = $3, lineage = $4, terraform_version = $5,
         resources = $6, outputs = $7, updated_at = now() WHERE id = $1 AND status = 'pending' RETURNING workspace_id)
     UPDATE workspace w SET current_state_version_id = $1, updated_at = now() FROM done WHERE w.id = done.workspace_id`,
    [
      id,
      facts.blobId,
      facts.size,
      facts.lineage,
      facts.terraformVersion,
      JSON.stringify(facts.resources),
      JSON.stringify(facts.outputs),
    ],
  );
  return rowCount === 1;
}

export async function setStateJson(tx: pg.PoolClient, id: string, blobId: string): Promise<void> {
  await tx.query('UPDATE state_version SET json_blob_id = $2, updated_at = now() WHERE id = $1', [id, blobId]);
}

export async function getStateVersion(tx: pg.PoolClient, id: string): Promise<StateVersionRow | undefined> {
  const { rows } = await tx.query<StateVersionRow>(`SELECT ${COLUMNS} FROM state_version s WHERE s.id = $1`, [id]);
  return rows[0];
}

export async function currentStateVersion(
  tx: pg.PoolClient,
  workspaceId: string,
): Promise<StateVersionRow | undefined> {
  const { rows } = await tx.query<StateVersionRow>(
    `SELECT ${COLUMNS} FROM state_version s JOIN workspace w ON w.current_state_version_id = s.id WHERE w.id = $1`,
    [workspaceId],
  );
  return rows[0];
}

export async function listStateVersions(
  tx: pg.PoolClient,
  workspaceId: string,
  page: { offset: number; limit: number },
): Promise<{ rows: StateVersionRow[]; total: number }> {
  const where = `FROM state_version s WHERE s.workspace_id = $1 AND s.status <> 'pending'`;
  const { rows } = await tx.query<StateVersionRow>(
    `SELECT ${COLUMNS} ${where} ORDER BY s.created_at DESC, s.serial DESC OFFSET $2 LIMIT $3`,
    [workspaceId, page.offset, page.limit],
  );
  const { rows: counted } = await tx.query<{ total: number }>(`SELECT count(*)::int4 AS total ${where}`, [workspaceId]);
  return { rows, total: counted[0]?.total ?? 0 };
}

/** A version that was announced and whose bytes never came: the address for them ended long before. */
const ANNOUNCED_FOR = '1 day';

/**
 * Lets go of the bytes of versions that are older than `days`, of each workspace all but its current one and its `newest`; the
 * rows stay, as its history. Answers how many, those that were only announced among them.
 */
export async function dropOldStates(tx: pg.PoolClient, o: { days: number; newest: number }): Promise<number> {
  const { rowCount: dropped } = await tx.query(
    `UPDATE state_version s SET status = 'backing_data_permanently_deleted', state_blob_id = NULL, json_blob_id = NULL,
       resources = '[]', outputs = '[]', updated_at = now()
     FROM (SELECT id, row_number() OVER (PARTITION BY workspace_id ORDER BY created_at DESC, serial DESC) AS place
           FROM state_version WHERE status = 'finalized') v
     WHERE v.id = s.id AND v.place > $2 AND s.created_at < now() - $1 * interval '1 day'
       AND NOT EXISTS (SELECT FROM workspace w WHERE w.current_state_version_id = s.id)`,
    [o.days, o.newest],
  );
  const { rowCount: unsent } = await tx.query(
    `DELETE FROM state_version WHERE status = 'pending' AND created_at < now() - $1::interval`,
    [ANNOUNCED_FOR],
  );
  return (dropped ?? 0) + (unsent ?? 0);
}
