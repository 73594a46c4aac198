/**
 * Mirrored reviews. Many forges give a review no `updated_at`, so its version is the time of submission, which an edit
 * or a dismissal keeps; a dismissal is therefore final among equals.
 */
import type { PoolClient } from 'pg';
import type { MirrorOrigin, Person, RepositoryIdentity } from './origin.js';
import { type Tie, type Upserted, versionedUpsert } from './versioned-upsert.js';

export interface ReviewData {
  remoteId: bigint;
  /** The pull request's number. */
  number: number;
  author: Person | null;
  /** approved, changes_requested, commented, dismissed or pending. */
  state: string;
  body: string | null;
  commitSha: string | null;
  url: string;
  submittedAt: Date | null;
  updatedAt: Date;
}

interface ReviewRow {
  organizationId: string;
  repositoryId: string;
  forge: string;
  host: string;
  remoteId: bigint;
  number: number;
  authorId: bigint | null;
  authorLogin: string | null;
  state: string;
  body: string | null;
  commitSha: string | null;
  url: string;
  submittedAt: Date | null;
  remoteUpdatedAt: Date;
}

const write = versionedUpsert<ReviewRow>({
  name: 'review',
  key: ['forge', 'host', 'remoteId'],
  version: 'remoteUpdatedAt',
  accepts: (newer) => `${newer} AND (excluded."remote_updated_at" > stored."remote_updated_at"
    OR stored."state" <> 'dismissed' OR excluded."state" = 'dismissed')`,
  columns: {
    organizationId: { type: 'uuid', merge: 'first' },
    repositoryId: { type: 'uuid' },
    forge: { type: 'text' },
    host: { type: 'text' },
    remoteId: { type: 'bigint' },
    number: { type: 'integer' },
    authorId: { type: 'bigint' },
    authorLogin: { type: 'text' },
    state: { type: 'text' },
    body: { type: 'text' },
    commitSha: { type: 'text' },
    url: { type: 'text' },
    submittedAt: { type: 'timestamptz', merge: 'fill' },
    remoteUpdatedAt: { type: 'timestamptz' },
  },
});

/** Writes reviews of one repository; the answers stand in their order. */
export function upsertReviews(
  tx: PoolClient,
  origin: MirrorOrigin,
  repository: RepositoryIdentity,
  reviews: readonly ReviewData[],
  tie: Tie = 'wins',
): Promise<Upserted[]> {
  return write(
    tx,
    reviews.map(({ author, updatedAt, ...same }) => ({
      ...same,
      organizationId: origin.organizationId,
      repositoryId: repository.id,
      forge: origin.forge,
      host: origin.host,
      authorId: author?.id ?? null,
      authorLogin: author?.login ?? null,
      remoteUpdatedAt: updatedAt,
    })),
    tie,
  );
}
