/** Pull requests and commits as the API shows them. */
import { z } from 'zod';
import type { Queryable } from '../../inbox/list.js';
import { afterPlace, id, instant, microsecondsOf, type Place } from './fields.js';

export interface ListedPullRequest {
  id: string;
  repositoryId: string | null;
  forge: string;
  host: string;
  owner: string;
  name: string;
  number: number;
  title: string;
  body: string | null;
  state: 'open' | 'closed' | 'merged';
  draft: boolean;
  status: 'draft' | 'open' | 'closed' | 'merged';
  author: { id: string | null; login: string | null };
  headBranch: string;
  baseBranch: string;
  headSha: string;
  baseSha: string;
  headRepositoryId: bigint | null;
  mergeCommitSha: string | null;
  labels: { name: string }[];
  assignees: { login: string }[];
  reviewers: Record<string, unknown>[];
  additions: number | null;
  deletions: number | null;
  changedFiles: number | null;
  url: string;
  sessionId: string | null;
  kanbangerTaskId: string | null;
  createdAt: Date | null;
  updatedAt: Date;
  closedAt: Date | null;
  mergedAt: Date | null;
  place: string;
}

const SELECT = `SELECT p.id, p.repository_id AS "repositoryId", p.forge, p.host, p.remote_owner AS owner, p.remote_name AS name,
    p.number, p.title, p.body, p.state, p.draft, p.status,
    json_build_object('id', p.author_id::text, 'login', p.author_login) AS author, p.head_branch AS "headBranch",
    p.base_branch AS "baseBranch", p.head_sha AS "headSha", p.base_sha AS "baseSha",
    p.head_repository_id AS "headRepositoryId", p.merge_commit_sha AS "mergeCommitSha", p.labels, p.assignees, p.reviewers,
    p.additions, p.deletions, p.changed_files AS "changedFiles", p.url, p.session_id AS "sessionId",
    p.kanbanger_task_id AS "kanbangerTaskId", p.remote_created_at AS "createdAt", p.updated_at AS "updatedAt",
    p.closed_at AS "closedAt", p.merged_at AS "mergedAt", ${microsecondsOf('p.updated_at')} AS place
  FROM pull_request p`;

export interface PullRequestFilter {
  repositoryId?: string | undefined;
  sessionId?: string | undefined;
  state?: string | undefined;
  draft?: 'true' | 'false' | undefined;
  author?: string | undefined;
  kanbangerTaskId?: string | undefined;
  limit: number;
}

/** Last changed first, and one more than the limit. */
export async function listPullRequests(
  tx: Queryable,
  { repositoryId, sessionId, state, draft, author, kanbangerTaskId, limit }: PullRequestFilter,
  place: Place | [null, null],
): Promise<ListedPullRequest[]> {
  const { rows } = await tx.query<ListedPullRequest>(
    `${SELECT} WHERE ($1::uuid IS NULL OR p.repository_id = $1) AND ($2::uuid IS NULL OR p.session_id = $2)
       AND ($3::text IS NULL OR p.state = $3) AND ($4::boolean IS NULL OR p.draft = $4)
       AND ($5::text IS NULL OR lower(p.author_login) = lower($5)) AND ($9::text IS NULL OR p.kanbanger_task_id = $9)
       AND ${afterPlace('p.updated_at', 'p.id', 6)}
     ORDER BY p.updated_at DESC, p.id DESC LIMIT $8`,
    [
      ...[repositoryId ?? null, sessionId ?? null, state ?? null, draft ?? null, author ?? null, ...place],
      ...[limit + 1, kanbangerTaskId ?? null],
    ],
  );
  return rows;
}

export async function pullRequestById(tx: Queryable, pullRequestId: string): Promise<ListedPullRequest | undefined> {
  const { rows } = await tx.query<ListedPullRequest>(`${SELECT} WHERE p.id = $1`, [pullRequestId]);
  return rows[0];
}

/** Without the author's address: it is in the repository, and nobody's business here. */
export const commit = z.object({
  id,
  sha: z.string(),
  message: z.string(),
  authorName: z.string().nullable(),
  committedAt: instant,
  branch: z.string().nullable(),
  byForgeway: z.boolean(),
});

export async function listCommits(
  tx: Queryable,
  { id: pullRequestId, limit }: { id: string; limit: number },
  place: Place | [null, null],
): Promise<(z.input<typeof commit> & { place: string })[]> {
  const { rows } = await tx.query<z.input<typeof commit> & { place: string }>(
    `SELECT c.id, c.sha, c.message, c.author_name AS "authorName", c.committed_at AS "committedAt", c.branch,
       c.is_forgeway_commit AS "byForgeway", ${microsecondsOf('c.committed_at')} AS place
     FROM git_commit c WHERE c.pull_request_id = $1 AND ${afterPlace('c.committed_at', 'c.id', 2)}
     ORDER BY c.committed_at DESC, c.id DESC LIMIT $4`,
    [pullRequestId, ...place, limit + 1],
  );
  return rows;
}
