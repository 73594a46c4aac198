/** People, organizations and teams. */
import type { JsonObject } from '../../../forge.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { organization } from '../../../kit/shapes/account.js';
import { team } from '../../../kit/shapes/team.js';
import { doer, holderOf, notFound, nothing, ok, pageOf, refuse, row } from '../answers.js';
import { accountOf, userJson } from '../present.js';
import { type Account, accountNamed, same, type Team } from '../state.js';
import type { World } from '../world.js';

export function peopleRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const whole = (account: Account): JsonObject => ({
    ...userJson(world, account.login),
    name: account.login,
    company: null,
    blog: '',
    location: null,
    email: account.email,
    bio: null,
    public_repos: state.repositories.filter(({ owner }) => same(owner, account.login)).length,
    created_at: account.created,
    updated_at: account.created,
  });
  const orgOf = (request: FakeRequest): Account => {
    const found = accountNamed(state, request.params.org ?? '');
    return found?.kind === 'Organization' ? found : notFound();
  };
  const teamOf = (request: FakeRequest): Team => {
    const org = orgOf(request);
    return (
      state.teams.find(({ organization: of, slug }) => same(of, org.login) && slug === request.params.team_slug) ??
      notFound()
    );
  };
  const teamJson = ({ id, name, slug, organization: of }: Team): JsonObject =>
    team(world.base, { id, name, slug, organization: of });
  const membersOf = (request: FakeRequest) => state.members.get(orgOf(request).login) ?? new Map<string, string>();
  const membership = (url: string, role: string, login: string, org: string) => ({
    url,
    state: 'active',
    role,
    organization_url: `${world.apiUrl}/orgs/${org}`,
    organization: organization(world.base, accountOf(world, org) ?? { id: 0, login: org }),
    user: userJson(world, login),
  });

  return [
    row('GET /user', (request) =>
      holderOf(request).installation || holderOf(request).isApp
        ? refuse(403, 'Resource not accessible by integration')
        : ok(whole(doer(request))),
    ),
    row('GET /users/{username}', (request) =>
      ok(whole(accountNamed(state, request.params.username ?? '') ?? notFound())),
    ),
    row('GET /orgs/{org}', (request) => {
      const { login } = orgOf(request);
      return ok(organization(world.base, accountOf(world, login) ?? { id: 0, login }));
    }),
    row('GET /orgs/{org}/members', (request) =>
      pageOf(world, request, [...membersOf(request).keys()], (login) => userJson(world, login)),
    ),
    row('GET /orgs/{org}/members/{username}', (request) =>
      membersOf(request).has(request.params.username ?? '') ? nothing() : notFound(),
    ),
    row('GET /orgs/{org}/memberships/{username}', (request) => {
      const [org, login] = [orgOf(request).login, request.params.username ?? ''];
      const role = membersOf(request).get(login) ?? notFound();
      return ok(membership(`${world.apiUrl}/orgs/${org}/memberships/${login}`, role, login, org));
    }),
    row('GET /orgs/{org}/teams', (request) => {
      const { login } = orgOf(request);
      const all = state.teams.filter(({ organization: of }) => same(of, login));
      return pageOf(world, request, all, teamJson);
    }),
    row('GET /orgs/{org}/teams/{team_slug}', (request) => ok(teamJson(teamOf(request)))),
    row('GET /orgs/{org}/teams/{team_slug}/members', (request) =>
      pageOf(world, request, [...teamOf(request).members], (login) => userJson(world, login)),
    ),
    row('GET /orgs/{org}/teams/{team_slug}/memberships/{username}', (request) => {
      const { members, slug, organization: org } = teamOf(request);
      const login = request.params.username ?? '';
      if (!members.has(login)) return notFound();
      const url = `${world.apiUrl}/orgs/${org}/teams/${slug}/memberships/${login}`;
      return ok({ url, role: 'member', state: 'active' });
    }),
  ];
}
