/** Who follows, watches and likes what, and the keys of a repository. */
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { doer, notFound, ok, paged, pagingQuery, repositoryFor } from '../answers.js';
import { organizationJson, repositoryJson, userJson } from '../objects.js';
import { accountNamed, type Organization, organizationNamed, type State } from '../state.js';
import type { World } from '../world.js';

export function socialRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const base = '/repos/:owner/:repo';
  const loginOf = (request: FakeRequest): string =>
    (accountNamed(state, request.params.username ?? '') ?? notFound()).login;
  const marked = (list: 'stars' | 'watches', request: FakeRequest) => {
    const { id } = repositoryFor(world, request);
    return state[list].filter(({ repository }) => repository === id).map(({ login }) => login);
  };
  const list = <T>(
    path: string,
    tag: string,
    found: (request: FakeRequest) => readonly T[],
    show: (one: T, request: FakeRequest) => unknown,
  ): FakeRoute => ({
    method: 'GET',
    path,
    source: `${tag}: GET ${path.replace(/:(\w+)/g, '{$1}')}`,
    query: pagingQuery,
    run: (request) => paged(world, request, found(request), (one) => show(one, request)),
  });
  const user = (login: string) => userJson(world, login);
  const repositories = (which: 'stars' | 'watches', request: FakeRequest) => {
    const login = loginOf(request);
    const ids = state[which].filter((one) => one.login === login).map(({ repository }) => repository);
    return state.repositories.filter(({ id }) => ids.includes(id));
  };
  const shownRepository = (one: State['repositories'][number], request: FakeRequest) =>
    repositoryJson(world, one, doer(request).login);
  const keys = (request: FakeRequest) => {
    const { id } = repositoryFor(world, request, 'admin');
    return state.deployKeys.filter(({ repository }) => repository === id);
  };
  const shownKey = ({ id, title, key, readOnly, created }: State['deployKeys'][number], request: FakeRequest) => ({
    id,
    key_id: id,
    title,
    key,
    url: `${world.apiUrl}/repos/${request.params.owner}/${request.params.repo}/keys/${id}`,
    fingerprint: `SHA256:${id}`,
    created_at: created,
    read_only: readOnly,
  });

  return [
    list(`${base}/stargazers`, 'repository', (request) => marked('stars', request), user),
    list(`${base}/subscribers`, 'repository', (request) => marked('watches', request), user),
    {
      method: 'GET',
      path: `${base}/subscription`,
      source: 'repository: GET /repos/{owner}/{repo}/subscription',
      run: (request) => {
        const { login } = doer(request);
        const repository = repositoryFor(world, request);
        if (!marked('watches', request).includes(login)) return notFound();
        const url = `${world.apiUrl}/repos/${repository.owner}/${repository.name}`;
        return ok({
          subscribed: true,
          ignored: false,
          reason: null,
          created_at: repository.created,
          url: `${url}/subscription`,
          repository_url: url,
        });
      },
    },
    list(
      '/users/:username/followers',
      'user',
      (request) => {
        const login = loginOf(request);
        return state.follows.filter(({ of }) => of === login).map((one) => one.login);
      },
      user,
    ),
    list(
      '/users/:username/following',
      'user',
      (request) => {
        const login = loginOf(request);
        return state.follows.filter((one) => one.login === login).map(({ of }) => of);
      },
      user,
    ),
    list('/users/:username/starred', 'user', (request) => repositories('stars', request), shownRepository),
    list('/users/:username/subscriptions', 'user', (request) => repositories('watches', request), shownRepository),
    list(
      '/users/:username/orgs',
      'organization',
      (request) => {
        const login = loginOf(request);
        return state.accounts.filter(
          (one): one is Organization =>
            one.kind === 'organization' && (one as Organization).teams.some(({ members }) => members.has(login)),
        );
      },
      (one) => organizationJson(world, one),
    ),
    list(
      '/orgs/:org/public_members',
      'organization',
      // Nobody here says that he belongs.
      (request) => ((organizationNamed(state, request.params.org ?? '') ?? notFound()) ? [] : []),
      user,
    ),
    list(`${base}/keys`, 'repository', keys, shownKey),
    {
      method: 'GET',
      path: `${base}/keys/:id`,
      source: 'repository: GET /repos/{owner}/{repo}/keys/{id}',
      run: (request) => {
        const found = keys(request).find(({ id }) => String(id) === request.params.id);
        return ok(shownKey(found ?? notFound(), request));
      },
    },
  ];
}
