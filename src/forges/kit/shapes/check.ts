/** Check runs and check suites, and the App that stands behind them. */
import type { JsonObject } from '../../forge.js';
import { user } from './account.js';
import type { ShapeBase } from './base.js';
import { simpleCommit } from './commit.js';
import { given, UNKNOWN_TIME } from './fields.js';
import type { AppInput, CheckedPullRequestInput, CheckRunInput, CheckSuiteInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf, minimalRepository, pageOf } from './repository.js';

/** On a forge without Apps every check comes from the forge's own pipelines. */
const UNKNOWN_APP: AppInput = { id: 0, slug: 'forge', name: 'Forge' };

export function checkRun(base: ShapeBase, owner: string, repo: string, input: CheckRunInput): JsonObject {
  const url = `${apiOf(base, owner, repo)}/check-runs/${input.id}`;
  const htmlUrl = input.htmlUrl ?? input.detailsUrl ?? `${pageOf(base, owner, repo)}/runs/${input.id}`;
  const { output = {} } = input;
  const started = input.startedAt ?? UNKNOWN_TIME;
  const done = input.status === 'completed';
  const suite: CheckSuiteInput = {
    id: input.suiteId,
    headSha: input.headSha,
    headBranch: input.headBranch ?? null,
    status: input.status,
    conclusion: input.conclusion,
    createdAt: started,
    updatedAt: input.completedAt ?? started,
    app: input.app,
    pullRequests: input.pullRequests,
  };
  return {
    id: jsonId(input.id),
    name: input.name,
    node_id: nodeId('CheckRun', input.id, `${owner}/${repo}`),
    head_sha: input.headSha,
    external_id: input.externalId ?? '',
    url,
    html_url: htmlUrl,
    details_url: input.detailsUrl ?? htmlUrl,
    status: input.status,
    conclusion: done ? (input.conclusion ?? 'neutral') : null,
    started_at: started,
    completed_at: done ? (input.completedAt ?? started) : null,
    output: {
      title: output.title ?? null,
      summary: output.summary ?? null,
      text: output.text ?? null,
      annotations_count: output.annotationCount ?? 0,
      annotations_url: `${url}/annotations`,
    },
    check_suite: suiteFields(base, owner, repo, suite),
    app: app(base, input.app ?? UNKNOWN_APP),
    pull_requests: (input.pullRequests ?? []).map((one) => checkedPullRequest(base, owner, repo, one)),
  };
}

export function checkSuite(base: ShapeBase, owner: string, repo: string, input: CheckSuiteInput): JsonObject {
  const suite = suiteFields(base, owner, repo, input);
  return {
    ...suite,
    latest_check_runs_count: input.checkRunCount ?? 0,
    check_runs_url: `${suite.url}/check-runs`,
    head_commit: simpleCommit(input.headSha, input.headCommit, input.createdAt ?? UNKNOWN_TIME),
    rerequestable: true,
    runs_rerequestable: true,
    ...given({ repository: input.repository && minimalRepository(base, input.repository) }),
  };
}

/** Worst first: what a suite concludes when its runs conclude this. */
const WORST: readonly NonNullable<CheckRunInput['conclusion']>[] = [
  'failure',
  'timed_out',
  'cancelled',
  'action_required',
  'stale',
  'success',
  'neutral',
  'skipped',
];

/** How far a suite is when its runs are this far. */
export function suiteProgress(
  runs: readonly { status?: unknown; conclusion?: unknown }[],
): Pick<CheckSuiteInput, 'status' | 'conclusion'> {
  if (runs.every(({ status }) => status === 'queued')) return { status: 'queued', conclusion: null };
  if (runs.some(({ status }) => status !== 'completed')) return { status: 'in_progress', conclusion: null };
  return {
    status: 'completed',
    conclusion: WORST.find((one) => runs.some(({ conclusion }) => conclusion === one)) ?? null,
  };
}

/** What a check run tells of its suite. */
function suiteFields(base: ShapeBase, owner: string, repo: string, input: CheckSuiteInput): JsonObject {
  const done = input.status === 'completed';
  const created = input.createdAt ?? UNKNOWN_TIME;
  // A suite is never "skipped" to GitHub, only a run is.
  const conclusion = input.conclusion === 'skipped' ? 'neutral' : (input.conclusion ?? 'neutral');
  return {
    id: jsonId(input.id),
    node_id: nodeId('CheckSuite', input.id, `${owner}/${repo}`),
    head_branch: input.headBranch,
    head_sha: input.headSha,
    status: input.status,
    conclusion: done ? conclusion : null,
    url: `${apiOf(base, owner, repo)}/check-suites/${input.id}`,
    before: input.before ?? null,
    after: input.after ?? input.headSha,
    pull_requests: (input.pullRequests ?? []).map((one) => checkedPullRequest(base, owner, repo, one)),
    app: app(base, input.app ?? UNKNOWN_APP),
    created_at: created,
    updated_at: input.updatedAt ?? created,
  };
}

/** A pull request as check suites, check runs and workflow runs name it. */
export function checkedPullRequest(
  base: ShapeBase,
  owner: string,
  repo: string,
  input: CheckedPullRequestInput,
): JsonObject {
  const url = apiOf(base, owner, repo);
  const repository = { id: jsonId(input.repositoryId ?? 0), url, name: repo };
  return {
    id: jsonId(input.id),
    number: input.number,
    url: `${url}/pulls/${input.number}`,
    head: { ref: input.headRef, sha: input.headSha, repo: repository },
    base: { ref: input.baseRef, sha: input.baseSha, repo: repository },
  };
}

function app(base: ShapeBase, input: AppInput): JsonObject {
  return {
    id: jsonId(input.id),
    slug: input.slug,
    node_id: nodeId('App', input.id),
    owner: user(base, { id: input.id, login: input.slug, type: 'Organization', htmlUrl: base.web }),
    name: input.name,
    description: null,
    external_url: base.web,
    html_url: base.web,
    created_at: UNKNOWN_TIME,
    updated_at: UNKNOWN_TIME,
    permissions: {},
    events: [],
  };
}
