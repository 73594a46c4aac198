/** What has become of a repository of the fake, in the form that all fakes share. */

import type { FakeConversationState, FakePullRequestState, FakeRepositoryState } from '../../kit/fake/forge-fake.js';
import { orderedStatuses } from '../../kit/fake/statuses.js';
import { shortRefs } from './git-json.js';
import { isDraft } from './objects.js';
import type { Issue, Pull, Repository, Review, Status } from './state.js';
import { plainTitle } from './story-person.js';

type PullIssue = Issue & { pull: Pull };
type ReviewState = FakePullRequestState['reviews'][number]['state'];

const REVIEWS: Readonly<Partial<Record<Review['state'], ReviewState>>> = {
  APPROVED: 'approved',
  REQUEST_CHANGES: 'changes_requested',
  COMMENT: 'commented',
};

const sorted = (names: Iterable<string>): string[] => [...names].sort();

function conversation(repository: Repository, issue: Issue): FakeConversationState {
  const named = repository.labels.filter(({ id }) => issue.labels.includes(id));
  return {
    number: issue.number,
    title: issue.title,
    body: issue.body,
    author: issue.user,
    labels: sorted(named.map(({ name }) => name)),
    assignees: sorted(issue.assignees),
    locked: issue.locked,
    comments: issue.comments.map(({ user, body }) => ({ author: user, body })),
  };
}

/** `warning` does not stop a merge here. */
const statusState = (state: Status['state']): FakePullRequestState['statuses'][number]['state'] =>
  state === 'warning' ? 'success' : state;

function statusesAt(repository: Repository, sha: string): FakePullRequestState['statuses'] {
  const latest = new Map((repository.statuses.get(sha) ?? []).map((status) => [status.context, status]));
  const shown = [...latest].map(([context, status]) => ({
    context,
    state: statusState(status.state),
    description: status.description,
  }));
  return orderedStatuses(shown);
}

function pullRequest(repository: Repository, issue: PullIssue): FakePullRequestState {
  const { pull } = issue;
  const reviews = pull.reviews.flatMap((review) => {
    const state = review.dismissed ? ('dismissed' as const) : REVIEWS[review.state];
    return state === undefined ? [] : [{ author: review.user, state, body: review.body }];
  });
  const lineComments = pull.reviews
    .flatMap((review) => review.comments)
    .sort((a, b) => a.id - b.id)
    .map(({ user, path, line, body }) => ({ author: user, path, line: line > 0 ? line : null, body }));
  return {
    ...conversation(repository, issue),
    title: plainTitle(issue.title),
    state: pull.merged ? 'merged' : issue.state,
    draft: isDraft(issue.title),
    head: pull.headBranch,
    headSha: pull.headSha,
    base: pull.baseBranch,
    reviewers: sorted(pull.reviewers),
    reviews,
    lineComments,
    statuses: statusesAt(repository, pull.headSha),
  };
}

export async function stateOf(repository: Repository): Promise<FakeRepositoryState> {
  const issues = repository.issues.filter((issue) => issue.pull === null);
  const pulls = repository.issues.filter((issue): issue is PullIssue => issue.pull !== null);
  return {
    defaultBranch: repository.defaultBranch,
    branches: await shortRefs(repository, 'heads'),
    tags: (await shortRefs(repository, 'tags')).map(({ name }) => name),
    labels: sorted(repository.labels.map(({ name }) => name)),
    releases: repository.releases
      .map(({ tag, name, body, draft }) => ({ tag, name, body, draft }))
      .sort((a, b) => (a.tag < b.tag ? -1 : 1)),
    issues: issues.map((issue) => ({ ...conversation(repository, issue), state: issue.state })),
    pullRequests: pulls.map((issue) => pullRequest(repository, issue)),
  };
}
