/** Accounts, organizations, teams, collaborators. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRoute } from '../../../kit/fake/routing.js';
import { created, doer, notFound, nothing, ok, paged, paging, pagingQuery, refuse, repositoryFor } from '../answers.js';
import { organizationJson, repositoryJson, teamJson, userJson } from '../objects.js';
import {
  type Account,
  accountNamed,
  levelOf,
  type Organization,
  organizationNamed,
  repositoryNamed,
  type Team,
} from '../state.js';
import type { World } from '../world.js';

const TEAM = z.object({
  name: z.string(),
  description: z.string().optional(),
  permission: z.enum(['read', 'write', 'admin']).optional(),
  includes_all_repositories: z.boolean().optional(),
  units: z.array(z.string()).optional(),
});

export function accountRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const account = (login = ''): Account => {
    const found = accountNamed(state, login);
    return found?.kind === 'user' ? found : notFound();
  };
  const organization = (login = ''): Organization => organizationNamed(state, login) ?? notFound();
  const members = (one: Organization): string[] => [...new Set(one.teams.flatMap((team) => [...team.members]))];
  const team = (id = ''): { organization: Organization; team: Team } => {
    for (const one of state.accounts) {
      const teams = one.kind === 'organization' ? (one as Organization).teams : [];
      const found = teams.find((entry) => String(entry.id) === id);
      if (found) return { organization: one as Organization, team: found };
    }
    return notFound();
  };
  const collaborator = (request: Parameters<FakeRoute['run']>[0]) => {
    const found = accountNamed(state, request.params.collaborator ?? '');
    return found?.kind === 'user'
      ? found
      : refuse(422, `user does not exist [uid: 0, name: ${request.params.collaborator}]`);
  };
  const users = (logins: readonly string[], request: Parameters<FakeRoute['run']>[0]) =>
    paged(world, request, logins, (login) => userJson(world, login));

  return [
    {
      method: 'GET',
      path: '/user',
      source: 'user: GET /user',
      run: (request) => ok(userJson(world, doer(request).login)),
    },
    {
      method: 'GET',
      path: '/users/:username',
      source: 'user: GET /users/{username}',
      run: (request) => ok(userJson(world, (accountNamed(state, request.params.username ?? '') ?? notFound()).login)),
    },
    {
      method: 'GET',
      path: '/user/orgs',
      source: 'user: GET /user/orgs',
      query: pagingQuery,
      run: (request) => {
        const mine = state.accounts
          .filter((one): one is Organization => one.kind === 'organization')
          .filter((one) => members(one).includes(doer(request).login));
        return paged(world, request, mine, (one) => organizationJson(world, one));
      },
    },
    {
      method: 'GET',
      path: '/user/teams',
      source: 'user: GET /user/teams',
      query: pagingQuery,
      run: (request) => {
        const mine = state.accounts
          .filter((one): one is Organization => one.kind === 'organization')
          .flatMap((one) => one.teams.map((entry) => ({ of: one, entry })))
          .filter(({ entry }) => entry.members.has(doer(request).login));
        return paged(world, request, mine, ({ of, entry }) => teamJson(world, of, entry));
      },
    },
    {
      method: 'GET',
      path: '/users/search',
      source: 'user: GET /users/search',
      query: z.object({ ...paging, q: z.string().optional(), uid: parameter.integer.optional() }),
      run: (request) => {
        const uid = request.query.get('uid');
        const q = (request.query.get('q') ?? '').toLowerCase();
        const found = state.accounts.filter(
          (one) =>
            one.kind === 'user' &&
            one.id > 0 &&
            (uid === null || String(one.id) === uid) &&
            one.login.toLowerCase().includes(q),
        );
        return ok({ ok: true, data: found.map((one) => userJson(world, one.login)) });
      },
    },
    {
      method: 'GET',
      path: '/users/:username/orgs/:org/permissions',
      source: 'organization: GET /users/{username}/orgs/{org}/permissions',
      run: (request) => {
        const { login } = account(request.params.username);
        const levels = organization(request.params.org)
          .teams.filter((one) => one.members.has(login))
          .map((one) => one.permission);
        const owner = levels.includes('owner');
        return ok({
          is_owner: owner,
          is_admin: owner || levels.includes('admin'),
          can_write: levels.some((level) => level !== 'read'),
          can_read: levels.length > 0,
          can_create_repository: owner,
        });
      },
    },
    {
      method: 'GET',
      path: '/orgs/:org',
      source: 'organization: GET /orgs/{org}',
      run: (request) => ok(organizationJson(world, organization(request.params.org))),
    },
    {
      method: 'GET',
      path: '/orgs/:org/members',
      source: 'organization: GET /orgs/{org}/members',
      query: pagingQuery,
      run: (request) => users(members(organization(request.params.org)), request),
    },
    {
      method: 'GET',
      path: '/orgs/:org/members/:username',
      source: 'organization: GET /orgs/{org}/members/{username}',
      run: (request) => {
        const one = organization(request.params.org);
        // Whoever is no member may only see the public ones.
        if (!members(one).includes(doer(request).login))
          return {
            status: 303,
            headers: { location: `${world.apiUrl}/orgs/${one.login}/public_members/${request.params.username}` },
          };
        return members(one).includes(request.params.username ?? '') ? nothing() : notFound();
      },
    },
    {
      method: 'GET',
      path: '/orgs/:org/public_members/:username',
      source: 'organization: GET /orgs/{org}/public_members/{username}',
      run: (request) => {
        organization(request.params.org);
        return notFound();
      },
    },
    {
      method: 'GET',
      path: '/orgs/:org/teams',
      source: 'organization: GET /orgs/{org}/teams',
      query: pagingQuery,
      run: (request) => {
        const one = organization(request.params.org);
        return paged(world, request, one.teams, (entry) => teamJson(world, null, entry));
      },
    },
    {
      method: 'POST',
      path: '/orgs/:org/teams',
      source: 'organization: POST /orgs/{org}/teams',
      body: TEAM,
      run: (request) => {
        const one = organization(request.params.org);
        const body = request.body as z.infer<typeof TEAM>;
        if (one.teams.some((entry) => entry.name.toLowerCase() === body.name.toLowerCase()))
          refuse(422, 'team already exists');
        const made: Team = {
          id: state.nextId(),
          name: body.name,
          description: body.description ?? '',
          permission: body.permission ?? 'read',
          includesAllRepositories: body.includes_all_repositories ?? false,
          members: new Set(),
          repositories: new Set(),
        };
        one.teams.push(made);
        return created(teamJson(world, one, made));
      },
    },
    {
      method: 'DELETE',
      path: '/teams/:id',
      source: 'organization: DELETE /teams/{id}',
      run: (request) => {
        const found = team(request.params.id);
        found.organization.teams = found.organization.teams.filter((one) => one !== found.team);
        return nothing();
      },
    },
    {
      method: 'GET',
      path: '/teams/:id/members',
      source: 'organization: GET /teams/{id}/members',
      query: pagingQuery,
      run: (request) => {
        const found = team(request.params.id);
        // Also the team that everybody may see shows its people to the organization alone.
        if (!members(found.organization).includes(doer(request).login) && !doer(request).isAdmin) return notFound();
        return users([...found.team.members], request);
      },
    },
    {
      method: 'GET',
      path: '/teams/:id/members/:username',
      source: 'organization: GET /teams/{id}/members/{username}',
      run: (request) => {
        const found = team(request.params.id).team;
        const { login } = account(request.params.username);
        return found.members.has(login) ? ok(userJson(world, login)) : notFound();
      },
    },
    {
      method: 'PUT',
      path: '/teams/:id/members/:username',
      source: 'organization: PUT /teams/{id}/members/{username}',
      run: (request) => {
        team(request.params.id).team.members.add(account(request.params.username).login);
        return nothing();
      },
    },
    {
      method: 'DELETE',
      path: '/teams/:id/members/:username',
      source: 'organization: DELETE /teams/{id}/members/{username}',
      run: (request) => {
        team(request.params.id).team.members.delete(account(request.params.username).login);
        return nothing();
      },
    },
    {
      method: 'GET',
      path: '/teams/:id/repos',
      source: 'organization: GET /teams/{id}/repos',
      query: pagingQuery,
      run: (request) => {
        const found = team(request.params.id).team;
        const repositories = state.repositories.filter((one) => found.repositories.has(one.id));
        return paged(world, request, repositories, (one) => repositoryJson(world, one, doer(request).login));
      },
    },
    ...(['PUT', 'DELETE'] as const).map(
      (method): FakeRoute => ({
        method,
        path: '/teams/:id/repos/:org/:repo',
        source: `organization: ${method} /teams/{id}/repos/{org}/{repo}`,
        run: (request) => {
          const found = team(request.params.id).team;
          const repository = repositoryNamed(state, request.params.org ?? '', request.params.repo ?? '') ?? notFound();
          if (method === 'PUT') found.repositories.add(repository.id);
          else found.repositories.delete(repository.id);
          return nothing();
        },
      }),
    ),
    {
      method: 'GET',
      path: '/repos/:owner/:repo/collaborators',
      source: 'repository: GET /repos/{owner}/{repo}/collaborators',
      query: z.object(paging),
      run: (request) => users([...repositoryFor(world, request).collaborators.keys()], request),
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/collaborators/:collaborator',
      source: 'repository: GET /repos/{owner}/{repo}/collaborators/{collaborator}',
      run: (request) => {
        const repository = repositoryFor(world, request);
        return repository.collaborators.has(collaborator(request).login) ? nothing() : notFound();
      },
    },
    {
      method: 'PUT',
      path: '/repos/:owner/:repo/collaborators/:collaborator',
      source: 'repository: PUT /repos/{owner}/{repo}/collaborators/{collaborator}',
      body: z.object({ permission: z.enum(['read', 'write', 'admin']).optional() }),
      run: (request) => {
        const repository = repositoryFor(world, request, 'admin');
        const { permission = 'write' } = request.body as { permission?: 'read' | 'write' | 'admin' };
        repository.collaborators.set(collaborator(request).login, permission);
        return nothing();
      },
    },
    {
      method: 'DELETE',
      path: '/repos/:owner/:repo/collaborators/:collaborator',
      source: 'repository: DELETE /repos/{owner}/{repo}/collaborators/{collaborator}',
      run: (request) => {
        repositoryFor(world, request, 'admin').collaborators.delete(collaborator(request).login);
        return nothing();
      },
    },
    {
      method: 'GET',
      path: '/repos/:owner/:repo/collaborators/:collaborator/permission',
      source: 'repository: GET /repos/{owner}/{repo}/collaborators/{collaborator}/permission',
      run: (request) => {
        const repository = repositoryFor(world, request);
        const { login } = accountNamed(state, request.params.collaborator ?? '') ?? notFound();
        const self = doer(request);
        const isAdmin = ['admin', 'owner'].includes(levelOf(state, repository, self.login));
        if (!isAdmin && self.login !== login)
          refuse(
            403,
            'Only admins can query all permissions, repo admins can query all repo permissions, collaborators can query only their own',
          );
        const level = levelOf(state, repository, login);
        return ok({ permission: level, role_name: level, user: userJson(world, login) });
      },
    },
  ];
}
