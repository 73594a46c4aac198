/** Previews of branches: a push to one that the repository names in `branches:`, as far as that is known by now. */
import { endPreview, wantPreview } from '../jobs/preview/desired.js';
import { someMatches } from '../jobs/preview/patterns.js';
import type { DeliveryWork } from './delivery-work.js';
import type { PushEvent } from './event-payloads.js';
import { isLive, mirrorRepository } from './mirror-event.js';

const HEADS = 'refs/heads/';
const NOTHING = /^0*$/;

/**
 * What is pushed to the default branch may have changed `.forgeway.yml`, so its row is looked at each time; the reconciler
 * reads the file and finds out whether there is anything to do, and writes down which branches are meant.
 */
export async function onPush(work: DeliveryWork, event: PushEvent): Promise<void> {
  if (!event.ref.startsWith(HEADS)) return;
  const branch = event.ref.slice(HEADS.length);
  const repository = await mirrorRepository(work, event);
  const { rows } = await work.tx.query<{ patterns: string[] | null; preview: string | null }>(
    `SELECT r.preview_branches AS patterns, p.id AS preview FROM repository r
       LEFT JOIN preview p ON p.repository_id = r.id AND p.branch = $2 WHERE r.id = $1`,
    [repository.id, branch],
  );
  const { patterns = null, preview = null } = rows[0] ?? {};
  if (event.deleted || NOTHING.test(event.after ?? '')) {
    if (preview !== null) work.poke('preview', await endPreview(work.tx, { previewId: preview, reason: null }));
    return;
  }
  const isMeant = preview !== null || branch === repository.defaultBranch || someMatches(patterns ?? [], branch);
  if (!isLive(repository) || !isMeant) return;
  const wish = { organizationId: work.origin.organizationId, repositoryId: repository.id, branch };
  work.poke('preview', await wantPreview(work.tx, { ...wish, sha: event.after ?? '', actor: event.sender ?? null }));
}
