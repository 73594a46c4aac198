/** Brings a commit status to what its row says. */
import { systemClock } from '../../lib/clock.js';
import type { Store } from '../../store/database.js';
import { createReconciler, type Reconciler, type Settlement, type UnsettledRow } from '../reconcile.js';
import { refusalOf, settleRefusal } from '../sync/denied.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';
import type { ReportOptions } from './comment.js';
import { DESCRIPTION_LIMIT, shorten } from './shorten.js';

interface StatusState {
  sha: string;
  context: string;
  state: string;
  description: string;
  target_url: string | null;
  repository_id: string;
  owner: string;
  name: string;
}

const BACKOFF = { baseMs: 1_000, capMs: 60_000 };
const FIX = 'Give the App “Commit statuses: read and write” and accept the change where it is installed.';

function read(store: Store, row: UnsettledRow): Promise<StatusState | undefined> {
  return store.tenant(row.organizationId, async (tx) => {
    const { rows } = await tx.query<StatusState>(
      `SELECT c."sha", c."context", c."state", c."description", c."target_url",
         r."id" AS repository_id, r."remote_owner" AS owner, r."remote_name" AS name
       FROM "commit_status" c JOIN "repository" r ON r."id" = c."repository_id" AND r."status" <> 'removed'
       WHERE c."id" = $1`,
      [row.id],
    );
    return rows[0];
  });
}

/** True when the commit's newest status of this context already says so. The list has the newest first. */
async function alreadySays(octokit: ForgeOctokit, wanted: StatusState, signal: AbortSignal): Promise<boolean> {
  const found = { same: false };
  try {
    await eachItem(
      octokit,
      'GET /repos/{owner}/{repo}/commits/{ref}/statuses',
      { owner: wanted.owner, repo: wanted.name, ref: wanted.sha },
      signal,
      (item) => {
        if (typeof item !== 'object' || item === null) return false;
        const status = item as Partial<Record<keyof StatusState, unknown>>;
        if (status.context !== wanted.context) return false;
        found.same =
          status.state === wanted.state &&
          (status.description ?? '') === wanted.description &&
          (status.target_url ?? null) === wanted.target_url;
        return true;
      },
    );
  } catch (error) {
    // A forge without this list: the newest status counts, so writing it again changes nothing.
    const status = refusalOf(error)?.status;
    if (status !== 404 && status !== 501) throw error;
  }
  return found.same;
}

export function createStatusReconciler(options: ReportOptions): Reconciler {
  const { store, octokitFor, clock = systemClock } = options;

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const stored = await read(store, row);
    if (stored === undefined) return 'settled';
    const wanted = { ...stored, description: shorten(stored.description, DESCRIPTION_LIMIT) };
    const octokit = await octokitFor(row.organizationId, wanted.repository_id);
    try {
      if (await alreadySays(octokit, wanted, signal)) return 'settled';
      signal.throwIfAborted();
      await octokit.request('POST /repos/{owner}/{repo}/statuses/{sha}', {
        owner: wanted.owner,
        repo: wanted.name,
        sha: wanted.sha,
        state: wanted.state,
        context: wanted.context,
        description: wanted.description,
        ...(wanted.target_url === null ? {} : { target_url: wanted.target_url }),
      });
      return 'settled';
    } catch (error) {
      return settleRefusal(error, `set commit statuses in ${wanted.owner}/${wanted.name}`, FIX, clock.now());
    }
  }

  return createReconciler({
    ...options,
    backoff: options.backoff ?? BACKOFF,
    table: {
      name: 'commit_status',
      key: 'id',
      errorColumn: 'error',
      heldBy: { repository: '"commit_status"."repository_id"' },
    },
    settle,
  });
}
