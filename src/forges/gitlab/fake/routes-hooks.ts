/** Webhooks of projects, groups and the system: making, changing, testing them. */
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { actorOf, allMembers, groupFor, MAINTAINER, paged, paging, pagingOnly, projectFor, refuse } from './declare.js';
import { alertStatus, isAtLeast, listedEvents, mayResend, showEvent } from './hook-health.js';
import { samplePushHook, sampleTokenHook } from './payload.js';
import type { Hook, Project, World } from './state.js';

const flag = z.boolean().optional();
/** Names of the events, as in the documentation of the hooks' API. */
const events = {
  push_events: flag,
  tag_push_events: flag,
  merge_requests_events: flag,
  issues_events: flag,
  confidential_issues_events: flag,
  note_events: flag,
  confidential_note_events: flag,
  pipeline_events: flag,
  job_events: flag,
  releases_events: flag,
  deployment_events: flag,
  milestone_events: flag,
  feature_flag_events: flag,
  emoji_events: flag,
  wiki_page_events: flag,
  resource_access_token_events: flag,
  member_events: flag,
  project_events: flag,
  subgroup_events: flag,
  repository_update_events: flag,
};
const fields = {
  ...events,
  token: z.string().optional(),
  signing_token: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/]{43}=$/)
    .optional(),
  enable_ssl_verification: flag,
  name: z.string().optional(),
  description: z.string().optional(),
  push_events_branch_filter: z.string().optional(),
  branch_filter_strategy: z.enum(['wildcard', 'regex', 'all_branches']).optional(),
};
const created = z.strictObject({ ...fields, url: z.url() });
const changed = z.strictObject({ ...fields, url: z.url().optional() });

/** One or several, by comma: a code, or a class of them. */
const STATUSES = z
  .string()
  .regex(
    /^(?:[1-5]\d\d|successful|client_failure|server_failure)(?:,(?:[1-5]\d\d|successful|client_failure|server_failure))*$/,
  )
  .optional();

/** Write-only: only whether there is one is shown. */
const show = (world: World, hook: Hook) => ({
  id: hook.id,
  url: hook.url,
  created_at: hook.createdAt,
  ...Object.fromEntries(Object.keys(events).map((name) => [name, hook.events[name] ?? name === 'push_events'])),
  push_events_branch_filter: hook.branchFilter,
  branch_filter_strategy: hook.branchFilterStrategy,
  enable_ssl_verification: true,
  token_present: hook.token !== null,
  signing_token_present: hook.signingToken !== null,
  alert_status: alertStatus(world, hook),
  disabled_until: hook.disabledUntil,
});

interface Level {
  path: string;
  source: string;
  hooks(request: FakeRequest): Hook[];
  /** Whose push a test delivery tells; undefined where GitLab has none. */
  sample(request: FakeRequest): Project | undefined;
}

function write(world: World, hook: Hook, body: z.output<typeof changed>): void {
  const {
    url,
    token,
    signing_token: signing,
    enable_ssl_verification,
    name,
    description,
    push_events_branch_filter: filter,
    branch_filter_strategy: strategy,
    ...flags
  } = body;
  hook.branchFilter = filter ?? hook.branchFilter;
  hook.branchFilterStrategy = strategy ?? hook.branchFilterStrategy;
  hook.url = url ?? hook.url;
  hook.token = token ?? hook.token;
  // An instance that does not know the field passes over it.
  if (world.state.signsWebhooks) hook.signingToken = signing ?? hook.signingToken;
  for (const [event, on] of Object.entries(flags)) if (on !== undefined) hook.events[event] = on;
}

const routesOf = (world: World, { path, source, hooks, sample }: Level): FakeRoute[] => {
  const sampleOf = async (request: FakeRequest) => {
    const { trigger } = request.params;
    // Made up, and so there is one for an empty project too.
    if (trigger === 'resource_access_token_events' && isAtLeast(world, 17, 1) && path !== '/hooks')
      return sampleTokenHook(world, sample(request));
    if (trigger !== 'push_events') return refuse(400, 'trigger does not have a valid value');
    const project = sample(request);
    const head = project && (await project.git.resolve(project.defaultBranch));
    if (project === undefined || head === undefined) return refuse(422, 'Ensure the project has at least one commit.');
    return samplePushHook(world, project, actorOf(request), head);
  };
  const found = (request: FakeRequest): Hook =>
    hooks(request).find(({ id }) => id === Number(request.params.hook)) ?? refuse(404, '404 Not found');
  return [
    {
      method: 'GET',
      path,
      source: `${source}: GET ${path}`,
      query: pagingOnly,
      run: (request) =>
        paged(
          request,
          hooks(request).map((hook) => show(world, hook)),
        ),
    },
    {
      method: 'POST',
      path,
      source: `${source}: POST ${path}`,
      body: created,
      run(request) {
        const body = request.body as z.output<typeof created>;
        const hook: Hook = {
          id: world.nextId(),
          url: body.url,
          token: null,
          signingToken: null,
          events: {},
          branchFilter: '',
          branchFilterStrategy: 'wildcard',
          createdAt: world.now(),
          recentFailures: 0,
          disabledUntil: null,
          log: [],
        };
        write(world, hook, body);
        hooks(request).push(hook);
        return { status: 201, json: show(world, hook) };
      },
    },
    {
      method: 'GET',
      path: `${path}/:hook`,
      source: `${source}: GET ${path}/:hook_id`,
      run: (request) => ({ json: show(world, found(request)) }),
    },
    {
      method: 'PUT',
      path: `${path}/:hook`,
      source: `${source}: PUT ${path}/:hook_id`,
      body: changed,
      run(request) {
        const hook = found(request);
        write(world, hook, request.body as z.output<typeof changed>);
        return { json: show(world, hook) };
      },
    },
    {
      method: 'DELETE',
      path: `${path}/:hook`,
      source: `${source}: DELETE ${path}/:hook_id`,
      run(request) {
        const hook = found(request);
        hooks(request).splice(hooks(request).indexOf(hook), 1);
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: `${path}/:hook/test/:trigger`,
      source: `${source}: POST ${path}/:hook_id/test/:trigger`,
      async run(request) {
        const hook = found(request);
        const status = await world.deliver(hook, await sampleOf(request));
        return status >= 200 && status < 300
          ? { status: 201, json: { message: '201 Created' } }
          : refuse(422, `Hook execution failed: ${status}`);
      },
    },
    {
      method: 'GET',
      path: `${path}/:hook/events`,
      source: `${source}: GET ${path}/:hook_id/events`,
      query: z.strictObject({
        ...paging,
        per_page: z.coerce.number().int().min(1).max(20).optional(),
        status: STATUSES,
      }),
      run(request) {
        if (path === '/hooks' || !isAtLeast(world, 17, 3)) return refuse(404, '404 Not Found');
        const hook = found(request);
        const statuses = request.query.get('status')?.split(',') ?? [];
        return paged(
          request,
          listedEvents(world, hook, statuses).map((one) => showEvent(hook, one)),
        );
      },
    },
    {
      method: 'POST',
      path: `${path}/:hook/events/:event/resend`,
      source: `${source}: POST ${path}/:hook_id/events/:hook_event_id/resend`,
      async run(request) {
        if (path === '/hooks' || !isAtLeast(world, 17, 4)) return refuse(404, '404 Not Found');
        const hook = found(request);
        if (!mayResend(world, hooks(request), actorOf(request).id))
          return refuse(429, { error: 'This endpoint has been requested too many times. Try again later.' });
        const attempt = hook.log.find(({ id }) => id === Number(request.params.event)) ?? refuse(404, '404 Not found');
        if (attempt.url !== hook.url)
          return refuse(422, 'The hook URL has changed, and this log entry cannot be retried');
        if (alertStatus(world, hook) !== 'executable') return refuse(422, 'Hook disabled');
        const { event: name, trigger, payload, key } = attempt;
        const status = await world.deliver(hook, { name, flag: trigger.replace(/hooks$/, 'events'), payload, key });
        if (status === 0) return refuse(422, 'Failed to open TCP connection');
        return { status: 201, json: { response_status: status } };
      },
    },
  ];
};

export const hookRoutes = (world: World): FakeRoute[] => [
  ...routesOf(world, {
    path: '/projects/:id/hooks',
    source: 'project_webhooks',
    hooks: (request) => projectFor(world, request, MAINTAINER).hooks,
    sample: (request) => projectFor(world, request),
  }),
  ...routesOf(world, {
    path: '/groups/:id/hooks',
    source: 'group_webhooks',
    hooks(request) {
      const group = groupFor(world, request);
      // Group hooks are part of GitLab Premium, and of its owners.
      if (world.state.edition === 'free') return refuse(404, '404 Not Found');
      return (allMembers(world, { group }).get(actorOf(request).id) ?? 0) < 50
        ? refuse(403, '403 Forbidden')
        : group.hooks;
    },
    sample: (request) =>
      world.state.projects.find(({ fullPath }) => fullPath.startsWith(`${groupFor(world, request).fullPath}/`)),
  }),
  ...routesOf(world, {
    path: '/hooks',
    source: 'system_hooks',
    hooks: (request) =>
      world.state.admins.has(actorOf(request).id) ? world.state.systemHooks : refuse(403, '403 Forbidden'),
    sample: () => undefined,
  }),
];
