/** Organizations and who belongs to them. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { hasNoAnswer } from '../../kit/no-answer.js';
import { notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { organization } from '../../kit/shapes/account.js';
import { accountInput } from '../convert/user.js';
import { failedWith, flagIn, objectOf, param, textIn, textOf } from './native.js';
import { asRepository, asUser } from './objects.js';
import { pageOf } from './pages.js';
import { exact } from './row.js';

const orgPath = (request: RouteRequest): string => `/orgs/${segment(param(request, 'org'))}`;

/** Its login stands in `name` or, in older answers, in `username`. */
export function organizationOf(context: RouteContext, value: unknown): JsonObject {
  const native = objectOf(value);
  const login = textIn(native, 'name') ?? textOf(native, 'username');
  const input = accountInput({ ...native, login }, 'Organization');
  const name = textIn(native, 'full_name') ?? login;
  return { ...organization(context.base, input, textIn(native, 'description') ?? ''), name, type: 'Organization' };
}

/** Whoever may not see the members is sent on to the public ones with a redirect. */
async function checkMember(request: RouteRequest, context: RouteContext) {
  const user = segment(param(request, 'username'));
  try {
    await context.native.send('GET', `${orgPath(request)}/members/${user}`);
  } catch (error) {
    // 502 is what a redirect becomes that nobody followed; behind a proxy it may lead to another origin.
    if (!hasNoAnswer(error) && !failedWith(error, 302, 303, 502)) throw error;
    await context.native.send('GET', `${orgPath(request)}/public_members/${user}`);
  }
  return { status: 204 };
}

async function getMembership(request: RouteRequest, context: RouteContext) {
  await checkMember(request, context);
  const user = segment(param(request, 'username'));
  const permissions = objectOf(await context.native.find(`/users/${user}${orgPath(request)}/permissions`));
  const admin = flagIn(permissions, 'is_owner') ?? flagIn(permissions, 'is_admin') ?? false;
  const native = await context.native.find(`/users/${user}`);
  if (native === undefined) throw notFound();
  const url = `${context.base.api}${orgPath(request)}`;
  return {
    data: {
      url: `${url}/memberships/${user}`,
      state: 'active',
      role: admin ? 'admin' : 'member',
      organization_url: url,
      organization: organizationOf(context, await context.native.get(orgPath(request))),
      user: asUser(context, native),
    },
  };
}

export const organizations: RouteTable = {
  'GET /orgs/{org}': exact('read', 'organization: GET /orgs/{org}', async (request, context) => ({
    data: organizationOf(context, await context.native.get(orgPath(request))),
  })),
  'GET /orgs/{org}/members': exact('read', 'organization: GET /orgs/{org}/members', (request, context) =>
    pageOf(request, context, `${orgPath(request)}/members`, {}, (native) => asUser(context, native)),
  ),
  'GET /orgs/{org}/members/{username}': exact('read', 'organization: GET /orgs/{org}/members/{username}', checkMember),
  'GET /orgs/{org}/memberships/{username}': exact(
    'read',
    'organization: GET /users/{username}/orgs/{org}/permissions',
    getMembership,
  ),
  'GET /orgs/{org}/repos': exact('read', 'organization: GET /orgs/{org}/repos', (request, context) =>
    pageOf(request, context, `${orgPath(request)}/repos`, {}, (native) => asRepository(context, native)),
  ),
};
