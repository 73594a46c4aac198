/** Commit statuses, pipelines and jobs. */
import type { EditPipelineStatusOptions } from '@gitbeaker/rest';
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../kit/fake/routing.js';
import { actorOf, DEVELOPER, paged, paging, pagingOnly, parametersOf, projectFor, refuse } from './declare.js';
import { job as shownJob, pipeline as shownPipeline, status as shownStatus } from './present-git.js';
import type { Job, Pipeline, Project, Status, World } from './state.js';

const text = z.string().optional();
const newStatus = parametersOf<EditPipelineStatusOptions>()(
  {
    ref: text,
    name: z.string().max(255).optional(),
    context: z.string().max(255).optional(),
    target_url: z.string().max(255).optional(),
    description: z.string().max(255).optional(),
    coverage: z.number().optional(),
    pipeline_id: z.number().int().optional(),
  },
  { state: z.enum(['pending', 'running', 'success', 'failed', 'canceled', 'skipped']) },
);

const newPipeline = z.strictObject({
  ref: z.string(),
  variables: z
    .array(z.strictObject({ key: z.string(), value: z.string(), variable_type: text }))
    .min(1)
    .optional(),
});

const FINISHED: ReadonlySet<string> = new Set(['success', 'failed', 'canceled', 'skipped']);

/** GitLab's state machine: what is on its way cannot begin again, what is finished is followed by a new one. */
function setStatus(world: World, project: Project, sha: string, request: FakeRequest): Status {
  const body = request.body as z.output<typeof newStatus>;
  const name = body.name ?? body.context ?? 'default';
  const now = world.now();
  const current = project.statuses.findLast((one) => one.sha === sha && one.name === name && !FINISHED.has(one.status));
  const moves = { pending: ['pending', 'running'], running: ['running'] } as Record<string, string[] | undefined>;
  if (current && moves[body.state]?.includes(current.status))
    return refuse(
      400,
      `Cannot transition status via :${body.state === 'pending' ? 'enqueue' : 'run'} from :${current.status}`,
    );
  const made: Status = current ?? {
    id: world.nextId(),
    sha,
    ref: body.ref ?? project.defaultBranch,
    name,
    status: 'created',
    description: null,
    targetUrl: null,
    authorId: actorOf(request).id,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
  };
  if (current === undefined) project.statuses.push(made);
  made.status = body.state;
  made.description = body.description ?? made.description;
  made.targetUrl = body.target_url ?? made.targetUrl;
  if (body.state !== 'pending') made.startedAt ??= now;
  if (FINISHED.has(body.state)) made.finishedAt = now;
  return made;
}

const latest = (statuses: readonly Status[]): Status[] => [...new Map(statuses.map((one) => [one.name, one])).values()];

/** Jobs of a pipeline stand among the statuses of its commit. */
const jobStatus = (world: World, pipeline: Pipeline, job: Job) =>
  shownStatus(world, {
    id: job.id,
    sha: pipeline.sha,
    ref: pipeline.ref,
    name: job.name,
    status: job.status,
    description: null,
    targetUrl: null,
    authorId: pipeline.userId,
    createdAt: job.createdAt,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt,
  });

export function ciRoutes(world: World): FakeRoute[] {
  const commitOf = async (project: Project, ref: string) =>
    (await project.git.resolve(ref)) ?? refuse(404, '404 Commit Not Found');
  const pipelineOf = (project: Project, request: FakeRequest): Pipeline =>
    project.pipelines.find(({ id }) => id === Number(request.params.pipeline)) ?? refuse(404, '404 Pipeline Not Found');
  const jobOf = (project: Project, request: FakeRequest) =>
    project.pipelines
      .flatMap((pipeline) => pipeline.jobs.filter(({ bridge }) => !bridge).map((job) => ({ pipeline, job })))
      .find(({ job }) => job.id === Number(request.params.job)) ?? refuse(404, '404 Not Found');
  const act = (verb: 'retry' | 'cancel', from: readonly string[], to: string): FakeRoute => ({
    method: 'POST',
    path: `/projects/:id/pipelines/:pipeline/${verb}`,
    source: `pipelines: POST /projects/:id/pipelines/:pipeline_id/${verb}`,
    run(request) {
      const project = projectFor(world, request, DEVELOPER);
      const pipeline = pipelineOf(project, request);
      for (const job of pipeline.jobs) if (from.includes(job.status)) job.status = to;
      pipeline.status = to;
      pipeline.updatedAt = world.now();
      return { status: 201, json: shownPipeline(world, project, pipeline) };
    },
  });
  const listed = (kind: 'jobs' | 'bridges', more: z.ZodRawShape = {}): FakeRoute => ({
    method: 'GET',
    path: `/projects/:id/pipelines/:pipeline/${kind}`,
    source: `jobs: GET /projects/:id/pipelines/:pipeline_id/${kind}`,
    query: pagingOnly.extend(more),
    run(request) {
      const project = projectFor(world, request);
      const pipeline = pipelineOf(project, request);
      const jobs = pipeline.jobs.filter(({ bridge = false }) => bridge === (kind === 'bridges'));
      return paged(
        request,
        jobs.map((job) => shownJob(world, project, pipeline, job)),
      );
    },
  });
  return [
    {
      method: 'POST',
      path: '/projects/:id/statuses/:sha',
      source: 'commits: POST /projects/:id/statuses/:sha',
      body: newStatus,
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const sha = await commitOf(project, request.params.sha ?? '');
        return { status: 201, json: shownStatus(world, setStatus(world, project, sha, request)) };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/repository/commits/:sha/statuses',
      source: 'commits: GET /projects/:id/repository/commits/:sha/statuses',
      query: z.strictObject({
        ...paging,
        all: parameter.flag.optional(),
        name: text,
        ref: text,
        stage: text,
        pipeline_id: parameter.integer.optional(),
      }),
      async run(request) {
        const project = projectFor(world, request);
        const sha = await commitOf(project, request.params.sha ?? '');
        const own = project.statuses.filter(
          (one) => one.sha === sha && (request.query.get('name') ?? one.name) === one.name,
        );
        const isAll = ['true', '1'].includes(request.query.get('all') ?? '');
        const jobs = project.pipelines
          .filter((one) => one.sha === sha)
          .flatMap((one) => one.jobs.map((job) => jobStatus(world, one, job)));
        return paged(request, [...(isAll ? own : latest(own)).map((one) => shownStatus(world, one)), ...jobs]);
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/pipelines',
      source: 'pipelines: GET /projects/:id/pipelines',
      query: z.strictObject({ ...paging, sha: text, ref: text, status: text, username: text, source: text }),
      run(request) {
        const project = projectFor(world, request);
        const get = (name: string) => request.query.get(name);
        const found = project.pipelines.filter(
          (one) =>
            (get('sha') ?? one.sha) === one.sha &&
            (get('ref') ?? one.ref) === one.ref &&
            (get('status') ?? one.status) === one.status,
        );
        return paged(
          request,
          found.toReversed().map((one) => shownPipeline(world, project, one)),
        );
      },
    },
    {
      method: 'POST',
      path: '/projects/:id/pipeline',
      source: 'pipelines: POST /projects/:id/pipeline',
      body: newPipeline,
      async run(request) {
        const project = projectFor(world, request, DEVELOPER);
        const { ref } = request.body as z.output<typeof newPipeline>;
        const sha = (await project.git.resolve(ref)) ?? refuse(400, { base: ['Reference not found'] });
        const tree = (await project.git.readTree(sha, '')) ?? [];
        if (!tree.some(({ path }) => path === '.gitlab-ci.yml')) refuse(400, { base: ['Missing CI config file'] });
        const now = world.now();
        const pipeline: Pipeline = {
          id: world.nextId(),
          iid: project.pipelines.length + 1,
          ...{ sha, ref, status: 'pending', source: 'api', createdAt: now, updatedAt: now },
          userId: actorOf(request).id,
          jobs: [],
        };
        project.pipelines.push(pipeline);
        return { status: 201, json: shownPipeline(world, project, pipeline) };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/pipelines/:pipeline',
      source: 'pipelines: GET /projects/:id/pipelines/:pipeline_id',
      run(request) {
        const project = projectFor(world, request);
        return { json: shownPipeline(world, project, pipelineOf(project, request)) };
      },
    },
    listed('jobs', { include_retried: parameter.flag.optional() }),
    listed('bridges'),
    {
      method: 'GET',
      path: '/projects/:id/jobs/:job',
      source: 'jobs: GET /projects/:id/jobs/:job_id',
      run(request) {
        const project = projectFor(world, request);
        const { pipeline, job } = jobOf(project, request);
        return { json: shownJob(world, project, pipeline, job) };
      },
    },
    {
      method: 'GET',
      path: '/projects/:id/jobs/:job/trace',
      source: 'jobs: GET /projects/:id/jobs/:job_id/trace',
      run: (request) => ({ body: jobOf(projectFor(world, request), request).job.trace }),
    },
    {
      method: 'GET',
      path: '/projects/:id/jobs/:job/artifacts',
      source: 'job_artifacts: GET /projects/:id/jobs/:job_id/artifacts',
      run(request) {
        const { job } = jobOf(projectFor(world, request), request);
        return job.artifacts === undefined
          ? refuse(404, '404 Not Found')
          : { body: `packed ${job.name}`, contentType: 'application/octet-stream' };
      },
    },
    act('retry', ['failed', 'canceled'], 'running'),
    act('cancel', ['created', 'pending', 'running'], 'canceled'),
  ];
}
