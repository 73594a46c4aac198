/** Workspaces as rows. Every function runs in one transaction that has named the tenant. */
import type pg from 'pg';

export type ExecutionMode = 'remote' | 'local' | 'agent';

export interface WorkspaceRow {
  id: string;
  organizationId: string;
  name: string;
  description: string | null;
  executionMode: ExecutionMode;
  autoApply: boolean;
  /** Null: whichever the executor has. */
  terraformVersion: string | null;
  /** Relative to the root of the repository; empty: the root. */
  workingDirectory: string;
  triggerPrefixes: string[];
  speculativeEnabled: boolean;
  allowDestroyPlan: boolean;
  tags: string[];
  /** As it was written; null: linked to no repository. */
  vcsRepoUrl: string | null;
  /** Null: the default branch. */
  vcsBranch: string | null;
  /** It may be gone: see `connectionStatus`. */
  vcsConnectionId: string | null;
  forge: string | null;
  host: string | null;
  remoteRepositoryId: bigint | null;
  /** Owner and name as the forge last said it. */
  remotePath: string | null;
  vcsLastCommitSha: string | null;
  vcsLastError: string | null;
  vcsLastPolledAt: Date | null;
  lockedAt: Date | null;
  lockedBy: string | null;
  lockReason: string | null;
  /** An apply that ended badly: nobody builds upon its state before somebody has looked at it. Beside a lock of a person. */
  lockedByRunId: string | null;
  /** What that run says of its end, and when that was. */
  lockedByRunReason: string | null;
  lockedByRunAt: Date | null;
  currentStateVersionId: string | null;
  createdBy: string;
  createdAt: Date;
  updatedAt: Date;
  /** Of its connection now; null: it has none, or it is gone. */
  connectionStatus: string | null;
  /** The run that plans, waits to be confirmed or applies now. */
  activeRunId: string | null;
}

const COLUMNS = `w.id, w.organization_id AS "organizationId", w.name, w.description, w.execution_mode AS "executionMode",
  w.auto_apply AS "autoApply", w.terraform_version AS "terraformVersion", w.working_directory AS "workingDirectory",
  w.trigger_prefixes AS "triggerPrefixes", w.speculative_enabled AS "speculativeEnabled",
  w.allow_destroy_plan AS "allowDestroyPlan", w.tags, w.vcs_repo_url AS "vcsRepoUrl", w.vcs_branch AS "vcsBranch",
  w.vcs_connection_id AS "vcsConnectionId", w.forge, w.host, w.remote_repository_id AS "remoteRepositoryId",
  w.remote_path AS "remotePath", w.vcs_last_commit_sha AS "vcsLastCommitSha", w.vcs_last_error AS "vcsLastError",
  w.vcs_last_polled_at AS "vcsLastPolledAt", w.locked_at AS "lockedAt", w.locked_by AS "lockedBy",
  w.lock_reason AS "lockReason", w.locked_by_run_id AS "lockedByRunId",
  w.current_state_version_id AS "currentStateVersionId", w.created_by AS "createdBy", w.created_at AS "createdAt",
  w.updated_at AS "updatedAt",
  (SELECT r.status_reason FROM run r WHERE r.id = w.locked_by_run_id) AS "lockedByRunReason",
  (SELECT coalesce(r.finished_at, r.updated_at) FROM run r WHERE r.id = w.locked_by_run_id) AS "lockedByRunAt",
  (SELECT c.status FROM connection c WHERE c.id = w.vcs_connection_id) AS "connectionStatus",
  (SELECT r.id FROM run r WHERE r.workspace_id = w.id AND NOT r.plan_only AND NOT (r.save_plan AND r.status = 'planned')
     AND r.status IN ('fetching', 'planning', 'planned', 'confirmed', 'applying')) AS "activeRunId"`;

export async function getWorkspace(tx: pg.PoolClient, id: string): Promise<WorkspaceRow | undefined> {
  const { rows } = await tx.query<WorkspaceRow>(`SELECT ${COLUMNS} FROM workspace w WHERE w.id = $1`, [id]);
  return rows[0];
}

/** The same, held until the transaction ends: whoever changes its lock, its runs' turns or its state waits. */
export async function holdWorkspace(tx: pg.PoolClient, id: string): Promise<WorkspaceRow | undefined> {
  await tx.query('SELECT FROM workspace WHERE id = $1 FOR UPDATE', [id]);
  return getWorkspace(tx, id);
}

export async function findWorkspace(
  tx: pg.PoolClient,
  organizationId: string,
  name: string,
): Promise<WorkspaceRow | undefined> {
  const { rows } = await tx.query<WorkspaceRow>(
    `SELECT ${COLUMNS} FROM workspace w WHERE w.organization_id = $1 AND w.name = $2`,
    [organizationId, name],
  );
  return rows[0];
}

export interface WorkspaceFilter {
  /** A part of its name. */
  search?: string;
  /** All of them; a name is also the key of a tag with a value, which is kept as `key=value`. */
  tags?: readonly string[];
}

export async function listWorkspaces(
  tx: pg.PoolClient,
  { search, tags = [] }: WorkspaceFilter,
  page: { offset: number; limit: number },
): Promise<{ rows: WorkspaceRow[]; total: number }> {
  const where = `FROM workspace w WHERE ($1::text IS NULL OR strpos(lower(w.name), lower($1)) > 0) 
    AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS wanted (tag) WHERE NOT EXISTS (
      SELECT FROM jsonb_array_elements_text(w.tags) AS has (tag) WHERE has.tag = wanted.tag
        OR (strpos(wanted.tag, '=') = 0 AND starts_with(has.tag, wanted.tag || '='))))`;
  const values = [search ?? null, tags];
  const { rows } = await tx.query<WorkspaceRow>(`SELECT ${COLUMNS} ${where} ORDER BY w.name OFFSET $3 LIMIT $4`, [
    ...values,
    page.offset,
    page.limit,
  ]);
  const { rows: counted } = await tx.query<{ total: number }>(`SELECT count(*)::int4 AS total ${where}`, values);
  return { rows, total: counted[0]?.total ?? 0 };
}

/** Those linked to a repository, for whoever looks at it once for all of them. */
export async function workspacesOfRepository(
  tx: pg.PoolClient,
  o: { forge: string; host: string; remoteRepositoryId: bigint },
): Promise<WorkspaceRow[]> {
  const { rows } = await tx.query<WorkspaceRow>(
    `SELECT ${COLUMNS} FROM workspace w WHERE w.vcs_repo_url IS NOT NULL AND w.forge = $1 AND w.host = $2
       AND w.remote_repository_id = $3 ORDER BY w.name`,
    [o.forge, o.host, o.remoteRepositoryId],
  );
  return rows;
}

/** What may be written of a workspace, and the column of each. */
const columnOf = {
  name: 'name',
  description: 'description',
  executionMode: 'execution_mode',
  autoApply: 'auto_apply',
  terraformVersion: 'terraform_version',
  workingDirectory: 'working_directory',
  triggerPrefixes: 'trigger_prefixes',
  speculativeEnabled: 'speculative_enabled',
  allowDestroyPlan: 'allow_destroy_plan',
  tags: 'tags',
  vcsRepoUrl: 'vcs_repo_url',
  vcsBranch: 'vcs_branch',
  vcsConnectionId: 'vcs_connection_id',
  forge: 'forge',
  host: 'host',
  remoteRepositoryId: 'remote_repository_id',
  remotePath: 'remote_path',
  vcsLastCommitSha: 'vcs_last_commit_sha',
  vcsLastError: 'vcs_last_error',
  vcsLastPolledAt: 'vcs_last_polled_at',
  lockedAt: 'locked_at',
  lockedBy: 'locked_by',
  lockReason: 'lock_reason',
  lockedByRunId: 'locked_by_run_id',
  currentStateVersionId: 'current_state_version_id',
} as const satisfies Partial<Record<keyof WorkspaceRow, string>>;

export type WorkspaceChange = Partial<Pick<WorkspaceRow, keyof typeof columnOf>>;

function assignments(change: WorkspaceChange): { names: string[]; values: unknown[] } {
  const given = (Object.keys(columnOf) as (keyof typeof columnOf)[]).filter((name) => change[name] !== undefined);
  const writtenOf = (name: keyof typeof columnOf) => {
    const value = change[name];
    return Array.isArray(value) ? JSON.stringify(value) : value;
  };
  return { names: given.map((name) => columnOf[name]), values: given.map(writtenOf) };
}

/** Answers its id; undefined: the organization has one of this name. */
export async function insertWorkspace(
  tx: pg.PoolClient,
  organizationId: string,
  row: WorkspaceChange & { name: string; createdBy: string },
): Promise<string | undefined> {
  const { names, values } = assignments(row);
  const all = [organizationId, row.createdBy, ...values];
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO workspace (organization_id, created_by, ${names.join(', ')}) VALUES (${all.map((_, i) => `$${i + 1}`).join(', ')})
     ON CONFLICT (organization_id, name) DO NOTHING RETURNING id`,
    all,
  );
  return rows[0]?.id;
}

/** What is undefined stays; false when there is no such workspace. @throws the database's error for a name that is taken */
export async function updateWorkspace(tx: pg.PoolClient, id: string, change: WorkspaceChange): Promise<boolean> {
  const { names, values } = assignments(change);
  if (names.length === 0) return true;
  const { rowCount } = await tx.query(
    `UPDATE workspace SET ${names.map((name, i) => `${name} = $${i + 2}`).join(', ')}, updated_at = now() WHERE id = $1`,
    [id, ...values],
  );
  return rowCount === 1;
}

export async function deleteWorkspace(tx: pg.PoolClient, id: string): Promise<boolean> {
  const { rowCount } = await tx.query('DELETE FROM workspace WHERE id = $1', [id]);
  return rowCount === 1;
}
