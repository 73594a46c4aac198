/** Rows of jobs on clusters. */
import type pg from 'pg';

export interface ClusterJobRow {
  id: string;
  organizationId: string;
  kind: string;
  subject: string;
  fence: number;
  turn: number;
  cluster: string;
  namespace: string;
  namespaceUid: string | null;
  inputBlobId: string | null;
  resultBlobId: string | null;
  restBlobId: string | null;
  claimedBy: string | null;
  outputLimit: number;
  printLimit: number;
  printedBytes: number;
  printedAt: Date | null;
  words: unknown;
  state: unknown;
  createdAt: Date;
  removedAt: Date | null;
}

export const CLUSTER_JOB_COLUMNS = `id, organization_id AS "organizationId", kind, subject, fence::int, turn, cluster, namespace,
  namespace_uid AS "namespaceUid", input_blob_id AS "inputBlobId", result_blob_id AS "resultBlobId",
  rest_blob_id AS "restBlobId", claimed_by AS "claimedBy", output_limit::float8 AS "outputLimit",
  print_limit::float8 AS "printLimit", printed_bytes::float8 AS "printedBytes", printed_at AS "printedAt", words, state, created_at AS "createdAt", removed_at AS "removedAt"`;

/** @param tx as the organization */
export async function clusterJobById(tx: pg.PoolClient, id: string): Promise<ClusterJobRow | undefined> {
  const { rows } = await tx.query<ClusterJobRow>(`SELECT ${CLUSTER_JOB_COLUMNS} FROM cluster_job WHERE id = $1`, [id]);
  return rows[0];
}

/** Gives the job to this pod, unless another one has it or it was removed. Answers whether the pod has it now. */
export async function claimClusterJob(tx: pg.PoolClient, id: string, pod: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE cluster_job SET claimed_by = $2 WHERE id = $1 AND removed_at IS NULL AND input_blob_id IS NOT NULL
       AND (claimed_by IS NULL OR claimed_by = $2)`,
    [id, pod],
  );
  return rowCount === 1;
}

/** Keeps what a job has left. The first one counts; false: there is one already, or the job was removed. */
export async function noteClusterJobPart(
  tx: pg.PoolClient,
  id: string,
  part: 'result' | 'rest',
  blobId: string,
): Promise<boolean> {
  const column = part === 'result' ? 'result_blob_id' : 'rest_blob_id';
  const { rowCount } = await tx.query(
    `UPDATE cluster_job SET ${column} = $2 WHERE id = $1 AND removed_at IS NULL AND ${column} IS NULL`,
    [id, blobId],
  );
  return rowCount === 1;
}

/** Keeps a piece of what a job prints, where it is the next one and not too much. */
export async function addClusterJobPrint(
  tx: pg.PoolClient,
  { id, organizationId }: ClusterJobRow,
  piece: { at: number; bytes: number; blobId: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `UPDATE cluster_job SET printed_bytes = printed_bytes + $3, printed_at = now()
     WHERE id = $1 AND removed_at IS NULL AND printed_bytes = $2 AND printed_bytes + $3 <= print_limit`,
    [id, piece.at, piece.bytes],
  );
  if (rowCount !== 1) return false;
  await tx.query(
    'INSERT INTO cluster_job_print (job_id, "offset", organization_id, bytes, blob_id) VALUES ($1, $2, $3, $4, $5)',
    [id, piece.at, organizationId, piece.bytes, piece.blobId],
  );
  return true;
}

/** Whether something of another run's apply may still be at work for a workspace. Answers that run's id. */
export async function applyOnCluster(
  tx: pg.PoolClient,
  workspaceId: string,
  otherThan: string,
): Promise<string | undefined> {
  const { rows } = await tx.query<{ subject: string }>(
    `SELECT subject FROM cluster_job WHERE kind = 'run' AND removed_at IS NULL AND subject LIKE $1 AND subject NOT LIKE $2
     LIMIT 1`,
    [`${workspaceId}-%-apply`, `${workspaceId}-${otherThan}-%`],
  );
  return rows[0]?.subject.slice(37, 73);
}
