/** Comments on lines of a pull request. */

import { readDiff } from '../../../lib/diff-text.js';
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { idOf, newerOr, numberParam, objectOf, objectsOf, pullPath, repoPath, textInput, textOf } from './native.js';
import { asReviewComment } from './objects.js';
import { pageIn } from './pages.js';
import { commentsOfPull, type FoundComment, findComment, placeOf, rememberPlaces, replies } from './review-places.js';
import { emulated, partial } from './row.js';

const LINES =
  'A position is the line of the file, not of the diff; comments on one line are one conversation, and one on several is on the last.';

async function list(request: RouteRequest, context: RouteContext) {
  const number = numberParam(request, 'pull_number');
  await context.native.get(pullPath(request));
  const all = await commentsOfPull(request, context, number);
  const roots = replies(all);
  const { since, sort = 'created', direction = 'asc' } = request.query;
  const key = sort === 'updated' ? 'updated_at' : 'created_at';
  const shown = all.filter(
    ({ native }) => since === undefined || Date.parse(textOf(native, 'updated_at')) >= Date.parse(since),
  );
  shown.sort((a, b) => Date.parse(textOf(a.native, key)) - Date.parse(textOf(b.native, key)));
  if (direction === 'desc') shown.reverse();
  return pageIn(
    request,
    shown.map((one) => asReviewComment(request, context, one.native, number, roots.get(one))),
  );
}

/** A review of one comment, and that comment. */
async function post(request: RouteRequest, context: RouteContext, place: object, body: string, commit?: string) {
  const number = numberParam(request, 'pull_number');
  const json = { event: 'COMMENT', body: '', commit_id: commit ?? '', comments: [{ ...place, body }] };
  const { data } = await context.native.send('POST', `${pullPath(request)}/reviews`, { json });
  const review = idOf(objectOf(data));
  const natives = objectsOf(await context.native.get(`${pullPath(request)}/reviews/${review}/comments`));
  await rememberPlaces(context, number, natives);
  // A server that joins it to the conversation of that line may tell the older comments, too.
  const native = natives.at(-1);
  if (native === undefined) throw new RouteFailure(422, 'The comment was not kept: the diff has no such line.');
  return native;
}

const bodyOf = (request: RouteRequest): string => {
  const body = textInput(request, 'body');
  if (!body?.trim()) throw invalid('PullRequestReviewComment', 'body', 'missing_field');
  return body;
};

async function reply(request: RouteRequest, context: RouteContext, id: string) {
  const number = numberParam(request, 'pull_number');
  const all = await commentsOfPull(request, context, number);
  const root = all.find(({ native }) => String(idOf(native)) === id);
  if (root === undefined) throw notFound();
  const { native } = root;
  const place = {
    path: textOf(native, 'path'),
    new_position: Number(native.position ?? 0),
    old_position: Number(native.position ? 0 : (native.original_position ?? 0)),
  };
  const made = await post(request, context, place, bodyOf(request), textOf(native, 'commit_id'));
  const data = asReviewComment(request, context, made, number, replies(all).get(root) ?? idOf(native));
  return { status: 201, data };
}

async function create(request: RouteRequest, context: RouteContext) {
  if (request.body.in_reply_to !== undefined) return reply(request, context, String(request.body.in_reply_to));
  const body = bodyOf(request);
  const number = numberParam(request, 'pull_number');
  const { data } = await context.native.send('GET', `${pullPath(request)}.diff`, { as: 'text' });
  const place = placeOf(request.body, typeof data === 'string' ? readDiff(data) : []);
  const native = await post(request, context, place, body, textInput(request, 'commit_id'));
  return { status: 201, data: asReviewComment(request, context, native, number) };
}

const shown = (request: RouteRequest, context: RouteContext, comment: FoundComment, all: readonly FoundComment[]) => ({
  data: asReviewComment(request, context, comment.native, comment.number, replies(all).get(comment)),
});

async function update(request: RouteRequest, context: RouteContext) {
  const body = bodyOf(request);
  const { comment, all } = await findComment(request, context);
  const path = `${repoPath(request)}/issues/comments/${idOf(comment.native)}`;
  await context.native.send('PATCH', path, { json: { body } });
  const { data } = shown(request, context, comment, all);
  return { data: { ...data, body } };
}

/**
 * Gitea answers 204 to the deletion of a comment and keeps one that stands on a line, so that only the review around it can be
 * deleted. Forgejo deletes one of several, from 7.0 on.
 */
async function remove(request: RouteRequest, context: RouteContext) {
  const { comment, all } = await findComment(request, context);
  const review = `${repoPath(request)}/pulls/${comment.number}/reviews/${comment.review}`;
  const isAlone = all.filter((one) => one.review === comment.review).length === 1;
  const body = textOf(objectOf(await context.native.get(review)), 'body');
  if (isAlone && body === '') await context.native.send('DELETE', review);
  else
    await newerOr(
      () => context.native.send('DELETE', `${review}/comments/${idOf(comment.native)}`),
      () => {
        throw new RouteFailure(
          501,
          'This server deletes a comment on a line only together with its review, which says more.',
        );
      },
    );
  return { status: 204 };
}

export const reviewComments: RouteTable = {
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/comments': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews, …/reviews/{id}/comments',
    LINES,
    list,
  ),
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/comments': emulated(
    'findable',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/reviews',
    `A review with one comment. ${LINES}`,
    create,
  ),
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies': emulated(
    'findable',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/reviews',
    'A review with one comment on the same line, which makes it part of that conversation.',
    (request, context) => reply(request, context, String(numberParam(request, 'comment_id'))),
  ),
  'GET /repos/{owner}/{repo}/pulls/comments/{comment_id}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments',
    'Where it stands is remembered from earlier answers, else looked for in the 20 pull requests changed last.',
    async (request, context) => {
      const { comment, all } = await findComment(request, context);
      return shown(request, context, comment, all);
    },
  ),
  'PATCH /repos/{owner}/{repo}/pulls/comments/{comment_id}': emulated(
    'idempotent',
    'issue: PATCH /repos/{owner}/{repo}/issues/comments/{id}',
    'Found as for reading.',
    update,
  ),
  'DELETE /repos/{owner}/{repo}/pulls/comments/{comment_id}': partial(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/pulls/{index}/reviews/{id}, DELETE /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments/{comment}',
    'Forgejo deletes any; Gitea only a comment that is its whole review.',
    remove,
  ),
};
