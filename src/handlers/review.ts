/** Mirrors reviews, and has their pull request read again: a review changes who is still asked for one. */
import type { Probot } from 'probot';
import { wantPullRequestSync } from '../jobs/sync/desired.js';
import { pullRequestByNumber } from '../store/mirror/pull-request.js';
import { upsertReviews } from '../store/mirror/review.js';
import { readShape } from '../store/mirror/shape.js';
import { type HandlerOptions, inDelivery } from './delivery-work.js';
import { reviewEvent } from './event-payloads.js';
import { isLive, mirrorRepository, tieOf } from './mirror-event.js';

export function reviewHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on('pull_request_review', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(reviewEvent, payload, 'pull_request_review');
        const repository = await mirrorRepository(work, event);
        const { number, updated_at: pullRequestUpdatedAt } = event.pull_request;
        const review = { ...event.review, number, updatedAt: event.review.updatedAt ?? pullRequestUpdatedAt };
        await upsertReviews(work.tx, work.origin, repository, [review], tieOf(event.action));
        const pullRequest = await pullRequestByNumber(work.tx, repository.id, number);
        if (pullRequest === undefined || !isLive(repository)) return;
        work.poke(
          'sync',
          await wantPullRequestSync(work.tx, {
            organizationId: work.origin.organizationId,
            pullRequestId: pullRequest.id,
          }),
        );
      }),
    );
  };
}
