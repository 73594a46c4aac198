/** Runs as an operator sees them. */
import type { Store } from '../../store/database.js';
import type { RunStatus } from '../../store/workspace/runs.js';

export interface ListedRun {
  /** As the API names it. */
  id: string;
  workspace: string;
  status: RunStatus;
  planOnly: boolean;
  commit: string | null;
  pullRequest: number | null;
  /** Null while it is not planned. */
  additions: number | null;
  changes: number | null;
  destructions: number | null;
  message: string;
  /** Why it ended so, or what it waits for. */
  reason: string | null;
  createdAt: Date;
  finishedAt: Date | null;
}

export interface RunFilter {
  workspace?: string;
  status?: string;
  limit: number;
}

/** Newest first. */
export async function listAllRuns(store: Store, organizationId: string, filter: RunFilter): Promise<ListedRun[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<ListedRun>(
      `SELECT 'run-' || r.id AS id, w.name AS workspace, r.status, r.plan_only AS "planOnly", r.vcs_commit_sha AS commit,
         r.vcs_pull_request_number AS "pullRequest", p.resource_additions AS additions, p.resource_changes AS changes,
         p.resource_destructions AS destructions, r.message, r.status_reason AS reason, r.created_at AS "createdAt",
         r.finished_at AS "finishedAt"
       FROM run r JOIN workspace w ON w.id = r.workspace_id LEFT JOIN run_phase p ON p.run_id = r.id AND p.phase = 'plan'
       WHERE ($1::text IS NULL OR w.name = $1) AND ($2::text IS NULL OR r.status = $2) ORDER BY r.number DESC LIMIT $3`,
      [filter.workspace ?? null, filter.status ?? null, filter.limit],
    );
    return rows;
  });
}
