/** What git needs to know of a project. */
import type { GitIdentity, GitObjects, GitRepository } from '../../kit/git-objects.js';
import { type RouteContext, RouteFailure } from '../../kit/route.js';
import { type Place, projectAt } from './place.js';

/** @throws RouteFailure 501 where this server has no git */
export function gitOf(context: RouteContext): GitObjects {
  if (context.git === undefined)
    throw new RouteFailure(501, 'GitLab has no API for this, and git is not available here.');
  return context.git;
}

/** The repository, and the identity under which commits of ours are made. */
export async function repositoryAt(
  context: RouteContext,
  place: Place,
): Promise<{ repository: GitRepository; author: GitIdentity }> {
  const project = await projectAt(context, place.api);
  const { login } = context.account;
  return {
    repository: { id: BigInt(project.id), cloneUrl: project.http_url_to_repo ?? `${project.web_url}.git` },
    author: {
      name: login,
      email: `${login}@users.noreply.${new URL(context.base.web).hostname}`,
      date: context.clock.now(),
    },
  };
}
