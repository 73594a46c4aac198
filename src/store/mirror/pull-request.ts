/** Mirrored pull requests: every field of FR-WH-005 and S1 section 1.2, keyed by repository number and number. */
import type { PoolClient } from 'pg';
import type { Label, MirrorOrigin, Person, RepositoryIdentity, Reviewer } from './origin.js';
import { forJson, instantOf, personOf } from './row-values.js';
import { type Tie, type Upserted, versionedUpsert } from './versioned-upsert.js';

export interface PullRequestData {
  remoteId: bigint;
  number: number;
  title: string;
  body: string | null;
  /** `merged` is a state of its own; draft is not. */
  state: 'open' | 'closed' | 'merged';
  draft: boolean;
  author: Person | null;
  headBranch: string;
  baseBranch: string;
  headSha: string;
  baseSha: string;
  /** Null when the fork was deleted; such a pull request is never trusted. */
  headRepositoryId: bigint | null;
  /** The commit that the merge made; null while it is not merged. */
  mergeCommitSha: string | null;
  labels: readonly Label[];
  assignees: readonly Person[];
  reviewers: readonly Reviewer[];
  /** Null when the source does not say; then the stored figures stay. */
  additions: number | null;
  deletions: number | null;
  changedFiles: number | null;
  url: string;
  createdAt: Date | null;
  updatedAt: Date;
  closedAt: Date | null;
  mergedAt: Date | null;
}

export interface StoredPullRequest extends PullRequestData {
  id: string;
  organizationId: string;
  repositoryId: string | null;
  remoteRepositoryId: bigint;
  forge: string;
  host: string;
  owner: string;
  name: string;
  /** S1's single status, derived: draft, open, closed or merged. */
  status: 'draft' | 'open' | 'closed' | 'merged';
}

interface PullRequestRow {
  organizationId: string;
  repositoryId: string;
  forge: string;
  host: string;
  instanceUrl: string | null;
  remoteRepositoryId: bigint;
  remoteId: bigint;
  remoteOwner: string;
  remoteName: string;
  number: number;
  title: string;
  body: string | null;
  state: string;
  draft: boolean;
  authorId: bigint | null;
  authorLogin: string | null;
  headBranch: string;
  baseBranch: string;
  headSha: string;
  baseSha: string;
  headRepositoryId: bigint | null;
  mergeCommitSha: string | null;
  labels: unknown;
  assignees: unknown;
  reviewers: unknown;
  additions: number | null;
  deletions: number | null;
  changedFiles: number | null;
  url: string;
  remoteCreatedAt: Date | null;
  remoteUpdatedAt: Date;
  closedAt: Date | null;
  mergedAt: Date | null;
}

const write = versionedUpsert<PullRequestRow>({
  name: 'pull_request',
  key: ['forge', 'host', 'remoteRepositoryId', 'number'],
  version: 'remoteUpdatedAt',
  accepts: (newer) => `${newer} AND (excluded."remote_updated_at" > stored."remote_updated_at"
    OR $2 <> 'keeps-closed' OR stored."state" = 'open' OR excluded."state" <> 'open')`,
  columns: {
    organizationId: { type: 'uuid', merge: 'first' },
    repositoryId: { type: 'uuid' },
    forge: { type: 'text' },
    host: { type: 'text' },
    instanceUrl: { type: 'text' },
    remoteRepositoryId: { type: 'bigint' },
    remoteId: { type: 'bigint' },
    remoteOwner: { type: 'text' },
    remoteName: { type: 'text' },
    number: { type: 'integer' },
    title: { type: 'text' },
    body: { type: 'text' },
    state: { type: 'text' },
    draft: { type: 'boolean' },
    authorId: { type: 'bigint' },
    authorLogin: { type: 'text' },
    headBranch: { type: 'text' },
    baseBranch: { type: 'text' },
    headSha: { type: 'text' },
    baseSha: { type: 'text' },
    headRepositoryId: { type: 'bigint' },
    mergeCommitSha: { type: 'text' },
    labels: { type: 'jsonb' },
    assignees: { type: 'jsonb' },
    reviewers: { type: 'jsonb' },
    additions: { type: 'integer', merge: 'fill' },
    deletions: { type: 'integer', merge: 'fill' },
    changedFiles: { type: 'integer', merge: 'fill' },
    url: { type: 'text' },
    remoteCreatedAt: { type: 'timestamptz', merge: 'fill' },
    remoteUpdatedAt: { type: 'timestamptz' },
    closedAt: { type: 'timestamptz' },
    mergedAt: { type: 'timestamptz' },
  },
});

/** Writes pull requests of one repository; the answers stand in their order. */
export function upsertPullRequests(
  tx: PoolClient,
  origin: MirrorOrigin,
  repository: RepositoryIdentity,
  pullRequests: readonly PullRequestData[],
  tie: Tie = 'wins',
): Promise<Upserted[]> {
  return write(
    tx,
    pullRequests.map(({ author, createdAt, updatedAt, labels, assignees, reviewers, ...same }) => ({
      ...same,
      organizationId: origin.organizationId,
      repositoryId: repository.id,
      forge: origin.forge,
      host: origin.host,
      instanceUrl: origin.instanceUrl,
      remoteRepositoryId: repository.remoteId,
      remoteOwner: repository.owner,
      remoteName: repository.name,
      authorId: author?.id ?? null,
      authorLogin: author?.login ?? null,
      labels: forJson(labels),
      assignees: forJson(assignees),
      reviewers: forJson(reviewers),
      remoteCreatedAt: createdAt,
      remoteUpdatedAt: updatedAt,
    })),
    tie,
  );
}

/** Writes one pull request. */
export async function upsertPullRequest(
  tx: PoolClient,
  origin: MirrorOrigin,
  repository: RepositoryIdentity,
  pullRequest: PullRequestData,
  tie: Tie = 'wins',
): Promise<Upserted> {
  const [result] = await upsertPullRequests(tx, origin, repository, [pullRequest], tie);
  if (result === undefined) throw new Error('a pull request was neither written nor found');
  return result;
}

// One JSON object, in which ids are text: the columns of the table in one place, and no list to keep in step.
const SELECT = `SELECT to_jsonb(p) || jsonb_build_object('remote_id', p.remote_id::text,
  'remote_repository_id', p.remote_repository_id::text, 'author_id', p.author_id::text,
  'head_repository_id', p.head_repository_id::text) AS row FROM pull_request p`;

interface Selected {
  id: string;
  organization_id: string;
  repository_id: string | null;
  remote_repository_id: string;
  remote_id: string;
  forge: string;
  host: string;
  remote_owner: string;
  remote_name: string;
  number: number;
  title: string;
  body: string | null;
  state: StoredPullRequest['state'];
  status: StoredPullRequest['status'];
  draft: boolean;
  author_id: string | null;
  author_login: string | null;
  head_branch: string;
  base_branch: string;
  head_sha: string;
  base_sha: string;
  head_repository_id: string | null;
  merge_commit_sha: string | null;
  labels: Label[];
  assignees: { id: number | string; login: string }[];
  reviewers: ({ id: number | string; login: string } | { team: string })[];
  additions: number | null;
  deletions: number | null;
  changed_files: number | null;
  url: string;
  remote_created_at: string | null;
  remote_updated_at: string;
  closed_at: string | null;
  merged_at: string | null;
}

const fromRow = (row: Selected): StoredPullRequest => ({
  id: row.id,
  organizationId: row.organization_id,
  repositoryId: row.repository_id,
  remoteRepositoryId: BigInt(row.remote_repository_id),
  remoteId: BigInt(row.remote_id),
  forge: row.forge,
  host: row.host,
  owner: row.remote_owner,
  name: row.remote_name,
  number: row.number,
  title: row.title,
  body: row.body,
  state: row.state,
  status: row.status,
  draft: row.draft,
  author: row.author_id === null ? null : personOf({ id: row.author_id, login: row.author_login ?? '' }),
  headBranch: row.head_branch,
  baseBranch: row.base_branch,
  headSha: row.head_sha,
  baseSha: row.base_sha,
  headRepositoryId: row.head_repository_id === null ? null : BigInt(row.head_repository_id),
  mergeCommitSha: row.merge_commit_sha,
  labels: row.labels,
  assignees: row.assignees.map(personOf),
  reviewers: row.reviewers.map((reviewer) => ('team' in reviewer ? reviewer : personOf(reviewer))),
  additions: row.additions,
  deletions: row.deletions,
  changedFiles: row.changed_files,
  url: row.url,
  createdAt: instantOf(row.remote_created_at),
  updatedAt: new Date(row.remote_updated_at),
  closedAt: instantOf(row.closed_at),
  mergedAt: instantOf(row.merged_at),
});

/** The pull request, or undefined when this tenant has no such row. */
export async function pullRequestById(tx: PoolClient, id: string): Promise<StoredPullRequest | undefined> {
  const { rows } = await tx.query<{ row: Selected }>({
    name: 'mirror-pull-request-by-id',
    text: `${SELECT} WHERE p.id = $1`,
    values: [id],
  });
  return rows[0] && fromRow(rows[0].row);
}

/** The same by repository and number. */
export async function pullRequestByNumber(
  tx: PoolClient,
  repositoryId: string,
  number: number,
): Promise<StoredPullRequest | undefined> {
  const { rows } = await tx.query<{ row: Selected }>({
    name: 'mirror-pull-request-by-number',
    text: `${SELECT} WHERE p.repository_id = $1 AND p.number = $2`,
    values: [repositoryId, number],
  });
  return rows[0] && fromRow(rows[0].row);
}
