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

/** What the beginning of a commit's name says. */
export type NameSays = 'this one' | 'one of several' | 'one of later';

/**
 * Whether the beginning of its name says that this head is meant. It does not where another head of the pull request begins so, too: a name of
 * seven digits that fits two commits is made in a second. Nor where this one was not there yet, as far as we know, when somebody wrote that:
 * whatever they looked at may have been replaced before we ever heard of it, as happens to what is polled. @param tx as the organization
 * @param by when it was written, by our clock
 */
export async function whichIsMeant(tx: PoolClient, place: CommitPlace, prefix: string, by: Date): Promise<NameSays> {
  const { rows } = await tx.query<{ sha: string; earlier: boolean }>(
    `SELECT sha, seen_at <= $4 AS earlier FROM seen_head WHERE repository_id = $1 AND number = $2 AND starts_with(sha, $3)`,
    [place.repositoryId, place.number, prefix, by],
  );
  if (rows.some(({ sha }) => sha !== place.sha)) return 'one of several';
  return rows.some(({ sha, earlier }) => sha === place.sha && earlier) ? 'this one' : 'one of later';
}

/** Keeps who brought a head, as the forge says. What it said first stays: who brings the same commit again brings nothing new. */
export async function notePusher(tx: PoolClient, place: CommitPlace, by: { id: bigint; login: string }): Promise<void> {
  await tx.query(
    `UPDATE seen_head SET pusher_id = $4, pusher_login = $5
     WHERE repository_id = $1 AND number = $2 AND sha = $3 AND pusher_id IS NULL`,
    [place.repositoryId, place.number, place.sha, by.id, by.login],
  );
}

/** Undefined where the forge has not told, such as of what was there before it was connected. @param tx as the organization */
export async function pusherOf(tx: PoolClient, place: CommitPlace): Promise<{ id: bigint; login: string } | undefined> {
  const { rows } = await tx.query<{ id: bigint; login: string }>(
    `SELECT pusher_id AS id, pusher_login AS login FROM seen_head
     WHERE repository_id = $1 AND number = $2 AND sha = $3 AND pusher_id IS NOT NULL`,
    [place.repositoryId, place.number, place.sha],
  );
  return rows[0];
}
