/** Mirrors comments: in conversations, on lines of a diff, on commits. */
import type { Probot } from 'probot';
import { type CommentData, upsertComments } from '../store/mirror/comment.js';
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
import { type IssueReader, mirrorIssue, settleIssue } from './mirror-issue.js';

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

export function commentHandler(o: HandlerOptions & IssueReader) {
  return (app: Probot): void => {
    app.on('issue_comment', async ({ payload }) => {
      const doubt = await inDelivery(o, async (work) => {
        const event = readShape(issueCommentEvent, payload, 'issue_comment');
        const repository = await mirrorRepository(work, event);
        const { isPullRequest, ...issue } = event.issue;
        // The issue may be older than we are, and then this is the first that is heard of it.
        const told = { issue, tie: 'keeps-closed', installation: event.installation } as const;
        const doubt = isPullRequest ? undefined : await mirrorIssue(work, repository, told);
        const place = { kind: 'issue', number: issue.number, onPullRequest: isPullRequest } as const;
        await mirrorComment(work, repository, event, place);
        return doubt;
      });
      await settleIssue(o, doubt);
    });
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
