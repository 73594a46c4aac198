/** Git itself, for what the forge's API cannot write. */

import type { JsonObject } from '../../forge.js';
import type { GitIdentity, GitObjects, GitRepository } from '../../kit/git-objects.js';
import { type RouteContext, RouteFailure, type RouteRequest } from '../../kit/route.js';
import { idOf, objectOf, repoPath, textIn, textOf } from './native.js';

/** @throws RouteFailure 501 where no git is at hand */
export async function gitAccess(
  request: RouteRequest,
  context: RouteContext,
): Promise<{ git: GitObjects; repository: GitRepository; native: JsonObject }> {
  const native = objectOf(await context.native.get(repoPath(request)));
  if (context.git === undefined) throw new RouteFailure(501, 'This needs git, which is not available here.');
  return { git: context.git, repository: { id: BigInt(idOf(native)), cloneUrl: textOf(native, 'clone_url') }, native };
}

/** The account of the token, for commits that name nobody. */
export const ownIdentity = (context: RouteContext): GitIdentity => ({
  name: context.account.login,
  email: `${context.account.login}@noreply.${new URL(context.base.web).hostname}`,
  date: context.clock.now(),
});

/** A person of a request; who and when are filled in one by one. */
export function identityIn(value: unknown, otherwise: GitIdentity): GitIdentity {
  const person = objectOf(value);
  const date = Date.parse(textOf(person, 'date'));
  return {
    name: textIn(person, 'name') ?? otherwise.name,
    email: textIn(person, 'email') ?? otherwise.email,
    date: Number.isNaN(date) ? otherwise.date : new Date(date),
  };
}
