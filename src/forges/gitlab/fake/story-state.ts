/** What has become of a project of the fake, in the form that all fakes share: texts and numbers as apps see them. */

import type { FakeConversationState, FakePullRequestState, FakeRepositoryState } from '../../kit/fake/forge-fake.js';
import { orderedStatuses } from '../../kit/fake/statuses.js';
import { statusState } from '../convert/status.js';
import { toGitHubBody } from '../quick-actions.js';
import { issueNumber, toGitHubText } from '../references.js';
import { DRAFT } from './present-git.js';
import type { GitLabState, MergeRequest, Project, Thread } from './state.js';
import { plainTitle } from './story-person.js';

type Conversation = Omit<FakeConversationState, 'number'>;

const sorted = (names: Iterable<string>): string[] => [...names].sort();

const loginOf = (state: GitLabState, id: number): string => state.users.find((user) => user.id === id)?.username ?? '';

function conversation(state: GitLabState, project: Project, thread: Thread): Conversation {
  const written = thread.notes.filter((note) => !note.system && note.position === undefined);
  return {
    title: toGitHubText(thread.title),
    body: toGitHubBody(thread.description),
    author: loginOf(state, thread.authorId),
    labels: sorted(project.labels.filter(({ id }) => thread.labelIds.includes(id)).map(({ name }) => name)),
    assignees: sorted(thread.assigneeIds.map((id) => loginOf(state, id))),
    locked: thread.locked,
    comments: written.map((note) => ({ author: loginOf(state, note.authorId), body: toGitHubBody(note.body) })),
  };
}

function statusesAt(project: Project, sha: string): FakePullRequestState['statuses'] {
  const latest = new Map(project.statuses.filter((one) => one.sha === sha).map((one) => [one.name, one]));
  const shown = [...latest].map(([context, status]) => ({
    context,
    state: statusState(status),
    description: status.description ?? '',
  }));
  return orderedStatuses(shown);
}

/** GitLab keeps a verdict of each person and no text with it: what a review said stands among the comments. */
function reviewsOf(state: GitLabState, mr: MergeRequest): FakePullRequestState['reviews'] {
  const author = (id: number) => ({ author: loginOf(state, id), body: '' });
  const asked = mr.reviewerIds.filter((id) => state.reviewStates.get(`${mr.id}:${id}`) === 'requested_changes');
  return [
    ...asked.map((id) => ({ ...author(id), state: 'changes_requested' as const })),
    ...mr.approvals.map(({ userId }) => ({ ...author(userId), state: 'approved' as const })),
  ];
}

function pullRequest(state: GitLabState, project: Project, mr: MergeRequest): FakePullRequestState {
  const said = new Set(mr.approvals.map(({ userId }) => userId));
  const waiting = mr.reviewerIds.filter((id) => !said.has(id) && !state.reviewStates.has(`${mr.id}:${id}`));
  const lineComments = mr.notes.flatMap(({ position, authorId, body }) =>
    position === undefined
      ? []
      : [
          {
            author: loginOf(state, authorId),
            path: position.new_path,
            line: position.new_line,
            body: toGitHubBody(body),
          },
        ],
  );
  return {
    ...conversation(state, project, mr),
    number: mr.iid,
    title: toGitHubText(plainTitle(mr.title)),
    state: mr.state === 'opened' ? 'open' : mr.state,
    draft: DRAFT.test(mr.title),
    head: mr.sourceBranch,
    headSha: mr.sha,
    base: mr.targetBranch,
    reviewers: sorted(waiting.map((id) => loginOf(state, id))),
    reviews: reviewsOf(state, mr),
    lineComments,
    statuses: statusesAt(project, mr.sha),
  };
}

export async function stateOf(state: GitLabState, project: Project): Promise<FakeRepositoryState> {
  const refs = async (prefix: string) =>
    (await project.git.refs(prefix)).map(({ ref, sha }) => ({ name: ref.slice(prefix.length), sha }));
  return {
    defaultBranch: project.defaultBranch,
    branches: await refs('refs/heads/'),
    tags: (await refs('refs/tags/')).map(({ name }) => name),
    labels: sorted(project.labels.map(({ name }) => name)),
    // GitLab has no drafts.
    releases: project.releases
      .map(({ tag, name, description }) => ({ tag, name, body: toGitHubText(description), draft: false }))
      .sort((a, b) => (a.tag < b.tag ? -1 : 1)),
    issues: project.issues.map((issue) => ({
      ...conversation(state, project, issue),
      number: issueNumber(issue.iid),
      state: issue.state === 'opened' ? 'open' : 'closed',
    })),
    pullRequests: project.mergeRequests.map((mr) => pullRequest(state, project, mr)),
  };
}
