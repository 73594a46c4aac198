/** Inputs of what runs on a commit: check runs and suites, workflows, their runs and jobs. */
import type { AccountInput, CommitInput, Id, RepositoryInput } from './inputs.js';

export interface CheckRunInput {
  id: Id;
  name: string;
  headSha: string;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion?:
    | 'success'
    | 'failure'
    | 'neutral'
    | 'cancelled'
    | 'skipped'
    | 'timed_out'
    | 'action_required'
    | 'stale'
    | null;
  detailsUrl?: string | null;
  htmlUrl?: string;
  externalId?: string;
  startedAt?: string | null;
  completedAt?: string | null;
  output?: { title?: string | null; summary?: string | null; text?: string | null; annotationCount?: number };
  suiteId: Id;
  headBranch?: string | null;
  /** The App or forge that made it. */
  app?: AppInput;
  pullRequests?: readonly CheckedPullRequestInput[];
}

export interface AppInput {
  id: Id;
  slug: string;
  name: string;
}

/** A pull request as check runs and workflow runs name it. */
export interface CheckedPullRequestInput {
  id: Id;
  number: number;
  headRef: string;
  headSha: string;
  baseRef: string;
  baseSha: string;
  /** Of the repository it goes into. */
  repositoryId?: Id;
}

export interface CheckSuiteInput {
  id: Id;
  headSha: string;
  headBranch: string | null;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion?: CheckRunInput['conclusion'];
  before?: string;
  after?: string;
  htmlUrl?: string;
  createdAt?: string;
  updatedAt?: string;
  app?: AppInput;
  headCommit?: CommitInput;
  checkRunCount?: number;
  /** Told by the API and not by webhooks. */
  repository?: RepositoryInput;
  pullRequests?: readonly CheckedPullRequestInput[];
}

export interface WorkflowRunInput {
  id: Id;
  name: string;
  headSha: string;
  headBranch: string | null;
  runNumber: number;
  runAttempt?: number;
  event: string;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion?: CheckRunInput['conclusion'];
  htmlUrl: string;
  actor?: AccountInput | null;
  createdAt?: string;
  updatedAt?: string;
  startedAt?: string;
  headCommit?: CommitInput;
  /** Path of the workflow's file. */
  path?: string;
  workflowId?: Id;
  /** The check suite it reports to; without one the run's own id. */
  suiteId?: Id;
  /** What people read as its title; without one the name. */
  displayTitle?: string;
  pullRequests?: readonly CheckedPullRequestInput[];
}

export interface WorkflowInput {
  id: Id;
  name: string;
  /** Of its file. */
  path: string;
  htmlUrl?: string;
  state?: 'active' | 'disabled_manually';
  createdAt?: string;
  updatedAt?: string;
}

export interface WorkflowJobInput {
  id: Id;
  runId: Id;
  name: string;
  headSha: string;
  headBranch?: string | null;
  status: 'queued' | 'in_progress' | 'completed' | 'waiting';
  conclusion?: CheckRunInput['conclusion'];
  htmlUrl: string;
  startedAt?: string;
  completedAt?: string | null;
  createdAt?: string;
  runnerId?: Id | null;
  runnerName?: string | null;
  labels?: readonly string[];
  steps?: readonly WorkflowStepInput[];
  runAttempt?: number;
  workflowName?: string | null;
}

export interface WorkflowStepInput {
  name: string;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion: CheckRunInput['conclusion'];
  number: number;
  startedAt?: string | null;
  completedAt?: string | null;
}
