/** Configuration versions as rows. Every function runs in one transaction that has named the tenant. */
import type pg from 'pg';

export type ConfigurationStatus = 'pending' | 'fetching' | 'uploaded' | 'errored' | 'archived';

export interface ConfigurationVersionRow {
  id: string;
  organizationId: string;
  workspaceId: string;
  source: 'vcs' | 'api';
  status: ConfigurationStatus;
  speculative: boolean;
  autoQueueRuns: boolean;
  blobId: string | null;
  sha256: string | null;
  size: bigint | null;
  error: string | null;
  errorMessage: string | null;
  vcsCommitSha: string | null;
  vcsBranch: string | null;
  vcsPullRequestNumber: number | null;
  createdBy: string;
  createdAt: Date;
}

const COLUMNS = `id, organization_id AS "organizationId", workspace_id AS "workspaceId", source, status, speculative,
  auto_queue_runs AS "autoQueueRuns", blob_id AS "blobId", sha256, size, error, error_message AS "errorMessage",
  vcs_commit_sha AS "vcsCommitSha", vcs_branch AS "vcsBranch", vcs_pull_request_number AS "vcsPullRequestNumber",
  created_by AS "createdBy", created_at AS "createdAt"`;

export interface NewConfigurationVersion {
  workspaceId: string;
  source: 'vcs' | 'api';
  createdBy: string;
  speculative?: boolean;
  autoQueueRuns?: boolean;
  vcsCommitSha?: string;
  vcsBranch?: string;
  vcsPullRequestNumber?: number;
}

export async function insertConfigurationVersion(
  tx: pg.PoolClient,
  organizationId: string,
  o: NewConfigurationVersion,
): Promise<string> {
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO configuration_version (organization_id, workspace_id, source, created_by, speculative, auto_queue_runs,
       vcs_commit_sha, vcs_branch, vcs_pull_request_number)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
    [
      organizationId,
      o.workspaceId,
      o.source,
      o.createdBy,
      o.speculative ?? false,
      o.autoQueueRuns ?? o.source === 'api',
      o.vcsCommitSha ?? null,
      o.vcsBranch ?? null,
      o.vcsPullRequestNumber ?? null,
    ],
  );
  const [row] = rows;
  if (row === undefined) throw new TypeError('a row that was inserted has an id');
  return row.id;
}

export async function getConfigurationVersion(
  tx: pg.PoolClient,
  id: string,
): Promise<ConfigurationVersionRow | undefined> {
  const { rows } = await tx.query<ConfigurationVersionRow>(
    `SELECT ${COLUMNS} FROM configuration_version WHERE id = $1`,
    [id],
  );
  return rows[0];
}

/** The last one that may be applied and is there; of a workspace that is linked only what came from its repository. */
export async function latestConfigurationVersion(
  tx: pg.PoolClient,
  workspaceId: string,
): Promise<ConfigurationVersionRow | undefined> {
  const { rows } = await tx.query<ConfigurationVersionRow>(
    `SELECT ${COLUMNS} FROM configuration_version WHERE workspace_id = $1 AND status = 'uploaded' AND NOT speculative
       AND vcs_pull_request_number IS NULL
       AND (source = 'vcs' OR EXISTS (SELECT FROM workspace w WHERE w.id = $1 AND w.vcs_repo_url IS NULL))
     ORDER BY created_at DESC LIMIT 1`,
    [workspaceId],
  );
  return rows[0];
}

export async function listConfigurationVersions(
  tx: pg.PoolClient,
  workspaceId: string,
  page: { offset: number; limit: number },
): Promise<{ rows: ConfigurationVersionRow[]; total: number }> {
  const { rows } = await tx.query<ConfigurationVersionRow>(
    `SELECT ${COLUMNS} FROM configuration_version WHERE workspace_id = $1 ORDER BY created_at DESC, id OFFSET $2 LIMIT $3`,
    [workspaceId, page.offset, page.limit],
  );
  const { rows: counted } = await tx.query<{ total: number }>(
    'SELECT count(*)::int4 AS total FROM configuration_version WHERE workspace_id = $1',
    [workspaceId],
  );
  return { rows, total: counted[0]?.total ?? 0 };
}

/** Its archive is there. False when it had one, or had failed. */
export async function noteUploaded(
  tx: pg.PoolClient,
  id: string,
  blob: { id: string; sha256: string; size: bigint },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE configuration_version SET status = 'uploaded', blob_id = $2, sha256 = $3, size = $4, error = NULL,
       error_message = NULL, updated_at = now() WHERE id = $1 AND status IN ('pending', 'fetching')`,
    [id, blob.id, blob.sha256, blob.size],
  );
  return rowCount === 1;
}

export async function noteConfigurationError(
  tx: pg.PoolClient,
  id: string,
  o: { error: string; message: string },
): Promise<void> {
  await tx.query(
    `UPDATE configuration_version SET status = 'errored', error = $2, error_message = $3, updated_at = now()
     WHERE id = $1 AND status IN ('pending', 'fetching')`,
    [id, o.error, o.message],
  );
}
