/** What pipelines left: artifacts and logs; and the one workflow that all of them belong to. */
import { z } from 'zod';
import { logArchive } from '../../kit/log-archive.js';
import {
  notFound,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
  unprocessable,
} from '../../kit/route.js';
import { artifact } from '../../kit/shapes/artifact.js';
import { workflow } from '../../kit/shapes/workflow.js';
import { nativeJob, WORKFLOW } from '../convert/pipeline.js';
import { id, read, timeOrNull } from '../convert/read.js';
import { accept, everything, idParam, type Place, param, placeOf, projectAt, refused, slice } from './place.js';

const pipelineApi = (request: RouteRequest): string =>
  `${placeOf(request).api}/pipelines/${idParam(request, 'run_id')}`;

/** Logs of more jobs are not put into one archive. */
const MOST_LOGS = 100;

const jobWithArtifacts = nativeJob.extend({
  artifacts_file: z.looseObject({ filename: z.string(), size: z.number().nullish() }).nullish(),
  artifacts_expire_at: z.string().nullish(),
  pipeline: z.looseObject({ id, sha: z.string() }),
});

/** Undefined where the job left nothing. */
function shownArtifact(context: RouteContext, place: Place, job: z.output<typeof jobWithArtifacts>) {
  const { artifacts_file: file, artifacts_expire_at: end, name } = job;
  if (!file) return undefined;
  return artifact(context.base, place.owner, place.repo, {
    id: job.id,
    name,
    size: file.size ?? 0,
    expired: end != null && Date.parse(end) <= context.clock.now().getTime(),
    createdAt: timeOrNull(job.finished_at ?? job.created_at),
    updatedAt: timeOrNull(job.finished_at ?? job.created_at),
    expiresAt: timeOrNull(end),
    run: { id: job.pipeline.id, headBranch: job.ref ?? null, headSha: job.pipeline.sha },
  });
}

/** @throws RouteFailure 404 for a job that left nothing */
async function artifactAt(request: RouteRequest, context: RouteContext) {
  const place = placeOf(request);
  const path = `${place.api}/jobs/${idParam(request, 'artifact_id')}`;
  const found = shownArtifact(context, place, read(jobWithArtifacts, await context.native.get(path), 'job'));
  if (found === undefined) throw notFound();
  return { found, path };
}

const OF_JOB = 'What a job left is one artifact, which has the number and the name of the job.';

const oneArtifact: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/jobs/:job_id',
  note: OF_JOB,
  run: async (request, context) => ({ data: (await artifactAt(request, context)).found }),
};

const packedArtifact: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'job_artifacts: GET /projects/:id/jobs/:job_id/artifacts',
  note: 'The bytes themselves, where GitHub redirects to them.',
  async run(request, context) {
    if (param(request, 'archive_format') !== 'zip') throw notFound();
    const { found, path } = await artifactAt(request, context);
    if (found.expired === true) throw new RouteFailure(410, 'Artifact has expired');
    const { data } = await context.native.send('GET', `${path}/artifacts`, { as: 'bytes' });
    return { body: { contentType: 'application/zip', bytes: data as Buffer } };
  },
};

const artifacts: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/pipelines/:pipeline_id/jobs',
  note: OF_JOB,
  async run(request, context) {
    const place = placeOf(request);
    const jobs = await everything(context, `${pipelineApi(request)}/jobs`, jobWithArtifacts);
    const all = jobs.flatMap((job) =>
      (request.query.name ?? job.name) === job.name ? (shownArtifact(context, place, job) ?? []) : [],
    );
    const { items, pages } = slice(request, all);
    return { data: { total_count: all.length, artifacts: items }, pages };
  },
};

const logs: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'jobs: GET /projects/:id/pipelines/:pipeline_id/jobs, GET /projects/:id/jobs/:job_id/trace',
  note: `Packed by us, of at most ${MOST_LOGS} jobs, and answered at once where GitHub redirects.`,
  async run(request, context) {
    const { api } = placeOf(request);
    const jobs = await everything(context, `${pipelineApi(request)}/jobs`, nativeJob, {}, 1);
    const texts: { name: string; text: string }[] = [];
    for (const { id: job, name } of jobs.slice(0, MOST_LOGS)) {
      const { data } = await context.native.send('GET', `${api}/jobs/${job}/trace`, { as: 'text' });
      texts.push({ name, text: String(data ?? '') });
    }
    return { body: { contentType: 'application/zip', bytes: await logArchive(texts) } };
  },
};

const ONE = 'All pipelines belong to one workflow, whose number is 0 and whose name is that of their file.';

/** The one workflow there is, whatever its file is called. */
async function workflowOf(request: RouteRequest, context: RouteContext) {
  const place = placeOf(request);
  const { ci_config_path: own, created_at: created } = await projectAt(context, place.api);
  const path = typeof own === 'string' && own !== '' ? own : WORKFLOW.path;
  const createdAt = timeOrNull(created);
  const input = { ...WORKFLOW, path, ...(createdAt !== null && { createdAt }) };
  return { place, path, shown: workflow(context.base, place.owner, place.repo, input) };
}

/** @throws RouteFailure 404 for any but that one */
async function wantedWorkflow(request: RouteRequest, context: RouteContext) {
  const found = await workflowOf(request, context);
  const wanted = param(request, 'workflow_id');
  if (wanted !== String(WORKFLOW.id) && wanted !== found.path && wanted !== found.path.split('/').at(-1))
    throw notFound();
  return found;
}

const oneWorkflow: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'projects: GET /projects/:id',
  note: ONE,
  run: async (request, context) => ({ data: (await wantedWorkflow(request, context)).shown }),
};

const workflows: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'projects: GET /projects/:id',
  note: ONE,
  async run(request, context) {
    const { items, pages } = slice(request, [(await workflowOf(request, context)).shown]);
    return { data: { total_count: 1, workflows: items }, pages };
  },
};

const dispatched = z.looseObject({
  ref: z.string().min(1),
  /** GitLab's variables have names of letters, digits and _. */
  inputs: z.record(z.string().regex(/^\w+$/), z.union([z.string(), z.number(), z.boolean()])).nullish(),
});

const dispatch: Route = {
  support: 'emulated',
  retry: 'unsafe',
  source: 'pipelines: POST /projects/:id/pipeline',
  note: 'A pipeline is begun, and its variables are the inputs.',
  async run(request, context) {
    const { place } = await wantedWorkflow(request, context);
    const { ref, inputs } = accept('WorkflowDispatch', dispatched, request.body);
    const variables = Object.entries(inputs ?? {}).map(([key, value]) => ({ key, value: String(value) }));
    const json = { ref: ref.replace(/^refs\/(?:heads|tags)\//, ''), ...(variables.length > 0 && { variables }) };
    await refused(
      () => context.native.send('POST', `${place.api}/pipeline`, { json }),
      [400],
      (failure) => {
        throw unprocessable(failure.message);
      },
    );
    return { status: 204 };
  },
};

export const runDetails: RouteTable = {
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}/artifacts': artifacts,
  'GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}': oneArtifact,
  'GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}': packedArtifact,
  'GET /repos/{owner}/{repo}/actions/runs/{run_id}/logs': logs,
  'GET /repos/{owner}/{repo}/actions/workflows': workflows,
  'GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}': oneWorkflow,
  'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches': dispatch,
};
