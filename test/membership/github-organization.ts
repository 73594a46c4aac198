/** As much of GitHub as tells who belongs to one organization, strict about what it is asked. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { parameter } from '../../src/forges/kit/fake/request-check.js';
import {
  createFakeApi,
  type FakeAnswer,
  type FakeApi,
  FakeRefusal,
  type FakeRequest,
  type FakeRoute,
} from '../../src/forges/kit/fake/routing.js';

interface Person {
  id: number;
  login: string;
}

export interface GitHubOrganization {
  api: FakeApi;
  id: number;
  login: string;
  people: Person[];
  /** By account id. */
  members: Map<number, 'admin' | 'member'>;
  pending: Set<number>;
  team: { id: number; slug: string; members: Map<number, 'maintainer' | 'member'> };
  /** Who keeps Apps of others out: its members' own tokens cannot see it. */
  restricted: boolean;
}

const paging = { per_page: parameter.integer.optional(), page: parameter.integer.optional() };
const missing = (): never => {
  throw new FakeRefusal({ status: 404, json: { message: 'Not Found' } });
};
const forbidden = (): never => {
  throw new FakeRefusal({ status: 403, json: { message: 'Resource not accessible' } });
};

function paged(request: FakeRequest, items: readonly unknown[]): FakeAnswer {
  const size = Math.min(100, Number(request.query.get('per_page') ?? 30));
  const page = Number(request.query.get('page') ?? 1);
  const json = items.slice((page - 1) * size, page * size);
  const etag = `"${createHash('md5').update(JSON.stringify(json)).digest('hex')}"`;
  if (request.headers.get('if-none-match') === etag) return { status: 304, headers: { etag } };
  const next = page * size < items.length;
  return { json, headers: { etag, ...(next && { link: `<https://api.github.com/?page=${page + 1}>; rel="next"` }) } };
}

/** Tokens are `token-of-LOGIN`; `app` is the installation. */
export function createGitHubOrganization(): GitHubOrganization {
  const person = (id: string | undefined) => world.people.find((one) => String(one.id) === id);
  const named = (login = '') => world.people.find((one) => one.login.toLowerCase() === login.toLowerCase());
  const isApp = (request: FakeRequest) => request.user === 'app';
  const account = ({ id, login }: Person) => ({ id, login, type: 'User', site_admin: false });
  const shown = () => ({
    id: world.id,
    login: world.login,
    name: 'Acme',
    html_url: `https://github.com/${world.login}`,
  });
  const inside = (request: FakeRequest) => {
    if ((request.params.org ?? '').toLowerCase() !== world.login.toLowerCase()) missing();
    if (isApp(request)) return;
    if (world.restricted || !world.members.has((request.user as Person).id)) forbidden();
  };
  const get = (path: string, source: string, run: FakeRoute['run'], query?: z.ZodType): FakeRoute => ({
    method: 'GET',
    path,
    source,
    run,
    ...(query && { query }),
  });
  const ofRole = <R extends string>(members: ReadonlyMap<number, R>, role: string | null) =>
    world.people.filter(({ id }) => members.has(id) && (role === null || role === 'all' || members.get(id) === role));

  const routes: FakeRoute[] = [
    get('/user/:id', 'users#get-a-user-using-their-id', (request) => {
      if (request.params.id === String(world.id)) return { json: { ...shown(), type: 'Organization' } };
      return { json: account(person(request.params.id) ?? missing()) };
    }),
    get(
      '/user/memberships/orgs',
      'orgs/members#list-organization-memberships-for-the-authenticated-user',
      (request) => {
        const { id } = request.user as Person;
        const role = world.members.get(id);
        const state = world.pending.has(id) ? 'pending' : 'active';
        const seen = role !== undefined && !world.restricted && (request.query.get('state') ?? state) === state;
        return paged(request, seen ? [{ state, role, organization: { id: world.id, login: world.login } }] : []);
      },
      z.strictObject({ ...paging, state: z.enum(['active', 'pending']).optional() }),
    ),
    get(
      '/user/repos',
      'repos#list-repositories-for-the-authenticated-user',
      (request) => {
        const one = (id: number, name: string) => ({
          id,
          name,
          owner: { login: world.login },
          html_url: `https://github.com/${world.login}/${name}`,
          private: true,
          default_branch: 'main',
          permissions: { admin: true },
        });
        return paged(request, [one(41, 'web'), one(42, 'api')]);
      },
      z.strictObject({ ...paging, sort: z.enum(['full_name']).optional() }),
    ),
    get('/orgs/:org', 'orgs#get-an-organization', (request) =>
      request.params.org?.toLowerCase() === world.login.toLowerCase() ? { json: shown() } : missing(),
    ),
    get(
      '/orgs/:org/members',
      'orgs/members#list-organization-members',
      (request) => {
        inside(request);
        const active = ofRole(world.members, request.query.get('role')).filter(({ id }) => !world.pending.has(id));
        return paged(request, active.map(account));
      },
      z.strictObject({ ...paging, role: z.enum(['all', 'admin', 'member']).optional() }),
    ),
    get('/orgs/:org/memberships/:username', 'orgs/members#get-organization-membership-for-a-user', (request) => {
      inside(request);
      const found = named(request.params.username) ?? missing();
      const role = world.members.get(found.id) ?? missing();
      return { json: { state: world.pending.has(found.id) ? 'pending' : 'active', role, user: account(found) } };
    }),
    get(
      '/orgs/:org/teams',
      'teams#list-teams',
      (request) => {
        inside(request);
        const { id, slug } = world.team;
        return paged(request, [
          { id, slug, name: 'Core', html_url: 'https://github.com/orgs/acme/teams/core', parent: null },
        ]);
      },
      z.strictObject(paging),
    ),
    get(
      '/orgs/:org/teams/:slug/members',
      'teams/members#list-team-members',
      (request) => {
        inside(request);
        return paged(request, ofRole(world.team.members, request.query.get('role')).map(account));
      },
      z.strictObject({ ...paging, role: z.enum(['all', 'maintainer', 'member']).optional() }),
    ),
    get('/orgs/:org/teams/:slug/memberships/:username', 'teams/members#get-team-membership-for-a-user', (request) => {
      inside(request);
      const found = named(request.params.username) ?? missing();
      return { json: { state: 'active', role: world.team.members.get(found.id) ?? missing() } };
    }),
  ];
  const api = createFakeApi({
    prefix: '',
    beside: () => undefined,
    routes,
    authenticate: (headers) => {
      const token = /^(?:token|Bearer) (\S+)$/i.exec(headers.get('authorization') ?? '')?.[1];
      return token === 'app' ? 'app' : named(token?.replace('token-of-', ''));
    },
    unauthorized: { status: 401, json: { message: 'Bad credentials' } },
    notFound: { status: 404, json: { message: 'Not Found' } },
    badRequest: (message) => ({ status: 422, json: { message } }),
  });
  const world: GitHubOrganization = {
    api,
    id: 900,
    login: 'acme',
    people: [],
    members: new Map(),
    pending: new Set(),
    team: { id: 77, slug: 'core', members: new Map() },
    restricted: false,
  };
  return world;
}
