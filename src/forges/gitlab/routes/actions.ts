import type { Route, RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import * as shape from '../../kit/shapes/workflow.js';
import { jobInput, nativeJob, nativePipeline, runInput } from '../convert/pipeline.js';
import { repositoryInput } from '../convert/project.js';
import { read } from '../convert/read.js';
import { idParam, page, placeOf, projectAt } from './place.js';

const nativeStatus: Readonly<Record<string, string>> = {
  queued: 'pending',
  in_progress: 'running',
  success: 'success',
  failure: 'failed',
  cancelled: 'canceled',
  skipped: 'skipped',
};

const NOTE = 'A run is a pipeline; all of them belong to one workflow.';

const listRuns: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'pipelines: GET /projects/:id/pipelines',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const { branch, head_sha: sha, status, actor } = request.query;
    const query = {
      ref: branch,
      sha,
      username: actor,
      status: status === undefined ? undefined : (nativeStatus[status] ?? status),
    };
    const repository = repositoryInput(await projectAt(context, place.api));
    const answer = await page(request, context, `${place.api}/pipelines`, nativePipeline, query);
    const runs = answer.items.map((pipeline) => shape.workflowRun(context.base, repository, runInput(pipeline)));
    const count = (answer.pages.last ?? request.page) * request.perPage;
    return {
      data: {
        total_count: answer.pages.next ? count : (request.page - 1) * request.perPage + runs.length,
        workflow_runs: runs,
      },
      pages: answer.pages,
    };
  },
};

const pipelineApi = (request: RouteRequest): string =>
  `${placeOf(request).api}/pipelines/${idParam(request, 'run_id')}`;

const getRun: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'pipelines: GET /projects/:id/pipelines/:pipeline_id',
  note: NOTE,
  async run(request, context) {
    const [pipeline, project] = await Promise.all([
      context.native.get(pipelineApi(request)),
      projectAt(context, placeOf(request).api),
    ]);
    const run = runInput(read(nativePipeline, pipeline, 'pipeline'));
    return { data: shape.workflowRun(context.base, repositoryInput(project), run) };
  },
};

const act = (verb: 'retry' | 'cancel', status: number): Route => ({
  support: 'emulated',
  retry: 'unsafe',
  source: `pipelines: POST /projects/:id/pipelines/:pipeline_id/${verb}`,
  note: verb === 'retry' ? 'GitLab runs again the jobs that failed or were cancelled.' : NOTE,
  async run(request: RouteRequest, context: RouteContext) {
    await context.native.send('POST', `${pipelineApi(request)}/${verb}`);
    return { status, data: {} };
  },
});

const listJobs: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/pipelines/:pipeline_id/jobs',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const query = { include_retried: request.query.filter === 'all' ? true : undefined };
    const { items, pages } = await page(request, context, `${pipelineApi(request)}/jobs`, nativeJob, query);
    const jobs = items.map((job) => shape.workflowJob(context.base, place.owner, place.repo, jobInput(job)));
    return { data: { total_count: (request.page - 1) * request.perPage + jobs.length, jobs }, pages };
  },
};

const getJob: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/jobs/:job_id',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const job = read(nativeJob, await context.native.get(`${place.api}/jobs/${idParam(request, 'job_id')}`), 'job');
    return { data: shape.workflowJob(context.base, place.owner, place.repo, jobInput(job)) };
  },
};

const logs: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/jobs/:job_id/trace',
  note: 'Answered at once where GitHub redirects.',
  async run(request, context) {
    const path = `${placeOf(request).api}/jobs/${idParam(request, 'job_id')}/trace`;
    const { data } = await context.native.send('GET', path, { as: 'text' });
    return { body: { contentType: 'text/plain; charset=utf-8', bytes: String(data ?? '') } };
  },
};

export const actions: RouteTable = {
  'GET /repos/{owner}/{repo}/actions/runs': listRuns,
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}': getRun,
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun': act('retry', 201),
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs': act('retry', 201),
  'POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel': act('cancel', 202),
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs': listJobs,
  'GET /repos/{owner}/{repo}/actions/jobs/{job_id}': getJob,
  'GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs': logs,
};
