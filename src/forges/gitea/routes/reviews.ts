/** Reviews of pull requests. */

import { readDiff } from '../../../lib/diff-text.js';
import type { JsonObject } from '../../forge.js';
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { failedWith, itemsOf, listOf, numberParam, objectOf, pullPath, textInput, textOf, wishes } from './native.js';
import { asReview, asReviewComment } from './objects.js';
import { everything, pageIn } from './pages.js';
import { placeOf, rememberPlaces } from './review-places.js';
import { emulated, exact } from './row.js';

const reviewPath = (request: RouteRequest): string =>
  `${pullPath(request)}/reviews/${numberParam(request, 'review_id')}`;

/** The server wants text in a review that waits, and GitHub does not: this is some that nobody sees. */
const NO_BODY = '\u200b';

const withoutFiller = (review: JsonObject | undefined): JsonObject | undefined =>
  review?.body === NO_BODY ? { ...review, body: '' } : review;

function answered(request: RouteRequest, context: RouteContext, native: unknown): JsonObject {
  const review = withoutFiller(asReview(request, context, native, numberParam(request, 'pull_number')));
  if (review === undefined) throw notFound();
  return review;
}

/** GitHub's words are the forge's, but for a review that waits: no event there, a word here. */
function eventOf(request: RouteRequest): string {
  const event = textInput(request, 'event') ?? 'PENDING';
  if (!['APPROVE', 'REQUEST_CHANGES', 'COMMENT', 'PENDING'].includes(event))
    throw invalid('PullRequestReview', 'event', 'invalid');
  return event === 'APPROVE' ? 'APPROVED' : event;
}

async function create(request: RouteRequest, context: RouteContext) {
  const event = eventOf(request);
  const body = textInput(request, 'body') ?? '';
  const comments = itemsOf(request.body.comments).map(objectOf);
  if (event === 'REQUEST_CHANGES' && body === '')
    throw new RouteFailure(422, 'Unprocessable Entity', { errors: [{ message: 'Body is required.' }] });
  if (event === 'COMMENT' && body === '' && comments.length === 0)
    throw new RouteFailure(422, 'Unprocessable Entity', { errors: [{ message: 'Body or comments are required.' }] });
  const { data: text } =
    comments.length > 0 ? await context.native.send('GET', `${pullPath(request)}.diff`, { as: 'text' }) : { data: '' };
  const files = typeof text === 'string' ? readDiff(text) : [];
  const json = wishes({
    event,
    body: event === 'PENDING' && body.trim() === '' ? NO_BODY : body,
    commit_id: textInput(request, 'commit_id'),
    comments: comments.map((comment) => ({ ...placeOf(comment, files), body: textOf(comment, 'body') })),
  });
  try {
    const { data } = await context.native.send('POST', `${pullPath(request)}/reviews`, { json });
    return { data: answered(request, context, data) };
  } catch (error) {
    throw failedWith(error, 422) ? new RouteFailure(422, error.message || 'Unprocessable Entity') : error;
  }
}

export const reviews: RouteTable = {
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews',
    async (request, context) => {
      const number = numberParam(request, 'pull_number');
      // Requests for a review stand in the same list.
      const all = (await everything(context, `${pullPath(request)}/reviews`))
        .map((native) => withoutFiller(asReview(request, context, native, number)))
        .filter((review) => review !== undefined);
      return pageIn(request, all);
    },
  ),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews/{id}',
    async (request, context) => ({ data: answered(request, context, await context.native.get(reviewPath(request))) }),
  ),
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews': exact(
    'findable',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/reviews',
    create,
  ),
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/events': exact(
    'findable',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/reviews/{id}',
    async (request, context) => {
      const event = eventOf(request);
      if (event === 'PENDING') throw invalid('PullRequestReview', 'event', 'missing_field');
      const json = { event, body: textInput(request, 'body') ?? '' };
      const { data } = await context.native.send('POST', reviewPath(request), { json });
      return { data: answered(request, context, data) };
    },
  ),
  'DELETE /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}': exact(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/pulls/{index}/reviews/{id}',
    async (request, context) => {
      const native = objectOf(await context.native.get(reviewPath(request)));
      // The forge deletes any review; GitHub only one that waits.
      if (textOf(native, 'state') !== 'PENDING')
        throw new RouteFailure(422, 'Can not delete a non-pending pull request review');
      const data = answered(request, context, native);
      await context.native.send('DELETE', reviewPath(request));
      return { data };
    },
  ),
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/dismissals': exact(
    'idempotent',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/dismissals',
    async (request, context) => {
      const message = textInput(request, 'message');
      if (!message) throw invalid('PullRequestReview', 'message', 'missing_field');
      try {
        const json = { message, priors: false };
        const { data } = await context.native.send('POST', `${reviewPath(request)}/dismissals`, { json });
        return { data: answered(request, context, data) };
      } catch (error) {
        if (!failedWith(error, 403, 422)) throw error;
        // One word for whoever may not and for what cannot be dismissed.
        const state = textOf(objectOf(await context.native.get(reviewPath(request))), 'state');
        if (state === 'APPROVED' || state === 'REQUEST_CHANGES') throw error;
        throw new RouteFailure(422, `Can not dismiss a ${state.toLowerCase()} pull request review`);
      }
    },
  ),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments',
    'A position is the line of the file, not of the diff.',
    async (request, context) => {
      const number = numberParam(request, 'pull_number');
      const natives = listOf(await context.native.get(`${reviewPath(request)}/comments`));
      await rememberPlaces(context, number, natives);
      return pageIn(
        request,
        natives.map((native) => asReviewComment(request, context, native, number)),
      );
    },
  ),
};
