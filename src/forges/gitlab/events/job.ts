/** Jobs of a pipeline: to GitHub a check run and a workflow job. */
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import { checkedPull, PULLS_OF_COMMIT, pullsAt } from '../../kit/pulls-at.js';
import { checkRun } from '../../kit/shapes/check.js';
import type { CheckedPullRequestInput } from '../../kit/shapes/inputs.js';
import { workflowJob } from '../../kit/shapes/workflow.js';
import { jobCheckInput, jobInput, type NativeJob } from '../convert/pipeline.js';
import { type JobEvent, jobEvent, type NativeProject } from '../schema.js';
import { accountInput } from './account.js';
import { ask, askObject } from './ask.js';
import { hook } from './hook.js';
import { DONE, WAITING } from './pipeline.js';
import { firstId, hasPlace, NO_PLACE, type Place, placeOf, repositoryInput } from './place.js';

/** Hooks before 15.8 have no project, but the page of the repository. */
const projectOf = ({ project, repository }: JobEvent): NativeProject =>
  project ?? {
    description: repository?.description,
    web_url: repository?.homepage,
    git_http_url: repository?.git_http_url,
    git_ssh_url: repository?.git_ssh_url,
    visibility_level: repository?.visibility_level,
  };

/** A `manual` job that waits for a person is not done, unlike a pipeline. */
const isDone = (status: string) => status !== 'manual' && DONE.has(status);

function jobEvents(status: string): ForgeEvent[] {
  const check = (action: string) => ({ name: 'check_run', action });
  const job = (action: string) => ({ name: 'workflow_job', action });
  if (status === 'manual' || WAITING.has(status)) return [check('created'), job('queued')];
  if (status === 'running') return [job('in_progress')];
  return isDone(status) ? [check('completed'), job('completed')] : [];
}

/** A pipeline of a merge request runs on `refs/merge-requests/12/head`. */
function mergeRequestNumber(ref: string | null | undefined): number | undefined {
  const iid = Number(/^refs\/merge-requests\/(\d{1,9})\//.exec(ref ?? '')?.[1]);
  return iid > 0 ? iid : undefined;
}

/** As the API would answer it. `commit.id` of the hook is the pipeline's id and no SHA. */
function nativeJob(payload: JobEvent, place: Place): NativeJob {
  const id = payload.build_id;
  return {
    id,
    name: payload.build_name,
    // GitHub knows no job that waits for a person: it is queued until then.
    status: payload.build_status === 'manual' ? 'pending' : payload.build_status,
    ref: payload.ref,
    allow_failure: payload.build_allow_failure ?? false,
    created_at: payload.build_created_at,
    started_at: payload.build_started_at,
    finished_at: payload.build_finished_at,
    web_url: `${place.repository.htmlUrl}/-/jobs/${id}`,
    pipeline: { id: payload.pipeline_id ?? payload.commit?.id ?? 0, sha: payload.sha },
    runner: payload.runner?.id == null ? null : { id: payload.runner.id, description: payload.runner.description },
    tag_list: payload.runner?.tags ?? [],
  };
}

/**
 * The hook has no more of it than its number in the ref, and not even that where a branch was built: asked for when the app reads it.
 */
async function pullRequests(
  payload: JobEvent,
  place: Place,
  ports: TranslatePorts,
): Promise<CheckedPullRequestInput[]> {
  if (!ports.wanted.has('check_run.pull_requests')) return [];
  const { id: repositoryId } = place.repository;
  const number = mergeRequestNumber(payload.ref);
  if (number === undefined) {
    const told = await ask(ports, PULLS_OF_COMMIT, { ...place.parameters, commit_sha: payload.sha });
    return pullsAt(told, payload.sha, repositoryId);
  }
  const parameters = { ...place.parameters, pull_number: number, counts: 0 };
  const known = await askObject(ports, 'GET /repos/{owner}/{repo}/pulls/{pull_number}', parameters);
  return known === undefined ? [] : [checkedPull({ ...known, number }, payload.sha, repositoryId)];
}

async function jobShape(payload: JobEvent, name: string, place: Place, ports: TranslatePorts): Promise<JsonObject> {
  const job = nativeJob(payload, place);
  if (name === 'check_run') {
    const pulls = await pullRequests(payload, place, ports);
    // A ref of a merge request is no branch: its own is known with it.
    const [pull] = mergeRequestNumber(payload.ref) === undefined ? [] : pulls;
    const input = { ...jobCheckInput(job), ...(pull && { headBranch: pull.headRef }), pullRequests: pulls };
    return { check_run: checkRun(ports.base, place.owner, place.name, input) };
  }
  return {
    workflow_job: workflowJob(ports.base, place.owner, place.name, {
      ...jobInput(job),
      runAttempt: (payload.retries_count ?? 0) + 1,
      workflowName: payload.commit?.name ?? null,
    }),
  };
}

export const job = hook(jobEvent, {
  classify(payload) {
    const repositoryId = firstId(payload.project?.id ?? payload.project_id);
    if (repositoryId === undefined || !hasPlace(projectOf(payload))) return { ignored: NO_PLACE };
    const events = jobEvents(payload.build_status);
    if (events.length === 0) return { ignored: 'A state that GitHub does not tell.' };
    const number = mergeRequestNumber(payload.ref);
    return {
      events,
      repositoryId,
      ...(number !== undefined && { number }),
      identity: [payload.build_id, payload.build_status, payload.build_finished_at],
    };
  },
  async payload(payload, event, ports) {
    const actor = accountInput(ports.base, payload.user);
    const id = payload.project?.id ?? payload.project_id;
    const place = placeOf(ports, repositoryInput(ports.base, projectOf(payload), id, actor), actor);
    return { action: event.action, ...(await jobShape(payload, event.name, place, ports)), ...place.fields };
  },
});
