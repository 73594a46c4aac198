/** Rows of ours: what GitHub does by GraphQL alone, for `translate/graphql`. */
import { z } from 'zod';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import { user } from '../../kit/shapes/account.js';
import { isOpen, type NativeMergeRequest, nativeMergeRequest } from '../convert/merge-request.js';
import { type NativeDiscussion, nativeDiscussion } from '../convert/note.js';
import { read } from '../convert/read.js';
import { accountOrNull } from '../convert/user.js';
import { toNativeText } from '../references.js';
import { forgetAutoMerge, keepAutoMerge } from './auto-merge.js';
import { remember } from './comment-places.js';
import { mergeWish, notMergeable, shaChanged } from './merges.js';
import {
  accept,
  everything,
  idParam,
  type Place,
  placeOf,
  projectAt,
  pullOf,
  refused,
  slice,
  type Thread,
} from './place.js';
import { readMergeRequest, shownPull } from './pull.js';
import { shownRepository } from './repos.js';
import { shownLineNote } from './review-comments.js';

/** Where a merge is always a fast forward, the source branch is what it would be after a rebase. */
const FAST_FORWARD = 'ff';

/** GitLab's 405 stands for whatever is in the way; a merge request that is ready has nothing to wait for. */
const nothingToWaitFor = (mr: NativeMergeRequest): RouteFailure =>
  mr.detailed_merge_status === 'mergeable' ? unprocessable('Pull request is in clean status') : notMergeable();

const mergeLater: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'merge_requests: PUT /projects/:id/merge_requests/:merge_request_iid/merge with auto_merge',
  note: 'GitLab merges at once what has a pipeline that has succeeded, and rebases only where every merge is a fast forward.',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const body = accept('PullRequest', mergeWish, request.body);
    const before = await readMergeRequest(context, pull);
    if (!isOpen(before)) throw notMergeable();
    if (body.sha && body.sha !== before.sha) throw shaChanged();
    const method = body.merge_method;
    if (method === 'rebase' && (await projectAt(context, place.api)).merge_method !== FAST_FORWARD)
      throw unprocessable('Rebase merges are not allowed on this repository.');
    const words = [body.commit_title, body.commit_message].filter((text) => text).join('\n\n');
    const message = words === '' ? undefined : toNativeText(words);
    const squash = method === 'squash';
    const json = {
      // A group may refuse merges that do not name the head.
      sha: before.sha ?? undefined,
      squash,
      merge_commit_message: squash ? undefined : message,
      squash_commit_message: squash ? message : undefined,
      auto_merge: true,
      // Its name before 17.11.
      merge_when_pipeline_succeeds: true,
    };
    const { data } = await refused(
      () => context.native.send('PUT', `${pull.api}/merge`, { json }),
      [401, 405, 406, 409, 422],
      ({ status }) => {
        if (status === 409) throw shaChanged();
        // GitLab says 401 when the token may not merge.
        throw status === 401
          ? new RouteFailure(403, 'Resource not accessible by integration')
          : nothingToWaitFor(before);
      },
    );
    const title = body.commit_title ?? null;
    await keepAutoMerge(context, before, { method, title, message: body.commit_message ?? null });
    return { data: await shownPull(context, place, pull, data, false) };
  },
};

const mergeNot: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'merge_requests: POST /projects/:id/merge_requests/:merge_request_iid/cancel_merge_when_pipeline_succeeds',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const before = await readMergeRequest(context, pull);
    if (before.merge_when_pipeline_succeeds !== true || !isOpen(before))
      throw unprocessable("Can't disable auto-merge for this pull request");
    await refused(
      () => context.native.send('POST', `${pull.api}/cancel_merge_when_pipeline_succeeds`),
      [401],
      () => {
        throw new RouteFailure(403, 'Resource not accessible by integration');
      },
    );
    await forgetAutoMerge(context, before);
    return { data: await shownPull(context, place, pull, await context.native.get(pull.api), false) };
  },
};

/** What makes a title a draft's. */
const DRAFT = /^(?:\s*(?:\[draft\]|\(draft\)|draft:)\s*)+/i;

const setDraft: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'merge_requests: PUT /projects/:id/merge_requests/:merge_request_iid with title',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const { draft } = accept('PullRequest', z.looseObject({ draft: z.boolean() }), request.body);
    const before = await context.native.get(pull.api);
    const { title } = read(nativeMergeRequest, before, 'merge request');
    if (DRAFT.test(title) === draft) return { data: await shownPull(context, place, pull, before, false) };
    const plain = title.replace(DRAFT, '');
    if (!draft && plain === '') throw invalid('PullRequest', 'title', 'missing_field');
    const json = { title: draft ? `Draft: ${title}` : plain };
    const { data } = await context.native.send('PUT', pull.api, { json });
    return { data: await shownPull(context, place, pull, data, false) };
  },
};

/** The discussions on lines, which are what GitHub calls threads. Their comments' places are remembered. */
async function threadsOf(context: RouteContext, pull: Thread): Promise<NativeDiscussion[]> {
  const discussions = await everything(context, `${pull.api}/discussions`, nativeDiscussion);
  const threads = discussions
    .map((one) => ({ ...one, notes: one.notes.filter((note) => note.type === 'DiffNote' && !note.system) }))
    .filter(({ notes }) => notes.length > 0);
  await remember(
    context,
    pull,
    threads.flatMap(({ id, notes }) => notes.map((note) => ({ id: note.id, discussion: id }))),
  );
  return threads;
}

function shownThread(context: RouteContext, place: Place, pull: Thread, { id, notes }: NativeDiscussion) {
  const resolvable = notes.filter((note) => note.resolvable !== false);
  const resolved = resolvable.length > 0 && resolvable.every((note) => note.resolved === true);
  const by = resolved ? accountOrNull(resolvable.at(-1)?.resolved_by) : null;
  return {
    resolved,
    resolved_by: by && user(context.base, by),
    comments: notes.map((note, at) =>
      shownLineNote(context, place, pull, { note, discussion: id, first: at === 0 ? undefined : notes[0]?.id }),
    ),
  };
}

const threads: Route = {
  support: 'exact',
  retry: 'read',
  source: 'discussions: GET /projects/:id/merge_requests/:merge_request_iid/discussions',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const { items, pages } = slice(request, await threadsOf(context, pull));
    return { data: items.map((one) => shownThread(context, place, pull, one)), pages };
  },
};

const resolve: Route = {
  support: 'exact',
  retry: 'idempotent',
  source: 'discussions: PUT /projects/:id/merge_requests/:merge_request_iid/discussions/:discussion_id',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const comment = idParam(request, 'comment_id');
    const json = accept('PullRequestReviewThread', z.object({ resolved: z.boolean() }), request.body);
    const found = (await threadsOf(context, pull)).find(({ notes }) => notes.some(({ id }) => String(id) === comment));
    if (found === undefined) throw notFound();
    const { data } = await context.native.send('PUT', `${pull.api}/discussions/${found.id}`, { json });
    return { data: shownThread(context, place, pull, read(nativeDiscussion, data, 'discussion')) };
  },
};

const repositoryById: Route = {
  support: 'exact',
  retry: 'read',
  source: 'projects: GET /projects/:id',
  run: async (request, context) => ({
    data: shownRepository(context, await context.native.get(`/projects/${idParam(request, 'repository_id')}`)),
  }),
};

export const graphqlRows: RouteTable = {
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge': mergeLater,
  'DELETE /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge': mergeNot,
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/draft': setDraft,
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/threads': threads,
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/threads/{comment_id}/resolution': resolve,
  'GET /repositories/{repository_id}': repositoryById,
};
