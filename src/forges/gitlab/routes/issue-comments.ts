import { z } from 'zod';
import { invalid, type Route, type RouteContext, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/comment.js';
import { commentInput, isComment, type NativeNote, nativeNote } from '../convert/note.js';
import { read } from '../convert/read.js';
import { toNativeBody } from '../quick-actions.js';
import { commentThread, notePlace, remember } from './comment-places.js';
import { accept, everything, idParam, type Place, placeOf, slice, type Thread, threadAt, threadOf } from './place.js';
import { listThreads } from './thread-list.js';

const text = z.looseObject({ body: z.string().min(1) });

const shown = (context: RouteContext, place: Place, thread: Thread, note: NativeNote) =>
  shape.issueComment(context.base, place.owner, place.repo, commentInput(note, notePlace(context, place, thread)));

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'notes: GET /projects/:id/issues/:issue_iid/notes, GET /projects/:id/merge_requests/:merge_request_iid/notes',
  async run(request, context) {
    const place = placeOf(request);
    const thread = threadOf(request, place);
    const query = { sort: 'asc', order_by: 'created_at', activity_filter: 'only_comments' };
    // Pages are cut of what is shown, so that a short one is the last.
    const notes = await everything(context, `${thread.api}/notes`, nativeNote, query);
    const since = request.query.since === undefined ? 0 : Date.parse(request.query.since);
    const shownOnes = notes.filter((note) => isComment(note) && !(Date.parse(note.updated_at) < since));
    const { items: comments, pages } = slice(request, shownOnes);
    await remember(context, thread, comments);
    return { data: comments.map((note) => shown(context, place, thread, note)), pages };
  },
};

/** Issues and merge requests whose comments are read for one list. */
const MOST_THREADS = 100;
const sorting = { created: 'created_at', updated: 'updated_at' } as const;

const listAll: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'notes: GET /projects/:id/issues/:issue_iid/notes, GET /projects/:id/merge_requests/:merge_request_iid/notes',
  note: 'Read from each issue and merge request that was changed; more than 100 of them are refused (422): name a later `since`.',
  async run(request, context) {
    const place = placeOf(request);
    const { since, sort = 'created', direction = sort === 'created' ? 'asc' : 'desc' } = request.query;
    const field = sorting[sort as keyof typeof sorting];
    if (!Object.hasOwn(sorting, sort)) throw invalid('IssueComment', 'sort', 'invalid');
    const { items: threads, total } = await listThreads(
      context,
      {
        scopes: [place.api],
        kinds: ['issue', 'merge_request'],
        states: ['opened', 'closed', 'merged'],
        query: { updated_after: since },
        order: 'updated_at',
        direction: 'desc',
      },
      { page: 1, perPage: MOST_THREADS },
    );
    if (total > MOST_THREADS)
      throw invalid('IssueComment', 'since', 'custom', 'Too many issues were changed on GitLab: name a later `since`.');
    const shownOnes: { at: number; json: ReturnType<typeof shown> }[] = [];
    for (const { number } of threads) {
      const thread = threadAt(place, Number(number));
      const query = { sort: 'asc', order_by: 'created_at', activity_filter: 'only_comments' };
      const notes = (await everything(context, `${thread.api}/notes`, nativeNote, query)).filter(
        (note) => isComment(note) && !(Date.parse(note.updated_at) < Date.parse(since ?? '')),
      );
      await remember(context, thread, notes);
      shownOnes.push(
        ...notes.map((note) => ({ at: Date.parse(note[field]), json: shown(context, place, thread, note) })),
      );
    }
    const sign = direction === 'desc' ? -1 : 1;
    shownOnes.sort((a, b) => sign * (a.at - b.at || Number(a.json.id) - Number(b.json.id)));
    const { items, pages } = slice(request, shownOnes);
    return { data: items.map(({ json }) => json), pages };
  },
};

const create: Route = {
  support: 'exact',
  retry: 'findable',
  source:
    'notes: POST /projects/:id/issues/:issue_iid/notes, POST /projects/:id/merge_requests/:merge_request_iid/notes',
  async run(request, context) {
    const place = placeOf(request);
    const thread = threadOf(request, place);
    const { body } = accept('IssueComment', text, request.body);
    const answer = await context.native.send('POST', `${thread.api}/notes`, { json: { body: toNativeBody(body) } });
    const note = read(nativeNote, answer.data, 'note');
    await remember(context, thread, [note]);
    return { status: 201, data: shown(context, place, thread, note) };
  },
};

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'notes: GET /projects/:id/issues/:issue_iid/notes/:note_id',
  note: 'GitHub names a comment by its id alone; where it stands is known once a list, an answer or an event showed it.',
  async run(request, context) {
    const place = placeOf(request);
    const id = idParam(request, 'comment_id');
    const thread = await commentThread(context, place, id);
    const note = read(nativeNote, await context.native.get(`${thread.api}/notes/${id}`), 'note');
    return { data: shown(context, place, thread, note) };
  },
};

const update: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'notes: PUT /projects/:id/issues/:issue_iid/notes/:note_id',
  note: 'GitHub names a comment by its id alone; where it stands is known once a list, an answer or an event showed it.',
  async run(request, context) {
    const place = placeOf(request);
    const id = idParam(request, 'comment_id');
    const { body } = accept('IssueComment', text, request.body);
    const thread = await commentThread(context, place, id);
    const answer = await context.native.send('PUT', `${thread.api}/notes/${id}`, {
      json: { body: toNativeBody(body) },
    });
    return { data: shown(context, place, thread, read(nativeNote, answer.data, 'note')) };
  },
};

const remove: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'notes: DELETE /projects/:id/issues/:issue_iid/notes/:note_id',
  note: 'GitHub names a comment by its id alone; where it stands is known once a list, an answer or an event showed it.',
  async run(request, context) {
    const id = idParam(request, 'comment_id');
    const thread = await commentThread(context, placeOf(request), id);
    await context.native.send('DELETE', `${thread.api}/notes/${id}`);
    return { status: 204 };
  },
};

export const issueComments: RouteTable = {
  'GET /repos/{owner}/{repo}/issues/comments': listAll,
  'GET /repos/{owner}/{repo}/issues/{issue_number}/comments': list,
  'POST /repos/{owner}/{repo}/issues/{issue_number}/comments': create,
  'GET /repos/{owner}/{repo}/issues/comments/{comment_id}': get,
  'PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}': update,
  'DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}': remove,
};
