/** Mirrored issues. A deleted or transferred issue keeps its row without its text, and stays deleted. */
import type { PoolClient } from 'pg';
import type { Label, MirrorOrigin, Person, RepositoryIdentity } from './origin.js';
import { forJson } from './row-values.js';
import { type Tie, type Upserted, versionedUpsert } from './versioned-upsert.js';

export interface IssueData {
  remoteId: bigint;
  number: number;
  title: string;
  body: string | null;
  state: 'open' | 'closed';
  stateReason: string | null;
  author: Person | null;
  labels: readonly Label[];
  assignees: readonly Person[];
  milestone: string | null;
  url: string;
  createdAt: Date | null;
  updatedAt: Date;
  closedAt: Date | null;
  /** When it was deleted or moved to another repository; null while it is there. */
  deletedAt: Date | null;
}

interface IssueRow {
  organizationId: string;
  repositoryId: string;
  forge: string;
  host: string;
  remoteRepositoryId: bigint;
  remoteId: bigint;
  number: number;
  title: string;
  body: string | null;
  state: string;
  stateReason: string | null;
  authorId: bigint | null;
  authorLogin: string | null;
  labels: unknown;
  assignees: unknown;
  milestone: string | null;
  url: string;
  closedAt: Date | null;
  deletedAt: Date | null;
  remoteCreatedAt: Date | null;
  remoteUpdatedAt: Date;
}

const write = versionedUpsert<IssueRow>({
  name: 'issue',
  key: ['forge', 'host', 'remoteRepositoryId', 'number'],
  version: 'remoteUpdatedAt',
  accepts: (newer) => `stored."deleted_at" IS NULL AND (excluded."deleted_at" IS NOT NULL OR (${newer}
    AND (excluded."remote_updated_at" > stored."remote_updated_at"
      OR $2 <> 'keeps-closed' OR stored."state" = 'open' OR excluded."state" <> 'open')))`,
  columns: {
    organizationId: { type: 'uuid', merge: 'first' },
    repositoryId: { type: 'uuid' },
    forge: { type: 'text' },
    host: { type: 'text' },
    remoteRepositoryId: { type: 'bigint' },
    remoteId: { type: 'bigint' },
    number: { type: 'integer' },
    title: { type: 'text' },
    body: { type: 'text' },
    state: { type: 'text' },
    stateReason: { type: 'text' },
    authorId: { type: 'bigint' },
    authorLogin: { type: 'text' },
    labels: { type: 'jsonb' },
    assignees: { type: 'jsonb' },
    milestone: { type: 'text' },
    url: { type: 'text' },
    closedAt: { type: 'timestamptz' },
    deletedAt: { type: 'timestamptz' },
    remoteCreatedAt: { type: 'timestamptz', merge: 'fill' },
    remoteUpdatedAt: { type: 'timestamptz' },
  },
});

/** Writes issues of one repository; the answers stand in their order. */
export function upsertIssues(
  tx: PoolClient,
  origin: MirrorOrigin,
  repository: RepositoryIdentity,
  issues: readonly IssueData[],
  tie: Tie = 'wins',
): Promise<Upserted[]> {
  return write(
    tx,
    issues.map(({ author, labels, assignees, createdAt, updatedAt, ...same }) => ({
      ...same,
      body: same.deletedAt === null ? same.body : null,
      organizationId: origin.organizationId,
      repositoryId: repository.id,
      forge: origin.forge,
      host: origin.host,
      remoteRepositoryId: repository.remoteId,
      authorId: author?.id ?? null,
      authorLogin: author?.login ?? null,
      labels: forJson(labels),
      assignees: forJson(assignees),
      remoteCreatedAt: createdAt,
      remoteUpdatedAt: updatedAt,
    })),
    tie,
  );
}

/**
 * Whether an issue of this very second is stored that says something else: which of the two came last is not to be seen. Asked
 * before it is written.
 */
export async function isInDoubt(
  tx: PoolClient,
  { forge, host }: MirrorOrigin,
  repository: RepositoryIdentity,
  issue: IssueData,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `SELECT FROM issue WHERE forge = $1 AND host = $2 AND remote_repository_id = $3 AND number = $4 AND deleted_at IS NULL
       AND remote_updated_at = date_trunc('second', $5::timestamptz)
       AND (title, body, state, milestone, labels, assignees) IS DISTINCT FROM ($6, $7, $8, $9, $10::jsonb, $11::jsonb)`,
    [
      forge,
      host,
      repository.remoteId,
      issue.number,
      issue.updatedAt,
      issue.title,
      issue.body,
      issue.state,
      issue.milestone,
      JSON.stringify(forJson(issue.labels)),
      JSON.stringify(forJson(issue.assignees)),
    ],
  );
  return (rowCount ?? 0) > 0;
}
