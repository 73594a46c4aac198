/** What changed between two states of an issue or merge request, as GitHub's events in GitHub's order. */
import type { ForgeEvent, JsonObject } from '../../forge.js';
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import type { LabelInput } from '../../kit/shapes/inputs.js';
import { toGitHubBody } from '../quick-actions.js';
import { toGitHubText } from '../references.js';
import type { NativeAccount, NativeChanges, NativeLabel } from '../schema.js';
import type { KeptAccount, KeptLabel, KeptState } from './kept-state.js';
import { labelInput } from './label.js';

/** Change details are stored as they are and made into objects of GitHub's when the payload is built. */
const plain = (value: object): JsonObject =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

interface Difference<T> {
  added: T[];
  removed: T[];
}

function difference<T>(previous: readonly T[], current: readonly T[], key: (one: T) => string): Difference<T> {
  const before = new Set(previous.map(key));
  const after = new Set(current.map(key));
  return {
    added: current.filter((one) => !before.has(key(one))),
    removed: previous.filter((one) => !after.has(key(one))),
  };
}

/** Old hooks name people without their ids. */
export const accountKey = (account: {
  id?: string | number | null;
  username?: string | null;
  login?: string;
}): string => String(account.id || (account.username ?? account.login ?? ''));

const keptLabel = ({ id, name, color, description }: LabelInput): KeptLabel => ({
  id,
  name,
  color,
  ...(description && { description }),
});

export const keptLabels = (labels: readonly NativeLabel[]): KeptLabel[] =>
  labels.map((one) => keptLabel(labelInput(one)));

export function keptAccounts(accounts: readonly NativeAccount[]): KeptAccount[] {
  return accounts.flatMap(({ id, username, avatar_url: avatar }) =>
    username ? [{ id: id ?? 0, username, ...(avatar && { avatar_url: avatar }) }] : [],
  );
}

const sameSet = <T>(left: readonly T[], right: readonly T[], key: (one: T) => string): boolean => {
  const { added, removed } = difference(left, right, key);
  return added.length === 0 && removed.length === 0;
};

/**
 * The two sides of a list. GitLab has been seen to repeat what was so before as if it had just become so (its issue 216874):
 * a list that equals the one kept from the last hook did not change. A list that the hook does not call changed,
 * but which differs from the kept one, did change: its own hook was lost.
 */
function listSides<T>(
  change: { previous?: readonly T[] | null; current?: readonly T[] | null } | null | undefined,
  current: readonly T[] | null | undefined,
  kept: readonly T[] | undefined,
  key: (one: T) => string,
): { previous: readonly T[]; current: readonly T[] } | undefined {
  if (change) {
    // One side was not understood: better no event than a wrong one.
    if (change.previous === undefined || change.current === undefined) return undefined;
    const now = change.current ?? [];
    return kept !== undefined && sameSet(kept, now, key)
      ? undefined
      : { previous: change.previous ?? [], current: now };
  }
  if (!current || kept === undefined || sameSet(kept, current, key)) return undefined;
  return { previous: kept, current };
}

const labelKey = ({ id }: KeptLabel) => String(id);

export function labelEvents(
  name: string,
  change: NativeChanges['labels'],
  current: readonly NativeLabel[] | null | undefined,
  kept: KeptState | undefined,
): ForgeEvent[] {
  const sides = listSides(
    change && {
      previous: change.previous && keptLabels(change.previous),
      current: change.current && keptLabels(change.current),
    },
    current && keptLabels(current),
    kept?.labels,
    labelKey,
  );
  if (sides === undefined) return [];
  const { added, removed } = difference(sides.previous, sides.current, labelKey);
  return [
    ...added.map((label) => ({ name, action: 'labeled', change: { label: plain(label) } })),
    ...removed.map((label) => ({ name, action: 'unlabeled', change: { label: plain(label) } })),
  ];
}

export function assigneeEvents(
  name: string,
  change: NativeChanges['assignees'],
  current: readonly NativeAccount[] | null | undefined,
  kept: KeptState | undefined,
): ForgeEvent[] {
  const sides = listSides(
    change && {
      previous: change.previous && keptAccounts(change.previous),
      current: change.current && keptAccounts(change.current),
    },
    current && keptAccounts(current),
    kept?.assignees,
    accountKey,
  );
  if (sides === undefined) return [];
  const { added, removed } = difference(sides.previous, sides.current, accountKey);
  return [
    ...added.map((assignee) => ({ name, action: 'assigned', change: { assignee: plain(assignee) } })),
    ...removed.map((assignee) => ({ name, action: 'unassigned', change: { assignee: plain(assignee) } })),
  ];
}

/** One event for all texts, as GitHub does. GitLab's null is GitHub's empty text. */
export function editedEvent(name: string, changes: NativeChanges | undefined, base?: { from: string }): ForgeEvent[] {
  const edited = {
    ...(changes?.title && { title: { from: toGitHubText(changes.title.previous ?? '') } }),
    ...(changes?.description && { body: { from: toGitHubBody(changes.description.previous ?? '') } }),
    // Where it branched off before is told by nobody.
    ...(base && { base: { ref: { from: base.from }, sha: { from: NO_COMMIT } } }),
  };
  return Object.keys(edited).length === 0 ? [] : [{ name, action: 'edited', change: { changes: edited } }];
}

/** Only ids are told. Going from one to another is both events. */
export function milestoneEvents(name: string, change: NativeChanges['milestone_id']): ForgeEvent[] {
  if (!change || String(change.previous ?? '') === String(change.current ?? '')) return [];
  return [
    ...(change.previous ? [{ name, action: 'demilestoned', change: { milestone_id: change.previous } }] : []),
    ...(change.current ? [{ name, action: 'milestoned', change: { milestone_id: change.current } }] : []),
  ];
}

export function lockEvents(name: string, change: NativeChanges['discussion_locked']): ForgeEvent[] {
  if (!change || Boolean(change.previous) === Boolean(change.current)) return [];
  return [{ name, action: change.current ? 'locked' : 'unlocked' }];
}
