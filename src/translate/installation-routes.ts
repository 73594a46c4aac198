/**
 * What GitHub answers about Apps and installations, answered by us: on a forge without Apps a connection is one
 * installation, and these routes read our own tables. One table for every such forge.
 */
import type { OpenConnection } from '../accounts/connections.js';
import {
  notFound,
  type Route,
  type RouteAnswer,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../forges/kit/route.js';
import { user } from '../forges/kit/shapes/account.js';
import type { ShapeBase } from '../forges/kit/shapes/base.js';
import { INSTALLATION_PERMISSIONS, installation as installationShape } from '../forges/kit/shapes/installation.js';
import { nodeId } from '../forges/kit/shapes/node-id.js';
import { formatId } from '../lib/ids.js';
import type { ConnectionRepositories } from './connection-repositories.js';
import { budgetAt } from './github-headers.js';

export interface InstallationContext {
  connection: OpenConnection;
  base: ShapeBase;
  repositories: ConnectionRepositories;
}

type InstallationRoute = Route<InstallationContext>;

const SOURCE = 'Forgeway: its own connections';
/** An App that exists here alone; the slug is how apps find their own comments. */
const APP_SLUG = 'forgeway';
/** Its number. */
export const OWN_APP_ID = 1;
const TOKEN_LIFE_MS = 3_600_000;

function accountOf({ connection: { account } }: InstallationContext) {
  return { id: formatId(account.id), login: account.login };
}

function app(context: InstallationContext) {
  return {
    id: OWN_APP_ID,
    slug: APP_SLUG,
    node_id: nodeId('App', OWN_APP_ID),
    name: 'Forgeway',
    owner: user(context.base, accountOf(context)),
    description: '',
    external_url: context.base.web,
    html_url: context.base.web,
    permissions: { ...INSTALLATION_PERMISSIONS },
    events: [],
    created_at: new Date(0).toISOString(),
    updated_at: new Date(0).toISOString(),
  };
}

function installation(context: InstallationContext) {
  const id = Number(context.connection.virtualId);
  const never = new Date(0).toISOString();
  return installationShape(context.base, { id, account: accountOf(context), createdAt: never, updatedAt: never });
}

/** Repositories that are served through this connection. */
async function repositories(context: InstallationContext, request: RouteRequest) {
  const { connection, base } = context;
  const { total, repositories: served } = await context.repositories.list(connection, request);
  const list = served.map((one) => ({
    id: formatId(one.remoteId),
    node_id: nodeId('Repository', formatId(one.remoteId), `${one.owner}/${one.name}`),
    name: one.name,
    full_name: `${one.owner}/${one.name}`,
    private: one.private,
    archived: one.archived,
    disabled: false,
    fork: false,
    default_branch: one.defaultBranch,
    html_url: one.url,
    url: `${base.api}/repos/${one.owner}/${one.name}`,
    owner: { login: one.owner, html_url: `${base.web}/${one.owner}`, type: 'Organization' },
  }));
  return { total, list, next: request.page * request.perPage < total };
}

const reading = (run: InstallationRoute['run']): InstallationRoute => ({
  support: 'emulated',
  retry: 'read',
  source: SOURCE,
  run,
});

async function ownInstallation(request: RouteRequest, context: InstallationContext): Promise<RouteAnswer> {
  const wanted = request.params.installation_id;
  if (wanted !== undefined && wanted !== String(context.connection.virtualId)) throw notFound();
  return { data: installation(context) };
}

/** Of an account whose repositories are served; which of both kinds it is makes no difference to whoever asks. */
const ofAccount = reading(async (request, context) => {
  const login = request.params.org ?? request.params.username ?? '';
  const { connection, repositories: served } = context;
  const isOwn = login.toLowerCase() === connection.account.login.toLowerCase();
  if (!isOwn && !(await served.hasOwner(connection, login))) throw notFound();
  return { data: installation(context) };
});

const noMarketplace = reading(async () => {
  throw notFound();
});

export const installationRoutes: RouteTable<InstallationContext> = {
  'GET /app': reading(async (_request, context) => ({ data: app(context) })),
  'GET /apps/{app_slug}': reading(async (_request, context) => ({ data: app(context) })),
  'GET /app/installations': reading(async (request, context) => ({
    data: request.page === 1 ? [installation(context)] : [],
    pages: { next: false },
  })),
  'GET /app/installations/{installation_id}': reading(ownInstallation),
  'GET /repos/{owner}/{repo}/installation': reading(async (request, context) => {
    const { owner = '', repo = '' } = request.params;
    if (!(await context.repositories.has(context.connection, owner, repo))) throw notFound();
    return { data: installation(context) };
  }),
  'GET /orgs/{org}/installation': ofAccount,
  'GET /users/{username}/installation': ofAccount,
  'POST /app/installations/{installation_id}/access_tokens': {
    support: 'emulated',
    note: 'The token of the connection itself, which cannot be narrowed to single repositories.',
    retry: 'idempotent',
    source: SOURCE,
    async run(request, context) {
      await ownInstallation(request, context);
      const expires = new Date(Date.now() + TOKEN_LIFE_MS).toISOString();
      return {
        status: 201,
        data: {
          token: await context.connection.token(),
          expires_at: expires,
          permissions: { ...INSTALLATION_PERMISSIONS },
          repository_selection: 'selected',
        },
      };
    },
  },
  'GET /installation/repositories': reading(async (request, context) => {
    const { total, list, next } = await repositories(context, request);
    return {
      data: { total_count: total, repository_selection: 'selected', repositories: list },
      pages: { next },
    };
  }),
  'GET /user/installations': reading(async (_request, context) => ({
    data: { total_count: 1, installations: [installation(context)] },
  })),
  'GET /user/installations/{installation_id}/repositories': reading(async (request, context) => {
    await ownInstallation(request, context);
    const { total, list, next } = await repositories(context, request);
    return { data: { total_count: total, repositories: list }, pages: { next } };
  }),
  'DELETE /installation/token': {
    support: 'emulated',
    note: 'Accepted and without effect: the token belongs to the connection.',
    retry: 'idempotent',
    source: SOURCE,
    run: async () => ({ status: 204 }),
  },
  'GET /rate_limit': reading(async () => {
    const budget = budgetAt(new Date());
    const resources = { core: budget, search: budget, code_search: budget, graphql: budget };
    return { data: { resources, rate: budget } };
  }),
  'GET /meta': reading(async () => ({ data: { verifiable_password_authentication: false } })),
  'GET /marketplace_listing/plans': noMarketplace,
  'GET /marketplace_listing/accounts/{account_id}': noMarketplace,
  'GET /marketplace_listing/stubbed/accounts/{account_id}': noMarketplace,
};

/** A route that neither we nor the forge have. */
export const notSupported = (method: string, path: string, forgeLabel: string): RouteFailure =>
  new RouteFailure(501, `${method} ${path} is not supported on ${forgeLabel}.`);
