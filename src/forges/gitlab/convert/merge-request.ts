import { z } from 'zod';
import type { PullRequestInput, SideInput } from '../../kit/shapes/inputs.js';
import { toGitHubBody } from '../quick-actions.js';
import { toGitHubText } from '../references.js';
import { labelInputs, type NativeLabel, nativeLabel } from './label.js';
import { milestoneInput, nativeMilestone } from './milestone.js';
import { type NativeProject, repositoryInput } from './project.js';
import { id, time, timeOrNull } from './read.js';
import { account, accountOrNull, nativeUser } from './user.js';

export const nativeMergeRequest = z.looseObject({
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
  merged_at: z.string().nullish(),
  merge_user: nativeUser.nullish(),
  merged_by: nativeUser.nullish(),
  target_branch: z.string(),
  source_branch: z.string(),
  source_project_id: id.nullish(),
  target_project_id: id,
  author: nativeUser.nullish(),
  assignees: z.array(nativeUser).nullish(),
  reviewers: z.array(nativeUser).nullish(),
  labels: z.array(z.union([z.string(), nativeLabel])).nullish(),
  milestone: nativeMilestone.nullish(),
  draft: z.boolean().optional(),
  work_in_progress: z.boolean().optional(),
  sha: z.string().nullish(),
  merge_commit_sha: z.string().nullish(),
  squash_commit_sha: z.string().nullish(),
  discussion_locked: z.boolean().nullish(),
  merge_when_pipeline_succeeds: z.boolean().optional(),
  squash: z.boolean().nullish(),
  detailed_merge_status: z.string().optional(),
  /** Where a single one is read. */
  head_pipeline: z.looseObject({ status: z.string().nullish() }).nullish(),
  merge_status: z.string().optional(),
  has_conflicts: z.boolean().optional(),
  user_notes_count: z.number().optional(),
  changes_count: z.string().nullish(),
  allow_collaboration: z.boolean().nullish(),
  rebase_in_progress: z.boolean().optional(),
  diverged_commits_count: z.number().optional(),
  merge_error: z.string().nullish(),
  diff_refs: z
    .looseObject({ base_sha: z.string().nullish(), head_sha: z.string().nullish(), start_sha: z.string().nullish() })
    .nullish(),
});
export type NativeMergeRequest = z.output<typeof nativeMergeRequest>;

type Mergeability = Pick<PullRequestInput, 'mergeable' | 'mergeableState'>;

/** `detailed_merge_status` of GitLab 15.6 and newer; every word that is not listed blocks the merge for a rule's sake. */
const mergeabilities: Readonly<Record<string, Mergeability>> = {
  mergeable: { mergeable: true, mergeableState: 'clean' },
  conflict: { mergeable: false, mergeableState: 'dirty' },
  broken_status: { mergeable: false, mergeableState: 'dirty' },
  need_rebase: { mergeable: true, mergeableState: 'behind' },
  ci_still_running: { mergeable: true, mergeableState: 'unstable' },
  draft_status: { mergeable: true, mergeableState: 'draft' },
  checking: { mergeable: null, mergeableState: 'unknown' },
  unchecked: { mergeable: null, mergeableState: 'unknown' },
  preparing: { mergeable: null, mergeableState: 'unknown' },
  approvals_syncing: { mergeable: null, mergeableState: 'unknown' },
  not_open: { mergeable: null, mergeableState: 'unknown' },
};

/** Of a pipeline that GitLab does not wait for; GitHub does not call that clean, and apps merge what is. */
const UNDONE: ReadonlySet<string> = new Set([
  ...['created', 'waiting_for_resource', 'preparing', 'pending', 'running', 'scheduled', 'failed', 'canceled'],
]);

export function mergeability(mr: {
  has_conflicts?: boolean;
  detailed_merge_status?: string;
  head_pipeline?: { status?: string | null } | null;
}): Mergeability {
  if (mr.has_conflicts === true) return { mergeable: false, mergeableState: 'dirty' };
  if (mr.detailed_merge_status === undefined) return { mergeable: null, mergeableState: 'unknown' };
  if (mr.detailed_merge_status === 'mergeable' && UNDONE.has(mr.head_pipeline?.status ?? ''))
    return { mergeable: true, mergeableState: 'unstable' };
  return Object.hasOwn(mergeabilities, mr.detailed_merge_status)
    ? (mergeabilities[mr.detailed_merge_status] as Mergeability)
    : { mergeable: true, mergeableState: 'blocked' };
}

/** While GitLab merges it calls the merge request `locked`, which is no state for GitHub. */
export const isOpen = (mr: { state: string }): boolean => mr.state === 'opened' || mr.state === 'locked';

export interface Projects {
  target: NativeProject;
  /** Null when the fork was deleted. */
  source: NativeProject | null;
}

export function pullRequestInput(
  mr: NativeMergeRequest,
  projects: Projects,
  knownLabels: readonly NativeLabel[] = [],
): PullRequestInput {
  const side = (ref: string, sha: string | null | undefined, project: NativeProject | null): SideInput => {
    const repository = project && repositoryInput(project);
    return { ref, sha: sha ?? '', repository, user: repository?.owner ?? null };
  };
  return {
    id: mr.id,
    number: mr.iid,
    htmlUrl: mr.web_url,
    title: toGitHubText(mr.title),
    body: mr.description ? toGitHubBody(mr.description) : null,
    state: isOpen(mr) ? 'open' : 'closed',
    merged: mr.state === 'merged',
    draft: mr.draft ?? mr.work_in_progress ?? false,
    locked: mr.discussion_locked ?? false,
    author: accountOrNull(mr.author),
    head: side(mr.source_branch, mr.sha ?? mr.diff_refs?.head_sha, projects.source),
    base: side(mr.target_branch, mr.diff_refs?.base_sha, projects.target),
    labels: labelInputs(mr.labels ?? [], knownLabels),
    assignees: (mr.assignees ?? []).map(account),
    reviewers: (mr.reviewers ?? []).map(account),
    teams: [],
    milestone: mr.milestone ? milestoneInput(mr.milestone) : null,
    createdAt: time(mr.created_at),
    updatedAt: time(mr.updated_at),
    closedAt: timeOrNull(mr.state === 'merged' ? (mr.merged_at ?? mr.closed_at) : mr.closed_at),
    mergedAt: timeOrNull(mr.merged_at),
    // Before the merge it is whoever asked GitLab to merge by itself.
    mergedBy: mr.state === 'merged' ? accountOrNull(mr.merge_user ?? mr.merged_by) : null,
    mergeCommitSha: mr.merge_commit_sha ?? mr.squash_commit_sha ?? (mr.state === 'merged' ? (mr.sha ?? null) : null),
    ...mergeability(mr),
    rebaseable: null,
    maintainerCanModify: mr.allow_collaboration ?? false,
    autoMerge: mr.merge_when_pipeline_succeeds ?? false,
    // "1000+" beyond what GitLab counts.
    changedFiles: mr.changes_count ? Number.parseInt(mr.changes_count, 10) : undefined,
    comments: mr.user_notes_count,
  };
}
