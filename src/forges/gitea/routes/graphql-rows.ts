/** Rows of ours: what GitHub does by GraphQL alone, for `translate/graphql`. */
import type { JsonObject } from '../../forge.js';
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import { autoMergeOf, forgetAutoMerge, keepAutoMerge } from './auto-merge.js';
import { failedWith, idOf, numberParam, objectOf, pullPath, repoPath, textInput, textOf, wishes } from './native.js';
import { asPull, asReviewComment, asUser } from './objects.js';
import { pageIn } from './pages.js';
import { notMergeable, shaChanged } from './pull-merge.js';
import { titled } from './pulls.js';
import { commentsOfPull, type FoundComment, replies } from './review-places.js';
import { emulated } from './row.js';

const readPull = async (request: RouteRequest, context: RouteContext): Promise<JsonObject> =>
  objectOf(await context.native.get(pullPath(request)));

async function shown(request: RouteRequest, context: RouteContext, pull?: JsonObject) {
  const now = pull ?? (await readPull(request, context));
  return { data: asPull(context, now, { autoMerge: await autoMergeOf(request, context, now) }) };
}

/** True when it waits, false when it was merged at once. */
async function schedule(request: RouteRequest, context: RouteContext, json: JsonObject): Promise<boolean> {
  const path = `${pullPath(request)}/merge`;
  const send = async () => (await context.native.send('POST', path, { json })).status === 201;
  try {
    return await send();
  } catch (error) {
    if (!failedWith(error, 404, 405, 409, 422, 423)) throw error;
    if (!failedWith(error, 409)) throw notMergeable();
  }
  // It is scheduled already, perhaps with other words.
  try {
    await context.native.send('DELETE', path);
    return await send();
  } catch (error) {
    if (failedWith(error, 404, 405, 409)) throw notMergeable();
    throw error;
  }
}

async function mergeLater(request: RouteRequest, context: RouteContext) {
  const method = textInput(request, 'merge_method') ?? 'merge';
  if (method !== 'merge' && method !== 'squash' && method !== 'rebase')
    throw invalid('PullRequest', 'merge_method', 'invalid');
  const pull = await readPull(request, context);
  if (pull.state !== 'open') throw notMergeable();
  const expected = textInput(request, 'sha');
  // A merge that is scheduled would not look at it.
  if (expected !== undefined && textOf(objectOf(pull.head), 'sha') !== expected) throw shaChanged();
  const [title, message] = [textInput(request, 'commit_title'), textInput(request, 'commit_message')];
  const json = wishes({
    Do: method,
    MergeTitleField: title,
    MergeMessageField: message,
    head_commit_id: expected,
    merge_when_checks_succeed: true,
  });
  if (await schedule(request, context, json)) await keepAutoMerge(context, pull, { method, title, message });
  return shown(request, context);
}

async function mergeNot(request: RouteRequest, context: RouteContext) {
  const pull = await readPull(request, context);
  try {
    await context.native.send('DELETE', `${pullPath(request)}/merge`);
  } catch (error) {
    // The pull request is there, so it is the schedule that is not.
    if (!failedWith(error, 404)) throw error;
    throw unprocessable("Can't disable auto-merge for this pull request");
  } finally {
    await forgetAutoMerge(context, pull);
  }
  return shown(request, context, pull);
}

async function setDraft(request: RouteRequest, context: RouteContext) {
  const { draft } = request.body;
  if (typeof draft !== 'boolean') throw invalid('PullRequest', 'draft', 'missing_field');
  const pull = await readPull(request, context);
  const title = titled(textOf(pull, 'title'), draft);
  if (title === textOf(pull, 'title')) return shown(request, context, pull);
  const { data } = await context.native.send('PATCH', pullPath(request), { json: { title } });
  return shown(request, context, objectOf(data));
}

/** Comments on one line, the first of which is the one that the server marks as resolved. */
async function threadsOf(request: RouteRequest, context: RouteContext): Promise<FoundComment[][]> {
  await context.native.get(pullPath(request));
  const all = await commentsOfPull(request, context, numberParam(request, 'pull_number'));
  const roots = replies(all);
  return all
    .filter((one) => roots.get(one) === undefined)
    .map((first) => [first, ...all.filter((one) => String(roots.get(one)) === String(idOf(first.native)))]);
}

function shownThread(request: RouteRequest, context: RouteContext, thread: readonly FoundComment[]): JsonObject {
  const [first] = thread;
  const { resolver } = first?.native ?? {};
  return {
    resolved: resolver != null,
    resolved_by: resolver == null ? null : asUser(context, resolver),
    comments: thread.map((one) =>
      asReviewComment(
        request,
        context,
        one.native,
        one.number,
        one === first || first === undefined ? undefined : idOf(first.native),
      ),
    ),
  };
}

async function resolve(request: RouteRequest, context: RouteContext) {
  const { resolved } = request.body;
  if (typeof resolved !== 'boolean') throw invalid('PullRequestReviewThread', 'resolved', 'missing_field');
  const id = String(numberParam(request, 'comment_id'));
  const holds = (thread: readonly FoundComment[]) => thread.some(({ native }) => String(idOf(native)) === id);
  const first = (await threadsOf(request, context)).find(holds)?.[0];
  if (first === undefined) throw notFound();
  const path = `${repoPath(request)}/pulls/comments/${idOf(first.native)}`;
  try {
    await context.native.send('POST', `${path}/${resolved ? 'resolve' : 'unresolve'}`);
  } catch (error) {
    // The comment is there, so it is the call that is not.
    if (failedWith(error, 404, 405))
      throw new RouteFailure(501, 'This server cannot resolve conversations by its API: Gitea 1.26 can.');
    throw error;
  }
  const now = (await threadsOf(request, context)).find(holds) ?? [];
  return { data: shownThread(request, context, now) };
}

export const graphqlRows: RouteTable = {
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge': emulated(
    'idempotent',
    'repository: POST /repos/{owner}/{repo}/pulls/{index}/merge with merge_when_checks_succeed',
    'Merged at once where no check is asked for; what was scheduled on the page is not told in a pull request.',
    mergeLater,
  ),
  'DELETE /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge': emulated(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/pulls/{index}/merge',
    'An account that did not schedule it has to be an administrator of the repository.',
    mergeNot,
  ),
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/draft': emulated(
    'idempotent',
    'repository: PATCH /repos/{owner}/{repo}/pulls/{index}',
    'A draft is a title that begins with WIP:.',
    setDraft,
  ),
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/threads': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews, …/reviews/{id}/comments',
    'Comments on one line are one thread.',
    async (request, context) =>
      pageIn(
        request,
        (await threadsOf(request, context)).map((thread) => shownThread(request, context, thread)),
      ),
  ),
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/threads/{comment_id}/resolution': emulated(
    'idempotent',
    'repository: POST /repos/{owner}/{repo}/pulls/comments/{id}/resolve, …/unresolve',
    'From Gitea 1.26 on; older servers and Forgejo have no such call and answer 501.',
    resolve,
  ),
};
