import { z } from 'zod';
import type { CheckRunInput, CheckSuiteInput, WorkflowJobInput, WorkflowRunInput } from '../../kit/shapes/inputs.js';
import { id, time, timeOrNull } from './read.js';
import { progress } from './status.js';
import { accountOrNull, nativeUser } from './user.js';

export const nativePipeline = z.looseObject({
  id,
  iid: z.number().optional(),
  project_id: id,
  sha: z.string(),
  ref: z.string().nullish(),
  status: z.string(),
  source: z.string().nullish(),
  name: z.string().nullish(),
  created_at: z.string().nullish(),
  updated_at: z.string().nullish(),
  web_url: z.string(),
  user: nativeUser.nullish(),
});
export type NativePipeline = z.output<typeof nativePipeline>;

export const nativeJob = z.looseObject({
  id,
  name: z.string(),
  stage: z.string().optional(),
  status: z.string(),
  ref: z.string().nullish(),
  allow_failure: z.boolean().optional(),
  created_at: z.string().nullish(),
  started_at: z.string().nullish(),
  finished_at: z.string().nullish(),
  web_url: z.string(),
  commit: z.looseObject({ id: z.string() }).nullish(),
  pipeline: z.looseObject({ id, sha: z.string(), project_id: id.optional() }),
  runner: z.looseObject({ id, description: z.string().nullish() }).nullish(),
  tag_list: z.array(z.string()).nullish(),
});
export type NativeJob = z.output<typeof nativeJob>;

/** What stands for GitHub's App where GitLab's own CI made a check. */
export const CI_APP = { id: 0, slug: 'gitlab-ci', name: 'GitLab CI/CD' };

/** GitLab has one file of pipelines and no workflows. */
export const WORKFLOW = { id: 0, name: 'GitLab CI/CD', path: '.gitlab-ci.yml' };

/** GitHub's words for what started a run, where GitLab has other ones. */
const events: Readonly<Record<string, string>> = {
  merge_request_event: 'pull_request',
  external_pull_request_event: 'pull_request',
  schedule: 'schedule',
  web: 'workflow_dispatch',
  api: 'workflow_dispatch',
  trigger: 'repository_dispatch',
};

export const runInput = (pipeline: NativePipeline): WorkflowRunInput => ({
  id: pipeline.id,
  name: pipeline.name ?? 'Pipeline',
  headSha: pipeline.sha,
  headBranch: pipeline.ref ?? null,
  runNumber: pipeline.iid ?? 1,
  event: events[pipeline.source ?? ''] ?? 'push',
  ...progress(pipeline),
  htmlUrl: pipeline.web_url,
  actor: accountOrNull(pipeline.user),
  createdAt: time(pipeline.created_at),
  updatedAt: time(pipeline.updated_at ?? pipeline.created_at),
});

export const suiteInput = (pipeline: NativePipeline): CheckSuiteInput => ({
  id: pipeline.id,
  headSha: pipeline.sha,
  headBranch: pipeline.ref ?? null,
  ...progress(pipeline),
  htmlUrl: pipeline.web_url,
  createdAt: time(pipeline.created_at),
  updatedAt: time(pipeline.updated_at ?? pipeline.created_at),
  app: CI_APP,
});

/**
 * A job that may fail and did has failed, as with GitHub's `continue-on-error`; its check is neutral. One that waits for a
 * person is queued.
 */
function jobProgress({ status }: NativeJob): Pick<WorkflowJobInput, 'status' | 'conclusion'> {
  return progress({ status: status === 'manual' ? 'pending' : status });
}

export const jobInput = (job: NativeJob): WorkflowJobInput => ({
  id: job.id,
  runId: job.pipeline.id,
  name: job.name,
  headSha: job.commit?.id ?? job.pipeline.sha,
  headBranch: job.ref ?? null,
  ...jobProgress(job),
  htmlUrl: job.web_url,
  startedAt: time(job.started_at ?? job.created_at),
  completedAt: timeOrNull(job.finished_at),
  createdAt: time(job.created_at),
  runnerId: job.runner?.id ?? null,
  runnerName: job.runner?.description ?? null,
  labels: job.tag_list ?? [],
  steps: [],
});

export const jobCheckInput = (job: NativeJob): CheckRunInput => ({
  id: job.id,
  name: job.name,
  headSha: job.commit?.id ?? job.pipeline.sha,
  ...progress(job),
  detailsUrl: job.web_url,
  htmlUrl: job.web_url,
  externalId: '',
  startedAt: time(job.started_at ?? job.created_at) ?? null,
  completedAt: timeOrNull(job.finished_at),
  suiteId: job.pipeline.id,
  headBranch: job.ref ?? null,
  app: CI_APP,
});
