/** What changed in an issue or a pull request, as the events that GitHub would have sent, in its order. */
import type { ForgeEvent, JsonObject } from '../../forge.js';
import { isDraftTitle } from '../convert/pull-request.js';
import { isObject, listAt, textAt } from './fields.js';
import {
  accountEntries,
  assigneesOf,
  type Entry,
  entriesIn,
  keptMilestone,
  labelEntries,
  milestoneEntry,
  teamEntries,
} from './snapshot.js';

/** The events, or in one sentence why there are none. */
export type Found = readonly ForgeEvent[] | string;

export interface Change {
  /** GitHub's event name: `issues` or `pull_request`. */
  name: 'issues' | 'pull_request';
  /** The issue or the pull request as it is now. */
  holder: JsonObject;
  payload: JsonObject;
  /** State of the last snapshot. */
  previous: JsonObject | undefined;
}

const without = (entries: readonly Entry[], others: readonly Entry[]): Entry[] => {
  const ids = new Set(others.map(({ id }) => id));
  return entries.filter(({ id }) => !ids.has(id));
};

const NOTHING_BEFORE = 'The server does not say what changed, and nothing is known of before.';
const NO_DIFFERENCE = 'Nothing differs from what was known before.';

function events(name: string, action: string, key: string, entries: readonly Entry[]): ForgeEvent[] {
  return entries.map((entry) => ({ name, action, change: { [key]: entry } }));
}

/** `label_updated` and `label_cleared`. Servers since 1.24 name the labels; for others they are compared. */
export function labelChanges({ name, holder, payload, previous }: Change): Found {
  let added = labelEntries(listAt(payload, 'changes.added_labels'));
  let removed = labelEntries(listAt(payload, 'changes.removed_labels'));
  if (added.length === 0 && removed.length === 0) {
    const before = entriesIn(previous, 'labels');
    if (before === undefined) return NOTHING_BEFORE;
    const now = payload.action === 'label_cleared' ? [] : labelEntries(listAt(holder, 'labels'));
    added = without(now, before);
    removed = without(before, now);
  }
  const found = [...events(name, 'labeled', 'label', added), ...events(name, 'unlabeled', 'label', removed)];
  return found.length > 0 ? found : NO_DIFFERENCE;
}

/** Who came and who went, whichever of the two the action says: a list is replaced as a whole. */
export function assigneeChanges({ name, holder, payload, previous }: Change): Found {
  const now = accountEntries(assigneesOf(holder));
  const before =
    entriesIn(previous, 'assignees') ?? (payload.action === 'assigned' && now.length === 1 ? [] : undefined);
  if (before === undefined) return NOTHING_BEFORE;
  const found = [
    ...events(name, 'assigned', 'assignee', without(now, before)),
    ...events(name, 'unassigned', 'assignee', without(before, now)),
  ];
  return found.length > 0 ? found : NO_DIFFERENCE;
}

/** GitHub says that the old milestone went before it says that the new one came. */
export function milestoneChanges({ name, holder, payload, previous }: Change): Found {
  const now = payload.action === 'demilestoned' ? null : milestoneEntry(holder.milestone);
  const kept = keptMilestone(previous);
  const before = kept === undefined ? [] : [kept];
  const gone = now === null ? before : without(before, [now]);
  const found = [
    ...events(name, 'demilestoned', 'milestone', gone),
    ...events(name, 'milestoned', 'milestone', now === null ? [] : [now]),
  ];
  return found.length > 0 ? found : NOTHING_BEFORE;
}

/** A person is named in the payload; a team is not, nor is anybody by servers before 1.20. */
export function reviewerChanges({ name, holder, payload, previous }: Change): Found {
  const action = payload.action === 'review_requested' ? 'review_requested' : 'review_request_removed';
  const person = accountEntries(isObject(payload.requested_reviewer) ? [payload.requested_reviewer] : []);
  if (person.length > 0) return events(name, action, 'reviewer', person);
  const found = (['reviewers', 'teams'] as const).flatMap((set) => {
    const native = listAt(holder, set === 'teams' ? 'requested_reviewers_teams' : 'requested_reviewers');
    const now = set === 'teams' ? teamEntries(native) : accountEntries(native);
    const before = entriesIn(previous, set);
    const changed = action === 'review_requested' ? without(now, before ?? []) : without(before ?? [], now);
    // Without anything to compare with, one reviewer in all is the one who was asked.
    if (before === undefined && changed.length !== 1) return [];
    return events(name, action, set === 'teams' ? 'team' : 'reviewer', changed);
  });
  return found.length > 0 ? found : NOTHING_BEFORE;
}

/** There is no event for drafts: the title gains or loses a prefix. */
export function draftChange({ holder, payload, previous }: Change): ForgeEvent[] {
  const from = textAt(payload, 'changes.title.from');
  if (from === undefined) return [];
  // An administrator may have chosen other prefixes: only two answers of the server, or two of ours, may be compared.
  const told = typeof holder.draft === 'boolean' && typeof previous?.draft === 'boolean';
  const before = told ? previous?.draft : isDraftTitle(from);
  const now = told ? holder.draft : isDraftTitle(textAt(holder, 'title') ?? '');
  if (before === now) return [];
  return [{ name: 'pull_request', action: now ? 'converted_to_draft' : 'ready_for_review' }];
}

/** The head before, for `synchronize`; absent when nothing older is known. */
export function headBefore({ holder, previous }: Change): JsonObject | undefined {
  const before = previous?.head;
  return typeof before === 'string' && before !== textAt(holder, 'head.sha') ? { before } : undefined;
}
