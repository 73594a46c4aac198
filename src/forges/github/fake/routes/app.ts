/** The App: what it is, where it is installed, and the tokens of its installation. */
import { z } from 'zod';
import type { JsonObject } from '../../../forge.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { user } from '../../../kit/shapes/account.js';
import { nodeId } from '../../../kit/shapes/node-id.js';
import { counted, created, holderOf, notFound, ok, pageOf, problem, refuse, row } from '../answers.js';
import { accountOf, repositoryJson, userJson } from '../present.js';
import { accountNamed, type Repository, repositoryNamed, same } from '../state.js';
import type { World } from '../world.js';

const HOUR = 60 * 60 * 1000;
const REQUESTS_PER_HOUR = 5000;
const TOKEN = z.looseObject({
  repositories: z.array(z.string()).optional(),
  repository_ids: z.array(z.number()).optional(),
  permissions: z.record(z.string(), z.string()).optional(),
});

export function appRoutes(world: World): FakeRoute[] {
  const { app, state } = world;
  /** The organization that has it: the owner of the first repository. */
  const account = (): string => state.repositories[0]?.owner ?? app.bot.login;

  const installationJson = (): JsonObject => {
    const owner = accountOf(world, account()) ?? { id: 0, login: account() };
    const target = accountNamed(state, account());
    return {
      id: app.installationId,
      node_id: nodeId('Installation', app.installationId),
      account: user(world.base, owner),
      repository_selection: 'all',
      access_tokens_url: `${world.apiUrl}/app/installations/${app.installationId}/access_tokens`,
      repositories_url: `${world.apiUrl}/installation/repositories`,
      html_url: `${world.webUrl}/settings/installations/${app.installationId}`,
      app_id: app.id,
      app_slug: app.slug,
      target_id: owner.id,
      target_type: target?.kind === 'Organization' ? 'Organization' : 'User',
      permissions: app.permissions,
      events: app.events,
      created_at: app.bot.created,
      updated_at: app.bot.created,
      single_file_name: null,
      has_multiple_single_files: false,
      single_file_paths: [],
      suspended_by: null,
      suspended_at: null,
    };
  };

  function asApp(request: FakeRequest): void {
    if (holderOf(request).isApp !== true) refuse(401, 'A JSON web token could not be decoded');
  }
  const theInstallation = (request: FakeRequest): JsonObject => {
    asApp(request);
    const { installation_id: id = String(app.installationId) } = request.params;
    return id === String(app.installationId) ? installationJson() : notFound();
  };

  function chosen(body: z.infer<typeof TOKEN>): Repository[] | undefined {
    const { repositories: names, repository_ids: ids } = body;
    if (names === undefined && ids === undefined) return undefined;
    const found = state.repositories.filter(
      ({ id, name }) => ids?.includes(id) || names?.some((wanted) => same(wanted, name)),
    );
    if (found.length < (names?.length ?? 0) + (ids?.length ?? 0))
      return refuse(
        422,
        'There is at least one repository that does not exist or is not accessible to the parent installation.',
      );
    return found;
  }

  function createToken(request: FakeRequest) {
    theInstallation(request);
    const body = request.body as z.infer<typeof TOKEN>;
    const tooMuch = Object.entries(body.permissions ?? {}).find(
      ([name, level]) => app.permissions[name] !== level && !(app.permissions[name] === 'write' && level === 'read'),
    );
    if (tooMuch !== undefined) return refuse(422, 'The permissions requested are not granted to this installation.');
    const repositories = chosen(body);
    const expires = world.clock().getTime() + HOUR;
    const permissions = { ...(body.permissions ?? app.permissions), metadata: 'read' };
    const ids = repositories && new Set(repositories.map(({ id }) => id));
    const token = world.giveToken({ account: app.bot, installation: { permissions, repositories: ids } }, expires);
    return created({
      token,
      expires_at: new Date(expires).toISOString().replace(/\.\d+Z$/, 'Z'),
      permissions,
      repository_selection: repositories === undefined ? 'all' : 'selected',
      ...(repositories && { repositories: repositories.map((one) => repositoryJson(world, one)) }),
    });
  }

  const reached = (request: FakeRequest): Repository[] => {
    const { installation } = holderOf(request);
    if (installation === undefined)
      return refuse(403, 'You must authenticate with an installation access token in order to list repositories.');
    return state.repositories.filter(({ id }) => installation.repositories?.has(id) ?? true);
  };

  return [
    row('GET /app', (request) => {
      asApp(request);
      const owner = userJson(world, account());
      return ok({
        id: app.id,
        slug: app.slug,
        node_id: nodeId('App', app.id),
        client_id: `Iv1.${app.id}`,
        owner,
        name: app.name,
        description: '',
        external_url: world.webUrl,
        html_url: `${world.webUrl}/apps/${app.slug}`,
        created_at: app.bot.created,
        updated_at: app.bot.created,
        permissions: app.permissions,
        events: app.events,
        installations_count: 1,
      });
    }),
    row('GET /app/installations', (request) => pageOf(world, request, [theInstallation(request)], (one) => one)),
    row('GET /app/installations/{installation_id}', (request) => ok(theInstallation(request))),
    row('POST /app/installations/{installation_id}/access_tokens', createToken, { body: TOKEN }),
    row('GET /repos/{owner}/{repo}/installation', (request) => {
      const { owner = '', repo = '' } = request.params;
      const shown = theInstallation({ ...request, params: {} });
      return repositoryNamed(state, owner, repo) === undefined ? notFound() : ok(shown);
    }),
    ...['orgs/{org}', 'users/{username}'].map((of) =>
      row(`GET /${of}/installation`, (request) => {
        const { org, username } = request.params;
        const shown = theInstallation({ ...request, params: {} });
        return same(org ?? username ?? '', account()) ? ok(shown) : notFound();
      }),
    ),
    row('GET /installation/repositories', (request) =>
      counted(world, request, 'repositories', reached(request), (one) => repositoryJson(world, one)),
    ),
    // Nobody has bought anything here.
    row('GET /marketplace_listing/accounts/{account_id}', () => ({ status: 404, json: problem(404, 'Not Found') })),
    row('GET /rate_limit', () => {
      const reset = Math.floor(world.clock().getTime() / 1000) + 3600;
      const core = { limit: REQUESTS_PER_HOUR, remaining: REQUESTS_PER_HOUR, reset, used: 0 };
      return ok({ resources: { core, search: core, graphql: core }, rate: core });
    }),
  ];
}
