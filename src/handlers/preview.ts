/**
 * Decides whether a pull request has a preview, and of which commit.
 *
 * An app of its own, with its own dispatch row: it can fail, be replayed or be switched off without the mirror. So it
 * may run before the mirror's row of the same delivery, and therefore writes the pull request itself first (writing
 * twice changes nothing), in the transaction of its decision. The decision is then taken from the row as it stands
 * and not from the event: an `opened` that arrives after the close finds a closed row, and wants nothing.
 */
import type { Probot } from 'probot';
import { z } from 'zod';
import { askPreview, endPreview, wantNoPreview, wantPreview } from '../jobs/preview/desired.js';
import { pullRequestById } from '../store/mirror/pull-request.js';
import { readShape } from '../store/mirror/shape.js';
import { type DeliveryWork, type HandlerOptions, inDelivery } from './delivery-work.js';
import { type PullRequestEvent, pullRequestEvent, pushEvent } from './event-payloads.js';
import { isHistory, isLive } from './mirror-event.js';
import { onPush } from './preview-branches.js';
import { mirrorPullRequest } from './pull-request.js';

/** Who brought the head commit, as far as this event can tell: only the one that brought the commit says who did. */
function pusherOf(
  { scope }: DeliveryWork,
  event: PullRequestEvent,
  headSha: string,
  previousHeadSha: string | undefined,
) {
  if (scope.headMoved || event.pull_request.headSha !== headSha) return null;
  if (event.action === 'reopened') return previousHeadSha === headSha ? null : (event.sender ?? null);
  return event.action === 'closed' ? null : (event.sender ?? null);
}

async function decide(work: DeliveryWork, event: PullRequestEvent): Promise<void> {
  const { tx, origin } = work;
  const { id, repository } = await mirrorPullRequest(work, event);
  const pullRequest = await pullRequestById(tx, id);
  if (pullRequest === undefined) throw new Error('a pull request was written and is not there');
  const { organizationId } = origin;
  if (pullRequest.state !== 'open') {
    work.poke('preview', await wantNoPreview(tx, { organizationId, pullRequestId: id }));
    return;
  }
  if (!isLive(repository) || isHistory(repository, event.pull_request.updatedAt)) return;
  const previous = await tx.query<{ desired_sha: string | null }>(
    'SELECT desired_sha FROM preview WHERE pull_request_id = $1',
    [id],
  );
  work.poke(
    'preview',
    await wantPreview(tx, {
      organizationId,
      repositoryId: repository.id,
      pullRequestId: id,
      sha: pullRequest.headSha,
      actor: pusherOf(work, event, pullRequest.headSha, previous.rows[0]?.desired_sha ?? undefined),
    }),
  );
}

/** Of an edit only this matters: what a pull request changes is another thing against another branch. */
const edit = z.object({ changes: z.object({ base: z.unknown() }).partial().nullish() });
const isRetargeted = (payload: unknown) => readShape(edit, payload, 'pull_request').changes?.base !== undefined;

/** A label was given or taken away, or the target is another one: on that it may depend whether there is a preview. */
async function lookAgain(work: DeliveryWork, event: PullRequestEvent): Promise<void> {
  const { id } = await mirrorPullRequest(work, event);
  const { rows } = await work.tx.query<{ id: string }>('SELECT id FROM preview WHERE pull_request_id = $1', [id]);
  const [preview] = rows;
  if (preview !== undefined)
    work.poke('preview', await askPreview(work.tx, { previewId: preview.id, to: 'look-again' }));
}

export function previewHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on(
      ['pull_request.opened', 'pull_request.reopened', 'pull_request.synchronize', 'pull_request.closed'],
      ({ payload }) => inDelivery(o, (work) => decide(work, readShape(pullRequestEvent, payload, 'pull_request'))),
    );
    app.on(['pull_request.labeled', 'pull_request.unlabeled'], ({ payload }) =>
      inDelivery(o, (work) => lookAgain(work, readShape(pullRequestEvent, payload, 'pull_request'))),
    );
    app.on('pull_request.edited', ({ payload }) =>
      isRetargeted(payload)
        ? inDelivery(o, (work) => lookAgain(work, readShape(pullRequestEvent, payload, 'pull_request')))
        : undefined,
    );
    app.on('push', ({ payload }) => inDelivery(o, (work) => onPush(work, readShape(pushEvent, payload, 'push'))));
  };
}

/** Takes down the previews of repositories that were removed; previews may be off by now, and their rows remain. */
export async function endPreviewsOfRemoved(work: DeliveryWork): Promise<void> {
  const { rows } = await work.tx.query<{ id: string }>(
    `SELECT p.id FROM preview p JOIN repository r ON r.id = p.repository_id
     WHERE r.status = 'removed' AND p.desired_state <> 'absent' ORDER BY p.id`,
  );
  for (const { id: previewId } of rows) work.poke('preview', await endPreview(work.tx, { previewId, reason: null }));
}
