/** Accounts. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import type { RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import { time } from '../convert/time.js';
import { accountInput } from '../convert/user.js';
import { countIn, objectOf, param, textIn } from './native.js';
import { asRepository, asUser } from './objects.js';
import { pageOf } from './pages.js';
import { exact } from './row.js';

/** What GitHub tells of one account and not in lists. */
function asFullUser(context: RouteContext, value: unknown): JsonObject {
  const native = objectOf(value);
  const created = time(native.created) ?? '1970-01-01T00:00:00Z';
  return {
    ...asUser(context, native),
    name: accountInput(native).name ?? null,
    company: null,
    blog: textIn(native, 'website') ?? '',
    location: textIn(native, 'location') ?? null,
    email: textIn(native, 'email') ?? null,
    hireable: null,
    bio: textIn(native, 'description') ?? null,
    twitter_username: null,
    public_repos: 0,
    public_gists: 0,
    followers: countIn(native, 'followers_count') ?? 0,
    following: countIn(native, 'following_count') ?? 0,
    created_at: created,
    updated_at: created,
  };
}

const userPath = (request: RouteRequest): string => `/users/${segment(param(request, 'username'))}`;

export const users: RouteTable = {
  'GET /user': exact('read', 'user: GET /user', async (_request, context) => ({
    data: asFullUser(context, await context.native.get('/user')),
  })),
  'GET /users/{username}': exact('read', 'user: GET /users/{username}', async (request, context) => ({
    data: asFullUser(context, await context.native.get(userPath(request))),
  })),
  'GET /users/{username}/repos': exact('read', 'user: GET /users/{username}/repos', (request, context) =>
    pageOf(request, context, `${userPath(request)}/repos`, {}, (native) => asRepository(context, native)),
  ),
  'GET /user/repos': exact('read', 'user: GET /user/repos', (request, context) =>
    pageOf(request, context, '/user/repos', {}, (native) => asRepository(context, native)),
  ),
};
