/** Whether a plan may still be applied: the branch is where it was planned from, and what allowed it holds (R7). */
import { shortSha } from '../../lib/ids.js';
import type { Store } from '../../store/database.js';
import type { RunRow } from '../../store/workspace/runs.js';
import { getWorkspace } from '../../store/workspace/workspaces.js';
import type { OctokitOf } from './connection-octokit.js';
import { type Linked, linkedRepository } from './linked-repository.js';
import { lookAgain, type WantedWatch } from './watch-rows.js';

export type Answer =
  | { kind: 'yes' }
  | { kind: 'no'; reason: string }
  /** It is not known yet; `look` is to be poked. */
  | { kind: 'later'; reason: string; look: readonly WantedWatch[] };

/** A reason against it, for a person; undefined: none. */
export type Gate = (run: RunRow, linked: Linked, signal: AbortSignal) => Promise<string | undefined>;

export interface MayApplyOptions {
  store: Store;
  octokitOf: OctokitOf;
  gate?: Gate;
}

/**
 * What was uploaded has no branch that could move, and its plan is as old as the state, which Terraform itself compares. Once the
 * workspace is linked, what is applied comes from its repository, where it was reviewed.
 */
async function uploadMayApply({ store }: MayApplyOptions, run: RunRow): Promise<Answer> {
  const workspace = await store.tenant(run.organizationId, (tx) => getWorkspace(tx, run.workspaceId));
  if (workspace === undefined || workspace.vcsRepoUrl === null) return { kind: 'yes' };
  const reason =
    'The workspace was linked to a repository since: what is applied comes from its branch, and this was uploaded.';
  return { kind: 'no', reason };
}

/** What was planned last of the branch because it was pushed. */
async function newestCommit(
  { store }: MayApplyOptions,
  run: RunRow,
): Promise<{ number: bigint; sha: string } | undefined> {
  const { rows } = await store.tenant(run.organizationId, (tx) =>
    tx.query<{ number: bigint; sha: string }>(
      `SELECT number, vcs_commit_sha AS sha FROM run WHERE workspace_id = $1 AND NOT plan_only AND source IN ('vcs', 'comment')
         AND vcs_commit_sha IS NOT NULL ORDER BY number DESC LIMIT 1`,
      [run.workspaceId],
    ),
  );
  return rows[0];
}

/** Rejects when the forge cannot be asked: then nothing is applied, and it is asked again. */
export async function mayApply(o: MayApplyOptions, run: RunRow, signal: AbortSignal): Promise<Answer> {
  // A commit of the repository is held to its rules, whoever made the run.
  if (run.vcsCommitSha === null) return uploadMayApply(o, run);
  const linked = await linkedRepository(o, run, signal);
  const { workspace, facts, repository } = linked;
  const name = workspace.vcsBranch ?? facts.default_branch;
  if (run.vcsBranch !== null && run.vcsBranch !== name)
    return { kind: 'no', reason: `The workspace follows ${name} now, and this was planned for ${run.vcsBranch}.` };
  const tip = await repository.branch(name);
  const now = tip.changed ? tip.value : run.vcsCommitSha;
  const isTip = now === run.vcsCommitSha;
  const newest = await newestCommit(o, run);
  // A run of the API may have been made of an older commit after a newer one was planned.
  const isPast = newest !== undefined && (newest.number > run.number || (!isTip && now === workspace.vcsLastCommitSha));
  if (isPast && newest.sha !== run.vcsCommitSha)
    return { kind: 'no', reason: `A newer commit of ${name} is planned in its place.` };
  if (!isTip && now !== workspace.vcsLastCommitSha) {
    const look = await o.store.tenant(run.organizationId, (tx) =>
      lookAgain(tx, { forge: workspace.forge ?? '', host: workspace.host ?? '', remoteId: facts.id }),
    );
    return { kind: 'later', reason: `${name} has moved on to ${shortSha(now)}, which is looked at first.`, look };
  }
  const against = await o.gate?.(run, linked, signal);
  return against === undefined ? { kind: 'yes' } : { kind: 'no', reason: against };
}
