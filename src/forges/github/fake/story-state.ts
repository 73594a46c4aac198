/** What has become of a repository of the fake, in the form that all fakes share. */

import type { FakeConversationState, FakePullRequestState, FakeRepositoryState } from '../../kit/fake/forge-fake.js';
import { orderedStatuses } from '../../kit/fake/statuses.js';
import { labelsOf } from './present.js';
import { type CheckRun, type Issue, isPull, type PullIssue, type Repository } from './state.js';

type StatusState = FakePullRequestState['statuses'][number];

const sorted = (names: Iterable<string>): string[] => [...names].sort();

function conversation(repository: Repository, issue: Issue): FakeConversationState {
  return {
    number: issue.number,
    title: issue.title,
    body: issue.body ?? '',
    author: issue.author,
    labels: sorted(labelsOf(repository, issue).map(({ name }) => name)),
    assignees: sorted(issue.assignees),
    locked: issue.locked,
    comments: issue.comments.map(({ author, body }) => ({ author, body })),
  };
}

const GOOD: readonly CheckRun['conclusion'][] = ['success', 'neutral', 'skipped'];

/** A check run stands beside the statuses, and stops a merge as one of them does. */
const asStatus = ({ name, status, conclusion, title }: CheckRun): StatusState => ({
  context: name,
  state: status === 'completed' ? (GOOD.includes(conclusion) ? 'success' : 'failure') : 'pending',
  description: title ?? '',
});

function statusesAt(repository: Repository, sha: string): StatusState[] {
  const told = (repository.statuses.get(sha) ?? []).map(({ context, state, description }) => ({
    context,
    state,
    description: description ?? '',
  }));
  const runs = repository.checkRuns.filter((run) => run.sha === sha).map(asStatus);
  return orderedStatuses(
    [told, runs].flatMap((all) => [...new Map(all.map((status) => [status.context, status])).values()]),
  );
}

function pullRequest(repository: Repository, issue: PullIssue): FakePullRequestState {
  const { pull } = issue;
  return {
    ...conversation(repository, issue),
    state: pull.merged ? 'merged' : issue.state,
    draft: pull.draft,
    head: pull.headBranch,
    headSha: pull.headSha,
    base: pull.baseBranch,
    reviewers: sorted(pull.requested),
    // One that holds comments and nothing else is what a comment on a line comes in.
    reviews: pull.reviews.flatMap(({ author, state, body }) =>
      state === 'pending' || (state === 'commented' && body === '') ? [] : [{ author, state, body }],
    ),
    lineComments: pull.comments.map(({ author, path, line, body }) => ({ author, path, line, body })),
    statuses: statusesAt(repository, pull.headSha),
  };
}

export async function stateOf(repository: Repository): Promise<FakeRepositoryState> {
  const [heads, tags] = [await repository.git.refs('refs/heads'), await repository.git.refs('refs/tags')];
  return {
    defaultBranch: repository.defaultBranch,
    branches: heads.map(({ ref, commit }) => ({ name: ref.slice('refs/heads/'.length), sha: commit })),
    tags: tags.map(({ ref }) => ref.slice('refs/tags/'.length)),
    labels: sorted(repository.labels.map(({ name }) => name)),
    releases: repository.releases
      .map(({ tag, name, body, draft }) => ({ tag, name, body, draft }))
      .sort((a, b) => (a.tag < b.tag ? -1 : 1)),
    issues: repository.issues
      .filter((issue) => issue.pull === null)
      .map((issue) => ({ ...conversation(repository, issue), state: issue.state })),
    pullRequests: repository.issues.filter(isPull).map((issue) => pullRequest(repository, issue)),
  };
}
