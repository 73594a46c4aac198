import type { JsonObject } from '../../forge.js';
import { notFound, type Route, type RouteContext, type RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/account.js';
import { read } from '../convert/read.js';
import { account, nativeUser } from '../convert/user.js';
import { findUser } from './people.js';
import { param } from './place.js';

/** GitHub's public user: the simple one, and what people wrote about themselves. */
function shown(context: RouteContext, data: unknown): JsonObject {
  const user = read(nativeUser, data, 'user');
  const text = (name: string): string | null =>
    typeof user[name] === 'string' && user[name] !== '' ? user[name] : null;
  return {
    ...shape.user(context.base, account(user)),
    name: user.name ?? null,
    company: text('organization'),
    blog: text('website_url') ?? '',
    location: text('location'),
    email: user.public_email || null,
    hireable: null,
    bio: text('bio'),
    twitter_username: null,
    public_repos: 0,
    public_gists: 0,
    followers: typeof user.followers === 'number' ? user.followers : 0,
    following: typeof user.following === 'number' ? user.following : 0,
    created_at: text('created_at') ?? '1970-01-01T00:00:00Z',
    updated_at: text('created_at') ?? '1970-01-01T00:00:00Z',
  };
}

const byLogin: Route = {
  support: 'exact',
  retry: 'read',
  source: 'users: GET /users?username=, GET /users/:id',
  async run(request, context) {
    const user = await findUser(context, param(request, 'username'));
    if (user === undefined) throw notFound();
    return { data: shown(context, await context.native.get(`/users/${user.id}`)) };
  },
};

const self: Route = {
  support: 'exact',
  retry: 'read',
  source: 'users: GET /user',
  run: async (_request, context) => ({ data: shown(context, await context.native.get('/user')) }),
};

export const users: RouteTable = {
  'GET /users/{username}': byLogin,
  'GET /user': self,
};
