/**
 * Reads a pull request from the forge again and brings the mirror to what it says now, so that late, repeated and
 * reordered events all end in the same state (I5).
 */
import type { PoolClient } from 'pg';
import { type Clock, systemClock } from '../../lib/clock.js';
import { type CommitData, upsertCommits } from '../../store/mirror/commit.js';
import type { MirrorOrigin, RepositoryIdentity } from '../../store/mirror/origin.js';
import {
  type PullRequestData,
  pullRequestById,
  type StoredPullRequest,
  upsertPullRequest,
} from '../../store/mirror/pull-request.js';
import { listedCommit, pullRequest as pullRequestShape, readShape } from '../../store/mirror/shape.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import { repositoryOfPullRequest } from '../reconcile-rows.js';
import { refusalOf, settleRefusal } from './denied.js';
import { eachItem, type ForgeOctokit, type OctokitFor } from './octokit.js';

/** What the forge was found to say, against what the mirror held before. */
export interface PullRequestSeen {
  before: StoredPullRequest;
  now: StoredPullRequest;
}

export interface SyncOptions
  extends Pick<ReconcilerOptions, 'store' | 'locks' | 'queue' | 'log' | 'metrics' | 'backoff'> {
  octokitFor: OctokitFor;
  /**
   * Called in the transaction that wrote the mirror, with every read: the caller makes what is desired follow
   * (a preview goes when the pull request is closed). What it returns is called after the commit.
   */
  onState(tx: PoolClient, seen: PullRequestSeen): Promise<void | (() => Promise<void>)>;
  clock?: Clock;
}

const PULL = '/repos/{owner}/{repo}/pulls/{pull_number}';
const FIX = 'Give the App “Pull requests: read” and “Contents: read” and accept the change where it is installed.';
const GONE = 'The pull request is no longer on the forge (404); it counts as closed.';

interface Place {
  mirrored: StoredPullRequest;
  origin: MirrorOrigin;
  repository: RepositoryIdentity;
}

async function find(tx: PoolClient, { organizationId, id }: UnsettledRow): Promise<Place | undefined> {
  const mirrored = await pullRequestById(tx, id);
  if (mirrored === undefined || mirrored.repositoryId === null) return undefined;
  const { rows } = await tx.query<{ remote_owner: string; remote_name: string; remote_instance_url: string | null }>(
    `SELECT "remote_owner", "remote_name", "remote_instance_url" FROM "repository"
       WHERE "id" = $1 AND "status" <> 'removed'`,
    [mirrored.repositoryId],
  );
  const [found] = rows;
  if (found === undefined) return undefined;
  return {
    mirrored,
    origin: {
      organizationId,
      forge: mirrored.forge,
      host: mirrored.host,
      instanceUrl: found.remote_instance_url,
    },
    repository: {
      id: mirrored.repositoryId,
      remoteId: mirrored.remoteRepositoryId,
      owner: found.remote_owner,
      name: found.remote_name,
    },
  };
}

interface Read {
  /** Undefined when the forge answered 404. */
  pullRequest: PullRequestData | undefined;
  commits: CommitData[];
}

async function readForge(octokit: ForgeOctokit, { repository, mirrored }: Place, signal: AbortSignal): Promise<Read> {
  const where = { owner: repository.owner, repo: repository.name, pull_number: mirrored.number };
  const data = await octokit.request(`GET ${PULL}`, { ...where, request: { signal } }).then(
    (answer) => answer.data,
    (error: unknown) => {
      if (refusalOf(error)?.status === 404) return undefined;
      throw error;
    },
  );
  if (data === undefined) return { pullRequest: undefined, commits: [] };
  const pullRequest = readShape(pullRequestShape, data, 'pull request');
  const commits: CommitData[] = [];
  await eachItem(octokit, `GET ${PULL}/commits`, where, signal, (item) => {
    commits.push(readShape(listedCommit, item, 'commit of a pull request'));
    return false;
  });
  return { pullRequest, commits };
}

/** What a pull request that the forge no longer shows is taken to be. */
function closedNow(mirrored: StoredPullRequest, now: Date): PullRequestData {
  if (mirrored.state !== 'open') return mirrored;
  // The version stays the forge's own, so that the pull request can come back when access does.
  return { ...mirrored, state: 'closed', closedAt: now };
}

export function createSyncReconciler(options: SyncOptions): Reconciler {
  const { store, octokitFor, onState, clock = systemClock } = options;

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const place = await store.tenant(row.organizationId, (tx) => find(tx, row));
    // Its repository was removed: nobody can be asked any more.
    if (place === undefined) return 'settled';
    const { origin, repository, mirrored } = place;
    const octokit = await octokitFor(row.organizationId, repository.id);
    let read: Read;
    try {
      read = await readForge(octokit, place, signal);
    } catch (error) {
      return settleRefusal(error, `read pull requests of ${repository.owner}/${repository.name}`, FIX, clock.now());
    }
    signal.throwIfAborted();
    const afterCommit = await store.tenant(row.organizationId, async (tx) => {
      // Read again here, since an event may have been mirrored meanwhile; and it is what `before` promises.
      const before = (await pullRequestById(tx, row.id)) ?? mirrored;
      const data = read.pullRequest ?? closedNow(before, clock.now());
      await upsertPullRequest(tx, origin, repository, data, 'wins');
      if (read.commits.length > 0)
        await upsertCommits(tx, origin, repository, read.commits, { pullRequestId: row.id, branch: data.headBranch });
      const now = (await pullRequestById(tx, row.id)) ?? before;
      return onState(tx, { before, now });
    });
    if (typeof afterCommit === 'function') await afterCommit();
    return read.pullRequest === undefined ? { settledWith: GONE } : 'settled';
  }

  return createReconciler({
    ...options,
    table: {
      name: 'pull_request_sync',
      key: 'pull_request_id',
      errorColumn: 'error',
      heldBy: { repository: repositoryOfPullRequest('pull_request_sync') },
    },
    settle,
  });
}
