/** Whose turn it is: of the runs that may change something, one at a time in a workspace, in the order in which they came. */
import type { PoolClient } from 'pg';
import { applyOnCluster } from '../../store/cluster-job.js';
import { personOf } from '../../store/workspace/people.js';
import type { RunRow } from '../../store/workspace/runs.js';
import { holdWorkspace, type WorkspaceRow } from '../../store/workspace/workspaces.js';

/** Undefined: it may go on. Else what it waits for, for a person. */
export type Wait = string | undefined;

/** Who holds a workspace, in words; undefined when nobody does, or this very run. */
export async function heldBy(tx: PoolClient, workspace: WorkspaceRow, runId: string): Promise<Wait> {
  if (workspace.lockedAt !== null) {
    const why = workspace.lockReason === null ? '' : ` (${workspace.lockReason})`;
    return `Waits for the workspace, which ${await personOf(tx, workspace.lockedBy)} has locked${why}.`;
  }
  if (workspace.lockedByRunId !== null && workspace.lockedByRunId !== runId)
    return `Waits for the workspace, which run-${workspace.lockedByRunId} has left locked: look at its state, then unlock it.`;
  return undefined;
}

/**
 * Whether a run may begin. Holds the workspace until the transaction ends, so that of two that ask at once one is first.
 * @param tx as the organization
 */
export async function waitsFor(tx: PoolClient, run: RunRow): Promise<Wait> {
  // A plan that nobody can apply changes nothing, so it need not wait.
  if (run.planOnly) return undefined;
  const workspace = await holdWorkspace(tx, run.workspaceId);
  if (workspace === undefined) return undefined;
  const held = await heldBy(tx, workspace, run.id);
  if (held !== undefined) return held;
  const left = await applyOnCluster(tx, run.workspaceId, run.id);
  if (left !== undefined) return `Waits until nothing of run-${left} is left on its cluster.`;
  const { rows } = await tx.query<{ id: string; active: boolean }>(
    `SELECT id, status <> 'pending' AS active FROM run
     WHERE workspace_id = $1 AND id <> $2 AND NOT plan_only
       AND (status IN ('fetching', 'planning', 'confirmed', 'applying') OR (status = 'planned' AND NOT save_plan)
         OR (status = 'pending' AND number < $3))
     ORDER BY number LIMIT 1`,
    [run.workspaceId, run.id, run.number],
  );
  const [before] = rows;
  if (before === undefined) return undefined;
  return before.active ? `Waits for run-${before.id} to end.` : `Waits behind run-${before.id}.`;
}
