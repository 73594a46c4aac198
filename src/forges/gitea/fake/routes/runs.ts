/** Runs of workflows, what they consist of and left. Each call came with another version. */
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import { notFound, ok, paging, refuse, repositoryFor, since } from '../answers.js';
import { pageOf } from '../git-json.js';
import { userJson } from '../objects.js';
import type { Repository, Run } from '../state.js';
import type { World } from '../world.js';

/** Ids of jobs are others than those of runs. */
const JOBS = 1_000_000;

export function runRoutes(world: World): FakeRoute[] {
  const runJson = (repository: Repository, run: Run) => ({
    id: run.id,
    url: `${world.apiUrl}/repos/${repository.owner}/${repository.name}/actions/runs/${run.id}`,
    html_url: `${pageOf(world, repository)}/actions/runs/${run.id}`,
    display_title: run.name,
    path: `${run.workflow}@refs/heads/${run.branch}`,
    event: run.event,
    run_attempt: 0,
    run_number: run.id,
    head_sha: run.sha,
    head_branch: run.branch,
    status: run.status,
    conclusion: run.conclusion,
    actor: userJson(world, repository.owner),
    started_at: run.created,
    completed_at: run.created,
  });

  const taskJson = (repository: Repository, run: Run) => ({
    id: run.id,
    name: run.name,
    head_branch: run.branch,
    head_sha: run.sha,
    run_number: run.id,
    event: run.event,
    display_title: run.name,
    status: run.conclusion || run.status,
    workflow_id: run.workflow,
    url: `${pageOf(world, repository)}/actions/runs/${run.id}`,
    created_at: run.created,
    updated_at: run.created,
    run_started_at: run.created,
  });

  const listRuns = (what: 'runs' | 'tasks', json: (repository: Repository, run: Run) => unknown): FakeRoute => ({
    method: 'GET',
    path: `/repos/:owner/:repo/actions/${what}`,
    source: `repository: GET /repos/{owner}/{repo}/actions/${what}`,
    query: z.object(paging),
    run: (request) => {
      const repository = repositoryFor(world, request);
      const shown = [...repository.runs].reverse();
      return ok({ total_count: shown.length, workflow_runs: shown.map((run) => json(repository, run)) });
    },
  });

  const runFor = (request: FakeRequest) => {
    const repository = repositoryFor(world, request);
    return { repository, run: repository.runs.find((one) => String(one.id) === request.params.run) ?? notFound() };
  };

  const jobJson = (repository: Repository, run: Run) => {
    const { display_title: name, ...job } = runJson(repository, run);
    return { ...job, id: run.id + JOBS, run_id: run.id, name, created_at: run.created };
  };
  const jobFor = (request: FakeRequest) => {
    const repository = repositoryFor(world, request);
    const run = repository.runs.find(({ id }) => String(id + JOBS) === request.params.job) ?? notFound();
    return { repository, run };
  };
  const artifactJson = (
    repository: Repository,
    run: Run,
    { id, name, size }: NonNullable<Run['artifacts']>[number],
  ) => {
    const url = `${world.apiUrl}/repos/${repository.owner}/${repository.name}/actions/artifacts/${id}`;
    return {
      id,
      name,
      size_in_bytes: size,
      url,
      archive_download_url: `${url}/zip`,
      expired: false,
      workflow_run: { id: run.id, repository_id: repository.id, head_sha: run.sha },
      created_at: run.created,
      updated_at: run.created,
      expires_at: run.created,
    };
  };
  const artifactFor = (request: FakeRequest) => {
    const repository = repositoryFor(world, request);
    for (const run of repository.runs) {
      const artifact = (run.artifacts ?? []).find(({ id }) => String(id) === request.params.artifact);
      if (artifact !== undefined) return { repository, run, artifact };
    }
    return notFound();
  };
  const workflowJson = async (repository: Repository, path: string) => {
    const name = path.split('/').at(-1) ?? path;
    const url = `${world.apiUrl}/repos/${repository.owner}/${repository.name}/actions/workflows/${name}`;
    return {
      id: name,
      name,
      path,
      state: 'active',
      created_at: repository.created,
      updated_at: repository.created,
      url,
      html_url: `${pageOf(world, repository)}/src/branch/${repository.defaultBranch}/${path}`,
      badge_url: `${pageOf(world, repository)}/actions/workflows/${name}/badge.svg`,
      deleted_at: null,
    };
  };
  const act = (verb: 'cancel' | 'rerun' | 'rerun-failed-jobs', change: (run: Run) => void): FakeRoute => ({
    method: 'POST',
    path: `/repos/:owner/:repo/actions/runs/:run/${verb}`,
    source: `repository: POST /repos/{owner}/{repo}/actions/runs/{run}/${verb}`,
    run: (request) => {
      repositoryFor(world, request, 'write');
      const { repository, run } = runFor(request);
      const isDone = run.status === 'completed';
      if (verb === 'cancel' ? isDone : !isDone)
        refuse(verb === 'cancel' ? 409 : 400, 'workflow run is in another state');
      change(run);
      // Of what it did, the call for failed jobs tells nothing.
      if (verb === 'rerun-failed-jobs') return ok(undefined, 201);
      return verb === 'cancel' ? ok(undefined, 202) : ok(runJson(repository, run), 201);
    },
  });
  const again = (run: Run) => Object.assign(run, { status: 'queued', conclusion: '' });

  return [
    since('v124', world, listRuns('runs', runJson)),
    since('v122', world, listRuns('tasks', taskJson)),
    since('v124', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/actions/runs/:run',
      source: 'repository: GET /repos/{owner}/{repo}/actions/runs/{run}',
      run: (request) => {
        const { repository, run } = runFor(request);
        return ok(runJson(repository, run));
      },
    }),
    since('v124', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/actions/runs/:run/jobs',
      source: 'repository: GET /repos/{owner}/{repo}/actions/runs/{run}/jobs',
      query: z.object(paging),
      run: (request) => {
        const { repository, run } = runFor(request);
        return ok({ total_count: 1, jobs: [jobJson(repository, run)] });
      },
    }),
    since('v124', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/actions/jobs/:job',
      source: 'repository: GET /repos/{owner}/{repo}/actions/jobs/{job_id}',
      run: (request) => {
        const { repository, run } = jobFor(request);
        return ok(jobJson(repository, run));
      },
    }),
    since('v124', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/actions/jobs/:job/logs',
      source: 'repository: GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs',
      run: (request) => ({ body: jobFor(request).run.log ?? '', contentType: 'text/plain; charset=utf-8' }),
    }),
    since('v124', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/actions/runs/:run/artifacts',
      source: 'repository: GET /repos/{owner}/{repo}/actions/runs/{run}/artifacts',
      query: z.object({ ...paging, name: z.string().optional() }),
      run: (request) => {
        const { repository, run } = runFor(request);
        const artifacts = (run.artifacts ?? []).map((one) => artifactJson(repository, run, one));
        return ok({ total_count: artifacts.length, artifacts });
      },
    }),
    since('v124', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/actions/artifacts/:artifact',
      source: 'repository: GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}',
      run: (request) => {
        const { repository, run, artifact } = artifactFor(request);
        return ok(artifactJson(repository, run, artifact));
      },
    }),
    since('v124', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/actions/artifacts/:artifact/zip',
      source: 'repository: GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/zip',
      run: (request) => ({ body: `packed ${artifactFor(request).artifact.name}`, contentType: 'application/zip' }),
    }),
    since('v124', world, {
      method: 'GET',
      path: '/repos/:owner/:repo/actions/workflows',
      source: 'repository: GET /repos/{owner}/{repo}/actions/workflows',
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const head = await repository.git.resolve(repository.defaultBranch);
        const paths: string[] = [];
        for (const folder of ['.gitea/workflows', '.github/workflows']) {
          const entries = head === undefined ? [] : ((await repository.git.readTree(head, folder)) ?? []);
          paths.push(
            ...entries
              .filter(({ type, path }) => type === 'blob' && /\.ya?ml$/.test(path))
              .map(({ path }) => `${folder}/${path.split('/').at(-1)}`),
          );
          if (paths.length > 0) break;
        }
        const workflows = await Promise.all(paths.map((path) => workflowJson(repository, path)));
        return ok({ total_count: workflows.length, workflows });
      },
    }),
    since('v124', world, {
      method: 'POST',
      path: '/repos/:owner/:repo/actions/workflows/:workflow/dispatches',
      source: 'repository: POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches',
      body: z.strictObject({ ref: z.string(), inputs: z.record(z.string(), z.string()).optional() }),
      run: async (request) => {
        const repository = repositoryFor(world, request, 'write');
        const { ref } = request.body as { ref: string };
        const branch = ref.replace(/^refs\/(?:heads|tags)\//, '');
        const sha = (await repository.git.resolve(branch)) ?? notFound();
        const workflow = request.params.workflow ?? '';
        repository.runs.push({
          id: world.state.nextId(),
          name: workflow,
          workflow,
          branch,
          sha,
          event: 'workflow_dispatch',
          status: 'queued',
          conclusion: '',
          created: world.state.now(),
        });
        return ok(undefined, 204);
      },
    }),
    since('v126', world, act('rerun', again)),
    since('v126', world, act('rerun-failed-jobs', again)),
    since('v126', world, {
      method: 'POST',
      path: '/repos/:owner/:repo/actions/runs/:run/jobs/:job/rerun',
      source: 'repository: POST /repos/{owner}/{repo}/actions/runs/{run}/jobs/{job_id}/rerun',
      run: (request) => {
        repositoryFor(world, request, 'write');
        const { repository, run } = jobFor(request);
        if (String(run.id) !== request.params.run) return notFound();
        if (run.status !== 'completed') refuse(400, 'workflow run is in another state');
        again(run);
        return ok(jobJson(repository, run), 201);
      },
    }),
    since(
      'cancelsRuns',
      world,
      act('cancel', (run) => Object.assign(run, { status: 'completed', conclusion: 'cancelled' })),
    ),
  ];
}
