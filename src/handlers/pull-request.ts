/** Mirrors pull requests at every action, and has each read again from the forge (FR-WH-005). */
import type { Probot } from 'probot';
import { notePusher } from '../accounts/access/trusted-commits.js';
import { wantPullRequestSync } from '../jobs/sync/desired.js';
import { isOwn } from '../lib/delivery-source.js';
import { upsertPullRequest } from '../store/mirror/pull-request.js';
import type { StoredRepository } from '../store/mirror/repository.js';
import { readShape } from '../store/mirror/shape.js';
import { noteTold } from '../store/told/rows.js';
import { type DeliveryWork, type HandlerOptions, inDelivery } from './delivery-work.js';
import { type PullRequestEvent, pullRequestEvent } from './event-payloads.js';
import { isLive, mirrorRepository, tieOf } from './mirror-event.js';
import { lookForWorkspaces } from './run.js';

/** Writes repository and pull request; returns them as primary key and row. */
export async function mirrorPullRequest(
  work: DeliveryWork,
  event: PullRequestEvent,
): Promise<{ id: string; changed: boolean; repository: StoredRepository }> {
  const repository = await mirrorRepository(work, event);
  const written = await upsertPullRequest(work.tx, work.origin, repository, event.pull_request, tieOf(event.action));
  const { action, sender, pull_request: told } = event;
  // The poller and some forges name nobody. Whoever reopens it has not brought what it is at, and neither has whoever opened what
  // we are told of late: somebody else may have pushed since.
  const brought = action === 'synchronize' || (action === 'opened' && !isOwn(work.scope.source ?? ''));
  if (brought && !work.scope.headMoved && sender && sender.id > 0n)
    await notePusher(work.tx, { repositoryId: repository.id, number: told.number, sha: told.headSha }, sender);
  return { ...written, repository };
}

export function pullRequestHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on('pull_request', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(pullRequestEvent, payload, 'pull_request');
        const { id, changed, repository } = await mirrorPullRequest(work, event);
        const { organizationId } = work.origin;
        await noteTold(
          work.tx,
          { organizationId, repositoryId: repository.id, number: event.pull_request.number },
          'pull_request',
          { action: event.action, payload: { ...payload }, object: { ...payload.pull_request } },
        );
        // Also when nothing changed: what arrived late says that the order is doubtful, and a fresh read settles it.
        if (isLive(repository))
          work.poke('sync', await wantPullRequestSync(work.tx, { organizationId, pullRequestId: id }));
        await lookForWorkspaces(work, repository.remoteId, event.action);
        work.log.info(
          {
            repository: `${repository.owner}/${repository.name}`,
            pullRequest: event.pull_request.number,
            action: event.action,
            changed,
          },
          'pull request mirrored',
        );
      }),
    );
  };
}
