/** Runs as rows that move: every change of status goes through the state machine, in a transaction that holds the run. */
import type { PoolClient } from 'pg';
import { endedBy } from '../../store/workspace/people.js';
import { closeLog } from '../../store/workspace/run-log.js';
import {
  activeStatuses,
  holdRun,
  isFinal,
  moveRun,
  type PhaseStatus,
  type RunRow,
  type RunStatus,
} from '../../store/workspace/runs.js';
import type { JobKey } from '../queue/queue.js';
import { nextState, type Outcome, type RunEvent, type RunFacts, type Wish } from './state.js';

/** To be poked once the transaction has committed. */
export type WantedRun = JobKey & { version: bigint };

export const factsOf = (run: RunRow): RunFacts => ({
  status: run.status,
  planOnly: run.planOnly,
  autoApply: run.autoApply,
  savePlan: run.savePlan,
  allowEmptyApply: run.allowEmptyApply,
  cancelRequested: run.cancelRequestedAt !== null,
});

/** What becomes of phases that have not ended when the run has. */
const PHASE_ENDS: Partial<Record<RunStatus, PhaseStatus>> = {
  errored: 'errored',
  canceled: 'canceled',
};

async function endPhases(tx: PoolClient, runId: string, status: RunStatus): Promise<void> {
  const { rows } = await tx.query<{ id: string }>(
    `UPDATE run_phase SET status = CASE WHEN status = 'running' THEN $2 ELSE 'unreachable' END, finished_at = now(),
       updated_at = now() WHERE run_id = $1 AND status NOT IN ('finished', 'errored', 'canceled', 'unreachable') RETURNING id`,
    [runId, PHASE_ENDS[status] ?? 'errored'],
  );
  for (const { id } of rows) await closeLog(tx, id);
}

/** Whose turn it may be now in this workspace. */
export async function wakeRuns(tx: PoolClient, organizationId: string, workspaceId: string): Promise<WantedRun[]> {
  const { rows } = await tx.query<{ id: string; version: bigint }>(
    `UPDATE run SET next_attempt_at = NULL, desired_version = desired_version + 1
     WHERE workspace_id = $1 AND status IN ('pending', 'confirmed') RETURNING id, desired_version AS version`,
    [workspaceId],
  );
  return rows.map((row) => ({ organizationId, ...row }));
}

export interface Moved {
  outcome: Outcome;
  wanted: WantedRun[];
}

export interface Because {
  /** For people; with what ended badly, or what it waits for. */
  reason?: string;
  /** Who asked. */
  by?: string;
  comment?: string;
  /** Of the process that works on it: one that came later is not written over. */
  fencingNumber?: bigint;
}

async function change(tx: PoolClient, run: RunRow, event: RunEvent, because: Because): Promise<Moved> {
  const outcome = nextState(factsOf(run), event);
  const { organizationId, id, workspaceId } = run;
  if ('stop' in outcome) {
    const { rows } = await tx.query<{ version: bigint }>(
      `UPDATE run SET cancel_requested_at = now(), cancel_requested_by = $2, status_reason = $3,
         desired_version = desired_version + 1, attempts = 0, next_attempt_at = NULL, updated_at = now()
       WHERE id = $1 RETURNING desired_version AS version`,
      [id, because.by ?? null, because.reason ?? null],
    );
    return { outcome, wanted: rows.map(({ version }) => ({ organizationId, id, version })) };
  }
  if (!('to' in outcome)) return { outcome, wanted: [] };
  const { to } = outcome;
  const isEnded = to === 'canceled' || to === 'discarded';
  const byWhom = isEnded && because.by !== undefined ? await endedBy(tx, to, because.by) : null;
  const step = { from: [run.status], to, reason: because.reason ?? byWhom };
  if (!(await moveRun(tx, id, { ...step, fencingNumber: because.fencingNumber })))
    return { outcome: { unchanged: true }, wanted: [] };
  if (event.kind === 'confirm')
    await tx.query('UPDATE run SET confirmed_by = $2, confirmed_comment = $3 WHERE id = $1', [
      id,
      because.by ?? null,
      because.comment ?? null,
    ]);
  if (event.kind === 'force-cancel') await tx.query('UPDATE run SET force_canceled_at = now() WHERE id = $1', [id]);
  const wanted: WantedRun[] = [{ organizationId, id, version: run.desiredVersion + 1n }];
  if (isFinal(to)) {
    await endPhases(tx, id, to);
    if (!run.planOnly) wanted.push(...(await wakeRuns(tx, organizationId, workspaceId)));
  }
  return { outcome, wanted };
}

/** A saved plan does not hold its workspace until it is to be applied: by then another run may. Holds the workspace. */
async function runInTheWay(tx: PoolClient, runId: string): Promise<string | undefined> {
  await tx.query('SELECT FROM workspace WHERE id = (SELECT workspace_id FROM run WHERE id = $1) FOR UPDATE', [runId]);
  const { rows } = await tx.query<{ id: string }>(
    `SELECT o.id FROM run r JOIN run o ON o.workspace_id = r.workspace_id AND o.id <> r.id
     WHERE r.id = $1 AND r.save_plan AND r.status = 'planned' AND o.status = ANY ($2)
       AND NOT o.plan_only AND NOT (o.save_plan AND o.status = 'planned') LIMIT 1`,
    [runId, activeStatuses],
  );
  return rows[0]?.id;
}

/** What somebody wishes for a run. Undefined: there is no such run here. @param tx as the organization */
export async function askRun(
  tx: PoolClient,
  runId: string,
  wish: Wish,
  because: Because = {},
): Promise<Moved | undefined> {
  const other = wish.kind === 'confirm' ? await runInTheWay(tx, runId) : undefined;
  const run = await holdRun(tx, runId);
  if (run === undefined) return undefined;
  if (other === undefined) return change(tx, run, wish, because);
  const refused = `run-${other} is under way in the workspace. Let it end, or confirm or discard it; then apply the saved plan.`;
  return { outcome: { refused }, wanted: [] };
}

/** What whoever works on a run found. Unchanged when somebody else has taken it since. */
export async function reportRun(tx: PoolClient, runId: string, event: RunEvent, because: Because): Promise<Moved> {
  const run = await holdRun(tx, runId);
  if (run === undefined || (because.fencingNumber !== undefined && run.fencingNumber !== because.fencingNumber))
    return { outcome: { unchanged: true }, wanted: [] };
  return change(tx, run, event, because);
}
