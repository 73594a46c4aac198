/** What happened to an issue: GitLab keeps it in four lists, and that it was locked in words alone. */
import type { JsonObject } from '../../forge.js';
import {
  ISSUE_EVENT_NOTE,
  ISSUE_EVENTS_NOTE,
  issueEventById,
  rememberIssueEvents,
  repositoryIssueEvents,
} from '../../kit/repository-issue-events.js';
import type { Route, RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import { userOrGhost } from '../../kit/shapes/account.js';
import * as shape from '../../kit/shapes/comment.js';
import type { Id } from '../../kit/shapes/inputs.js';
import { jsonId, nodeId } from '../../kit/shapes/node-id.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { commentInput, isComment, nativeNote } from '../convert/note.js';
import { time } from '../convert/read.js';
import { eventName, type NativeResourceEvent, nativeResourceEvent } from '../convert/resource-event.js';
import { accountOrNull } from '../convert/user.js';
import { notePlace, remember } from './comment-places.js';
import { everything, type Place, placeOf, slice, type Thread, threadOf } from './place.js';

const lists = ['resource_label_events', 'resource_milestone_events', 'resource_state_events'] as const;

/** The three lists and the notes count from 1 each, and on GitHub no two events have one number. */
const eventId = (list: (typeof lists)[number] | 'note', id: Id): Id =>
  jsonId(String(BigInt(id) * 4n + BigInt(list === 'note' ? lists.length : lists.indexOf(list))));

function shown(
  context: RouteContext,
  place: Place,
  list: (typeof lists)[number],
  event: NativeResourceEvent,
): JsonObject[] {
  const name = eventName(event);
  if (name === undefined) return [];
  const { label, milestone } = event;
  const id = eventId(list, event.id);
  return [
    {
      id,
      node_id: nodeId('IssueEvent', id),
      url: `${apiOf(context.base, place.owner, place.repo)}/issues/events/${id}`,
      actor: userOrGhost(context.base, accountOrNull(event.user)),
      event: name,
      commit_id: null,
      commit_url: null,
      created_at: time(event.created_at),
      performed_via_github_app: null,
      ...(label && { label: { name: label.name, color: (label.color ?? '#ededed').replace('#', '').toLowerCase() } }),
      ...(milestone && { milestone: { title: milestone.title } }),
    },
  ];
}

/** GitLab's own words, which are the same in every language of its pages. */
const LOCK = /^(un)?locked the discussion in this (?:issue|merge request)$/i;

async function locks(context: RouteContext, place: Place, thread: Thread): Promise<JsonObject[]> {
  const query = { sort: 'asc', order_by: 'created_at', activity_filter: 'only_activity' };
  const notes = await everything(context, `${thread.api}/notes`, nativeNote, query);
  return notes.flatMap((note) => {
    const [said, un] = note.system ? (LOCK.exec(note.body.trim()) ?? []) : [];
    if (said === undefined) return [];
    const id = eventId('note', note.id);
    return [
      {
        id,
        node_id: nodeId('IssueEvent', id),
        url: `${apiOf(context.base, place.owner, place.repo)}/issues/events/${id}`,
        actor: userOrGhost(context.base, accountOrNull(note.author)),
        event: un === undefined ? 'locked' : 'unlocked',
        commit_id: null,
        commit_url: null,
        created_at: time(note.created_at),
        performed_via_github_app: null,
        ...(un === undefined && { lock_reason: null }),
      },
    ];
  });
}

async function events(context: RouteContext, place: Place, thread: Thread): Promise<JsonObject[]> {
  const found = await Promise.all(
    lists.map(async (list) =>
      (await everything(context, `${thread.api}/${list}`, nativeResourceEvent)).flatMap((event) =>
        shown(context, place, list, event),
      ),
    ),
  );
  return [...found.flat(), ...(await locks(context, place, thread))];
}

async function comments(context: RouteContext, place: Place, thread: Thread): Promise<JsonObject[]> {
  const query = { sort: 'asc', order_by: 'created_at', activity_filter: 'only_comments' };
  const notes = (await everything(context, `${thread.api}/notes`, nativeNote, query)).filter(isComment);
  await remember(context, thread, notes);
  return notes.map((note) => {
    const comment = shape.issueComment(
      context.base,
      place.owner,
      place.repo,
      commentInput(note, notePlace(context, place, thread)),
    );
    return { ...comment, event: 'commented', actor: comment.user };
  });
}

const byTime = (a: JsonObject, b: JsonObject): number =>
  Date.parse(String(a.created_at)) - Date.parse(String(b.created_at));

const route = (withComments: boolean): Route => ({
  support: 'emulated',
  retry: 'read',
  source:
    'resource_label_events, resource_milestone_events, resource_state_events: GET /projects/:id/(issues|merge_requests)/:iid/resource_..._events; notes: GET',
  note: 'Labels, milestones, states, locks and comments; GitLab keeps the rest as text only.',
  async run(request: RouteRequest, context: RouteContext) {
    const place = placeOf(request);
    const thread = threadOf(request, place);
    const [happened, said] = await Promise.all([
      events(context, place, thread),
      withComments ? comments(context, place, thread) : [],
    ]);
    const { items, pages } = slice(request, [...happened, ...said].sort(byTime));
    await rememberIssueEvents(context, thread.number, items);
    return { data: items, pages };
  },
});

const ofRepository: Route = {
  support: 'emulated',
  retry: 'read',
  source:
    'issues: GET /projects/:id/issues; merge_requests: GET /projects/:id/merge_requests; resource_label_events, resource_milestone_events, resource_state_events: GET',
  note: ISSUE_EVENTS_NOTE,
  async run(request, context) {
    const { items, pages } = slice(request, await repositoryIssueEvents(request, context));
    return { data: items, pages };
  },
};

const ofRepositoryById: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'resource_label_events, resource_milestone_events, resource_state_events: GET',
  note: ISSUE_EVENT_NOTE,
  run: issueEventById,
};

export const timeline: RouteTable = {
  'GET /repos/{owner}/{repo}/issues/events': ofRepository,
  'GET /repos/{owner}/{repo}/issues/events/{event_id}': ofRepositoryById,
  'GET /repos/{owner}/{repo}/issues/{issue_number}/timeline': route(true),
  'GET /repos/{owner}/{repo}/issues/{issue_number}/events': route(false),
};
