/**
 * Makes the wanted preview follow what a fresh read of the forge found, for what no event told in time: a webhook that
 * was lost, or two changes of one second that arrived in the wrong order.
 */
import type { PoolClient } from 'pg';
import type { Pokes } from '../jobs/poke.js';
import { type WantedPreview, wantNoPreview, wantPreview } from '../jobs/preview/desired.js';
import type { StoredPullRequest } from '../store/mirror/pull-request.js';
import { repositoryById } from '../store/mirror/repository.js';
import { isHistory, isLive } from './mirror-event.js';

interface Seen {
  before: StoredPullRequest;
  now: StoredPullRequest;
}

/** Whether an open pull request gets a preview that no event asked for. */
function isMissed(row: { desired_state: string; desired_sha: string | null } | undefined, seen: Seen, since: Date) {
  // Without a row no event was seen; one that was opened before the repository was connected never asks for one.
  if (row === undefined) return seen.now.createdAt !== null && seen.now.createdAt >= since;
  // Somebody may have taken the preview down by hand: only being opened again brings it back.
  if (row.desired_state === 'absent') return seen.before.state !== 'open';
  return row.desired_sha !== seen.now.headSha;
}

async function decide(tx: PoolClient, seen: Seen, previews: boolean): Promise<WantedPreview | null> {
  const { organizationId, id: pullRequestId, headSha, state, repositoryId, updatedAt } = seen.now;
  if (state !== 'open') return wantNoPreview(tx, { organizationId, pullRequestId });
  const repository = repositoryId === null ? undefined : await repositoryById(tx, repositoryId);
  if (!previews || repository === undefined || !isLive(repository) || isHistory(repository, updatedAt)) return null;
  const { rows } = await tx.query<{ desired_state: string; desired_sha: string | null }>(
    'SELECT desired_state, desired_sha FROM preview WHERE pull_request_id = $1',
    [pullRequestId],
  );
  if (!isMissed(rows[0], seen, repository.watermarkAt)) return null;
  // A read tells what the head is and not who pushed it; the event that does may still come.
  const wish = { organizationId, repositoryId: repository.id, pullRequestId, sha: headSha, actor: null };
  return wantPreview(tx, wish);
}

/** For the sync reconciler: runs in its transaction, and returns the hint to give after the commit. */
export function previewFollowsForge(o: { pokes: Pick<Pokes, 'preview'>; previews: boolean }) {
  return async (tx: PoolClient, seen: Seen): Promise<(() => Promise<void>) | undefined> => {
    const wanted = await decide(tx, seen, o.previews);
    if (wanted === null) return undefined;
    const { organizationId } = seen.now;
    return () => o.pokes.preview.poke({ organizationId, id: wanted.id }, { version: wanted.version });
  };
}
