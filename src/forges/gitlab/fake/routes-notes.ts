/** Notes, discussions, emoji and the events that GitLab keeps of an issue or merge request. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { addNote, editNote } from './change.js';
import {
  actorOf,
  allMembers,
  DEVELOPER,
  MAINTAINER,
  paged,
  paging,
  pagingOnly,
  projectFor,
  refuse,
  threadFor,
} from './declare.js';
import { award, discussion, label, milestone, note as shownNote, user } from './present.js';
import { type Award, type Note, type Project, type ResourceEvent, type Thread, userById, type World } from './state.js';

const noteQuery = z.strictObject({
  ...paging,
  sort: z.enum(['asc', 'desc']).optional(),
  order_by: z.enum(['created_at', 'updated_at']).optional(),
  activity_filter: z.enum(['all_notes', 'only_comments', 'only_activity']).optional(),
});
const body = z.strictObject({ body: z.string(), internal: z.boolean().optional() });
const line = z.number().int().nullish();
const position = z.strictObject({
  base_sha: z.string(),
  start_sha: z.string(),
  head_sha: z.string(),
  position_type: z.enum(['text', 'file']),
  old_path: z.string(),
  new_path: z.string(),
  old_line: line,
  new_line: line,
  line_range: z.unknown().optional(),
});
export const newCommitDiscussion = z.strictObject({ body: z.string(), position: position.optional() });
const newDiscussion = newCommitDiscussion.extend({ commit_id: z.string().optional() });

interface At {
  project: Project;
  thread: Thread;
}

/** Only its author and maintainers change a note. */
function mayChange(world: World, { project }: At, note: Note, request: FakeRequest): void {
  const by = actorOf(request);
  const level = allMembers(world, { project }).get(by.id) ?? 0;
  if (note.authorId !== by.id && level < MAINTAINER) refuse(403, '403 Forbidden');
}

const noteIn = (thread: Thread, request: FakeRequest): Note =>
  thread.notes.find(({ id }) => id === Number(request.params.note)) ?? refuse(404, '404 Note Not Found');

function discussionsOf(thread: Thread): Note[][] {
  const ids = [...new Set(thread.notes.map((note) => note.discussionId))];
  return ids.map((id) => thread.notes.filter((note) => note.discussionId === id));
}

export const freshDiscussion = (world: World): string =>
  createHash('sha1').update(String(world.nextId())).digest('hex');

function noteRoutes(world: World, kind: 'issues' | 'merge_requests', at: (request: FakeRequest) => At): FakeRoute[] {
  const api = `/projects/:id/${kind}/:iid/notes`;
  const doc = (method: string, rest = '') => `notes: ${method} /projects/:id/${kind}/:iid/notes${rest}`;
  return [
    {
      method: 'GET',
      path: api,
      source: doc('GET'),
      query: noteQuery,
      run(request) {
        const { thread } = at(request);
        const filter = request.query.get('activity_filter');
        const notes = thread.notes.filter((note) =>
          filter === 'only_comments' ? !note.system : filter === 'only_activity' ? note.system : true,
        );
        const sign = request.query.get('sort') === 'asc' ? 1 : -1;
        const sorted = notes.toSorted(
          (a, b) => sign * (Date.parse(a.createdAt) - Date.parse(b.createdAt) || a.id - b.id),
        );
        return paged(
          request,
          sorted.map((note) => shownNote(world, thread, note)),
        );
      },
    },
    {
      method: 'POST',
      path: api,
      source: doc('POST'),
      body,
      async run(request) {
        const { project, thread } = at(request);
        const { body: text, internal = false } = request.body as z.output<typeof body>;
        const note = await addNote(world, project, thread, actorOf(request), {
          body: text,
          type: null,
          internal,
          discussionId: freshDiscussion(world),
        });
        return { status: 201, json: shownNote(world, thread, note) };
      },
    },
    {
      method: 'GET',
      path: `${api}/:note`,
      source: doc('GET', '/:note_id'),
      run(request) {
        const { thread } = at(request);
        return { json: shownNote(world, thread, noteIn(thread, request)) };
      },
    },
    {
      method: 'PUT',
      path: `${api}/:note`,
      source: doc('PUT', '/:note_id'),
      body: z.strictObject({ body: z.string().min(1) }),
      async run(request) {
        const place = at(request);
        const note = noteIn(place.thread, request);
        mayChange(world, place, note, request);
        await editNote(
          world,
          place.project,
          place.thread,
          actorOf(request),
          note,
          (request.body as { body: string }).body,
        );
        return { json: shownNote(world, place.thread, note) };
      },
    },
    {
      method: 'DELETE',
      path: `${api}/:note`,
      source: doc('DELETE', '/:note_id'),
      run(request) {
        const place = at(request);
        const note = noteIn(place.thread, request);
        mayChange(world, place, note, request);
        place.thread.notes = place.thread.notes.filter((one) => one !== note);
        return { status: 204 };
      },
    },
  ];
}

function discussionRoutes(world: World, at: (request: FakeRequest) => At): FakeRoute[] {
  const api = '/projects/:id/merge_requests/:iid/discussions';
  const doc = (method: string, rest = '') =>
    `discussions: ${method} /projects/:id/merge_requests/:merge_request_iid/discussions${rest}`;
  const notesIn = (thread: Thread, request: FakeRequest): Note[] => {
    const notes = thread.notes.filter(({ discussionId }) => discussionId === request.params.discussion);
    return notes.length > 0 ? notes : refuse(404, '404 Discussion Not Found');
  };
  return [
    {
      method: 'GET',
      path: api,
      source: doc('GET'),
      query: pagingOnly,
      run(request) {
        const { thread } = at(request);
        return paged(
          request,
          discussionsOf(thread).map((notes) => discussion(world, thread, notes)),
        );
      },
    },
    {
      method: 'POST',
      path: api,
      source: doc('POST'),
      body: newDiscussion,
      async run(request) {
        const { project, thread } = at(request);
        const { body: text, position: where } = request.body as z.output<typeof newDiscussion>;
        if (where?.position_type === 'text' && !where.old_line && !where.new_line)
          return refuse(400, 'Note {:line_code=>["can\'t be blank", "must be a valid line code"]}');
        const placed = where && { ...where, old_line: where.old_line ?? null, new_line: where.new_line ?? null };
        const note = await addNote(world, project, thread, actorOf(request), {
          body: text,
          type: placed ? 'DiffNote' : 'DiscussionNote',
          discussionId: freshDiscussion(world),
          position: placed,
        });
        return { status: 201, json: discussion(world, thread, [note]) };
      },
    },
    {
      method: 'GET',
      path: `${api}/:discussion`,
      source: doc('GET', '/:discussion_id'),
      run(request) {
        const { thread } = at(request);
        return { json: discussion(world, thread, notesIn(thread, request)) };
      },
    },
    {
      method: 'PUT',
      path: `${api}/:discussion`,
      source: doc('PUT', '/:discussion_id'),
      body: z.strictObject({ resolved: z.boolean() }),
      run(request) {
        const { project, thread } = at(request);
        const by = actorOf(request);
        const notes = notesIn(thread, request);
        // Developers and the author of the merge request.
        const level = allMembers(world, { project }).get(by.id) ?? 0;
        if (level < DEVELOPER && thread.authorId !== by.id) return refuse(403, '403 Forbidden');
        if (notes.every(({ type }) => type === null)) return refuse(403, '403 Forbidden');
        const { resolved } = request.body as { resolved: boolean };
        for (const note of notes) note.resolvedById = resolved ? (note.resolvedById ?? by.id) : undefined;
        return { json: discussion(world, thread, notes) };
      },
    },
    {
      method: 'POST',
      path: `${api}/:discussion/notes`,
      source: doc('POST', '/:discussion_id/notes'),
      body: z.strictObject({ body: z.string() }),
      async run(request) {
        const { project, thread } = at(request);
        const [first] = notesIn(thread, request);
        const { body: text } = request.body as { body: string };
        const { type = null, position: where, discussionId = '' } = first ?? {};
        const note = await addNote(world, project, thread, actorOf(request), {
          body: text,
          type,
          position: where,
          discussionId,
        });
        return { status: 201, json: shownNote(world, thread, note) };
      },
    },
    {
      method: 'PUT',
      path: `${api}/:discussion/notes/:note`,
      source: doc('PUT', '/:discussion_id/notes/:note_id'),
      body: z.strictObject({ body: z.string().min(1).optional(), resolved: z.boolean().optional() }),
      async run(request) {
        const place = at(request);
        const note = noteIn(place.thread, request);
        mayChange(world, place, note, request);
        const { body: text } = request.body as { body?: string };
        if (text !== undefined) await editNote(world, place.project, place.thread, actorOf(request), note, text);
        return { json: shownNote(world, place.thread, note) };
      },
    },
    {
      method: 'DELETE',
      path: `${api}/:discussion/notes/:note`,
      source: doc('DELETE', '/:discussion_id/notes/:note_id'),
      run(request) {
        const place = at(request);
        const note = noteIn(place.thread, request);
        mayChange(world, place, note, request);
        place.thread.notes = place.thread.notes.filter((one) => one !== note);
        return { status: 204 };
      },
    },
  ];
}

const NAMES = /^[a-z0-9_+-]+$/;

function awardRoutes(
  world: World,
  path: string,
  find: (request: FakeRequest) => { id: number; type: string; awards: Award[] },
): FakeRoute[] {
  const doc = (method: string, rest = '') => `emoji_reactions: ${method} ${path}${rest}`;
  return [
    {
      method: 'GET',
      path,
      source: doc('GET'),
      query: pagingOnly,
      run(request) {
        const on = find(request);
        return paged(
          request,
          on.awards.map((one) => award(world, on, one)),
        );
      },
    },
    {
      method: 'POST',
      path,
      source: doc('POST'),
      body: z.strictObject({ name: z.string().regex(NAMES) }),
      run(request) {
        const on = find(request);
        const { name } = request.body as { name: string };
        const userId = actorOf(request).id;
        if (on.awards.some((one) => one.name === name && one.userId === userId))
          return refuse(404, '404 Award Emoji Name has already been taken Not Found');
        const made = { id: world.nextId(), name, userId, createdAt: world.now() };
        on.awards.push(made);
        return { status: 201, json: award(world, on, made) };
      },
    },
    {
      method: 'DELETE',
      path: `${path}/:award`,
      source: doc('DELETE', '/:award_id'),
      run(request) {
        const { awards } = find(request);
        const at = awards.findIndex(({ id }) => id === Number(request.params.award));
        if (at < 0) return refuse(404, '404 Award Emoji Not Found');
        awards.splice(at, 1);
        return { status: 204 };
      },
    },
  ];
}

function eventRoutes(world: World, kind: 'issues' | 'merge_requests', at: (request: FakeRequest) => At): FakeRoute[] {
  const route = (name: string, shows: (event: ResourceEvent, project: Project) => object | undefined): FakeRoute => ({
    method: 'GET',
    path: `/projects/:id/${kind}/:iid/resource_${name}_events`,
    source: `resource_${name}_events: GET /projects/:id/${kind}/:iid/resource_${name}_events`,
    query: pagingOnly,
    run(request) {
      const { project, thread } = at(request);
      const events = thread.events.flatMap((event) => {
        const shown = shows(event, project);
        const common = {
          id: event.id,
          user: user(world, userById(world, event.userId)),
          created_at: event.createdAt,
          resource_type: thread.kind,
          resource_id: thread.id,
        };
        return shown === undefined ? [] : [{ ...common, ...shown }];
      });
      return paged(request, events);
    },
  });
  return [
    route('label', ({ label: of }) => of && { label: label(of.label), action: of.action }),
    route(
      'milestone',
      ({ milestone: of }, project) => of && { milestone: milestone(world, project, of.milestone), action: of.action },
    ),
    route('state', ({ state }) => (state === undefined ? undefined : { state })),
  ];
}

export function conversationRoutes(world: World): FakeRoute[] {
  const issue = (request: FakeRequest): At => {
    const project = projectFor(world, request);
    return { project, thread: threadFor(project.issues, request) };
  };
  const mergeRequest = (request: FakeRequest): At => {
    const project = projectFor(world, request);
    return { project, thread: threadFor(project.mergeRequests, request) };
  };
  const onThread = (at: (request: FakeRequest) => At) => (request: FakeRequest) => {
    const { thread } = at(request);
    return { id: thread.id, type: thread.kind, awards: thread.awards };
  };
  const onNote = (at: (request: FakeRequest) => At) => (request: FakeRequest) => {
    const { id, awards } = noteIn(at(request).thread, request);
    return { id, type: 'Note', awards };
  };
  return (
    [
      ['issues', issue],
      ['merge_requests', mergeRequest],
    ] as const
  )
    .flatMap(([kind, at]) => [
      ...noteRoutes(world, kind, at),
      ...awardRoutes(world, `/projects/:id/${kind}/:iid/award_emoji`, onThread(at)),
      ...awardRoutes(world, `/projects/:id/${kind}/:iid/notes/:note/award_emoji`, onNote(at)),
      ...eventRoutes(world, kind, at),
    ])
    .concat(discussionRoutes(world, mergeRequest));
}
