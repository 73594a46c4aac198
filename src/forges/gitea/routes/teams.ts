/** Teams of an organization, by slug as on GitHub and by id as the forge wants them. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { invalid, notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { team } from '../../kit/shapes/team.js';
import { teamReferences } from '../convert/user.js';
import { idOf, listOf, objectOf, param, repoPath, textIn, textInput, textOf } from './native.js';
import { asRepository, asUser } from './objects.js';
import { everything, pageIn, pageOf } from './pages.js';
import { emulated, exact } from './row.js';

const BY_SLUG = "The slug is the name in lower case, looked up among the organization's teams.";

const teamsPath = (request: RouteRequest): string => `/orgs/${segment(param(request, 'org'))}/teams`;

const LEVELS: Readonly<Record<string, string>> = { owner: 'admin', admin: 'admin', write: 'push', read: 'pull' };

function asTeam(context: RouteContext, organization: string, native: unknown): JsonObject {
  const [reference] = teamReferences([native]) ?? [];
  if (reference === undefined) throw notFound();
  const told = objectOf(native);
  const shape = team(context.base, { ...reference, organization, description: textIn(told, 'description') ?? null });
  return { ...shape, permission: LEVELS[textOf(told, 'permission')] ?? 'pull', parent: null };
}

async function one(request: RouteRequest, context: RouteContext): Promise<JsonObject> {
  const slug = param(request, 'team_slug').toLowerCase();
  for (const native of await everything(context, teamsPath(request)))
    if (teamReferences([native])?.[0]?.slug === slug) return objectOf(native);
  throw notFound();
}

const pathOf = async (request: RouteRequest, context: RouteContext): Promise<string> =>
  `/teams/${idOf(await one(request, context))}`;

const memberPath = async (request: RouteRequest, context: RouteContext): Promise<string> =>
  `${await pathOf(request, context)}/members/${segment(param(request, 'username'))}`;

const membership = (request: RouteRequest, context: RouteContext, maintainer: boolean): JsonObject => ({
  url: `${context.base.api}/orgs/${segment(param(request, 'org'))}/teams/${segment(param(request, 'team_slug'))}/memberships/${segment(param(request, 'username'))}`,
  role: maintainer ? 'maintainer' : 'member',
  state: 'active',
});

async function getMembership(request: RouteRequest, context: RouteContext) {
  const native = await one(request, context);
  const path = `/teams/${idOf(native)}/members/${segment(param(request, 'username'))}`;
  await context.native.get(path);
  return { data: membership(request, context, textOf(native, 'permission') === 'owner') };
}

async function create(request: RouteRequest, context: RouteContext) {
  const name = textInput(request, 'name');
  if (!name) throw invalid('Team', 'name', 'missing_field');
  const level = textInput(request, 'permission') ?? 'pull';
  const { data } = await context.native.send('POST', teamsPath(request), {
    json: {
      name,
      description: textInput(request, 'description') ?? '',
      permission: level === 'admin' ? 'admin' : level === 'push' ? 'write' : 'read',
      includes_all_repositories: false,
      units: ['repo.code', 'repo.issues', 'repo.pulls', 'repo.releases'],
    },
  });
  return { status: 201, data: asTeam(context, param(request, 'org'), data) };
}

const repositoryPath = async (request: RouteRequest, context: RouteContext): Promise<string> =>
  `${await pathOf(request, context)}/repos/${segment(param(request, 'owner'))}/${segment(param(request, 'repo'))}`;

export const teams: RouteTable = {
  'GET /orgs/{org}/teams': exact('read', 'organization: GET /orgs/{org}/teams', (request, context) =>
    pageOf(request, context, teamsPath(request), {}, (native) => asTeam(context, param(request, 'org'), native)),
  ),
  'POST /orgs/{org}/teams': exact('findable', 'organization: POST /orgs/{org}/teams', create),
  'GET /orgs/{org}/teams/{team_slug}': emulated(
    'read',
    'organization: GET /orgs/{org}/teams',
    BY_SLUG,
    async (request, context) => ({
      data: asTeam(context, param(request, 'org'), await one(request, context)),
    }),
  ),
  'DELETE /orgs/{org}/teams/{team_slug}': emulated(
    'idempotent',
    'organization: DELETE /teams/{id}',
    BY_SLUG,
    async (request, context) => {
      await context.native.send('DELETE', await pathOf(request, context));
      return { status: 204 };
    },
  ),
  'GET /orgs/{org}/teams/{team_slug}/members': emulated(
    'read',
    'organization: GET /teams/{id}/members',
    BY_SLUG,
    async (request, context) =>
      pageOf(request, context, `${await pathOf(request, context)}/members`, {}, (native) => asUser(context, native)),
  ),
  'GET /orgs/{org}/teams/{team_slug}/memberships/{username}': emulated(
    'read',
    'organization: GET /teams/{id}/members/{username}',
    BY_SLUG,
    getMembership,
  ),
  'PUT /orgs/{org}/teams/{team_slug}/memberships/{username}': emulated(
    'idempotent',
    'organization: PUT /teams/{id}/members/{username}',
    BY_SLUG,
    async (request, context) => {
      await context.native.send('PUT', await memberPath(request, context));
      return { data: membership(request, context, false) };
    },
  ),
  'DELETE /orgs/{org}/teams/{team_slug}/memberships/{username}': emulated(
    'idempotent',
    'organization: DELETE /teams/{id}/members/{username}',
    BY_SLUG,
    async (request, context) => {
      await context.native.send('DELETE', await memberPath(request, context));
      return { status: 204 };
    },
  ),
  'GET /orgs/{org}/teams/{team_slug}/repos': emulated(
    'read',
    'organization: GET /teams/{id}/repos',
    BY_SLUG,
    async (request, context) =>
      pageOf(request, context, `${await pathOf(request, context)}/repos`, {}, (native) =>
        asRepository(context, native),
      ),
  ),
  'PUT /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}': emulated(
    'idempotent',
    'organization: PUT /teams/{id}/repos/{org}/{repo}',
    "The level is the team's own, the same in all its repositories.",
    async (request, context) => {
      await context.native.send('PUT', await repositoryPath(request, context));
      return { status: 204 };
    },
  ),
  'DELETE /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}': emulated(
    'idempotent',
    'organization: DELETE /teams/{id}/repos/{org}/{repo}',
    BY_SLUG,
    async (request, context) => {
      await context.native.send('DELETE', await repositoryPath(request, context));
      return { status: 204 };
    },
  ),
  'GET /repos/{owner}/{repo}/teams': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/teams',
    async (request, context) => {
      const repository = objectOf(await context.native.get(repoPath(request)));
      const organization = textOf(objectOf(repository.owner), 'login');
      // 405 where the owner is a person, who has no teams.
      const isOrganization = (await context.native.find(`/orgs/${segment(organization)}`)) !== undefined;
      const natives = isOrganization ? listOf(await context.native.get(`${repoPath(request)}/teams`)) : [];
      return pageIn(
        request,
        natives.map((native) => asTeam(context, organization, native)),
      );
    },
  ),
};
