/** The server itself: its version and settings, tokens, webhooks. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { created, doer, notFound, nothing, ok, paged, pagingQuery, refuse, repositoryFor } from '../answers.js';
import { pushPayload } from '../happenings.js';
import { hookJson } from '../objects.js';
import { type Hook, organizationNamed } from '../state.js';
import type { World } from '../world.js';

const CONFIG = z.object({
  url: z.string().optional(),
  secret: z.string().optional(),
  content_type: z.enum(['json', 'form']).optional(),
});
const HOOK = {
  config: CONFIG.optional(),
  events: z.array(z.string()).optional(),
  active: z.boolean().optional(),
  branch_filter: z.string().optional(),
  authorization_header: z.string().optional(),
};

type HookBody = {
  type?: string;
  config?: z.infer<typeof CONFIG>;
  events?: string[];
  active?: boolean;
  branch_filter?: string;
};

export function serverRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const types = ['gitea', 'gogs', ...(world.flavour === 'forgejo' ? ['forgejo'] : [])];

  /** The same for hooks of a repository, of an organization and of the server. */
  const hooks = (
    path: string,
    place: (request: FakeRequest) => { hooks: Hook[] },
    test?: (request: FakeRequest, hook: Hook) => Promise<void>,
  ): FakeRoute[] => {
    const one = (request: FakeRequest) =>
      place(request).hooks.find((hook) => String(hook.id) === request.params.id) ?? notFound();
    const write = (hook: Hook, body: HookBody): Hook => {
      hook.url = body.config?.url ?? hook.url;
      hook.secret = body.config?.secret ?? hook.secret;
      hook.contentType = body.config?.content_type ?? hook.contentType;
      // A list that is not sent is an empty one, and an empty one means pushes.
      hook.events = body.events?.length ? body.events : ['push'];
      hook.active = body.active ?? hook.active;
      hook.branchFilter = body.branch_filter ?? '';
      hook.updated = state.now();
      return hook;
    };
    return [
      {
        method: 'GET',
        path,
        source: `hooks: GET ${path}`,
        query: pagingQuery,
        run: (request) => paged(world, request, place(request).hooks, hookJson),
      },
      {
        method: 'POST',
        path,
        source: `hooks: POST ${path}`,
        body: z.object({ ...HOOK, type: z.string(), config: CONFIG }),
        run: (request) => {
          const body = request.body as HookBody;
          if (!types.includes(body.type ?? '')) refuse(422, `Invalid hook type: ${body.type}`);
          if (!body.config?.url || !body.config.content_type) refuse(422, 'Missing config option');
          const now = state.now();
          const empty: Hook = {
            id: state.nextId(),
            type: body.type ?? '',
            url: '',
            secret: '',
            contentType: 'json',
            events: ['push'],
            active: false,
            branchFilter: '',
            created: now,
            updated: now,
          };
          place(request).hooks.push(write(empty, body));
          return created(hookJson(empty));
        },
      },
      {
        method: 'GET',
        path: `${path}/:id`,
        source: `hooks: GET ${path}/{id}`,
        run: (request) => ok(hookJson(one(request))),
      },
      {
        method: 'PATCH',
        path: `${path}/:id`,
        source: `hooks: PATCH ${path}/{id}`,
        body: z.object(HOOK),
        run: (request) => ok(hookJson(write(one(request), request.body as HookBody))),
      },
      {
        method: 'DELETE',
        path: `${path}/:id`,
        source: `hooks: DELETE ${path}/{id}`,
        run: (request) => {
          const found = place(request).hooks;
          found.splice(found.indexOf(one(request)), 1);
          return nothing();
        },
      },
      ...(test
        ? [
            {
              method: 'POST',
              path: `${path}/:id/tests`,
              source: `hooks: POST ${path}/{id}/tests`,
              query: z.object({ ref: parameter.text.optional() }),
              run: async (request: FakeRequest) => {
                await test(request, one(request));
                return nothing();
              },
            },
          ]
        : []),
    ];
  };

  return [
    {
      method: 'GET',
      path: '/version',
      source: 'miscellaneous: GET /version',
      open: true,
      run: () => ok({ version: world.version }),
    },
    {
      method: 'GET',
      path: '/settings/api',
      source: 'settings: GET /settings/api',
      open: true,
      run: () =>
        ok({
          max_response_items: world.maxItems,
          default_paging_num: 30,
          default_git_trees_per_page: 1000,
          default_max_blob_size: 10485760,
        }),
    },
    {
      method: 'GET',
      path: '/users/:username/tokens',
      source: 'user: GET /users/{username}/tokens',
      query: pagingQuery,
      run: (request) => {
        const mine = [...state.tokens].filter(([, login]) => login === request.params.username);
        return paged(world, request, mine, ([token]) => ({
          id: 1,
          name: 'forgeway',
          sha1: '',
          token_last_eight: token.slice(-8),
          scopes: ['all'],
        }));
      },
    },
    ...hooks(
      '/repos/:owner/:repo/hooks',
      (request) => repositoryFor(world, request, 'admin'),
      async (request, hook) => {
        const repository = repositoryFor(world, request, 'admin');
        const ref = `refs/heads/${repository.defaultBranch}`;
        const sha = (await repository.git.resolve(ref)) ?? notFound();
        const payload = await pushPayload(world, repository, doer(request).login, ref, sha, sha);
        await world.webhooks.send([hook], { event: 'push', payload });
      },
    ),
    ...hooks('/orgs/:org/hooks', (request) => organizationNamed(state, request.params.org ?? '') ?? notFound()),
    ...hooks('/admin/hooks', (request) => {
      if (!doer(request).isAdmin) refuse(403, 'user should be the site admin');
      return { hooks: state.systemHooks };
    }),
  ];
}
