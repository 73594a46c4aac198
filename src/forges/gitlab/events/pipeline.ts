/** Pipelines: to GitHub a check suite and a workflow run; those that other systems report are commit statuses. */
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import { PULLS_OF_COMMIT, pullsAt } from '../../kit/pulls-at.js';
import { checkSuite } from '../../kit/shapes/check.js';
import { NO_COMMIT, UNKNOWN_TIME } from '../../kit/shapes/fields.js';
import type { AccountInput, CheckedPullRequestInput, CheckSuiteInput, CommitInput } from '../../kit/shapes/inputs.js';
import { statusEvent } from '../../kit/shapes/status.js';
import { workflow, workflowRun } from '../../kit/shapes/workflow.js';
import { CI_APP, type NativePipeline, runInput, suiteInput, WORKFLOW } from '../convert/pipeline.js';
import { time } from '../convert/read.js';
import { statusState } from '../convert/status.js';
import { type PipelineEvent, pipelineEvent } from '../schema.js';
import { accountInput } from './account.js';
import { ask } from './ask.js';
import { commitInput } from './commit.js';
import { hook, isZero } from './hook.js';
import { firstId, hasPlace, NO_PLACE, type Place, placeOf, repositoryInput } from './place.js';

/** On the way to a state that another hook tells. */
const PASSING: ReadonlySet<string> = new Set(['canceling']);
export const WAITING: ReadonlySet<string> = new Set([
  'created',
  'waiting_for_resource',
  'preparing',
  'waiting_for_callback',
  'pending',
  'scheduled',
]);
export const DONE: ReadonlySet<string> = new Set(['success', 'failed', 'canceled', 'skipped', 'manual']);

function pipelineEvents({ object_attributes: pipeline }: PipelineEvent): ForgeEvent[] {
  const { status } = pipeline;
  if (PASSING.has(status)) return [];
  const suite = (action: string) => ({ name: 'check_suite', action });
  const run = (action: string) => ({ name: 'workflow_run', action });
  if (WAITING.has(status))
    return pipeline.source === 'external' ? [{ name: 'status' }] : [suite('requested'), run('requested')];
  if (status === 'running') return [pipeline.source === 'external' ? { name: 'status' } : run('in_progress')];
  if (!DONE.has(status)) return [];
  return pipeline.source === 'external' ? [{ name: 'status' }] : [suite('completed'), run('completed')];
}

/** `refs/merge-requests/12/head` is what a pipeline of a merge request runs on. */
const branchOf = ({ object_attributes: pipeline, merge_request: mr }: PipelineEvent): string | null =>
  mr && pipeline.source === 'merge_request_event' ? mr.source_branch : (pipeline.ref ?? null);

function nativePipeline(payload: PipelineEvent, place: Place): NativePipeline {
  const { object_attributes: pipeline } = payload;
  return {
    id: pipeline.id,
    project_id: place.repository.id,
    iid: pipeline.iid ?? undefined,
    sha: pipeline.sha,
    ref: branchOf(payload),
    status: pipeline.status,
    source: pipeline.source,
    name: pipeline.name,
    created_at: pipeline.created_at,
    updated_at: pipeline.finished_at ?? pipeline.created_at,
    web_url: pipeline.url ?? `${place.repository.htmlUrl}/-/pipelines/${pipeline.id}`,
  };
}

/** A pipeline of a branch names none, also where a pull request is open for it: asked for when the app reads them. */
async function pullRequests(
  { object_attributes: pipeline, merge_request: mr, project }: PipelineEvent,
  event: ForgeEvent,
  place: Place,
  ports: TranslatePorts,
): Promise<CheckedPullRequestInput[]> {
  if (mr)
    return [
      {
        id: mr.id,
        number: mr.iid,
        headRef: mr.source_branch,
        headSha: pipeline.sha,
        baseRef: mr.target_branch,
        baseSha: NO_COMMIT,
        repositoryId: mr.target_project_id ?? project?.id ?? 0,
      },
    ];
  if (pipeline.tag === true || !ports.wanted.has(`${event.name}.pull_requests`)) return [];
  const told = await ask(ports, PULLS_OF_COMMIT, { ...place.parameters, commit_sha: pipeline.sha });
  return pullsAt(told, pipeline.sha, place.repository.id);
}

function suiteShape(
  payload: PipelineEvent,
  place: Place,
  head: CommitInput | undefined,
  pulls: CheckedPullRequestInput[],
  ports: TranslatePorts,
): JsonObject {
  const { before_sha: before, sha } = payload.object_attributes;
  const input: CheckSuiteInput = {
    ...suiteInput(nativePipeline(payload, place)),
    ...(before && !isZero(before) && { before }),
    after: sha,
    headCommit: head,
    app: CI_APP,
    pullRequests: pulls,
    checkRunCount: payload.builds?.length ?? 0,
  };
  return checkSuite(ports.base, place.owner, place.name, input);
}

function runShape(
  payload: PipelineEvent,
  place: Place,
  head: CommitInput | undefined,
  actor: AccountInput | undefined,
  pulls: CheckedPullRequestInput[],
  ports: TranslatePorts,
): JsonObject {
  const page = `${place.repository.htmlUrl}/-/blob/HEAD/${WORKFLOW.path}`;
  return {
    workflow: workflow(ports.base, place.owner, place.name, { ...WORKFLOW, htmlUrl: page }),
    workflow_run: workflowRun(ports.base, place.repository, {
      ...runInput(nativePipeline(payload, place)),
      actor: actor ?? null,
      headCommit: head,
      path: WORKFLOW.path,
      ...(head?.message && { displayTitle: head.message.split('\n', 1)[0] }),
      workflowId: WORKFLOW.id,
      pullRequests: pulls,
    }),
  };
}

function statusShape(
  payload: PipelineEvent,
  place: Place,
  head: CommitInput | undefined,
  actor: AccountInput | undefined,
  ports: TranslatePorts,
): JsonObject {
  const { object_attributes: pipeline } = payload;
  const nobody = { name: '', email: '', date: UNKNOWN_TIME };
  const unknown = {
    sha: pipeline.sha,
    message: '',
    htmlUrl: `${place.repository.htmlUrl}/-/commit/${pipeline.sha}`,
    author: nobody,
  };
  return statusEvent(
    ports.base,
    place.owner,
    place.name,
    {
      id: pipeline.id,
      sha: pipeline.sha,
      state: statusState(pipeline),
      context: pipeline.name ?? 'external',
      description: pipeline.detailed_status ?? null,
      targetUrl: nativePipeline(payload, place).web_url,
      creator: actor,
      createdAt: time(pipeline.created_at),
      updatedAt: time(pipeline.finished_at ?? pipeline.created_at),
    },
    { commit: head ?? unknown, branches: pipeline.ref && pipeline.tag !== true ? [pipeline.ref] : [] },
  );
}

export const pipeline = hook(pipelineEvent, {
  classify(payload) {
    const { object_attributes: attributes, merge_request: mr } = payload;
    const repositoryId = firstId(payload.project?.id);
    if (repositoryId === undefined) return { ignored: 'project.id is missing.' };
    if (!hasPlace(payload.project)) return { ignored: NO_PLACE };
    const events = pipelineEvents(payload);
    if (events.length === 0) return { ignored: 'A state that GitHub does not tell.' };
    return {
      events,
      repositoryId,
      ...(mr && { number: mr.iid }),
      identity: [attributes.id, attributes.status, attributes.finished_at],
    };
  },
  async payload(payload, event, ports) {
    const actor = accountInput(ports.base, payload.user);
    const { project } = payload;
    const place = placeOf(ports, repositoryInput(ports.base, project ?? {}, project?.id ?? 0, actor), actor);
    const head = payload.commit ? commitInput(payload.commit, place.repository.htmlUrl) : undefined;
    if (event.name === 'status') return { ...statusShape(payload, place, head, actor, ports), ...place.fields };
    const pulls = await pullRequests(payload, event, place, ports);
    return {
      action: event.action,
      ...(event.name === 'check_suite'
        ? { check_suite: suiteShape(payload, place, head, pulls, ports) }
        : runShape(payload, place, head, actor, pulls, ports)),
      ...place.fields,
    };
  },
});
