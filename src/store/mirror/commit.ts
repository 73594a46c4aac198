/** Mirrored commits. A commit never changes, so a second sight of it only fills in what was not known. */
import type { PoolClient } from 'pg';
import type { MirrorOrigin, RepositoryIdentity } from './origin.js';
import { type Upserted, versionedUpsert } from './versioned-upsert.js';

export interface CommitData {
  /** 40 hex digits, or 64 in a SHA-256 repository. */
  sha: string;
  message: string;
  /** What the commit says about itself. Anybody can write anything there: never an identity. */
  authorName: string | null;
  authorEmail: string | null;
  committedAt: Date;
}

interface CommitContext {
  branch?: string;
  pullRequestId?: string;
}

interface CommitRow {
  organizationId: string;
  repositoryId: string;
  forge: string;
  host: string;
  instanceUrl: string | null;
  remoteRepositoryId: bigint;
  remoteOwner: string;
  remoteName: string;
  sha: string;
  message: string;
  authorName: string | null;
  authorEmail: string | null;
  committedAt: Date;
  branch: string | null;
  pullRequestId: string | null;
}

const write = versionedUpsert<CommitRow>({
  name: 'git_commit',
  key: ['forge', 'host', 'remoteRepositoryId', 'sha'],
  columns: {
    organizationId: { type: 'uuid', merge: 'first' },
    repositoryId: { type: 'uuid' },
    forge: { type: 'text' },
    host: { type: 'text' },
    instanceUrl: { type: 'text', merge: 'first' },
    remoteRepositoryId: { type: 'bigint' },
    remoteOwner: { type: 'text' },
    remoteName: { type: 'text' },
    sha: { type: 'text' },
    message: { type: 'text', merge: 'first' },
    authorName: { type: 'text', merge: 'first' },
    authorEmail: { type: 'text', merge: 'first' },
    committedAt: { type: 'timestamptz', merge: 'first' },
    branch: { type: 'text', merge: 'fill' },
    pullRequestId: { type: 'uuid', merge: 'fill' },
  },
});

/** Writes commits of one repository; the answers stand in their order. */
export function upsertCommits(
  tx: PoolClient,
  origin: MirrorOrigin,
  repository: RepositoryIdentity,
  commits: readonly CommitData[],
  context: CommitContext = {},
): Promise<Upserted[]> {
  return write(
    tx,
    commits.map((commit) => ({
      ...commit,
      organizationId: origin.organizationId,
      repositoryId: repository.id,
      forge: origin.forge,
      host: origin.host,
      instanceUrl: origin.instanceUrl,
      remoteRepositoryId: repository.remoteId,
      remoteOwner: repository.owner,
      remoteName: repository.name,
      branch: context.branch ?? null,
      pullRequestId: context.pullRequestId ?? null,
    })),
  );
}
