/** An issue of a hook, and what is known of it besides, as GitHub's issue. */
import type { JsonObject, TranslatePorts } from '../../forge.js';
import type { AccountInput, IssueInput } from '../../kit/shapes/inputs.js';
import { time } from '../convert/read.js';
import { toGitHubBody } from '../quick-actions.js';
import { issueNumber, toGitHubText } from '../references.js';
import type { IssueAttributes, NativeAccount } from '../schema.js';
import { accountInput, accountWithId } from './account.js';
import { askObject } from './ask.js';
import { labelInput } from './label.js';
import { milestoneOf } from './merge-request-input.js';
import type { Place } from './place.js';

/** A thread as GitHub shows it now. */
export const knownIssue = (ports: TranslatePorts, place: Place, number: number): Promise<JsonObject | undefined> =>
  askObject(ports, 'GET /repos/{owner}/{repo}/issues/{issue_number}', { ...place.parameters, issue_number: number });

interface IssueHook {
  issue: IssueAttributes;
  actor: AccountInput | undefined;
  labels?: IssueAttributes['labels'];
  assignees?: readonly NativeAccount[] | null;
}

const assigneesOf = (hook: IssueHook, ports: TranslatePorts): AccountInput[] | undefined =>
  hook.assignees?.map((one) => accountInput(ports.base, one)).filter((one) => one !== undefined);

/** Whoever wrote it, where the hook names them in full. */
export const issueAuthor = (hook: IssueHook, ports: TranslatePorts): AccountInput | undefined =>
  accountWithId([hook.actor, ...(assigneesOf(hook, ports) ?? [])], hook.issue.author_id);

export function issueInput(
  hook: IssueHook,
  place: Place,
  ports: TranslatePorts,
  known: JsonObject | undefined,
): IssueInput {
  const { issue } = hook;
  const closed = issue.state === 'closed';
  return {
    id: issue.id,
    number: issueNumber(issue.iid),
    htmlUrl: issue.url ?? `${place.repository.htmlUrl}/-/issues/${issue.iid}`,
    title: toGitHubText(issue.title),
    body: issue.description ? toGitHubBody(issue.description) : null,
    state: closed ? 'closed' : 'open',
    stateReason: closed ? 'completed' : issue.action === 'reopen' ? 'reopened' : null,
    locked: issue.discussion_locked === undefined ? undefined : issue.discussion_locked === true,
    author: issueAuthor(hook, ports),
    labels: (hook.labels ?? issue.labels)?.map(labelInput),
    assignees: assigneesOf(hook, ports),
    milestone: milestoneOf(issue.milestone_id, known),
    createdAt: time(issue.created_at),
    updatedAt: time(issue.updated_at),
    closedAt: closed ? (time(issue.closed_at ?? issue.updated_at) ?? null) : null,
  };
}
