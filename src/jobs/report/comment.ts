/** Brings the sticky comment of a pull request or an issue to what its row says. */
import { type Clock, systemClock } from '../../lib/clock.js';
import type { Store } from '../../store/database.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import { repositoryOfPullRequest } from '../reconcile-rows.js';
import { settleRefusal } from '../sync/denied.js';
import type { OctokitFor } from '../sync/octokit.js';
import { markerFor } from './marker.js';
import { renderComment } from './render.js';
import { rowsOf } from './sections.js';
import { putComment } from './sticky-comment.js';

export interface ReportOptions
  extends Pick<ReconcilerOptions, 'store' | 'locks' | 'queue' | 'log' | 'metrics' | 'backoff'> {
  octokitFor: OctokitFor;
  clock?: Clock;
}

export interface CommentOptions extends ReportOptions {
  /** From `markerKey(rootKey)`. */
  markerKey: Buffer;
  /** Commands to list in the comment. */
  commands?: readonly string[];
  /** Least time between two edits, in milliseconds; default 2 s. The last state is always written. */
  debounceMs?: number;
}

interface CommentState {
  sections: unknown;
  remote_comment_id: bigint | null;
  observed_version: bigint;
  /** Milliseconds since the last write. */
  quiet_ms: number;
  number: number;
  forge: string;
  host: string;
  remote_repository_id: bigint;
  repository_id: string;
  owner: string;
  name: string;
}

const BACKOFF = { baseMs: 1_000, capMs: 60_000 };
const FIX =
  'Give the App “Issues: read and write” and “Pull requests: read and write”, accept the change where it is installed, ' +
  'and check that the conversation is not locked.';

function read(store: Store, row: UnsettledRow): Promise<CommentState | undefined> {
  return store.tenant(row.organizationId, async (tx) => {
    const { rows } = await tx.query<CommentState>(
      `SELECT s."sections", s."remote_comment_id"::bigint, s."observed_version",
         (extract(epoch FROM clock_timestamp() - s."updated_at") * 1000)::float8 AS quiet_ms,
         coalesce(p."number", i."number") AS number, r."forge", r."host", r."remote_id" AS remote_repository_id,
         r."id" AS repository_id, r."remote_owner" AS owner, r."remote_name" AS name
       FROM "sticky_comment" s LEFT JOIN "pull_request" p ON p."id" = s."pull_request_id"
         LEFT JOIN "issue" i ON i."id" = s."issue_id"
         JOIN "repository" r ON r."id" = coalesce(p."repository_id", i."repository_id") AND r."status" <> 'removed'
       WHERE s."id" = $1`,
      [row.id],
    );
    return rows[0];
  });
}

export function createCommentReconciler(options: CommentOptions): Reconciler {
  const { store, octokitFor, markerKey, commands = [], debounceMs = 2_000, clock = systemClock } = options;

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const state = await read(store, row);
    // The repository was removed: there is nowhere to write, and nobody who could read.
    if (state === undefined) return 'settled';
    const written = state.remote_comment_id !== null || BigInt(state.observed_version) > 0n;
    if (written && state.quiet_ms < debounceMs) return { retryInMs: debounceMs - state.quiet_ms };

    const marker = markerFor(markerKey, {
      forge: state.forge,
      host: state.host,
      remoteRepositoryId: BigInt(state.remote_repository_id),
      number: state.number,
    });
    const lines = rowsOf(state.sections);
    const octokit = await octokitFor(row.organizationId, state.repository_id);
    try {
      const { id, written: changed } = await putComment(octokit, {
        thread: { owner: state.owner, repo: state.name, number: state.number },
        marker,
        body: renderComment(marker, lines, commands),
        knownId: state.remote_comment_id,
        create: lines.length > 0,
        signal,
      });
      if (changed || id !== state.remote_comment_id)
        await store.tenant(row.organizationId, (tx) =>
          tx.query('UPDATE "sticky_comment" SET "remote_comment_id" = $2, "updated_at" = now() WHERE "id" = $1', [
            row.id,
            id,
          ]),
        );
      return 'settled';
    } catch (error) {
      return settleRefusal(error, `write comments in ${state.owner}/${state.name}`, FIX, clock.now());
    }
  }

  return createReconciler({
    ...options,
    backoff: options.backoff ?? BACKOFF,
    table: {
      name: 'sticky_comment',
      key: 'id',
      errorColumn: 'error',
      heldBy: {
        repository: `coalesce(${repositoryOfPullRequest('sticky_comment')},
          (SELECT i."repository_id" FROM "issue" i WHERE i."id" = "sticky_comment"."issue_id"))`,
      },
    },
    settle,
  });
}
