import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import { notFound, type Route, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import * as shapeTeam from '../../kit/shapes/team.js';
import { type NativeMember, nativeGroup, nativeMember, organizationInput, teamInput } from '../convert/group.js';
import { read } from '../convert/read.js';
import { account } from '../convert/user.js';
import { groupPath } from '../references.js';
import { findUser } from './people.js';
import { accept, page, param, placeOf, projectAt } from './place.js';

const OWNER = 50;

const groupApi = (path: string): string => `/groups/${segment(path)}`;
const organizationPath = (request: RouteRequest): string => groupPath(param(request, 'org'));
/** A team is a subgroup. */
const teamPath = (request: RouteRequest): string => `${organizationPath(request)}/${param(request, 'team_slug')}`;

const groupAt = async (context: RouteContext, path: string) =>
  read(nativeGroup, await context.native.get(groupApi(path)), 'group');

const getOrganization: Route = {
  support: 'exact',
  retry: 'read',
  source: 'groups: GET /groups/:id',
  async run(request, context) {
    const group = await groupAt(context, organizationPath(request));
    const shown = shape.organization(context.base, organizationInput(group), group.description || null);
    return { data: { ...shown, name: group.name, html_url: group.web_url, type: 'Organization' } };
  },
};

const members = (pathOf: (request: RouteRequest) => string): Route => ({
  support: 'exact',
  retry: 'read',
  source: 'members: GET /groups/:id/members/all',
  async run(request, context) {
    const { items, pages } = await page(request, context, `${groupApi(pathOf(request))}/members/all`, nativeMember);
    const { role } = request.query;
    const wanted = items.filter((member) =>
      role === 'admin' || role === 'maintainer'
        ? member.access_level >= OWNER
        : role === 'member'
          ? member.access_level < OWNER
          : true,
    );
    return { data: wanted.map((member) => shape.user(context.base, account(member))), pages };
  },
});

/** @throws RouteFailure 404 when there is no such account, or it is no member */
async function memberAt(request: RouteRequest, context: RouteContext, path: string): Promise<NativeMember> {
  const user = await findUser(context, param(request, 'username'));
  if (user === undefined) throw notFound();
  return read(nativeMember, await context.native.get(`${groupApi(path)}/members/all/${user.id}`), 'member');
}

const checkMember: Route = {
  support: 'exact',
  retry: 'read',
  source: 'members: GET /groups/:id/members/all/:user_id',
  async run(request, context) {
    await memberAt(request, context, organizationPath(request));
    return { status: 204 };
  },
};

const membership: Route = {
  support: 'exact',
  retry: 'read',
  source: 'members: GET /groups/:id/members/all/:user_id',
  async run(request, context) {
    const path = organizationPath(request);
    const member = await memberAt(request, context, path);
    const group = await groupAt(context, path);
    const url = `${context.base.api}/orgs/${segment(param(request, 'org'))}`;
    return {
      data: {
        url: `${url}/memberships/${segment(member.username)}`,
        state: 'active',
        role: member.access_level >= OWNER ? 'admin' : 'member',
        organization_url: url,
        organization: shape.organization(context.base, organizationInput(group)),
        user: shape.user(context.base, account(member)),
      },
    };
  },
};

const listTeams: Route = {
  support: 'exact',
  retry: 'read',
  source: 'groups: GET /groups/:id/subgroups',
  async run(request, context) {
    const { items, pages } = await page(
      request,
      context,
      `${groupApi(organizationPath(request))}/subgroups`,
      nativeGroup,
    );
    return { data: items.map((group) => shapeTeam.team(context.base, teamInput(group, param(request, 'org')))), pages };
  },
};

const getTeam: Route = {
  support: 'exact',
  retry: 'read',
  source: 'groups: GET /groups/:id',
  note: 'A team is a subgroup of the group that is the organization.',
  async run(request, context) {
    const group = await groupAt(context, teamPath(request));
    return { data: shapeTeam.team(context.base, teamInput(group, param(request, 'org'))) };
  },
};

const teamMembership: Route = {
  support: 'exact',
  retry: 'read',
  source: 'members: GET /groups/:id/members/all/:user_id',
  async run(request, context) {
    const member = await memberAt(request, context, teamPath(request));
    const url = `${context.base.api}/orgs/${segment(param(request, 'org'))}/teams/${segment(param(request, 'team_slug'))}`;
    const role = member.access_level >= OWNER ? 'maintainer' : 'member';
    return { data: { url: `${url}/memberships/${segment(member.username)}`, role, state: 'active' } };
  },
};

const words: Readonly<Record<string, number>> = { pull: 10, triage: 20, push: 30, maintain: 40, admin: 50 };
const permissionOf = (level: number): string =>
  Object.entries(words).findLast(([, least]) => level >= least)?.[0] ?? 'pull';

const repositoryTeams: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'projects: GET /projects/:id with shared_with_groups',
  note: 'A team is a group that the project is shared with.',
  async run(request, context) {
    const { shared_with_groups: groups } = await projectAt(context, placeOf(request).api);
    const shown = (groups ?? []).map(({ group_id: id, group_full_path: path, group_access_level: level }) => {
      const [slug = path, ...above] = path.split('/').reverse();
      const team = { id, name: slug, slug, organization: above.reverse().join('~') };
      return { ...shapeTeam.team(context.base, team), permission: permissionOf(level) };
    });
    return { data: shown, pages: { next: false } };
  },
};

const addTeam: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'projects: POST /projects/:id/share, DELETE /projects/:id/share/:group_id',
  note: 'The project is shared with the subgroup.',
  async run(request, context) {
    const { permission = 'push' } = accept(
      'Team',
      z.looseObject({ permission: z.enum(['pull', 'triage', 'push', 'maintain', 'admin']).optional() }),
      request.body,
    );
    const { api } = placeOf(request);
    const { id } = await groupAt(context, teamPath(request));
    const { shared_with_groups: groups } = await projectAt(context, api);
    // A share cannot be changed, only made anew.
    if ((groups ?? []).some((group) => String(group.group_id) === String(id)))
      await context.native.send('DELETE', `${api}/share/${id}`);
    await context.native.send('POST', `${api}/share`, { json: { group_id: id, group_access: words[permission] } });
    return { status: 204 };
  },
};

const removeTeam: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'projects: DELETE /projects/:id/share/:group_id',
  note: 'The project is shared with the subgroup no longer.',
  async run(request, context) {
    const { id } = await groupAt(context, teamPath(request));
    await context.native.send('DELETE', `${placeOf(request).api}/share/${id}`);
    return { status: 204 };
  },
};

export const organizations: RouteTable = {
  'GET /orgs/{org}': getOrganization,
  'GET /orgs/{org}/members': members(organizationPath),
  'GET /orgs/{org}/members/{username}': checkMember,
  'GET /orgs/{org}/memberships/{username}': membership,
  'GET /orgs/{org}/teams': listTeams,
  'GET /orgs/{org}/teams/{team_slug}': getTeam,
  'GET /orgs/{org}/teams/{team_slug}/members': members(teamPath),
  'GET /orgs/{org}/teams/{team_slug}/memberships/{username}': teamMembership,
  'PUT /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}': addTeam,
  'DELETE /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}': removeTeam,
  'GET /repos/{owner}/{repo}/teams': repositoryTeams,
};
