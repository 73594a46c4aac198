/** What the account of the token hears of a project, and what waits for it there. GitLab tells this of nobody else. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { notFound, type Route, type RouteContext, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import { UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import { notification } from '../../kit/shapes/notification.js';
import { apiOf, minimalRepository } from '../../kit/shapes/repository.js';
import { nativeProject, repositoryInput } from '../convert/project.js';
import { id, read, readAll, time } from '../convert/read.js';
import { account } from '../convert/user.js';
import { issueNumber } from '../references.js';
import { findUser } from './people.js';
import { everything, type Place, page, param, placeOf, projectAt, slice } from './place.js';

const settings = z.looseObject({ level: z.string() });

const levelAt = async (context: RouteContext, path: string): Promise<string> =>
  read(settings, await context.native.get(`${path}/notification_settings`), 'notification settings').level;

/** GitLab's levels at which a person hears of more than what it takes part in. */
const WATCHING: ReadonlySet<string> = new Set(['watch', 'custom']);

/** Of the token's own account. @param api native path of the project */
async function levelOf(context: RouteContext, api: string): Promise<string> {
  const own = await levelAt(context, api);
  return own === 'global' ? levelAt(context, '') : own;
}

const isOwnAccount = (context: RouteContext, login: string): boolean =>
  login.toLowerCase() === context.account.login.toLowerCase();

const subscribers: Route = {
  support: 'partial',
  retry: 'read',
  source: 'notification_settings: GET /projects/:id/notification_settings, GET /notification_settings',
  note: 'The token’s own account, where it watches the project: GitLab tells nobody who else does.',
  async run(request, context) {
    const watches = WATCHING.has(await levelOf(context, placeOf(request).api));
    const self = watches ? await findUser(context, context.account.login) : undefined;
    const { items, pages } = slice(request, self === undefined ? [] : [self]);
    return { data: items.map((one) => shape.user(context.base, account(one))), pages };
  },
};

/** Each of them is asked about on its own. */
const MOST_ASKED = 20;

const subscriptions: Route = {
  support: 'partial',
  retry: 'read',
  source: 'projects: GET /projects; notification_settings: GET /projects/:id/notification_settings',
  note: `Of the token’s own account, among the ${MOST_ASKED} of its projects in which something happened last; of others GitLab tells nothing.`,
  async run(request, context) {
    const login = param(request, 'username');
    if ((await findUser(context, login)) === undefined) throw notFound();
    if (!isOwnAccount(context, login)) return { data: [], pages: { next: false } };
    const query = { membership: true, order_by: 'last_activity_at', per_page: MOST_ASKED };
    const projects = readAll(nativeProject, await context.native.get('/projects', query), 'projects');
    const watched: typeof projects = [];
    for (const project of projects)
      if (WATCHING.has(await levelOf(context, `/projects/${project.id}`))) watched.push(project);
    const { items, pages } = slice(request, watched);
    return { data: items.map((project) => minimalRepository(context.base, repositoryInput(project))), pages };
  },
};

const subscription: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'notification_settings: GET /projects/:id/notification_settings, GET /notification_settings',
  note: 'Whoever watches or has chosen events is subscribed; since when is not told.',
  async run(request, context) {
    const place = placeOf(request);
    const level = await levelOf(context, place.api);
    const ignored = level === 'disabled';
    // So does GitHub answer of a repository that nobody watches.
    if (!ignored && !WATCHING.has(level)) throw notFound();
    const url = apiOf(context.base, place.owner, place.repo);
    const data = {
      subscribed: !ignored,
      ignored,
      reason: null,
      created_at: UNKNOWN_TIME,
      url: `${url}/subscription`,
      repository_url: url,
    };
    return { data };
  },
};

const todo = z.looseObject({
  id,
  action_name: z.string(),
  target_type: z.string(),
  target: z.looseObject({ id: id.nullish(), iid: z.number().nullish(), title: z.string().nullish() }).nullish(),
  body: z.string().nullish(),
  state: z.string(),
  created_at: z.string(),
  updated_at: z.string().nullish(),
});
type Todo = z.output<typeof todo>;

const REASONS: Readonly<Record<string, string>> = {
  assigned: 'assign',
  mentioned: 'mention',
  directly_addressed: 'mention',
  review_requested: 'review_requested',
  review_submitted: 'author',
  approval_required: 'approval_requested',
  build_failed: 'ci_activity',
  unmergeable: 'author',
  merge_train_removed: 'state_change',
  marked: 'manual',
};
const KINDS: Readonly<Record<string, string>> = {
  Issue: 'Issue',
  WorkItem: 'Issue',
  MergeRequest: 'PullRequest',
  Commit: 'Commit',
};

const changedAt = (one: Todo): string => one.updated_at ?? one.created_at;

function addressOf(context: RouteContext, place: Place, { target, target_type: type }: Todo): string | null {
  const api = apiOf(context.base, place.owner, place.repo);
  if (type === 'Commit') return target?.id == null ? null : `${api}/commits/${target.id}`;
  if (target?.iid == null) return null;
  if (KINDS[type] === 'Issue') return `${api}/issues/${issueNumber(target.iid)}`;
  return type === 'MergeRequest' ? `${api}/pulls/${target.iid}` : null;
}

const notifications: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'todos: GET /todos',
  note: 'The to-do items of the token’s account, which are of things that it takes part in.',
  async run(request, context) {
    const place = placeOf(request);
    const project = await projectAt(context, place.api);
    const repository = repositoryInput(project);
    const { all, since, before } = request.query;
    const query = { project_id: project.id };
    const show = (one: Todo): JsonObject => {
      const url = addressOf(context, place, one);
      return notification(context.base, repository, {
        id: one.id,
        title: one.target?.title ?? one.body ?? '',
        type: KINDS[one.target_type] ?? one.target_type,
        url,
        latestCommentUrl: url,
        reason: REASONS[one.action_name] ?? 'subscribed',
        unread: one.state === 'pending',
        updatedAt: time(changedAt(one)),
      });
    };
    if (all !== 'true' && since === undefined && before === undefined) {
      const { items, pages } = await page(request, context, '/todos', todo, { ...query, state: 'pending' });
      return { data: items.map(show), pages };
    }
    const states = all === 'true' ? ['pending', 'done'] : ['pending'];
    const lists = await Promise.all(states.map((state) => everything(context, '/todos', todo, { ...query, state })));
    const wanted = lists
      .flat()
      .filter((one) => {
        const at = Date.parse(changedAt(one));
        return (since === undefined || at >= Date.parse(since)) && (before === undefined || at < Date.parse(before));
      })
      .sort((a, b) => Date.parse(changedAt(b)) - Date.parse(changedAt(a)));
    const { items, pages } = slice(request, wanted);
    return { data: items.map(show), pages };
  },
};

export const watching: RouteTable = {
  'GET /repos/{owner}/{repo}/subscribers': subscribers,
  'GET /users/{username}/subscriptions': subscriptions,
  'GET /repos/{owner}/{repo}/subscription': subscription,
  'GET /repos/{owner}/{repo}/notifications': notifications,
};
