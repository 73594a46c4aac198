import { createHash } from 'node:crypto';
import type { CheckRunInput, Id, WorkflowJobInput, WorkflowRunInput } from '../../kit/shapes/inputs.js';
import { nativeActionRun, nativeWorkflowJob, nativeWorkflowRun, nativeWorkflowStep, read } from '../schema.js';
import { time, timeOrNull } from './time.js';
import { accountIfTold } from './user.js';

type Conclusion = CheckRunInput['conclusion'];
type Status = WorkflowRunInput['status'];
export type RunInput = WorkflowRunInput;

const CONCLUSIONS: ReadonlyMap<string, Conclusion> = new Map([
  ['success', 'success'],
  ['failure', 'failure'],
  ['cancelled', 'cancelled'],
  ['skipped', 'skipped'],
]);

const statusOf = (word: string | null | undefined): Status =>
  word === 'in_progress' || word === 'completed' ? word : word === 'running' ? 'in_progress' : 'queued';

const conclusionOf = (word: string | null | undefined): Conclusion => CONCLUSIONS.get(word ?? '') ?? null;

/** `ci.yml@refs/heads/main` is a file and where it was read. */
const fileOf = (path: string | null | undefined): string => (path ?? '').replace(/@refs\/.*$/, '');

const branchOf = (ref: string | null | undefined): string | null => ref?.replace(/^refs\/heads\//, '') || null;

/** A run as Gitea sends it. @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function workflowRunInput(native: unknown): RunInput {
  const run = read('workflow_run', nativeWorkflowRun, native);
  const status = statusOf(run.status);
  const path = fileOf(run.path);
  return {
    id: run.id,
    name: path || run.display_title || 'workflow',
    displayTitle: run.display_title ?? undefined,
    path,
    headSha: run.head_sha ?? '',
    headBranch: branchOf(run.head_branch),
    runNumber: run.run_number ?? 1,
    runAttempt: run.run_attempt || 1,
    event: run.event ?? 'push',
    status,
    conclusion: status === 'completed' ? conclusionOf(run.conclusion) : null,
    htmlUrl: run.html_url ?? '',
    actor: accountIfTold(run.trigger_actor) ?? accountIfTold(run.actor),
    createdAt: time(run.created_at) ?? time(run.started_at),
    startedAt: time(run.started_at),
    updatedAt: time(run.completed_at) ?? time(run.updated_at),
  };
}

/** A run as Forgejo sends it when it has ended; one word is status and conclusion. @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function actionRunInput(native: unknown): RunInput {
  const run = read('run', nativeActionRun, native);
  const conclusion = conclusionOf(run.status);
  return {
    id: run.id,
    name: run.workflow_id || run.title || 'workflow',
    displayTitle: run.title ?? undefined,
    path: run.workflow_id ?? undefined,
    headSha: run.commit_sha ?? '',
    // A pull request is written as its number here.
    headBranch: run.prettyref?.startsWith('#') ? null : branchOf(run.prettyref),
    runNumber: run.index_in_repo ?? 1,
    event: run.trigger_event || run.event || 'push',
    status: conclusion === null ? statusOf(run.status) : 'completed',
    conclusion,
    htmlUrl: run.html_url ?? '',
    actor: accountIfTold(run.trigger_user),
    createdAt: time(run.created),
    startedAt: time(run.started),
    updatedAt: time(run.stopped) ?? time(run.updated),
  };
}

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function workflowJobInput(native: unknown): WorkflowJobInput {
  const job = read('workflow_job', nativeWorkflowJob, native);
  const status = job.status === 'waiting' || job.status === 'pending' ? 'waiting' : statusOf(job.status);
  return {
    id: job.id,
    runId: job.run_id,
    name: job.name ?? '',
    headSha: job.head_sha ?? '',
    headBranch: branchOf(job.head_branch),
    status,
    conclusion: status === 'completed' ? conclusionOf(job.conclusion) : null,
    htmlUrl: job.html_url ?? '',
    createdAt: time(job.created_at),
    startedAt: time(job.started_at),
    completedAt: timeOrNull(job.completed_at),
    runnerId: job.runner_id ?? null,
    runnerName: job.runner_name || null,
    labels: job.labels ?? [],
    runAttempt: job.run_attempt || 1,
    steps: (job.steps ?? []).flatMap((entry, index) => {
      const step = nativeWorkflowStep.safeParse(entry);
      if (!step.success) return [];
      const { name, number, status: word, conclusion, started_at, completed_at } = step.data;
      const done = statusOf(word);
      return [
        {
          name,
          number: number ?? index + 1,
          status: done,
          conclusion: done === 'completed' ? conclusionOf(conclusion) : null,
          startedAt: time(started_at) ?? null,
          completedAt: time(completed_at) ?? null,
        },
      ];
    }),
  };
}

/** GitHub counts workflows; here a file's name is what names one. The same file always gets the same number. */
export function workflowNumber(repositoryId: Id, path: string): number {
  const hash = createHash('sha256').update(`${repositoryId}:${path}`).digest();
  return hash.readUIntBE(0, 6);
}
