/** Native objects as GitHub's, for the repository that a request names. */
import type { JsonObject } from '../../forge.js';
import { notFound, type RouteContext, type RouteRequest } from '../../kit/route.js';
import { user } from '../../kit/shapes/account.js';
import { issueComment, reviewComment } from '../../kit/shapes/comment.js';
import { issue } from '../../kit/shapes/issue.js';
import { label } from '../../kit/shapes/label.js';
import { milestone } from '../../kit/shapes/milestone.js';
import { pullRequest, simplePullRequest } from '../../kit/shapes/pull-request.js';
import { apiOf, repository } from '../../kit/shapes/repository.js';
import { review } from '../../kit/shapes/review.js';
import { commentInput, numberOfComment, reviewCommentInput } from '../convert/comment.js';
import { issueInput } from '../convert/issue.js';
import { labelInput } from '../convert/label.js';
import { milestoneInput } from '../convert/milestone.js';
import { pullRequestInput } from '../convert/pull-request.js';
import { repositoryInput } from '../convert/repository.js';
import { reviewInput } from '../convert/review.js';
import { accountInput } from '../convert/user.js';
import { param } from './native.js';

/** Base of the virtual API of the repository that the request names. */
export const apiBase = (request: RouteRequest, context: RouteContext): string =>
  apiOf(context.base, param(request, 'owner'), param(request, 'repo'));

export const asUser = (context: RouteContext, native: unknown): JsonObject => user(context.base, accountInput(native));

export const asRepository = (context: RouteContext, native: unknown): JsonObject =>
  repository(context.base, repositoryInput(native));

export const asLabel = (request: RouteRequest, context: RouteContext, native: unknown): JsonObject =>
  label(context.base, param(request, 'owner'), param(request, 'repo'), labelInput(native));

export const asMilestone = (request: RouteRequest, context: RouteContext, native: unknown): JsonObject =>
  milestone(context.base, param(request, 'owner'), param(request, 'repo'), milestoneInput(native));

export const asIssue = (request: RouteRequest, context: RouteContext, native: unknown): JsonObject =>
  issue(context.base, param(request, 'owner'), param(request, 'repo'), issueInput(native));

/** `number` where the comment's own addresses may be missing. */
export function asComment(
  request: RouteRequest,
  context: RouteContext,
  native: unknown,
  number = numberOfComment(native),
): JsonObject {
  // Without a number it stands nowhere that can be named, as on a commit or in a discussion of another kind.
  if (number === undefined) throw notFound();
  return issueComment(context.base, param(request, 'owner'), param(request, 'repo'), commentInput(native, number));
}

export const asPull = (context: RouteContext, native: unknown, counts: JsonObject = {}): JsonObject =>
  pullRequest(context.base, { ...pullRequestInput(native), ...counts });

export const asListedPull = (context: RouteContext, native: unknown): JsonObject =>
  simplePullRequest(context.base, pullRequestInput(native));

/** Undefined for an entry of the list that is no review but a request for one. */
export function asReview(
  request: RouteRequest,
  context: RouteContext,
  native: unknown,
  number: number,
): JsonObject | undefined {
  const input = reviewInput(native, number);
  return input && review(context.base, param(request, 'owner'), param(request, 'repo'), input, 'api');
}

export function asReviewComment(
  request: RouteRequest,
  context: RouteContext,
  native: unknown,
  number: number,
  inReplyTo?: number | string,
): JsonObject {
  const input = reviewCommentInput(native, number);
  return reviewComment(context.base, param(request, 'owner'), param(request, 'repo'), {
    ...input,
    ...(inReplyTo !== undefined && { inReplyTo }),
  });
}
