/** Whether a plan may still be applied: the branch is where it was planned from, and what allowed it holds (R7). */
import { shortSha } from '../../lib/ids.js';
import type { Store } from '../../store/database.js';
import type { RunRow } from '../../store/workspace/runs.js';
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

/** Rejects when the forge cannot be asked: then nothing is applied, and it is asked again. */
export async function mayApply(o: MayApplyOptions, run: RunRow, signal: AbortSignal): Promise<Answer> {
  // What was uploaded has no branch that could move; its plan is as old as the state, which Terraform itself compares.
  if (run.vcsCommitSha === null || run.source === 'api' || run.source === 'cli') return { kind: 'yes' };
  const linked = await linkedRepository(o, run, signal);
  const { workspace, facts, repository } = linked;
  const name = workspace.vcsBranch ?? facts.default_branch;
  if (run.vcsBranch !== null && run.vcsBranch !== name)
    return { kind: 'no', reason: `The workspace follows ${name} now, and this was planned for ${run.vcsBranch}.` };
  const tip = await repository.branch(name);
  const now = tip.changed ? tip.value : run.vcsCommitSha;
  const newer = await o.store.tenant(run.organizationId, (tx) =>
    tx.query(
      `SELECT FROM run WHERE workspace_id = $1 AND number > $2 AND NOT plan_only AND source IN ('vcs', 'comment')
         AND vcs_commit_sha <> $3 LIMIT 1`,
      [run.workspaceId, run.number, run.vcsCommitSha],
    ),
  );
  if ((newer.rowCount ?? 0) > 0) return { kind: 'no', reason: `A newer commit of ${name} is planned in its place.` };
  if (now !== run.vcsCommitSha && now !== workspace.vcsLastCommitSha) {
    const look = await o.store.tenant(run.organizationId, (tx) =>
      lookAgain(tx, { forge: workspace.forge ?? '', host: workspace.host ?? '', remoteId: facts.id }),
    );
    return { kind: 'later', reason: `${name} has moved on to ${shortSha(now)}, which is looked at first.`, look };
  }
  const against = await o.gate?.(run, linked, signal);
  return against === undefined ? { kind: 'yes' } : { kind: 'no', reason: against };
}
