/** Approvals that a repository asks for before a plan is applied, counted from what the forge says now (R7). */
import { parse } from 'yaml';
import { z } from 'zod';
import { type Permissions, permissionAtLeast } from '../../accounts/permissions.js';
import type { Store } from '../../store/database.js';
import { CONFIG_PATH } from '../preview/repository-config.js';
import { refusalOf } from '../sync/denied.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';
import type { OctokitOf } from './connection-octokit.js';
import { placeOf } from './forge-repository.js';
import type { Gate } from './may-apply.js';
import { workspacesSection } from './repository-section.js';

const user = z.object({ id: z.union([z.number(), z.string()]).transform(BigInt), login: z.string() });
const review = z.object({ user: user.nullish(), state: z.string() });
const pull = z.object({ user: user.nullish() });
const config = z.looseObject({ workspaces: workspacesSection.optional() }).nullish();
const file = z.union([
  z.string(),
  z
    .object({ content: z.string(), encoding: z.literal('base64') })
    .transform(({ content }) => Buffer.from(content, 'base64').toString('utf8')),
]);

type Place = { owner: string; repo: string };

/** From the default branch, which nobody changes by a pull request of his own. Undefined: it cannot be understood. */
async function wantedApprovals(octokit: ForgeOctokit, place: Place, signal: AbortSignal): Promise<number | undefined> {
  try {
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/contents/{path}', {
      ...{ ...place, path: CONFIG_PATH },
      headers: { accept: 'application/vnd.github.raw+json' },
      request: { signal },
    });
    const read = config.safeParse(parse(file.parse(data), { maxAliasCount: 20 }));
    return read.success ? (read.data?.workspaces?.approvals ?? 0) : undefined;
  } catch (error) {
    if (refusalOf(error)?.status === 404) return 0;
    throw error;
  }
}

export interface ApprovalsOptions {
  store: Store;
  octokitOf: OctokitOf;
  permissions: Permissions;
}

/** The gate in front of every apply of a commit. */
export function approvalsGate(o: ApprovalsOptions): Gate {
  return async (run, { workspace, repository, facts }, signal) => {
    if (workspace.vcsConnectionId === null || workspace.forge === null || workspace.host === null) return undefined;
    const { forge, host } = workspace;
    const octokit = await o.octokitOf(run.organizationId, workspace.vcsConnectionId);
    const place = placeOf(repository.path);
    const wanted = await wantedApprovals(octokit, place, signal);
    if (wanted === undefined)
      return `${CONFIG_PATH} on ${facts.default_branch} cannot be read, so it is not known what has to hold. Correct it, then start another run.`;
    if (wanted === 0) return undefined;
    const { rows } = await o.store.tenant(run.organizationId, (tx) =>
      tx.query<{ number: number }>(
        `SELECT number FROM pull_request WHERE forge = $1 AND host = $2 AND remote_repository_id = $3 AND merge_commit_sha = $4
         ORDER BY number DESC LIMIT 1`,
        [forge, host, facts.id, run.vcsCommitSha],
      ),
    );
    const [merged] = rows;
    if (merged === undefined)
      return `${CONFIG_PATH} asks for ${wanted} approvals, and this commit came without a pull request that could have any.`;
    const at = { ...place, pull_number: merged.number };
    const { data } = await octokit.request('GET /repos/{owner}/{repo}/pulls/{pull_number}', {
      ...at,
      request: { signal },
    });
    const author = pull.parse(data).user?.id;
    /** What each said last; a comment takes nothing back. */
    const said = new Map<bigint, { state: string; user: z.output<typeof user> }>();
    await eachItem(octokit, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews', at, signal, (item) => {
      const one = review.parse(item);
      const state = one.state.toUpperCase();
      if (one.user != null && state !== 'COMMENTED' && state !== 'PENDING')
        said.set(one.user.id, { state, user: one.user });
      return false;
    });
    let count = 0;
    for (const { state, user: reviewer } of said.values()) {
      if (state !== 'APPROVED' || reviewer.id === author) continue;
      const question = {
        repository: { forge, host, remoteId: facts.id, owner: place.owner, name: place.repo },
        user: reviewer,
        octokit,
      };
      const answer = await o.permissions.levelOf(question);
      if (answer.level === undefined && answer.because === 'error') throw answer.error;
      // Anybody who may read can approve; only who may write counts.
      if (answer.level !== undefined && permissionAtLeast(answer.level, 'write')) count += 1;
    }
    return count >= wanted
      ? undefined
      : `#${merged.number} has ${count} of the ${wanted} approvals that ${CONFIG_PATH} asks for, from people who may write and did not open it.`;
  };
}
