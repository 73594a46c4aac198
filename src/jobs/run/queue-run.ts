/** Puts runs into the queue for what a forge shows: a push to the tracked branch, or the head of a pull request. */
import type { PoolClient } from 'pg';
import { shortSha } from '../../lib/ids.js';
import { insertConfigurationVersion } from '../../store/workspace/configuration-versions.js';
import { insertRun, type RunSource } from '../../store/workspace/runs.js';
import { updateWorkspace, type WorkspaceRow } from '../../store/workspace/workspaces.js';
import { askRun, type WantedRun } from './move.js';

/**
 * Older ones that nobody needs any more are given up, whoever made them: of a pull request the plans of its other heads, of the
 * branch all that would change something. Somebody's plan-only run of an older commit is what they asked for.
 */
async function supersede(
  tx: PoolClient,
  o: { workspaceId: string; pullRequest: number | null; but: string; reason: string },
): Promise<WantedRun[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT r.id FROM run r JOIN configuration_version c ON c.id = r.configuration_version_id
     WHERE r.workspace_id = $1 AND r.id <> $2 AND r.finished_at IS NULL
       AND CASE WHEN $3::int IS NULL THEN NOT r.plan_only ELSE c.vcs_pull_request_number = $3 END ORDER BY r.number`,
    [o.workspaceId, o.but, o.pullRequest],
  );
  const wanted: WantedRun[] = [];
  for (const { id } of rows) {
    const moved = await askRun(tx, id, { kind: 'supersede' }, { reason: o.reason, by: 'Forgeway' });
    wanted.push(...(moved?.wanted ?? []));
  }
  return wanted;
}

const first = (organizationId: string, id: string): WantedRun => ({ organizationId, id, version: 1n });

/**
 * A full run of a commit of the tracked branch. In the same transaction the workspace says that it has seen the commit: there
 * is no moment in which it has and no run is queued.
 * @param workspace held
 */
export async function queuePush(
  tx: PoolClient,
  workspace: WorkspaceRow,
  push: { sha: string; branch: string; message?: string },
): Promise<WantedRun[]> {
  const { organizationId, id: workspaceId } = workspace;
  const { sha, branch } = push;
  const common = { workspaceId, source: 'vcs' as const, createdBy: 'Forgeway', vcsCommitSha: sha, vcsBranch: branch };
  const configurationVersionId = await insertConfigurationVersion(tx, organizationId, common);
  const id = await insertRun(tx, organizationId, {
    ...common,
    configurationVersionId,
    message: push.message ?? `Push of ${shortSha(sha)} to ${branch}`,
    autoApply: workspace.autoApply,
    terraformVersion: workspace.terraformVersion,
  });
  await updateWorkspace(tx, workspaceId, { vcsLastCommitSha: sha });
  if (id === undefined) return [];
  const reason = `${shortSha(sha)} was pushed to ${branch} after it.`;
  return [...(await supersede(tx, { workspaceId, pullRequest: null, but: id, reason })), first(organizationId, id)];
}

export interface PullRequestHead {
  number: number;
  title: string;
  sha: string;
  branch: string;
  baseSha: string;
  trusted: boolean;
}

/** A plan of a pull request's head, unless it has one; `again`: also when it has. */
export async function queueSpeculative(
  tx: PoolClient,
  workspace: WorkspaceRow,
  head: PullRequestHead,
  again?: { by: string; source: RunSource },
): Promise<WantedRun[]> {
  const { organizationId, id: workspaceId } = workspace;
  const { rows } = await tx.query<{ repetition: number }>(
    `SELECT max(repetition) AS repetition FROM run WHERE workspace_id = $1 AND vcs_pull_request_number = $2
       AND vcs_commit_sha = $3 HAVING count(*) > 0`,
    [workspaceId, head.number, head.sha],
  );
  const [before] = rows;
  if (before !== undefined && again === undefined) return [];
  const common = {
    ...{ workspaceId, source: again?.source ?? ('vcs' as const), createdBy: again?.by ?? 'Forgeway' },
    ...{ vcsCommitSha: head.sha, vcsBranch: head.branch, vcsPullRequestNumber: head.number },
  };
  const configurationVersionId = await insertConfigurationVersion(tx, organizationId, {
    ...common,
    source: 'vcs',
    speculative: true,
  });
  const id = await insertRun(tx, organizationId, {
    ...common,
    configurationVersionId,
    message: `Speculative plan for PR #${head.number}: ${head.title}`.slice(0, 500),
    planOnly: true,
    terraformVersion: workspace.terraformVersion,
    vcsBaseSha: head.baseSha,
    repetition: before === undefined ? 0 : before.repetition + 1,
    trusted: head.trusted,
  });
  if (id === undefined) return [];
  const reason = `${shortSha(head.sha)} of the pull request is planned instead.`;
  return [
    ...(await supersede(tx, { workspaceId, pullRequest: head.number, but: id, reason })),
    first(organizationId, id),
  ];
}

/** Plans of pull requests that are not open any more. */
export async function giveUpClosed(tx: PoolClient, workspaceId: string, open: readonly number[]): Promise<WantedRun[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT r.id FROM run r JOIN configuration_version c ON c.id = r.configuration_version_id
     WHERE r.workspace_id = $1 AND r.plan_only AND c.vcs_pull_request_number IS NOT NULL
       AND c.vcs_pull_request_number <> ALL ($2) AND r.finished_at IS NULL ORDER BY r.number`,
    [workspaceId, open],
  );
  const wanted: WantedRun[] = [];
  for (const { id } of rows) {
    const because = { reason: 'The pull request is not open any more.', by: 'Forgeway' };
    wanted.push(...((await askRun(tx, id, { kind: 'supersede' }, because))?.wanted ?? []));
  }
  return wanted;
}
