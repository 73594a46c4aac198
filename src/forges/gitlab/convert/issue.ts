import { z } from 'zod';
import type { IssueInput } from '../../kit/shapes/inputs.js';
import { toGitHubBody } from '../quick-actions.js';
import { issueNumber, toGitHubText } from '../references.js';
import { labelInputs, type NativeLabel, nativeLabel } from './label.js';
import { isOpen, type NativeMergeRequest } from './merge-request.js';
import { milestoneInput, nativeMilestone } from './milestone.js';
import { id, time, timeOrNull } from './read.js';
import { account, accountOrNull, nativeUser } from './user.js';

export const nativeIssue = z.looseObject({
  id,
  iid: z.number(),
  project_id: id,
  title: z.string(),
  description: z.string().nullish(),
  state: z.string(),
  web_url: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  closed_at: z.string().nullish(),
  author: nativeUser.nullish(),
  assignees: z.array(nativeUser).nullish(),
  labels: z.array(z.union([z.string(), nativeLabel])).nullish(),
  milestone: nativeMilestone.nullish(),
  discussion_locked: z.boolean().nullish(),
  user_notes_count: z.number().optional(),
  confidential: z.boolean().optional(),
});
type NativeIssue = z.output<typeof nativeIssue>;

/** What issues and merge requests have in common where GitHub calls both an issue. */
function common(of: NativeIssue | NativeMergeRequest, known: readonly NativeLabel[]) {
  return {
    id: of.id,
    htmlUrl: of.web_url,
    title: toGitHubText(of.title),
    body: of.description ? toGitHubBody(of.description) : null,
    locked: of.discussion_locked ?? false,
    author: accountOrNull(of.author),
    labels: labelInputs(of.labels ?? [], known),
    assignees: (of.assignees ?? []).map(account),
    milestone: of.milestone ? milestoneInput(of.milestone) : null,
    comments: of.user_notes_count,
    createdAt: time(of.created_at),
    updatedAt: time(of.updated_at),
    closedAt: timeOrNull(of.closed_at),
  };
}

export const issueInput = (issue: NativeIssue, known: readonly NativeLabel[] = []): IssueInput => ({
  ...common(issue, known),
  number: issueNumber(issue.iid),
  state: issue.state === 'closed' ? 'closed' : 'open',
  stateReason: issue.state === 'closed' ? 'completed' : null,
});

export const mergeRequestIssueInput = (mr: NativeMergeRequest, known: readonly NativeLabel[] = []): IssueInput => ({
  ...common(mr, known),
  number: mr.iid,
  state: isOpen(mr) ? 'open' : 'closed',
  stateReason: null,
  closedAt: timeOrNull(mr.merged_at ?? mr.closed_at),
  pullRequest: {
    htmlUrl: mr.web_url,
    mergedAt: timeOrNull(mr.merged_at),
    draft: mr.draft ?? mr.work_in_progress ?? false,
  },
});
