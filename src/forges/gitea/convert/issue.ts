import type { IssueInput, RepositoryInput } from '../../kit/shapes/inputs.js';
import { nativeIssue, read } from '../schema.js';
import { associationOf } from './association.js';
import { labelInputs } from './label.js';
import { milestoneIfTold } from './milestone.js';
import { time, timeOrNull } from './time.js';
import { accountIfTold, accountInputs } from './user.js';

/**
 * An issue, or the conversation of a pull request. `repository` is where it stands: its web address serves for servers
 * that do not send the issue's own.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 */
export function issueInput(native: unknown, repository?: RepositoryInput): IssueInput {
  const issue = read('issue', nativeIssue, native);
  const pull = issue.pull_request;
  const author = accountIfTold(issue.user);
  const htmlUrl = issue.html_url || `${repository?.htmlUrl ?? ''}/${pull ? 'pulls' : 'issues'}/${issue.number}`;
  const state = issue.state === 'closed' ? 'closed' : 'open';
  return {
    id: issue.id,
    number: issue.number,
    htmlUrl,
    title: issue.title,
    body: issue.body || null,
    state,
    stateReason: state === 'closed' ? 'completed' : null,
    locked: issue.is_locked ?? undefined,
    author,
    association: associationOf(author, repository),
    labels: labelInputs(issue.labels),
    assignees: accountInputs(issue.assignees) ?? accountInputs(issue.assignee ? [issue.assignee] : []),
    milestone: milestoneIfTold(issue.milestone),
    comments: issue.comments ?? undefined,
    createdAt: time(issue.created_at),
    updatedAt: time(issue.updated_at),
    closedAt: timeOrNull(issue.closed_at),
    ...(pull && {
      pullRequest: {
        htmlUrl: pull.html_url || htmlUrl,
        mergedAt: time(pull.merged_at) ?? null,
        draft: pull.draft ?? undefined,
      },
    }),
  };
}
