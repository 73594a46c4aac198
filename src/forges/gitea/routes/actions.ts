/** Runs of workflows, read only. From Gitea 1.24 on there are runs; before it and in Forgejo there are tasks, one a job. */
import type { JsonObject } from '../../forge.js';
import { notFound, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import type { CheckRunInput, Id, WorkflowRunInput } from '../../kit/shapes/inputs.js';
import { workflowJob, workflowRun } from '../../kit/shapes/workflow.js';
import { repositoryInput } from '../convert/repository.js';
import { time } from '../convert/time.js';
import { accountIfTold } from '../convert/user.js';
import { workflowNumber } from '../convert/workflow.js';
import {
  countIn,
  idOf,
  newerOr,
  numberParam,
  objectOf,
  objectsOf,
  param,
  repoPath,
  textIn,
  textOf,
  wishes,
} from './native.js';
import { pageIn } from './pages.js';
import { emulated } from './row.js';

type Conclusion = NonNullable<CheckRunInput['conclusion']>;

const CONCLUSIONS: ReadonlySet<string> = new Set(['success', 'failure', 'neutral', 'cancelled', 'skipped']);

/** Tasks have one word where GitHub has two; runs have GitHub's. */
function progress(native: JsonObject): { status: WorkflowRunInput['status']; conclusion: Conclusion | null } {
  const [status, conclusion] = [textOf(native, 'status'), textOf(native, 'conclusion')];
  const end = CONCLUSIONS.has(conclusion) ? conclusion : CONCLUSIONS.has(status) ? status : undefined;
  if (end !== undefined) return { status: 'completed', conclusion: end as Conclusion };
  if (status === 'completed') return { status, conclusion: 'neutral' };
  return { status: status === 'running' || status === 'in_progress' ? 'in_progress' : 'queued', conclusion: null };
}

/** How many runs or tasks are read at most. */
const MOST = 50;

export const actionsPath = (request: RouteRequest): string => `${repoPath(request)}/actions`;

export async function runsOf(request: RouteRequest, context: RouteContext): Promise<readonly JsonObject[]> {
  const read = async (what: 'runs' | 'tasks') =>
    objectsOf(
      objectOf(await context.native.get(`${actionsPath(request)}/${what}`, { page: 1, limit: MOST })).workflow_runs,
    );
  return newerOr(
    () => read('runs'),
    () => read('tasks'),
  );
}

async function asRun(request: RouteRequest, context: RouteContext, native: JsonObject): Promise<JsonObject> {
  const repository = repositoryInput(await context.native.get(repoPath(request)));
  const path = textOf(native, 'path').split('@')[0] || textOf(native, 'workflow_id');
  return workflowRun(context.base, repository, {
    id: idOf(native),
    name: textIn(native, 'name') ?? textIn(native, 'workflow_id') ?? path,
    headSha: textOf(native, 'head_sha'),
    headBranch: textIn(native, 'head_branch') ?? null,
    runNumber: countIn(native, 'run_number') ?? 0,
    event: textOf(native, 'event'),
    ...progress(native),
    htmlUrl: textIn(native, 'html_url') ?? textOf(native, 'url'),
    actor: accountIfTold(native.actor) ?? accountIfTold(native.trigger_actor) ?? null,
    workflowId: workflowNumber(repository.id, path),
    ...wishes({
      createdAt: time(native.created_at) ?? time(native.started_at) ?? time(native.run_started_at),
      updatedAt: time(native.updated_at) ?? time(native.completed_at),
      displayTitle: textIn(native, 'display_title'),
      path,
    }),
  });
}

async function list(request: RouteRequest, context: RouteContext) {
  const { branch, event, status, head_sha: sha, actor } = request.query;
  const shown = (await runsOf(request, context)).filter((native) => {
    const now = progress(native);
    return (
      (!branch || textOf(native, 'head_branch') === branch) &&
      (!event || textOf(native, 'event') === event) &&
      (!sha || textOf(native, 'head_sha') === sha) &&
      (!actor || textOf(objectOf(native.actor), 'login') === actor) &&
      (!status || now.status === status || now.conclusion === status)
    );
  });
  const { data, pages } = pageIn(request, shown);
  const runs = await Promise.all(objectsOf(data).map((native) => asRun(request, context, native)));
  return { data: { total_count: shown.length, workflow_runs: runs }, pages };
}

/** The run that the route names. @throws RouteFailure 404 */
export async function runAt(request: RouteRequest, context: RouteContext): Promise<JsonObject> {
  const id = numberParam(request, 'run_id');
  return newerOr(
    async () => objectOf(await context.native.get(`${actionsPath(request)}/runs/${id}`)),
    async () => {
      const found = (await runsOf(request, context)).find((native) => String(native.id) === String(id));
      if (found === undefined) throw notFound();
      return found;
    },
  );
}

/** Jobs of the run that the route names, as the server tells them. @throws RouteFailure 404 */
export const nativeJobs = (request: RouteRequest, context: RouteContext): Promise<readonly JsonObject[]> =>
  newerOr(
    async () => {
      const path = `${actionsPath(request)}/runs/${numberParam(request, 'run_id')}/jobs`;
      return objectsOf(objectOf(await context.native.get(path)).jobs);
    },
    // A task is one job, and stands for its run.
    async () => [await runAt(request, context)],
  );

export const asJob = (request: RouteRequest, context: RouteContext, native: JsonObject, runId: Id): JsonObject =>
  workflowJob(context.base, param(request, 'owner'), param(request, 'repo'), {
    id: idOf(native),
    runId,
    name: textOf(native, 'name'),
    headSha: textOf(native, 'head_sha'),
    headBranch: textIn(native, 'head_branch') ?? null,
    ...progress(native),
    htmlUrl: textIn(native, 'html_url') ?? textOf(native, 'url'),
    ...wishes({
      startedAt: time(native.started_at) ?? time(native.run_started_at),
      completedAt: time(native.completed_at) ?? time(native.updated_at),
      createdAt: time(native.created_at),
    }),
  });

async function jobs(request: RouteRequest, context: RouteContext) {
  const natives = await nativeJobs(request, context);
  const shapes = natives.map((native) => asJob(request, context, native, numberParam(request, 'run_id')));
  const { data, pages } = pageIn(request, shapes);
  return { data: { total_count: shapes.length, jobs: data }, pages };
}

const NOTE = 'The newest 50. Before Gitea 1.24 and on Forgejo a run is one job.';

export const actions: RouteTable = {
  'GET /repos/{owner}/{repo}/actions/runs': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/runs, …/actions/tasks',
    NOTE,
    list,
  ),
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/runs/{run}, …/actions/tasks',
    NOTE,
    async (request, context) => ({ data: await asRun(request, context, await runAt(request, context)) }),
  ),
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/actions/runs/{run}/jobs, …/actions/tasks',
    NOTE,
    jobs,
  ),
};
