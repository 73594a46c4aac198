import type { RepositoryInput, ReviewInput } from '../../kit/shapes/inputs.js';
import { nativeReview, read } from '../schema.js';
import { associationOf } from './association.js';
import { time } from './time.js';
import { accountIfTold } from './user.js';

const STATES: Readonly<Record<string, ReviewInput['state']>> = {
  APPROVED: 'approved',
  REQUEST_CHANGES: 'changes_requested',
  COMMENT: 'commented',
  PENDING: 'pending',
};

/**
 * Undefined for what is no review: a request for one stands in the same list (`REQUEST_REVIEW`).
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 */
export function reviewInput(native: unknown, number: number, repository?: RepositoryInput): ReviewInput | undefined {
  const review = read('review', nativeReview, native);
  const state = Object.hasOwn(STATES, review.state ?? '') ? STATES[review.state ?? ''] : undefined;
  if (state === undefined) return undefined;
  const author = accountIfTold(review.user);
  const pullRequestHtmlUrl = review.pull_request_url || `${repository?.htmlUrl ?? ''}/pulls/${number}`;
  return {
    id: review.id,
    number,
    htmlUrl: review.html_url || `${pullRequestHtmlUrl}#issuecomment-${review.id}`,
    pullRequestHtmlUrl,
    author,
    association: associationOf(author, repository),
    body: review.body ?? '',
    state: review.dismissed ? 'dismissed' : state,
    commitSha: review.commit_id || undefined,
    submittedAt: time(review.submitted_at) ?? time(review.updated_at),
  };
}
