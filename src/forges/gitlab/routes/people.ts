/** Accounts by login, where GitLab wants ids. */
import { z } from 'zod';
import type { RouteContext } from '../../kit/route.js';
import { invalid } from '../../kit/route.js';
import { readAll } from '../convert/read.js';
import { type NativeUser, nativeUser } from '../convert/user.js';

/** The account with this login, whatever its case; undefined when there is none. */
export async function findUser(context: RouteContext, login: string): Promise<NativeUser | undefined> {
  const found = readAll(nativeUser, await context.native.get('/users', { username: login }), 'user');
  return found.find((user) => user.username.toLowerCase() === login.toLowerCase());
}

/** @throws RouteFailure 422 naming the first login that nobody has */
export async function userIds(
  context: RouteContext,
  logins: readonly string[],
  at: { resource: string; field: string },
): Promise<NativeUser['id'][]> {
  const users = await Promise.all(logins.map((login) => findUser(context, login)));
  const missing = users.indexOf(undefined);
  if (missing >= 0) throw invalid(at.resource, at.field, 'invalid', `There is no account ${logins[missing]}.`);
  return users.flatMap((user) => (user ? [user.id] : []));
}

export const logins = z.union([z.array(z.string()), z.string().transform((login) => [login])]);

type Id = NativeUser['id'];

/** Both lists, each id once; ids beyond 2^53 are texts. */
export const joined = (now: readonly Id[], given: readonly Id[]): Id[] => [...now, ...without(given, now)];

export function without(now: readonly Id[], given: readonly Id[]): Id[] {
  const gone = new Set(given.map(String));
  return now.filter((id) => !gone.has(String(id)));
}

/** As GitLab takes a list: a single 0 stands for nobody. */
export const idList = (ids: readonly Id[]): readonly Id[] => (ids.length === 0 ? [0] : ids);
