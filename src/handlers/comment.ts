/** Mirrors comments: in conversations, on lines of a diff, on commits. */
import type { Probot } from 'probot';
import { type CommentData, upsertComments } from '../store/mirror/comment.js';
import { upsertIssues } from '../store/mirror/issue.js';
import type { StoredRepository } from '../store/mirror/repository.js';
import { readShape } from '../store/mirror/shape.js';
import { type DeliveryWork, type HandlerOptions, inDelivery } from './delivery-work.js';
import {
  type CommitCommentEvent,
  commitCommentEvent,
  issueCommentEvent,
  reviewCommentEvent,
} from './event-payloads.js';
import { mirrorRepository, tieOf } from './mirror-event.js';

type Placed = Pick<CommentData, 'kind' | 'number' | 'onPullRequest'>;

async function mirrorComment(
  work: DeliveryWork,
  repository: StoredRepository,
  { action, comment }: CommitCommentEvent,
  place: Placed,
): Promise<void> {
  const deletedAt = action === 'deleted' ? work.scope.receivedAt : null;
  await upsertComments(work.tx, work.origin, repository, [{ ...comment, ...place, deletedAt }], tieOf(action));
}

export function commentHandler(o: HandlerOptions) {
  return (app: Probot): void => {
    app.on('issue_comment', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(issueCommentEvent, payload, 'issue_comment');
        const repository = await mirrorRepository(work, event);
        const { isPullRequest, ...issue } = event.issue;
        // The issue may be older than we are, and then this is the first that is heard of it.
        if (!isPullRequest) await upsertIssues(work.tx, work.origin, repository, [issue], 'keeps-closed');
        const place = { kind: 'issue', number: issue.number, onPullRequest: isPullRequest } as const;
        await mirrorComment(work, repository, event, place);
      }),
    );
    app.on('pull_request_review_comment', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(reviewCommentEvent, payload, 'pull_request_review_comment');
        const repository = await mirrorRepository(work, event);
        const place = { kind: 'review', number: event.pull_request.number, onPullRequest: true } as const;
        await mirrorComment(work, repository, event, place);
      }),
    );
    app.on('commit_comment', ({ payload }) =>
      inDelivery(o, async (work) => {
        const event = readShape(commitCommentEvent, payload, 'commit_comment');
        const repository = await mirrorRepository(work, event);
        await mirrorComment(work, repository, event, { kind: 'commit', number: null, onPullRequest: false });
      }),
    );
  };
}
