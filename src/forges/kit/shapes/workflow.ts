/** Workflows, their runs and the jobs of a run. */
import type { JsonObject } from '../../forge.js';
import { userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import { checkedPullRequest } from './check.js';
import { simpleCommit } from './commit.js';
import { encodePath, UNKNOWN_TIME } from './fields.js';
import type {
  CheckRunInput,
  RepositoryInput,
  WorkflowInput,
  WorkflowJobInput,
  WorkflowRunInput,
  WorkflowStepInput,
} from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf, minimalRepository, pageOf } from './repository.js';

type Conclusion = NonNullable<CheckRunInput['conclusion']>;

export function workflow(base: ShapeBase, owner: string, repo: string, input: WorkflowInput): JsonObject {
  const created = input.createdAt ?? UNKNOWN_TIME;
  const page = pageOf(base, owner, repo);
  const htmlUrl = input.htmlUrl ?? `${page}/blob/HEAD/${encodePath(input.path)}`;
  return {
    id: jsonId(input.id),
    node_id: nodeId('Workflow', input.id, `${owner}/${repo}`),
    name: input.name,
    path: input.path,
    state: input.state ?? 'active',
    created_at: created,
    updated_at: input.updatedAt ?? created,
    url: `${apiOf(base, owner, repo)}/actions/workflows/${input.id}`,
    html_url: htmlUrl,
    badge_url: `${page}/workflows/${encodeURIComponent(input.name)}/badge.svg`,
  };
}

export function workflowRun(base: ShapeBase, repository: RepositoryInput, input: WorkflowRunInput): JsonObject {
  const owner = repository.owner.login;
  const api = apiOf(base, owner, repository.name);
  const url = `${api}/actions/runs/${input.id}`;
  const suite = input.suiteId ?? input.id;
  const workflowId = input.workflowId ?? 0;
  const created = input.createdAt ?? UNKNOWN_TIME;
  const actor = userOrGhost(base, input.actor);
  return {
    id: jsonId(input.id),
    name: input.name,
    node_id: nodeId('WorkflowRun', input.id, `${owner}/${repository.name}`),
    // Text in webhooks, even where no branch was run.
    head_branch: input.headBranch ?? '',
    head_sha: input.headSha,
    path: input.path ?? '',
    display_title: input.displayTitle ?? input.name,
    run_number: input.runNumber,
    event: input.event,
    status: input.status,
    conclusion: input.status === 'completed' ? (input.conclusion ?? 'neutral') : null,
    workflow_id: jsonId(workflowId),
    check_suite_id: jsonId(suite),
    check_suite_node_id: nodeId('CheckSuite', suite, `${owner}/${repository.name}`),
    url,
    html_url: input.htmlUrl,
    pull_requests: (input.pullRequests ?? []).map((one) => checkedPullRequest(base, owner, repository.name, one)),
    created_at: created,
    updated_at: input.updatedAt ?? created,
    actor,
    triggering_actor: actor,
    run_attempt: input.runAttempt ?? 1,
    referenced_workflows: [],
    run_started_at: input.startedAt ?? created,
    jobs_url: `${url}/jobs`,
    logs_url: `${url}/logs`,
    check_suite_url: `${api}/check-suites/${suite}`,
    artifacts_url: `${url}/artifacts`,
    cancel_url: `${url}/cancel`,
    rerun_url: `${url}/rerun`,
    previous_attempt_url: null,
    workflow_url: `${api}/actions/workflows/${workflowId}`,
    head_commit: simpleCommit(input.headSha, input.headCommit, created),
    repository: minimalRepository(base, repository),
    head_repository: minimalRepository(base, repository),
  };
}

export function workflowJob(base: ShapeBase, owner: string, repo: string, input: WorkflowJobInput): JsonObject {
  const api = apiOf(base, owner, repo);
  const done = input.status === 'completed';
  const started = input.startedAt ?? input.createdAt ?? UNKNOWN_TIME;
  const completed = done ? (input.completedAt ?? started) : null;
  return {
    id: jsonId(input.id),
    run_id: jsonId(input.runId),
    workflow_name: input.workflowName ?? null,
    head_branch: input.headBranch ?? null,
    run_url: `${api}/actions/runs/${input.runId}`,
    run_attempt: input.runAttempt ?? 1,
    node_id: nodeId('CheckRun', input.id, `${owner}/${repo}`),
    head_sha: input.headSha,
    url: `${api}/actions/jobs/${input.id}`,
    html_url: input.htmlUrl,
    status: input.status,
    conclusion: done ? jobConclusion(input.conclusion) : null,
    created_at: input.createdAt ?? started,
    started_at: started,
    completed_at: completed,
    name: input.name,
    steps: (input.steps ?? []).map((one) => step(one, started, completed)),
    check_run_url: `${api}/check-runs/${input.id}`,
    labels: input.labels ?? [],
    runner_id: input.runnerId == null ? null : jsonId(input.runnerId),
    runner_name: input.runnerName ?? null,
    runner_group_id: null,
    runner_group_name: null,
  };
}

/** GitHub demands the times of a step once it runs; the job's stand in for those that were not told. */
function step(input: WorkflowStepInput, jobStarted: string, jobCompleted: string | null): JsonObject {
  const started = input.startedAt ?? jobStarted;
  const done = input.status === 'completed';
  return {
    name: input.name,
    status: input.status,
    conclusion: done ? jobConclusion(input.conclusion) : null,
    number: input.number,
    started_at: input.status === 'queued' ? null : started,
    completed_at: done ? (input.completedAt ?? jobCompleted ?? started) : null,
  };
}

/** Jobs and steps know fewer ways to end than check runs do. What ended nobody knows how is never shown as a success. */
function jobConclusion(conclusion: CheckRunInput['conclusion']): Conclusion {
  if (conclusion == null || conclusion === 'timed_out' || conclusion === 'action_required') return 'failure';
  if (conclusion === 'stale') return 'cancelled';
  return conclusion === 'neutral' ? 'skipped' : conclusion;
}
