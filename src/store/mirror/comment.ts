/** Mirrored comments. A deleted one keeps its row without its text, and stays deleted whatever arrives late. */
import type { PoolClient } from 'pg';
import type { MirrorOrigin, Person, RepositoryIdentity } from './origin.js';
import { type Tie, type Upserted, versionedUpsert } from './versioned-upsert.js';

export interface CommentData {
  /** `issue`: in a conversation; `review`: on a line of the diff; `commit`: on a commit. Each counts its own ids. */
  kind: 'issue' | 'review' | 'commit';
  remoteId: bigint;
  /** Issue or pull request; null for a comment on a commit. */
  number: number | null;
  onPullRequest: boolean;
  author: Person | null;
  body: string;
  path: string | null;
  line: number | null;
  commitSha: string | null;
  inReplyTo: bigint | null;
  url: string;
  deletedAt: Date | null;
  createdAt: Date | null;
  updatedAt: Date;
}

interface CommentRow {
  organizationId: string;
  repositoryId: string;
  forge: string;
  host: string;
  kind: string;
  remoteId: bigint;
  number: number | null;
  onPullRequest: boolean;
  authorId: bigint | null;
  authorLogin: string | null;
  body: string;
  path: string | null;
  line: number | null;
  commitSha: string | null;
  inReplyTo: bigint | null;
  url: string;
  deletedAt: Date | null;
  remoteCreatedAt: Date | null;
  remoteUpdatedAt: Date;
}

const write = versionedUpsert<CommentRow>({
  name: 'comment',
  key: ['forge', 'host', 'kind', 'remoteId'],
  version: 'remoteUpdatedAt',
  accepts: (newer) => `stored."deleted_at" IS NULL AND (excluded."deleted_at" IS NOT NULL OR ${newer})`,
  columns: {
    organizationId: { type: 'uuid', merge: 'first' },
    repositoryId: { type: 'uuid' },
    forge: { type: 'text' },
    host: { type: 'text' },
    kind: { type: 'text' },
    remoteId: { type: 'bigint' },
    number: { type: 'integer' },
    onPullRequest: { type: 'boolean' },
    authorId: { type: 'bigint' },
    authorLogin: { type: 'text' },
    body: { type: 'text' },
    path: { type: 'text' },
    line: { type: 'integer' },
    commitSha: { type: 'text' },
    inReplyTo: { type: 'bigint' },
    url: { type: 'text' },
    deletedAt: { type: 'timestamptz' },
    remoteCreatedAt: { type: 'timestamptz', merge: 'fill' },
    remoteUpdatedAt: { type: 'timestamptz' },
  },
});

/** Writes comments of one repository; the answers stand in their order. */
export function upsertComments(
  tx: PoolClient,
  origin: MirrorOrigin,
  repository: RepositoryIdentity,
  comments: readonly CommentData[],
  tie: Tie = 'wins',
): Promise<Upserted[]> {
  return write(
    tx,
    comments.map(({ author, createdAt, updatedAt, ...same }) => ({
      ...same,
      body: same.deletedAt === null ? same.body : '',
      organizationId: origin.organizationId,
      repositoryId: repository.id,
      forge: origin.forge,
      host: origin.host,
      authorId: author?.id ?? null,
      authorLogin: author?.login ?? null,
      remoteCreatedAt: createdAt,
      remoteUpdatedAt: updatedAt,
    })),
    tie,
  );
}
