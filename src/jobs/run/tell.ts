/** What people see of runs on the forge: a status of the commit for each workspace, and a line of the sticky comment. */
import type { PoolClient } from 'pg';
import type { PhaseRow, RunRow, RunStatus } from '../../store/workspace/runs.js';
import { type ReportRow, type Wanted, wantCommitStatus, wantReport } from '../report/desired.js';

type StatusState = 'pending' | 'success' | 'failure' | 'error';

const STATES: Readonly<Record<RunStatus, StatusState>> = {
  pending: 'pending',
  fetching: 'pending',
  planning: 'pending',
  planned: 'pending',
  planned_and_finished: 'success',
  confirmed: 'pending',
  applying: 'pending',
  applied: 'success',
  errored: 'failure',
  discarded: 'error',
  canceled: 'error',
};
const WORDS: Readonly<Record<RunStatus, { icon: string; status: string }>> = {
  pending: { icon: '⏳', status: 'Queued' },
  fetching: { icon: '🟡', status: 'Fetching' },
  planning: { icon: '🟡', status: 'Planning' },
  planned: { icon: '⏸️', status: 'Waits to be confirmed' },
  planned_and_finished: { icon: '✅', status: 'Planned' },
  confirmed: { icon: '🟡', status: 'Confirmed' },
  applying: { icon: '🟡', status: 'Applying' },
  applied: { icon: '✅', status: 'Applied' },
  errored: { icon: '❌', status: 'Failed' },
  discarded: { icon: '⚪', status: 'Discarded' },
  canceled: { icon: '⚪', status: 'Canceled' },
};

/** Where a workspace and its repository are, for those that are in the mirror. */
export interface Place {
  organizationId: string;
  workspaceId: string;
  workspace: string;
  repositoryId: string;
}

interface PlaceRow {
  organization_id: string;
  workspace: string;
  repository_id: string | null;
}

/** Undefined: the repository is not mirrored, so nothing can be told on it. */
export async function placeOfWorkspace(tx: PoolClient, workspaceId: string): Promise<Place | undefined> {
  const { rows } = await tx.query<PlaceRow>(
    `SELECT w.organization_id, w.name AS workspace, r.id AS repository_id FROM workspace w
       LEFT JOIN repository r ON r.forge = w.forge AND r.host = w.host AND r.remote_id = w.remote_repository_id
         AND r.organization_id = w.organization_id AND r.status <> 'removed'
     WHERE w.id = $1 AND w.vcs_repo_url IS NOT NULL`,
    [workspaceId],
  );
  const [row] = rows;
  if (row?.repository_id == null) return undefined;
  return {
    organizationId: row.organization_id,
    workspaceId,
    workspace: row.workspace,
    repositoryId: row.repository_id,
  };
}

async function pullRequestId(tx: PoolClient, place: Place, by: { number: number } | { mergeSha: string }) {
  const [column, value] = 'number' in by ? ['number', by.number] : ['merge_commit_sha', by.mergeSha];
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM pull_request WHERE repository_id = $1 AND ${column} = $2 ORDER BY number DESC LIMIT 1`,
    [place.repositoryId, value],
  );
  return rows[0]?.id ?? null;
}

/** What a plan would do, or has done once it `isApplied`; undefined while nobody knows. */
export function countsOf(plan: PhaseRow | undefined, isApplied: boolean): string | undefined {
  if (plan === undefined || plan.hasChanges === null) return undefined;
  if (!plan.hasChanges) return 'no changes';
  const count = (number: number | null, toDo: string, done: string) => `${number ?? 0} ${isApplied ? done : toDo}`;
  const parts = [
    count(plan.resourceAdditions, 'to add', 'added'),
    count(plan.resourceChanges, 'to change', 'changed'),
    count(plan.resourceDestructions, 'to destroy', 'destroyed'),
  ];
  const imports = plan.resourceImports ?? 0;
  return [...(imports > 0 ? [count(imports, 'to import', 'imported')] : []), ...parts].join(', ');
}

export interface TellOptions {
  /** The page of a run, where there is one. */
  pageOf?: (organizationId: string, runId: string) => string | undefined;
}

/** The plan as people read it, without what tells them how to apply it from a file. */
function details(rendered: string | null, url: string | undefined): ReportRow['details'] {
  if (rendered === null || rendered.trim() === '') return undefined;
  return {
    summary: 'Plan',
    text: rendered.trim(),
    ...(url === undefined ? {} : { url }),
  };
}

/** @returns what to poke once the transaction has committed */
export async function tellRun(
  tx: PoolClient,
  run: RunRow,
  phases: { plan: PhaseRow & { rendered?: string | null } },
  o: TellOptions = {},
): Promise<Wanted[]> {
  if (run.vcsCommitSha === null) return [];
  const place = await placeOfWorkspace(tx, run.workspaceId);
  if (place === undefined) return [];
  const { organizationId, repositoryId, workspace } = place;
  const of = run.vcsPullRequestNumber === null ? { mergeSha: run.vcsCommitSha } : { number: run.vcsPullRequestNumber };
  const pullRequest = await pullRequestId(tx, place, of);
  const { icon, status } = WORDS[run.status];
  const counts = countsOf(phases.plan, run.status === 'applied');
  const url = o.pageOf?.(organizationId, run.id);
  const waiting = run.cancelRequestedAt !== null && run.finishedAt === null ? 'Stopping' : status;
  const said = counts === undefined ? waiting : `${waiting}: ${counts}`;
  const note = [
    run.statusReason,
    run.trusted ? null : 'Planned without secrets and without the state, since it comes from a fork.',
  ]
    .filter((text) => text !== null)
    .join(' ');
  const wanted = [
    await wantCommitStatus(tx, {
      ...{ organizationId, repositoryId, pullRequestId: pullRequest, sha: run.vcsCommitSha },
      context: contextOf(workspace),
      state: STATES[run.status],
      description:
        run.status === 'errored' || run.status === 'pending' ? `${said}. ${run.statusReason ?? ''}`.trim() : said,
      ...(url === undefined ? {} : { targetUrl: url }),
    }),
  ];
  // An older run that ends says nothing about the one that took its place.
  const isSuperseded = run.status === 'canceled' || run.status === 'discarded';
  if (pullRequest !== null && !(isSuperseded && (await hasNewer(tx, run)))) {
    const row: ReportRow = {
      component: `${run.planOnly ? 'plan' : 'apply'}/${workspace}`,
      ...{ icon, status: said, links: url === undefined ? [] : [{ label: 'Run', url }], sha: run.vcsCommitSha },
      updatedAt: run.updatedAt,
      ...(note === '' ? {} : { note }),
      details: details(phases.plan.rendered ?? null, url),
    };
    wanted.push(await wantReport(tx, { organizationId, pullRequestId: pullRequest, topic: topicOf(run), row }));
  }
  return wanted.filter((one) => one !== undefined);
}

const contextOf = (workspace: string): string => `forgeway/${workspace}`;
const topicOf = (run: Pick<RunRow, 'planOnly' | 'workspaceId'>): string =>
  `run/${run.planOnly ? 'plan' : 'apply'}/${run.workspaceId}`;

async function hasNewer(tx: PoolClient, run: RunRow): Promise<boolean> {
  const { rowCount } = await tx.query(
    `SELECT FROM run WHERE workspace_id = $1 AND number > $2 AND plan_only = $3
       AND vcs_pull_request_number IS NOT DISTINCT FROM $4 LIMIT 1`,
    [run.workspaceId, run.number, run.planOnly, run.vcsPullRequestNumber],
  );
  return (rowCount ?? 0) > 0;
}

/** A head that waits for somebody to look at it. */
export async function tellWaiting(
  tx: PoolClient,
  workspaceId: string,
  head: { number: number; sha: string; at: Date },
  why: string,
): Promise<Wanted[]> {
  const place = await placeOfWorkspace(tx, workspaceId);
  if (place === undefined) return [];
  const { organizationId, repositoryId, workspace } = place;
  const pullRequest = await pullRequestId(tx, place, { number: head.number });
  const wanted = [
    await wantCommitStatus(tx, {
      ...{ organizationId, repositoryId, pullRequestId: pullRequest, sha: head.sha, context: contextOf(workspace) },
      ...{ state: 'pending', description: 'Waits for /ok-to-test' },
    }),
  ];
  if (pullRequest !== null)
    wanted.push(
      await wantReport(tx, {
        ...{ organizationId, pullRequestId: pullRequest, topic: topicOf({ planOnly: true, workspaceId }) },
        row: {
          ...{ component: `plan/${workspace}`, icon: '⏸️', status: 'Waiting', links: [], sha: head.sha, note: why },
          updatedAt: head.at,
        },
      }),
    );
  return wanted.filter((one) => one !== undefined);
}
