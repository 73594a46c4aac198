/** Feeds of what happened, by the names of GitHub's events. GitLab keeps one for each project and person, none for groups. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { notFound, type Route, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import {
  type FeedPlace,
  type FeedStory,
  feedEvent,
  pushed,
  refStory,
  repositoryMade,
  toldIssue,
  toldPull,
  toldPullIssue,
} from '../../kit/shapes/feed.js';
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { type NativeProject, nativeProject } from '../convert/project.js';
import { id, read, readAll, time } from '../convert/read.js';
import { account, nativeUser } from '../convert/user.js';
import { toGitHubBody } from '../quick-actions.js';
import { groupPath, issueNumber, nameOf, ownerOf } from '../references.js';
import { findUser } from './people.js';
import { everything, page, param, placeOf, projectAt, slice } from './place.js';

const text = z.string().nullish();
const nativeEvent = z.looseObject({
  id,
  project_id: id.nullish(),
  action_name: z.string(),
  target_id: id.nullish(),
  target_iid: z.number().nullish(),
  target_type: text,
  target_title: text,
  author: nativeUser.nullish(),
  created_at: z.string(),
  push_data: z
    .looseObject({
      commit_count: z.number().nullish(),
      action: text,
      ref_type: text,
      commit_from: text,
      commit_to: text,
      ref: text,
    })
    .nullish(),
  note: z
    .looseObject({ id, body: text, type: text, noteable_type: text, noteable_iid: z.number().nullish() })
    .nullish(),
  wiki_page: z.looseObject({ title: text, slug: text }).nullish(),
});
type NativeEvent = z.output<typeof nativeEvent>;

/** Group feeds are put together from those of the projects in which something happened last. */
const MOST_PROJECTS = 10;
/** And those of people from the people that somebody follows. */
const MOST_PEOPLE = 20;
/** Of each of them. */
const PER_FEED = 100;

const DONE: Readonly<Record<string, string>> = {
  opened: 'opened',
  created: 'opened',
  closed: 'closed',
  reopened: 'reopened',
  accepted: 'closed',
  merged: 'closed',
};
const ISSUES: ReadonlySet<string> = new Set(['Issue', 'WorkItem']);

function pushStory(event: NativeEvent, place: FeedPlace): FeedStory | undefined {
  const push = event.push_data;
  if (!push?.ref) return undefined;
  const kind = push.ref_type === 'tag' ? 'tag' : 'branch';
  if (push.action === 'created') return refStory('CreateEvent', kind, push.ref);
  if (push.action === 'removed') return refStory('DeleteEvent', kind, push.ref);
  return pushed({
    id: event.id,
    place,
    ref: `refs/${kind === 'tag' ? 'tags' : 'heads'}/${push.ref}`,
    before: push.commit_from ?? NO_COMMIT,
    head: push.commit_to ?? NO_COMMIT,
    size: push.commit_count ?? 0,
  });
}

function noteStory(context: RouteContext, event: NativeEvent, place: FeedPlace): FeedStory | undefined {
  const { note, target_title: title } = event;
  if (!note) return undefined;
  const api = apiOf(context.base, place.owner, place.name);
  const comment = (path: string): JsonObject => ({
    id: note.id,
    body: toGitHubBody(note.body ?? ''),
    url: `${api}/${path}/${note.id}`,
  });
  const action = 'created';
  if (note.noteable_type === 'Commit')
    return { type: 'CommitCommentEvent', payload: { action, comment: comment('comments') } };
  const iid = note.noteable_iid;
  if (iid == null) return undefined;
  if (ISSUES.has(note.noteable_type ?? '')) {
    const issue = toldIssue(context.base, place, issueNumber(iid), title ?? '');
    return { type: 'IssueCommentEvent', payload: { action, issue, comment: comment('issues/comments') } };
  }
  if (note.noteable_type !== 'MergeRequest') return undefined;
  if (note.type === 'DiffNote') {
    const pull = toldPull(context.base, place, iid, title ?? '');
    return {
      type: 'PullRequestReviewCommentEvent',
      payload: { action, pull_request: pull, comment: comment('pulls/comments') },
    };
  }
  const issue = toldPullIssue(context.base, place, iid, title ?? '');
  return { type: 'IssueCommentEvent', payload: { action, issue, comment: comment('issues/comments') } };
}

function threadStory(context: RouteContext, event: NativeEvent, place: FeedPlace): FeedStory | undefined {
  const { action_name: done, target_iid: iid, target_type: type, target_title: title } = event;
  if (iid == null) return undefined;
  const action = Object.hasOwn(DONE, done) ? DONE[done] : undefined;
  if (ISSUES.has(type ?? '') && action !== undefined)
    return {
      type: 'IssuesEvent',
      payload: { action, issue: toldIssue(context.base, place, issueNumber(iid), title ?? '') },
    };
  if (type !== 'MergeRequest') return undefined;
  const pull = toldPull(context.base, place, iid, title ?? '');
  if (done === 'approved')
    return {
      type: 'PullRequestReviewEvent',
      payload: { action: 'created', review: { state: 'approved', body: null }, pull_request: pull },
    };
  if (action === undefined) return undefined;
  const merged = done === 'accepted' || done === 'merged';
  return { type: 'PullRequestEvent', payload: { action, number: iid, pull_request: { ...pull, merged } } };
}

/** Undefined for what GitHub has no event for. */
function storyOf(context: RouteContext, event: NativeEvent, place: FeedPlace): FeedStory | undefined {
  if (event.push_data) return pushStory(event, place);
  if (event.note) return noteStory(context, event, place);
  const { action_name: done, target_type: type } = event;
  if (type == null && done === 'created') return repositoryMade();
  if (type === 'Project' && done === 'created') return repositoryMade();
  if (done === 'joined' && event.author)
    return { type: 'MemberEvent', payload: { action: 'added', member: { login: event.author.username } } };
  if (type === 'WikiPage::Meta' && (done === 'created' || done === 'updated')) {
    const title = event.wiki_page?.title ?? event.target_title ?? '';
    const action = done === 'created' ? 'created' : 'edited';
    return { type: 'GollumEvent', payload: { pages: [{ page_name: event.wiki_page?.slug ?? title, title, action }] } };
  }
  return threadStory(context, event, place);
}

type Project = Pick<NativeProject, 'id' | 'path_with_namespace' | 'visibility'>;

/** The projects that events name; one that may not be seen is left out, and so are its events. */
async function projectsOf(
  context: RouteContext,
  events: readonly NativeEvent[],
): Promise<ReadonlyMap<string, Project>> {
  const ids = new Set(events.flatMap(({ project_id: of }) => (of == null ? [] : [String(of)])));
  const found = new Map<string, Project>();
  for (const one of ids) {
    const native = await context.native.find(`/projects/${one}`);
    if (native !== undefined) found.set(one, read(nativeProject, native, 'project'));
  }
  return found;
}

function shown(
  context: RouteContext,
  events: readonly NativeEvent[],
  projects: ReadonlyMap<string, Project>,
): JsonObject[] {
  return events.flatMap((event) => {
    const project = projects.get(String(event.project_id));
    if (project === undefined || !event.author) return [];
    const path = project.path_with_namespace;
    const place: FeedPlace = { id: project.id, owner: ownerOf(path), name: nameOf(path) };
    const story = storyOf(context, event, place);
    if (story === undefined) return [];
    return [
      feedEvent(context.base, {
        ...story,
        id: event.id,
        actor: account(event.author),
        place,
        public: project.visibility === 'public',
        createdAt: time(event.created_at),
      }),
    ];
  });
}

const NOTE =
  'Issues and pull requests are named by number, title and address; what GitHub has no event for is left out.';

const ofRepository: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'events: GET /projects/:project_id/events',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const project = await projectAt(context, place.api);
    const { items, pages } = await page(request, context, `${place.api}/events`, nativeEvent);
    const events = items.map((event) => ({ ...event, project_id: project.id }));
    return { data: shown(context, events, new Map([[String(project.id), project]])), pages };
  },
};

async function userAt(request: RouteRequest, context: RouteContext) {
  const user = await findUser(context, param(request, 'username'));
  if (user === undefined) throw notFound();
  return user;
}

const ofUser: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'events: GET /users/:id/events',
  note: NOTE,
  async run(request, context) {
    const { id: user } = await userAt(request, context);
    const { items, pages } = await page(request, context, `/users/${user}/events`, nativeEvent);
    return { data: shown(context, items, await projectsOf(context, items)), pages };
  },
};

const newestFirst = (a: NativeEvent, b: NativeEvent): number => Date.parse(b.created_at) - Date.parse(a.created_at);

/** The feeds of several, as one. */
async function together(context: RouteContext, paths: readonly string[]): Promise<NativeEvent[]> {
  const feeds = await Promise.all(
    paths.map(async (path) =>
      readAll(nativeEvent, await context.native.get(`${path}/events`, { per_page: PER_FEED }), 'events'),
    ),
  );
  return feeds.flat().sort(newestFirst);
}

const ofOrganization: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'groups: GET /groups/:id/projects; events: GET /projects/:project_id/events',
  note: `The newest ${PER_FEED} of each of the ${MOST_PROJECTS} projects in which something happened last. ${NOTE}`,
  async run(request, context) {
    const path = `/groups/${segment(groupPath(param(request, 'org')))}/projects`;
    const query = { include_subgroups: true, order_by: 'last_activity_at', sort: 'desc', per_page: MOST_PROJECTS };
    const projects = readAll(nativeProject, await context.native.get(path, query), 'list of projects');
    const events = await together(
      context,
      projects.map((project) => `/projects/${project.id}`),
    );
    const { items, pages } = slice(request, events);
    return { data: shown(context, items, new Map(projects.map((one) => [String(one.id), one]))), pages };
  },
};

const received: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'events: GET /events, GET /users/:id/events; users: GET /users/:id/following',
  note: `Of the token’s own account what happened in its projects, of others what the people did whom they follow. ${NOTE}`,
  async run(request, context) {
    const { id: user } = await userAt(request, context);
    if (String(user) === String(context.account.id)) {
      const { items, pages } = await page(request, context, '/events', nativeEvent, { scope: 'all' });
      return { data: shown(context, items, await projectsOf(context, items)), pages };
    }
    const followed = (await everything(context, `/users/${user}/following`, nativeUser, {}, 1)).slice(0, MOST_PEOPLE);
    const events = await together(
      context,
      followed.map((one) => `/users/${one.id}`),
    );
    const { items, pages } = slice(request, events);
    return { data: shown(context, items, await projectsOf(context, items)), pages };
  },
};

export const feeds: RouteTable = {
  'GET /repos/{owner}/{repo}/events': ofRepository,
  'GET /orgs/{org}/events': ofOrganization,
  'GET /users/{username}/events': ofUser,
  'GET /users/{username}/received_events': received,
};
