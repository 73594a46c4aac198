/** For whom a commit was made: what an agent made may run where whoever had it work may have code run. */
import type { PoolClient } from 'pg';

/** `account`: on the forge; null for somebody who asked by the API or the command line, where they were let. */
export interface MadeFor {
  account: { id: bigint; login: string } | null;
}

/** Undefined for a commit that no session has pushed. Known by what was pushed for it, never by the commit's author. */
export async function madeFor(
  tx: PoolClient,
  { repositoryId, sha }: { repositoryId: string; sha: string },
): Promise<MadeFor | undefined> {
  const { rows } = await tx.query<{ id: bigint | null; login: string | null }>(
    `SELECT requester_id AS id, requester_login AS login FROM agent_session
     WHERE repository_id = $1 AND result_sha = $2 ORDER BY created_at DESC LIMIT 1`,
    [repositoryId, sha],
  );
  const [found] = rows;
  if (found === undefined) return undefined;
  return { account: found.id === null ? null : { id: found.id, login: found.login ?? '' } };
}

/**
 * Whether an agent made the head of a branch: it is known by what was pushed, and while one is at work on the branch, which may have
 * been pushed a moment ago, by that.
 */
export async function isMadeByAgent(
  tx: PoolClient,
  { repositoryId, sha, branch }: { repositoryId: string; sha: string; branch: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `SELECT FROM agent_session WHERE repository_id = $1 AND (result_sha = $2 OR (branch = $3 AND lease_held)) LIMIT 1`,
    [repositoryId, sha, branch],
  );
  return (rowCount ?? 0) > 0;
}
