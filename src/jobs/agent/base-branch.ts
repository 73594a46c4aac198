/** The branch that an agent's work is to be merged into, which may have gone, or have another name, since it began. */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';
import { refusalOf } from '../sync/denied.js';
import type { ForgeOctokit } from '../sync/octokit.js';
import type { SessionRecord } from './session-record.js';

const REPOSITORY = '/repos/{owner}/{repo}';
const branchNow = z.object({ name: z.string() });
const repositoryNow = z.object({ default_branch: z.string() });

/** How the branch is called by now; undefined when it is gone. A forge leads from an old name to the new one. */
async function nameNow(
  octokit: ForgeOctokit,
  place: { owner: string; repo: string },
  branch: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { data } = await octokit.request(`GET ${REPOSITORY}/branches/{branch}`, {
      ...{ ...place, branch, request: { signal } },
    });
    return branchNow.parse(data).name;
  } catch (error) {
    if (refusalOf(error)?.status === 404) return undefined;
    throw error;
  }
}

/**
 * Where a pull request of the session can be opened, once the forge has refused to open it into the branch that it was begun for: what
 * was done for an issue belongs into the default branch, whatever that is called.
 * @throws ForgewayError FORGEWAY_CONFLICT when there is no such branch any more
 */
export async function baseNow(
  octokit: ForgeOctokit,
  { repository, onPullRequest, baseBranch }: Pick<SessionRecord, 'repository' | 'onPullRequest' | 'baseBranch'>,
  signal: AbortSignal,
): Promise<string> {
  const place = { owner: repository.owner, repo: repository.name };
  const known = baseBranch === null ? undefined : await nameNow(octokit, place, baseBranch, signal);
  if (known !== undefined) return known;
  if (!onPullRequest) {
    const { data } = await octokit.request(`GET ${REPOSITORY}`, { ...place, request: { signal } });
    const { default_branch: branch } = repositoryNow.parse(data);
    if (branch !== baseBranch) return branch;
  }
  throw new ForgewayError(
    'FORGEWAY_CONFLICT',
    `The branch ${baseBranch}, which it is for, is not there any more. When it is back, /retry opens it.`,
  );
}
