/** Inputs of every shape: `small` has what is required alone, `full` has everything, which the types enforce. */
import type { ShapeBase } from '../../src/forges/kit/shapes/base.js';
import type * as inputs from '../../src/forges/kit/shapes/inputs.js';

export const base: ShapeBase = { api: 'https://forge.example.com/api/v3', web: 'https://forge.example.com' };
export const sha = 'a'.repeat(40);
export const time = '2026-11-22T10:00:00Z';
export const later = '2026-11-22T11:00:00Z';
export const api = 'https://forge.example.com/api/v3/repos/group~sub/web';
export const page = 'https://forge.example.com/group/sub/web';

export const anna: inputs.AccountInput = { id: 7, login: 'anna' };
export const bot: Required<inputs.AccountInput> = {
  id: '9007199254740991',
  login: 'helper[bot]',
  name: 'Helper',
  email: 'helper@example.com',
  avatarUrl: 'https://forge.example.com/uploads/7.png',
  htmlUrl: 'https://forge.example.com/helper',
  type: 'Bot',
  siteAdmin: true,
};
export const group: inputs.AccountInput = { id: 3, login: 'group~sub', type: 'Organization' };
export const smallRepository: inputs.RepositoryInput = {
  id: 40,
  owner: group,
  name: 'web',
  htmlUrl: page,
  visibility: 'private',
};
export const fullRepository: Required<inputs.RepositoryInput> = {
  ...smallRepository,
  description: 'The web',
  fork: true,
  defaultBranch: 'trunk',
  archived: true,
  homepage: 'https://example.com',
  language: 'TypeScript',
  topics: ['web'],
  createdAt: time,
  updatedAt: later,
  pushedAt: later,
  size: 12,
  starCount: 2,
  forkCount: 3,
  openIssueCount: 4,
  hasIssues: false,
  hasWiki: true,
  cloneUrl: `${page}.git`,
  sshUrl: 'git@forge.example.com:group/sub/web.git',
  allowMergeCommit: true,
  allowRebaseMerge: false,
  allowSquashMerge: true,
  deleteBranchOnMerge: false,
  permissions: { admin: false, maintain: false, push: true, triage: true, pull: true },
};
export const smallLabel: inputs.LabelInput = { id: 5, name: 'bug fix/now', color: 'ff0000' };
export const fullLabel: Required<inputs.LabelInput> = { ...smallLabel, description: 'Broken', isDefault: true };
export const smallMilestone: inputs.MilestoneInput = { id: 6, number: 2, title: 'v1', state: 'open' };
export const fullMilestone: Required<inputs.MilestoneInput> = {
  ...smallMilestone,
  description: 'First',
  htmlUrl: `${page}/-/milestones/2`,
  creator: anna,
  openIssues: 1,
  closedIssues: 2,
  createdAt: time,
  updatedAt: later,
  closedAt: later,
  dueOn: later,
};
export const smallPull: inputs.PullRequestInput = {
  id: 100,
  number: 12,
  htmlUrl: `${page}/-/merge_requests/12`,
  title: 'Add a page',
  state: 'open',
  head: { ref: 'page', sha, repository: null },
  base: { ref: 'main', sha: 'b'.repeat(40), repository: smallRepository },
};
export const fullPull: Required<inputs.PullRequestInput> = {
  ...smallPull,
  body: 'Please',
  merged: true,
  draft: true,
  locked: true,
  author: anna,
  association: 'MEMBER',
  head: { ref: 'page', sha, repository: fullRepository, user: anna },
  base: { ref: 'main', sha: 'b'.repeat(40), repository: fullRepository },
  state: 'closed',
  labels: [fullLabel],
  assignees: [anna, bot],
  reviewers: [bot],
  teams: [{ id: 8, name: 'Core team', slug: 'core-team' }],
  milestone: fullMilestone,
  createdAt: time,
  updatedAt: later,
  closedAt: later,
  mergedAt: later,
  mergedBy: bot,
  mergeCommitSha: 'c'.repeat(40),
  mergeable: true,
  mergeableState: 'clean',
  rebaseable: false,
  maintainerCanModify: true,
  autoMerge: true,
  additions: 1,
  deletions: 2,
  changedFiles: 3,
  commits: 4,
  comments: 5,
  reviewComments: 6,
};
export const smallIssue: inputs.IssueInput = {
  id: 50,
  number: 1_000_000_003,
  htmlUrl: `${page}/-/issues/3`,
  title: 'It is broken',
  state: 'open',
};
export const fullIssue: Required<inputs.IssueInput> = {
  ...smallIssue,
  body: 'Look',
  state: 'closed',
  stateReason: 'not_planned',
  locked: true,
  author: bot,
  association: 'OWNER',
  labels: [fullLabel],
  assignees: [anna],
  milestone: fullMilestone,
  comments: 3,
  createdAt: time,
  updatedAt: later,
  closedAt: later,
  pullRequest: { htmlUrl: `${page}/-/merge_requests/12`, mergedAt: later, draft: true },
};
export const smallComment: inputs.CommentInput = {
  id: 60,
  number: 12,
  htmlUrl: `${page}/-/issues/12#note_60`,
  body: 'Hello',
};
export const fullComment: Required<inputs.CommentInput> = {
  ...smallComment,
  author: anna,
  association: 'COLLABORATOR',
  createdAt: time,
  updatedAt: later,
};
export const smallReview: inputs.ReviewInput = {
  id: 70,
  number: 12,
  htmlUrl: `${page}/-/merge_requests/12#note_70`,
  pullRequestHtmlUrl: `${page}/-/merge_requests/12`,
  state: 'changes_requested',
};
export const fullReview: Required<inputs.ReviewInput> = {
  ...smallReview,
  author: anna,
  association: 'OWNER',
  body: 'No',
  commitSha: sha,
  submittedAt: time,
};
export const smallReviewComment: inputs.ReviewCommentInput = { ...smallComment, path: 'src/a.ts', commitSha: sha };
export const fullReviewComment: Required<inputs.ReviewCommentInput> = {
  ...fullComment,
  reviewId: 70,
  path: 'src/a.ts',
  commitSha: sha,
  originalCommitSha: 'b'.repeat(40),
  line: 5,
  originalLine: 4,
  startLine: 3,
  startSide: 'LEFT',
  side: 'LEFT',
  inReplyTo: 59,
  diffHunk: '@@ -1 +1 @@',
};
export const smallCommit: inputs.CommitInput = {
  sha,
  message: 'Add a page',
  htmlUrl: `${page}/-/commit/${sha}`,
  author: { name: 'Anna', email: 'anna@example.com', date: time },
};
export const fullFile: Required<inputs.FileInput> = {
  path: 'src/new name.ts',
  previousPath: 'src/old.ts',
  status: 'renamed',
  additions: 2,
  deletions: 1,
  sha: 'd'.repeat(40),
  patch: '@@ -1 +1 @@',
  htmlUrl: `${page}/-/blob/${sha}/src/new%20name.ts`,
};
export const fullCommit: Required<inputs.CommitInput> = {
  ...smallCommit,
  author: { ...smallCommit.author, account: anna },
  committer: { name: 'Forge', email: 'noreply@example.com', date: later, account: bot },
  treeSha: 'e'.repeat(40),
  parents: ['f'.repeat(40)],
  added: ['a'],
  removed: ['b'],
  modified: ['c'],
  stats: { additions: 2, deletions: 1 },
  files: [fullFile],
  verified: true,
};
export const smallRelease: inputs.ReleaseInput = { id: 80, tag: 'v1.0/rc', htmlUrl: `${page}/-/releases/v1.0` };
export const fullRelease: Required<inputs.ReleaseInput> = {
  ...smallRelease,
  target: 'main',
  name: 'One',
  body: 'Notes',
  draft: false,
  prerelease: true,
  author: anna,
  createdAt: time,
  publishedAt: later,
  assets: [{ id: 81, name: 'a.zip', url: `${page}/a.zip`, size: 3, contentType: 'application/zip' }],
};
export const smallStatus: inputs.CommitStatusInput = { id: 90, sha, state: 'success', context: 'ci/test' };
export const fullStatus: Required<inputs.CommitStatusInput> = {
  ...smallStatus,
  description: 'Passed',
  targetUrl: 'https://ci.example.com/1',
  creator: bot,
  createdAt: time,
  updatedAt: later,
};
export const app: inputs.AppInput = { id: 4, slug: 'pipelines', name: 'Pipelines' };
export const checked: inputs.CheckedPullRequestInput = {
  id: 100,
  number: 12,
  headRef: 'page',
  headSha: sha,
  baseRef: 'main',
  baseSha: 'b'.repeat(40),
  repositoryId: 40,
};
export const smallRun: inputs.CheckRunInput = { id: 110, name: 'test', headSha: sha, status: 'queued', suiteId: 111 };
export const fullRun: Required<inputs.CheckRunInput> = {
  ...smallRun,
  status: 'completed',
  conclusion: 'skipped',
  detailsUrl: 'https://ci.example.com/1',
  htmlUrl: `${page}/-/jobs/110`,
  externalId: 'x',
  startedAt: time,
  completedAt: later,
  output: { title: 'T', summary: 'S', text: 'X', annotationCount: 1 },
  headBranch: 'page',
  app,
  pullRequests: [checked],
};
export const smallSuite: inputs.CheckSuiteInput = { id: 111, headSha: sha, headBranch: null, status: 'in_progress' };
export const fullSuite: Required<inputs.CheckSuiteInput> = {
  ...smallSuite,
  headBranch: 'page',
  status: 'completed',
  conclusion: 'skipped',
  before: 'b'.repeat(40),
  after: sha,
  htmlUrl: `${page}/-/pipelines/111`,
  createdAt: time,
  updatedAt: later,
  app,
  headCommit: fullCommit,
  checkRunCount: 2,
  repository: smallRepository,
  pullRequests: [checked],
};
export const smallWorkflowRun: inputs.WorkflowRunInput = {
  id: 120,
  name: 'CI',
  headSha: sha,
  headBranch: null,
  runNumber: 1,
  event: 'push',
  status: 'queued',
  htmlUrl: `${page}/-/pipelines/120`,
};
export const fullWorkflowRun: Required<inputs.WorkflowRunInput> = {
  ...smallWorkflowRun,
  headBranch: 'page',
  runAttempt: 2,
  status: 'completed',
  conclusion: 'failure',
  actor: anna,
  createdAt: time,
  updatedAt: later,
  startedAt: time,
  headCommit: fullCommit,
  path: '.ci.yml',
  workflowId: 9,
  suiteId: 111,
  displayTitle: 'Add a page',
  pullRequests: [checked],
};
export const smallJob: inputs.WorkflowJobInput = {
  id: 130,
  runId: 120,
  name: 'test',
  headSha: sha,
  status: 'in_progress',
  htmlUrl: `${page}/-/jobs/130`,
};
export const fullJob: Required<inputs.WorkflowJobInput> = {
  ...smallJob,
  headBranch: 'page',
  status: 'completed',
  conclusion: 'timed_out',
  startedAt: time,
  completedAt: later,
  createdAt: time,
  runnerId: 1,
  runnerName: 'runner',
  labels: ['linux'],
  steps: [
    { name: 'one', status: 'completed', conclusion: 'success', number: 1, startedAt: time, completedAt: later },
    { name: 'two', status: 'in_progress', conclusion: null, number: 2 },
    { name: 'three', status: 'queued', conclusion: null, number: 3 },
  ],
  runAttempt: 2,
  workflowName: 'CI',
};
export const workflowInput: inputs.WorkflowInput = { id: 9, name: 'CI', path: '.ci.yml' };

export const owner = 'group~sub';
export const fullTeam: Required<inputs.TeamInput> = {
  id: 8,
  name: 'Core team',
  slug: 'core-team',
  description: 'Core',
  htmlUrl: `${base.web}/teams/core`,
  organization: owner,
};
