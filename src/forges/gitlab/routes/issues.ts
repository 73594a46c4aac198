import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { nativeMilestone } from '../convert/milestone.js';
import { readAll } from '../convert/read.js';
import { toNativeBody } from '../quick-actions.js';
import { groupPath, toNativeText } from '../references.js';
import { findUser, idList, logins, userIds } from './people.js';
import { accept, type Place, param, placeOf, type Thread, threadOf } from './place.js';
import { readThread, shownThread } from './thread.js';
import { listThreads, type ThreadFilter } from './thread-list.js';

/** The milestone with GitHub's number, which is GitLab's iid. @throws RouteFailure 422 when there is none */
async function milestoneByNumber(context: RouteContext, place: Place, number: number) {
  const found = readAll(
    nativeMilestone,
    await context.native.get(`${place.api}/milestones`, { 'iids[]': number }),
    'milestone',
  );
  if (found[0] === undefined) throw invalid('Issue', 'milestone', 'invalid');
  return found[0];
}

const states = { open: ['opened'], closed: ['closed', 'merged'], all: ['opened', 'closed', 'merged'] } as const;

async function assigneeFilter(
  context: RouteContext,
  assignee: string | undefined,
): Promise<string | number | undefined> {
  if (assignee === undefined) return undefined;
  if (assignee === '*') return 'Any';
  if (assignee === 'none') return 'None';
  const user = await findUser(context, assignee);
  if (user === undefined) throw invalid('Issue', 'assignee', 'invalid');
  return user.id;
}

async function milestoneFilter(
  context: RouteContext,
  place: Place,
  milestone: string | undefined,
): Promise<string | undefined> {
  if (milestone === undefined) return undefined;
  if (milestone === '*') return 'Any';
  if (milestone === 'none') return 'None';
  return (await milestoneByNumber(context, place, Number(milestone))).title;
}

async function filterOf(request: RouteRequest, context: RouteContext, place: Place): Promise<ThreadFilter> {
  const {
    state = 'open',
    sort = 'created',
    direction = 'desc',
    labels,
    assignee,
    creator,
    milestone,
    since,
    ...others
  } = request.query;
  if (!Object.hasOwn(states, state)) throw invalid('Issue', 'state', 'invalid');
  if (sort !== 'created' && sort !== 'updated')
    throw invalid('Issue', 'sort', 'invalid', 'GitLab sorts by created or updated.');
  const unknown = ['mentioned', 'type'].find((name) => others[name] !== undefined);
  if (unknown !== undefined) throw invalid('Issue', unknown, 'invalid', `GitLab has no filter for ${unknown}.`);
  return {
    scopes: [place.api],
    kinds: ['issue', 'merge_request'],
    states: states[state as keyof typeof states],
    query: {
      labels,
      author_username: creator,
      assignee_id: await assigneeFilter(context, assignee),
      milestone: await milestoneFilter(context, place, milestone),
      updated_after: since,
    },
    order: sort === 'updated' ? 'updated_at' : 'created_at',
    direction: direction === 'asc' ? 'asc' : 'desc',
  };
}

const list: Route = {
  support: 'exact',
  retry: 'read',
  source: 'issues: GET /projects/:id/issues; merge_requests: GET /projects/:id/merge_requests',
  note: 'Issues and merge requests in one list, as on GitHub.',
  async run(request, context) {
    const filter = await filterOf(request, context, placeOf(request));
    const { items, pages } = await listThreads(context, filter, request);
    return { data: items, pages };
  },
};

/** GitLab's own filter for what somebody has to do with an issue; undefined for whatever is there. */
const MINE: Readonly<Record<string, string | undefined>> = {
  assigned: 'assignee_id',
  created: 'author_id',
  repos: undefined,
  all: undefined,
};

const ofOrganization: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'issues: GET /groups/:id/issues; merge_requests: GET /groups/:id/merge_requests',
  note: 'Their repository is named by its address. GitLab has no filter for `mentioned` and `subscribed` (422).',
  async run(request, context) {
    const { filter = 'assigned', state = 'open', sort = 'created', direction, labels, since } = request.query;
    if (!Object.hasOwn(MINE, filter))
      throw invalid('Issue', 'filter', 'invalid', `GitLab has no filter for ${filter} issues of a group.`);
    if (!Object.hasOwn(states, state)) throw invalid('Issue', 'state', 'invalid');
    if (sort !== 'created' && sort !== 'updated')
      throw invalid('Issue', 'sort', 'invalid', 'GitLab sorts by created or updated.');
    const mine = MINE[filter];
    const wanted: ThreadFilter = {
      scopes: [`/groups/${segment(groupPath(param(request, 'org')))}`],
      kinds: ['issue', 'merge_request'],
      states: states[state as keyof typeof states],
      query: {
        labels,
        updated_after: since,
        ...(mine !== undefined && { [mine]: String(context.account.id) }),
      },
      order: sort === 'updated' ? 'updated_at' : 'created_at',
      direction: direction === 'asc' ? 'asc' : 'desc',
    };
    const { items, pages } = await listThreads(context, wanted, request);
    return { data: items, pages };
  },
};

const get: Route = {
  support: 'exact',
  retry: 'read',
  source:
    'issues: GET /projects/:id/issues/:issue_iid; merge_requests: GET /projects/:id/merge_requests/:merge_request_iid',
  async run(request, context) {
    const place = placeOf(request);
    return { data: await readThread(context, place, threadOf(request, place)) };
  },
};

const labelNames = z.array(z.union([z.string(), z.looseObject({ name: z.string() }).transform(({ name }) => name)]));
const title = z.preprocess((value) => (typeof value === 'number' ? String(value) : value), z.string().min(1));
const fields = z.looseObject({
  title: title.optional(),
  body: z.string().nullish(),
  labels: labelNames.optional(),
  assignees: logins.optional(),
  assignee: z.string().nullish(),
  milestone: z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).nullish(),
  state: z.enum(['open', 'closed']).optional(),
});
type Fields = z.output<typeof fields>;

/** What GitLab calls the fields of an issue or merge request; undefined ones are left alone. */
async function nativeFields(context: RouteContext, place: Place, body: Fields): Promise<Record<string, unknown>> {
  const assignees = body.assignees ?? (body.assignee === undefined ? undefined : body.assignee ? [body.assignee] : []);
  const ids = assignees && (await userIds(context, assignees, { resource: 'Issue', field: 'assignees' }));
  return {
    title: body.title === undefined ? undefined : toNativeText(body.title),
    description: body.body === undefined ? undefined : toNativeBody(body.body ?? ''),
    labels: body.labels?.join(','),
    assignee_ids: ids && idList(ids),
    milestone_id:
      body.milestone === undefined
        ? undefined
        : body.milestone === null
          ? 0
          : (await milestoneByNumber(context, place, body.milestone)).id,
  };
}

const create: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'issues: POST /projects/:id/issues',
  async run(request, context) {
    const place = placeOf(request);
    const body = accept('Issue', fields.extend({ title }), request.body);
    const json = await nativeFields(context, place, body);
    const answer = await context.native.send('POST', `${place.api}/issues`, { json });
    return { status: 201, data: await shownThread(context, place, { kind: 'issue' }, answer.data) };
  },
};

/** Writes what the body changes; used for pull requests too, which GitHub changes by either route. */
export async function updateThread(
  context: RouteContext,
  place: Place,
  thread: Thread,
  body: Fields,
  more: Record<string, unknown> = {},
): Promise<unknown> {
  const json: Record<string, unknown> = {
    ...(await nativeFields(context, place, body)),
    state_event: body.state === undefined ? undefined : body.state === 'closed' ? 'close' : 'reopen',
    ...more,
  };
  // GitLab refuses a change of nothing.
  if (Object.values(json).every((value) => value === undefined)) return context.native.get(thread.api);
  return (await context.native.send('PUT', thread.api, { json })).data;
}

const update: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source:
    'issues: PUT /projects/:id/issues/:issue_iid; merge_requests: PUT /projects/:id/merge_requests/:merge_request_iid',
  note: 'The reason for closing is kept by Forgeway.',
  async run(request, context) {
    const place = placeOf(request);
    const thread = threadOf(request, place);
    const data = await updateThread(context, place, thread, accept('Issue', fields, request.body));
    return { data: await shownThread(context, place, thread, data) };
  },
};

const lock = (locked: boolean): Route => ({
  support: 'emulated',
  retry: 'idempotent',
  source: 'issues, merge_requests: PUT with discussion_locked',
  note: 'GitLab keeps no reason for a lock.',
  async run(request, context) {
    const { api } = threadOf(request, placeOf(request));
    await context.native.send('PUT', api, { json: { discussion_locked: locked } });
    return { status: 204 };
  },
});

const isAssignable: Route = {
  support: 'exact',
  retry: 'read',
  source: 'members: GET /projects/:id/members/all',
  async run(request, context) {
    const login = request.params.assignee ?? '';
    const place = placeOf(request);
    const user = await findUser(context, login);
    if (user === undefined || (await context.native.find(`${place.api}/members/all/${user.id}`)) === undefined)
      throw notFound();
    return { status: 204 };
  },
};

/** The same, of an issue or a merge request that has to be there. */
const isAssignableTo: Route = {
  ...isAssignable,
  source: 'issues, merge_requests: GET; members: GET /projects/:id/members/all',
  async run(request, context) {
    await context.native.get(threadOf(request, placeOf(request)).api);
    return isAssignable.run(request, context);
  },
};

export const issues: RouteTable = {
  'GET /orgs/{org}/issues': ofOrganization,
  'GET /repos/{owner}/{repo}/issues': list,
  'POST /repos/{owner}/{repo}/issues': create,
  'GET /repos/{owner}/{repo}/issues/{issue_number}': get,
  'PATCH /repos/{owner}/{repo}/issues/{issue_number}': update,
  'PUT /repos/{owner}/{repo}/issues/{issue_number}/lock': lock(true),
  'DELETE /repos/{owner}/{repo}/issues/{issue_number}/lock': lock(false),
  'GET /repos/{owner}/{repo}/assignees/{assignee}': isAssignable,
  'GET /repos/{owner}/{repo}/issues/{issue_number}/assignees/{assignee}': isAssignableTo,
};
