import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { notFound, type Route, type RouteContext, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/comment.js';
import {
  linesOf,
  type NativeDiscussion,
  type NativeNote,
  nativeDiscussion,
  nativeNote,
  nativePosition,
  reviewCommentInput,
} from '../convert/note.js';
import { read } from '../convert/read.js';
import { toNativeBody } from '../quick-actions.js';
import { toNativeSuggestions } from '../suggestions.js';
import { commentThread, notePlace, remember, reviewOfComment } from './comment-places.js';
import { accept, everything, idParam, type Place, placeOf, pullOf, slice, type Thread } from './place.js';
import { readMergeRequest } from './pull.js';
import { lineComment, positionOf } from './review-position.js';

interface Placed {
  note: NativeNote;
  discussion: string;
  /** The comment that began the discussion; undefined for that one itself. */
  first: NativeNote['id'] | undefined;
}

/** Comments on lines, with what they answer. GitLab keeps them as discussions. */
export async function lineNotes(context: RouteContext, pull: Thread): Promise<Placed[]> {
  const discussions = await everything(context, `${pull.api}/discussions`, nativeDiscussion);
  return discussions.flatMap(({ id, notes }: NativeDiscussion) =>
    notes
      .filter((note) => note.type === 'DiffNote' && !note.system)
      .map((note, at) => ({ note, discussion: id, first: at === 0 ? undefined : notes[0]?.id })),
  );
}

export const shownLineNote = (
  context: RouteContext,
  place: Place,
  pull: Thread,
  at: Placed,
  review?: number,
): JsonObject =>
  shape.reviewComment(
    context.base,
    place.owner,
    place.repo,
    reviewCommentInput(at.note, notePlace(context, place, pull), { inReplyTo: at.first, reviewId: review }),
  );

/** Reviews that our own comments belong to: GitLab knows of none, and those of people have none that is known. */
async function reviewsOfOwn(
  context: RouteContext,
  placed: readonly Placed[],
): Promise<ReadonlyMap<NativeNote['id'], number | undefined>> {
  const own = placed.filter(({ note }) => String(note.author?.id) === String(context.account.id));
  return new Map(
    await Promise.all(own.map(async ({ note }) => [note.id, await reviewOfComment(context, note.id)] as const)),
  );
}

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'discussions: GET /projects/:id/merge_requests/:merge_request_iid/discussions',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const since = request.query.since === undefined ? 0 : Date.parse(request.query.since);
    const all = (await lineNotes(context, pull)).filter(({ note }) => !(Date.parse(note.updated_at) < since));
    const at = request.query.sort === 'updated' ? 'updated_at' : 'created_at';
    const sign = request.query.direction === 'desc' ? -1 : 1;
    all.sort((a, b) => sign * (Date.parse(a.note[at]) - Date.parse(b.note[at])));
    const { items, pages } = slice(request, all);
    const reviews = await reviewsOfOwn(context, items);
    await remember(
      context,
      pull,
      items.map(({ note, discussion }) => ({ id: note.id, discussion })),
    );
    return { data: items.map((one) => shownLineNote(context, place, pull, one, reviews.get(one.note.id))), pages };
  },
};

/** Begins a discussion at a position; the review it belongs to is remembered with it. */
export async function commentAt(
  context: RouteContext,
  pull: Thread,
  at: { body: string; position: Awaited<ReturnType<typeof positionOf>> },
  review?: number,
): Promise<Placed> {
  const lines = linesOf(nativePosition.parse(at.position));
  const json = { body: toNativeSuggestions(toNativeBody(at.body), lines), position: at.position };
  const answer = await context.native.send('POST', `${pull.api}/discussions`, { json });
  const { id, notes } = read(nativeDiscussion, answer.data, 'discussion');
  const note = notes[0];
  if (note === undefined) throw notFound();
  await remember(context, pull, [{ id: note.id, discussion: id, review }]);
  return { note, discussion: id, first: undefined };
}

async function reply(context: RouteContext, place: Place, pull: Thread, to: string, text: string): Promise<JsonObject> {
  const thread = await commentThread(context, place, to);
  if (thread.discussion === undefined || thread.kind !== 'merge_request' || thread.iid !== pull.iid) throw notFound();
  const path = `${pull.api}/discussions/${thread.discussion}`;
  const [first] = read(nativeDiscussion, await context.native.get(path), 'discussion').notes;
  const body = toNativeSuggestions(toNativeBody(text), linesOf(first?.position));
  const answer = await context.native.send('POST', `${path}/notes`, { json: { body } });
  const note = read(nativeNote, answer.data, 'note');
  await remember(context, pull, [{ id: note.id, discussion: thread.discussion }]);
  const placed = {
    note: { ...note, position: note.position ?? first?.position },
    discussion: thread.discussion,
    first: first?.id,
  };
  return shownLineNote(context, place, pull, placed);
}

const create: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'discussions: POST /projects/:id/merge_requests/:merge_request_iid/discussions',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const { in_reply_to: to, body } = request.body;
    if (typeof to === 'number' && typeof body === 'string')
      return { status: 201, data: await reply(context, place, pull, String(to), body) };
    const comment = accept('PullRequestReviewComment', lineComment, request.body);
    const position = await positionOf(context, pull, await readMergeRequest(context, pull), comment);
    const placed = await commentAt(context, pull, { body: comment.body, position });
    return { status: 201, data: shownLineNote(context, place, pull, placed) };
  },
};

const text = z.looseObject({ body: z.string().min(1) });

const answer: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'discussions: POST /projects/:id/merge_requests/:merge_request_iid/discussions/:discussion_id/notes',
  async run(request, context) {
    const place = placeOf(request);
    const { body } = accept('PullRequestReviewComment', text, request.body);
    return {
      status: 201,
      data: await reply(context, place, pullOf(request, place), idParam(request, 'comment_id'), body),
    };
  },
};

const NOTE =
  'GitHub names a comment by its id alone; where it stands is known once a list, an answer or an event showed it.';

/** The comment, for the routes that know its id only. */
async function byId(context: RouteContext, place: Place, id: string) {
  const thread = await commentThread(context, place, id);
  if (thread.kind !== 'merge_request') throw notFound();
  const placed = (await lineNotes(context, thread)).find(({ note }) => String(note.id) === id);
  if (placed === undefined) throw notFound();
  return { thread, placed };
}

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'discussions: GET /projects/:id/merge_requests/:merge_request_iid/discussions',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const { thread, placed } = await byId(context, place, idParam(request, 'comment_id'));
    return { data: shownLineNote(context, place, thread, placed, thread.review) };
  },
};

const update: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'discussions: PUT /projects/:id/merge_requests/:merge_request_iid/discussions/:discussion_id/notes/:note_id',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const id = idParam(request, 'comment_id');
    const { body } = accept('PullRequestReviewComment', text, request.body);
    const { thread, placed } = await byId(context, place, id);
    const path = `${thread.api}/discussions/${placed.discussion}/notes/${id}`;
    const json = { body: toNativeSuggestions(toNativeBody(body), linesOf(placed.note.position)) };
    const { data } = await context.native.send('PUT', path, { json });
    const note = { ...read(nativeNote, data, 'note'), position: placed.note.position };
    return { data: shownLineNote(context, place, thread, { ...placed, note }, thread.review) };
  },
};

const remove: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source:
    'discussions: DELETE /projects/:id/merge_requests/:merge_request_iid/discussions/:discussion_id/notes/:note_id',
  note: NOTE,
  async run(request, context) {
    const id = idParam(request, 'comment_id');
    const { thread, placed } = await byId(context, placeOf(request), id);
    await context.native.send('DELETE', `${thread.api}/discussions/${placed.discussion}/notes/${id}`);
    return { status: 204 };
  },
};

export const reviewComments: RouteTable = {
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/comments': list,
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/comments': create,
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies': answer,
  'GET /repos/{owner}/{repo}/pulls/comments/{comment_id}': get,
  'PATCH /repos/{owner}/{repo}/pulls/comments/{comment_id}': update,
  'DELETE /repos/{owner}/{repo}/pulls/comments/{comment_id}': remove,
};
