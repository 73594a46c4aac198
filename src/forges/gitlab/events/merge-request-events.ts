/** What one hook about a merge request is in GitHub's words: none, one or several events, in GitHub's order. */
import type { ForgeEvent } from '../../forge.js';
import type { MergeRequestAttributes, MergeRequestEvent, NativeChanges, NativeReviewer } from '../schema.js';
import {
  accountKey,
  assigneeEvents,
  editedEvent,
  keptAccounts,
  labelEvents,
  lockEvents,
  milestoneEvents,
} from './changes.js';
import type { KeptState } from './kept-state.js';
import { isDraft, isDraftTitle } from './merge-request-input.js';

const NAME = 'pull_request';
const REVIEW = 'pull_request_review';

/** New commits. Only `oldrev` tells them; without it the head that was kept. */
function synchronize(mr: MergeRequestAttributes, kept: KeptState | undefined): ForgeEvent[] {
  const after = mr.last_commit?.id;
  const before = mr.oldrev ?? (kept?.head !== undefined && mr.action == null ? kept.head : undefined);
  if (before === undefined || after === undefined || before === after) return [];
  return [{ name: NAME, action: 'synchronize', change: { before, after } }];
}

/** Retargeting has been seen with nothing but `merge_status` among the changes. */
function retargetedFrom(
  mr: MergeRequestAttributes,
  changes: NativeChanges | undefined,
  kept: KeptState | undefined,
): { from: string } | undefined {
  if (changes?.target_branch?.previous) return { from: changes.target_branch.previous };
  if (kept?.target === undefined || kept.target === mr.target_branch) return undefined;
  return { from: kept.target };
}

function draftEvents(
  mr: MergeRequestAttributes,
  changes: NativeChanges | undefined,
  kept: KeptState | undefined,
): ForgeEvent[] {
  const told = changes?.draft ?? changes?.work_in_progress;
  const title = changes?.title;
  const was =
    told?.previous ??
    (told ? !told.current : title?.previous != null ? isDraftTitle(title.previous) : (kept?.draft ?? isDraft(mr)));
  const is = told?.current ?? (title?.current != null ? isDraftTitle(title.current) : isDraft(mr));
  return was === is ? [] : [{ name: NAME, action: is ? 'converted_to_draft' : 'ready_for_review' }];
}

/** What a reviewer's state says beyond an approval, which has hooks of its own. */
const REVIEW_STATES: Readonly<Record<string, string>> = {
  requested_changes: 'changes_requested',
  reviewed: 'commented',
};

const reviewed = (reviewer: NativeReviewer): string | undefined =>
  reviewer.state && Object.hasOwn(REVIEW_STATES, reviewer.state) ? REVIEW_STATES[reviewer.state] : undefined;

function reviewerEvents(change: NativeChanges['reviewers']): ForgeEvent[] {
  if (!change) return [];
  const previous = new Map((change.previous ?? []).map((one) => [accountKey(one), one]));
  const current = new Map((change.current ?? []).map((one) => [accountKey(one), one]));
  const one = (reviewer: NativeReviewer) => keptAccounts([reviewer])[0];
  const asked = [...current.values()].flatMap((reviewer): ForgeEvent[] => {
    const requested_reviewer = one(reviewer);
    if (requested_reviewer === undefined) return [];
    const before = previous.get(accountKey(reviewer));
    const state = reviewed(reviewer);
    // Whoever reviews without having been asked becomes a reviewer by it.
    if (state !== undefined && state !== (before && reviewed(before)))
      return [{ name: REVIEW, action: 'submitted', change: { state, reviewer: requested_reviewer } }];
    const again = reviewer.re_requested === true && before !== undefined && before.re_requested !== true;
    const isNew = before === undefined && reviewer.state !== 'approved';
    return isNew || again ? [{ name: NAME, action: 'review_requested', change: { requested_reviewer } }] : [];
  });
  const removed = [...previous.values()].flatMap((reviewer): ForgeEvent[] => {
    const requested_reviewer = current.has(accountKey(reviewer)) ? undefined : one(reviewer);
    return requested_reviewer === undefined
      ? []
      : [{ name: NAME, action: 'review_request_removed', change: { requested_reviewer } }];
  });
  return [...asked, ...removed];
}

/** Everything that may change about a merge request that is there. */
function updates(hook: MergeRequestEvent, kept: KeptState | undefined): ForgeEvent[] {
  const { object_attributes: mr } = hook;
  const changes = hook.changes ?? undefined;
  return [
    ...synchronize(mr, kept),
    ...editedEvent(NAME, changes, retargetedFrom(mr, changes, kept)),
    ...labelEvents(NAME, changes?.labels, hook.labels ?? mr.labels, kept),
    ...assigneeEvents(NAME, changes?.assignees, hook.assignees, kept),
    ...reviewerEvents(changes?.reviewers),
    ...milestoneEvents(NAME, changes?.milestone_id),
    ...draftEvents(mr, changes, kept),
    ...lockEvents(NAME, changes?.discussion_locked),
  ];
}

/** Hooks of the whole instance were seen without an action: then the state that was kept says what happened. */
function withoutAction(hook: MergeRequestEvent, kept: KeptState | undefined): ForgeEvent[] {
  const { object_attributes: mr } = hook;
  const state = mr.state ?? 'opened';
  if (kept?.state === undefined) {
    const isNew = mr.created_at != null && mr.created_at === mr.updated_at && state === 'opened';
    return isNew ? [{ name: NAME, action: 'opened' }] : [];
  }
  const isOpen = (one: string) => one === 'opened' || one === 'locked' || one === 'reopened';
  if (isOpen(kept.state) && !isOpen(state)) return [{ name: NAME, action: 'closed' }];
  if (!isOpen(kept.state) && isOpen(state)) return [{ name: NAME, action: 'reopened' }];
  return updates(hook, kept);
}

/** One person's approval and the last one that is needed are told by different words; a click sends one of them. */
const review = (state: 'approved' | 'dismissed'): ForgeEvent[] => [
  { name: REVIEW, action: state === 'approved' ? 'submitted' : 'dismissed', change: { state } },
];

export function mergeRequestEvents(hook: MergeRequestEvent, kept: KeptState | undefined): ForgeEvent[] {
  switch (hook.object_attributes.action) {
    case 'open':
      // Every attribute counts as changed then, and GitHub tells none of them.
      return [{ name: NAME, action: 'opened' }];
    case 'reopen':
      return [{ name: NAME, action: 'reopened' }, ...updates(hook, kept)];
    case 'close':
    case 'merge':
      return [{ name: NAME, action: 'closed' }, ...updates(hook, kept)];
    case 'update':
      return updates(hook, kept);
    case 'approved':
    case 'approval':
      return review('approved');
    case 'unapproved':
    case 'unapproval':
      return review('dismissed');
    case undefined:
    case null:
      return withoutAction(hook, kept);
    default:
      return [];
  }
}
