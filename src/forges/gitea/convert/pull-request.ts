import type { z } from 'zod';
import type { PullRequestInput, RepositoryInput, SideInput } from '../../kit/shapes/inputs.js';
import { nativePullRequest, read } from '../schema.js';
import { associationOf } from './association.js';
import { labelInputs } from './label.js';
import { milestoneIfTold } from './milestone.js';
import { repositoryIfTold } from './repository.js';
import { time, timeOrNull } from './time.js';
import { accountIfTold, accountInputs, teamReferences } from './user.js';

/** What a server calls work in progress unless its administrator says otherwise (`WORK_IN_PROGRESS_PREFIXES`). */
const DRAFT_PREFIX = /^\s*(?:wip:|\[wip\])/i;

/** Servers before 1.22 do not say `draft`: there the title is all there is. */
export const isDraftTitle = (title: string): boolean => DRAFT_PREFIX.test(title);

type NativeSide = z.output<typeof nativePullRequest>['head'];

/**
 * A head that was pushed to `refs/for/…` (AGit) is on no branch: the server tells the repository itself as where it comes from, and a ref
 * without a name. Whoever may read can push one, so that it is no work of somebody who may write: it comes from nowhere we know.
 */
const isOnNoBranch = ({ ref, label }: NativeSide): boolean => ref.startsWith('refs/pull/') && !label;

function sideInput(side: NativeSide, repository: RepositoryInput | null): SideInput {
  // A deleted branch is told as the ref that keeps its commits; its name then stands in the label only. One may be called like a ref.
  const { label } = side;
  const isNamed = side.ref.startsWith('refs/pull/') || side.ref === label;
  const ref = isNamed && label ? label : side.ref.replace(/^refs\/heads\//, '');
  return { ref, sha: side.sha ?? '', repository, user: repository?.owner ?? null };
}

/**
 * `repository` is where the pull request stands, for objects that leave it out of `base`.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 */
export function pullRequestInput(native: unknown, repository?: RepositoryInput): PullRequestInput {
  const pull = read('pull_request', nativePullRequest, native);
  const base = repositoryIfTold(pull.base.repo) ?? repository ?? null;
  const author = accountIfTold(pull.user);
  const draft = pull.draft ?? isDraftTitle(pull.title);
  const open = pull.state !== 'closed';
  return {
    id: pull.id,
    number: pull.number,
    htmlUrl: pull.html_url || `${base?.htmlUrl ?? ''}/pulls/${pull.number}`,
    title: pull.title,
    body: pull.body || null,
    state: open ? 'open' : 'closed',
    merged: pull.merged ?? undefined,
    draft,
    locked: pull.is_locked ?? undefined,
    author,
    association: associationOf(author, base),
    head: sideInput(pull.head, isOnNoBranch(pull.head) ? null : (repositoryIfTold(pull.head.repo) ?? null)),
    base: sideInput(pull.base, base),
    labels: labelInputs(pull.labels),
    assignees: accountInputs(pull.assignees) ?? accountInputs(pull.assignee ? [pull.assignee] : []),
    reviewers: accountInputs(pull.requested_reviewers),
    teams: teamReferences(pull.requested_reviewers_teams),
    milestone: milestoneIfTold(pull.milestone),
    createdAt: time(pull.created_at),
    updatedAt: time(pull.updated_at),
    closedAt: timeOrNull(pull.closed_at),
    mergedAt: timeOrNull(pull.merged_at),
    mergedBy: pull.merged_by === null ? null : accountIfTold(pull.merged_by),
    mergeCommitSha: pull.merge_commit_sha === null ? null : pull.merge_commit_sha || undefined,
    ...mergeability(pull.mergeable, draft, open),
    maintainerCanModify: pull.allow_maintainer_edit ?? undefined,
    additions: pull.additions ?? undefined,
    deletions: pull.deletions ?? undefined,
    changedFiles: pull.changed_files ?? undefined,
    comments: pull.comments ?? undefined,
    reviewComments: pull.review_comments ?? undefined,
  };
}

/** One flag stands for all: false for a draft and while the server still computes, too, which only the draft tells. */
function mergeability(
  mergeable: boolean | null | undefined,
  draft: boolean,
  open: boolean,
): Pick<PullRequestInput, 'mergeable' | 'mergeableState' | 'rebaseable'> {
  if (mergeable == null || !open) return { mergeable: null, mergeableState: 'unknown', rebaseable: null };
  if (mergeable) return { mergeable: true, mergeableState: 'clean', rebaseable: true };
  if (draft) return { mergeable: null, mergeableState: 'draft', rebaseable: null };
  return { mergeable: false, mergeableState: 'dirty', rebaseable: false };
}
