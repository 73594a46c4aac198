/** Who follows, watches and likes what, and the keys of a repository. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import type { RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import { deployKey } from '../../kit/shapes/deploy-key.js';
import { time } from '../convert/time.js';
import { idOf, numberParam, objectOf, param, repoPath, textOf } from './native.js';
import { apiBase, asRepository, asUser } from './objects.js';
import { organizationOf } from './organizations.js';
import { pageOf } from './pages.js';
import { emulated, exact } from './row.js';

type Convert = (context: RouteContext, native: unknown) => JsonObject;

const below = (base: (request: RouteRequest) => string, name: string, source: string, convert: Convert) =>
  exact('read', source, (request, context) =>
    pageOf(request, context, `${base(request)}/${name}`, {}, (native) => convert(context, native)),
  );

const ofRepository = (name: string, convert: Convert) =>
  below(repoPath, name, `repository: GET /repos/{owner}/{repo}/${name}`, convert);
const ofUser = (name: string, convert: Convert) =>
  below(
    (request) => `/users/${segment(param(request, 'username'))}`,
    name,
    `user: GET /users/{username}/${name}`,
    convert,
  );

const keysPath = (request: RouteRequest): string => `${repoPath(request)}/keys`;

function asKey(request: RouteRequest, context: RouteContext, value: unknown): JsonObject {
  const native = objectOf(value);
  return deployKey(context.base, param(request, 'owner'), param(request, 'repo'), {
    id: idOf(native),
    title: textOf(native, 'title'),
    key: textOf(native, 'key'),
    readOnly: native.read_only !== false,
    createdAt: time(native.created_at),
  });
}

/** What the account of the token hears of the repository. */
async function subscription(request: RouteRequest, context: RouteContext) {
  const native = objectOf(await context.native.get(`${repoPath(request)}/subscription`));
  const url = apiBase(request, context);
  const data = {
    subscribed: native.subscribed === true,
    ignored: native.ignored === true,
    reason: null,
    created_at: time(native.created_at) ?? null,
    url: `${url}/subscription`,
    repository_url: url,
  };
  return { data };
}

export const social: RouteTable = {
  'GET /repos/{owner}/{repo}/stargazers': ofRepository('stargazers', asUser),
  'GET /repos/{owner}/{repo}/subscribers': ofRepository('subscribers', asUser),
  'GET /repos/{owner}/{repo}/subscription': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/subscription',
    subscription,
  ),
  'GET /users/{username}/followers': ofUser('followers', asUser),
  'GET /users/{username}/following': ofUser('following', asUser),
  'GET /users/{username}/starred': ofUser('starred', asRepository),
  'GET /users/{username}/subscriptions': ofUser('subscriptions', asRepository),
  'GET /users/{username}/orgs': ofUser('orgs', organizationOf),
  'GET /orgs/{org}/public_members': below(
    (request) => `/orgs/${segment(param(request, 'org'))}`,
    'public_members',
    'organization: GET /orgs/{org}/public_members',
    asUser,
  ),
  'GET /repos/{owner}/{repo}/keys': exact('read', 'repository: GET /repos/{owner}/{repo}/keys', (request, context) =>
    pageOf(request, context, keysPath(request), {}, (native) => asKey(request, context, native)),
  ),
  'GET /repos/{owner}/{repo}/keys/{key_id}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/keys/{id}',
    'Who added it and when it was used last is not told.',
    async (request, context) => ({
      data: asKey(request, context, await context.native.get(`${keysPath(request)}/${numberParam(request, 'key_id')}`)),
    }),
  ),
};
