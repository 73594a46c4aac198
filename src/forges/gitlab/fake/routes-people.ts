/** Accounts, groups, and what an instance tells of itself. */
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { actorOf, allMembers, ancestors, groupFor, paged, paging, pagingOnly, refuse } from './declare.js';
import { group as shownGroup, project as shownProject, user as shownUser } from './present.js';
import type { User, World } from './state.js';

const expanded = (world: World, of: User) => ({
  ...shownUser(world, of),
  created_at: of.createdAt,
  bio: '',
  location: '',
  public_email: of.email,
  website_url: '',
  organization: '',
  bot: of.bot,
  followers: 0,
  following: 0,
});

const bearer = (headers: Headers): string =>
  headers.get('private-token') ?? /^Bearer (\S+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? '';

/** The account of the token, which may come in either header. */
export const authenticate = (world: World, headers: Headers): User | undefined => {
  const userId = world.state.tokens.get(bearer(headers))?.userId;
  return world.state.users.find(({ id }) => id === userId);
};

const sorting = {
  order_by: z.enum(['id', 'name', 'path']).optional(),
  sort: z.enum(['asc', 'desc']).optional(),
};

export function peopleRoutes(world: World): FakeRoute[] {
  const version = () => ({ version: world.state.version, revision: 'fa4e' });
  return [
    {
      method: 'GET',
      path: '/version',
      source: 'version: GET /version',
      run: () => ({ json: version() }),
    },
    {
      method: 'GET',
      path: '/metadata',
      source: 'metadata: GET /metadata',
      run: () => ({
        json: {
          ...version(),
          kas: { enabled: false, externalUrl: null, version: null },
          enterprise: world.state.edition === 'premium',
        },
      }),
    },
    {
      method: 'GET',
      path: '/personal_access_tokens/self',
      source: 'personal_access_tokens: GET /personal_access_tokens/self',
      run(request) {
        const token = world.state.tokens.get(bearer(request.headers));
        return {
          json: {
            id: 1,
            name: 'forgeway',
            revoked: false,
            active: true,
            user_id: token?.userId,
            scopes: token?.scopes,
            created_at: world.now(),
            expires_at: null,
          },
        };
      },
    },
    {
      method: 'GET',
      path: '/user',
      source: 'users: GET /user',
      run: (request) => ({
        json: { ...expanded(world, actorOf(request)), email: actorOf(request).email, is_admin: false },
      }),
    },
    {
      method: 'GET',
      path: '/users',
      source: 'users: GET /users',
      query: z.strictObject({ ...paging, username: z.string().optional(), search: z.string().optional() }),
      run(request) {
        const username = request.query.get('username')?.toLowerCase();
        const found = world.state.users.filter(
          (user) => username === undefined || user.username.toLowerCase() === username,
        );
        return paged(
          request,
          found.map((user) => shownUser(world, user)),
        );
      },
    },
    {
      method: 'GET',
      path: '/users/:user',
      source: 'users: GET /users/:id',
      run(request) {
        const found = world.state.users.find(({ id }) => id === Number(request.params.user));
        return found === undefined ? refuse(404, '404 User Not Found') : { json: expanded(world, found) };
      },
    },
    {
      method: 'GET',
      path: '/groups',
      source: 'groups: GET /groups',
      query: z.strictObject({
        ...paging,
        min_access_level: parameter.integer.optional(),
        top_level_only: parameter.flag.optional(),
        search: z.string().optional(),
        ...sorting,
      }),
      run(request) {
        const least = Number(request.query.get('min_access_level') ?? 0);
        const found = world.state.groups.filter(
          (group) => (allMembers(world, { group }).get(actorOf(request).id) ?? 0) >= least,
        );
        return paged(
          request,
          found.map((group) => shownGroup(world, group)),
        );
      },
    },
    {
      method: 'GET',
      path: '/groups/:id',
      source: 'groups: GET /groups/:id',
      query: z.strictObject({ with_projects: parameter.flag.optional() }),
      run: (request) => ({ json: shownGroup(world, groupFor(world, request)) }),
    },
    {
      method: 'GET',
      path: '/groups/:id/subgroups',
      source: 'groups: GET /groups/:id/subgroups',
      query: pagingOnly,
      run(request) {
        const { id } = groupFor(world, request);
        return paged(
          request,
          world.state.groups.filter(({ parentId }) => parentId === id).map((group) => shownGroup(world, group)),
        );
      },
    },
    {
      method: 'GET',
      path: '/groups/:id/descendant_groups',
      source: 'groups: GET /groups/:id/descendant_groups',
      query: z.strictObject({ ...paging, ...sorting }),
      run(request) {
        const above = groupFor(world, request);
        const below = world.state.groups
          .filter((group) => group !== above && ancestors(world, group).includes(above))
          .sort((left, right) => left.id - right.id);
        return paged(
          request,
          below.map((group) => shownGroup(world, group)),
        );
      },
    },
    {
      method: 'GET',
      path: '/groups/:id/projects',
      source: 'groups: GET /groups/:id/projects',
      query: z.strictObject({
        ...paging,
        include_subgroups: parameter.flag.optional(),
        simple: parameter.flag.optional(),
        archived: parameter.flag.optional(),
        min_access_level: parameter.integer.optional(),
        order_by: z.enum(['id', 'name', 'path', 'created_at', 'updated_at', 'last_activity_at']).optional(),
        sort: z.enum(['asc', 'desc']).optional(),
      }),
      run(request: FakeRequest) {
        const above = groupFor(world, request);
        const isDeep = ['true', '1'].includes(request.query.get('include_subgroups') ?? '');
        const below = isDeep ? world.state.groups.filter((one) => ancestors(world, one).includes(above)) : [above];
        const ids = new Set(below.map(({ id }) => id));
        const own = world.state.projects.filter(
          ({ namespace, shares }) =>
            (namespace.kind === 'group' && ids.has(namespace.id)) || shares.some(({ groupId }) => groupId === above.id),
        );
        return paged(
          request,
          own.map((project) => shownProject(world, project)),
        );
      },
    },
  ];
}
