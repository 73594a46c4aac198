/** Approvals of single commits: code of strangers that somebody has looked at (decision 14, R6). */
import type { PoolClient } from 'pg';

export interface CommitPlace {
  /** Ours. */
  repositoryId: string;
  /** Of the pull request: an approval on another one is none. */
  number: number;
  /** In full. */
  sha: string;
}

/** @param tx as the organization whose the repository is @param by as the trail names them. False: it was approved before. */
export async function approveCommit(
  tx: PoolClient,
  organizationId: string,
  place: CommitPlace,
  by: { name: string; login: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `INSERT INTO trusted_commit (organization_id, repository_id, number, sha, approved_by, approver_login)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
    [organizationId, place.repositoryId, place.number, place.sha, by.name, by.login],
  );
  return rowCount === 1;
}

/** Whether this very commit of this very pull request was approved. @param tx as the organization */
export async function isApproved(tx: PoolClient, place: CommitPlace): Promise<boolean> {
  const { rowCount } = await tx.query(
    'SELECT FROM trusted_commit WHERE repository_id = $1 AND number = $2 AND sha = $3',
    [place.repositoryId, place.number, place.sha],
  );
  return rowCount === 1;
}
