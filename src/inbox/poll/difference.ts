/**
 * The events that GitHub would have sent for what is different from what apps were told. Pure. What was done and undone
 * between two looks is no difference, and tells nobody anything.
 */
import { type Entry, type Json, keys, stateOf, type ToldState, wholeSeconds } from '../../store/told/state.js';
import { commentPiece, FINAL, HEAD_COMMIT, REVIEWS, type Report, reviewPiece, WHOLE } from './pieces.js';

export type Kind = 'pull_request' | 'issue';

/** One event to report. */
export interface Finding {
  name: string;
  action?: string;
  /** Besides what every event of its kind carries. */
  fields: Json;
  /** Who did it, where the forge's answer says so. */
  sender: unknown;
  /** What a webhook that tells the same is known by. */
  piece: string;
  version: string;
  before?: string;
  /** Tells it from others of the same name and version. */
  detail: string;
}

const versionOf = (object: Json): string => String(object.updated_at ?? '');

function found(kind: Kind, object: Json, action: string, piece: string, fields: Json = {}, detail = ''): Finding {
  const name = kind === 'pull_request' ? 'pull_request' : 'issues';
  return { name, action, fields, sender: undefined, piece, version: versionOf(object), detail };
}

const closer = (object: Json): unknown => object.merged_by ?? object.closed_by ?? undefined;

/**
 * Of an object whose opening nobody was told of; webhooks may have told of what became of it. As on GitHub what it has by now is told
 * one by one after its opening, save what was told already: an app that waits for a label hears of that label.
 * @param pieces that were told, as `label bug`
 */
export function openedFindings(
  kind: Kind,
  object: Json,
  told?: ToldState,
  pieces: ReadonlySet<string> = new Set(),
): Finding[] {
  const seen = stateOf(object);
  const one = (action: string, piece: string, fields: Json, detail: string) =>
    found(kind, object, action, piece, fields, detail);
  const untold = (field: string, entries: readonly Entry[], key: (entry: Entry) => string) =>
    entries.filter((entry) => !pieces.has(`${field} ${key(entry)}`));
  const opened = { ...found(kind, object, 'opened', WHOLE), sender: object.user };
  const closed = { ...found(kind, object, 'closed', 'state'), sender: closer(object) };
  const { milestone } = seen;
  const tellsMilestone = milestone !== null && !pieces.has('milestone');
  return [
    opened,
    ...untold('label', seen.labels, keys.label).map((label) => one('labeled', 'labels', { label }, keys.label(label))),
    ...untold('assignee', seen.assignees, keys.person).map((assignee) =>
      one('assigned', 'assignees', { assignee }, keys.person(assignee)),
    ),
    ...(tellsMilestone ? [one('milestoned', 'milestone', { milestone }, keys.milestone(milestone))] : []),
    ...(object.state === 'closed' && told?.state !== 'closed' ? [closed] : []),
  ];
}

/** What came and what went, by the key that makes two entries the same. */
function members(told: readonly Entry[], seen: readonly Entry[], key: (entry: Entry) => string) {
  const before = new Set(told.map(key));
  const now = new Set(seen.map(key));
  return {
    added: seen.filter((entry) => !before.has(key(entry))),
    removed: told.filter((entry) => !now.has(key(entry))),
  };
}

function edited(kind: Kind, object: Json, told: ToldState, seen: ToldState): Finding[] {
  const changes: Record<string, Json> = {};
  if (told.title !== seen.title) changes.title = { from: told.title };
  if ((told.body ?? '') !== (seen.body ?? '')) changes.body = { from: told.body ?? '' };
  if (told.base !== null && seen.base !== null && told.base.ref !== seen.base.ref)
    changes.base = { ref: { from: told.base.ref }, sha: { from: told.base.sha } };
  return Object.keys(changes).length === 0 ? [] : [found(kind, object, 'edited', 'text', { changes })];
}

function requests(object: Json, told: ToldState, seen: ToldState, reviewedBy: ReadonlySet<string>): Finding[] {
  const people = members(told.reviewers, seen.reviewers, keys.person);
  const teams = members(told.teams, seen.teams, keys.team);
  const one = (action: string, fields: Json, detail: string) =>
    found('pull_request', object, action, 'reviewers', fields, detail);
  return [
    ...people.added.map((who) => one('review_requested', { requested_reviewer: who }, keys.person(who))),
    ...teams.added.map((who) => one('review_requested', { requested_team: who }, keys.team(who))),
    // Whoever has reviewed is asked no more, and nobody is told of that.
    ...people.removed
      .filter((who) => !reviewedBy.has(keys.person(who)))
      .map((who) => one('review_request_removed', { requested_reviewer: who }, keys.person(who))),
    ...teams.removed.map((who) => one('review_request_removed', { requested_team: who }, keys.team(who))),
  ];
}

/** In the order in which GitHub tells several changes of one moment. `reviewedBy`: ids of those who gave a review. */
export function changedFindings(
  kind: Kind,
  told: ToldState,
  object: Json,
  reviewedBy: ReadonlySet<string> = new Set(),
): Finding[] {
  const seen = stateOf(object);
  const one = (action: string, piece: string, fields: Json = {}, detail = '') =>
    found(kind, object, action, piece, fields, detail);
  const isPull = kind === 'pull_request';
  const labels = members(told.labels, seen.labels, keys.label);
  const assignees = members(told.assignees, seen.assignees, keys.person);
  const findings: Finding[] = [];
  const reopened = told.state === 'closed' && seen.state === 'open';
  const closed = (told.state === 'open' && seen.state === 'closed') || (!told.merged && seen.merged);
  if (reopened) findings.push(one('reopened', 'state'));
  const isOtherHead = told.head !== seen.head && !told.heads?.includes(seen.head ?? '');
  if (isPull && told.head !== null && seen.head !== null && isOtherHead)
    findings.push(one('synchronize', 'head', { before: told.head, after: seen.head }, seen.head));
  findings.push(...edited(kind, object, told, seen));
  findings.push(
    ...labels.added.map((label) => one('labeled', 'labels', { label }, keys.label(label))),
    ...labels.removed.map((label) => one('unlabeled', 'labels', { label }, keys.label(label))),
    ...assignees.added.map((assignee) => one('assigned', 'assignees', { assignee }, keys.person(assignee))),
    ...assignees.removed.map((assignee) => one('unassigned', 'assignees', { assignee }, keys.person(assignee))),
  );
  if (isPull) findings.push(...requests(object, told, seen, reviewedBy));
  if (keys.milestone(told.milestone) !== keys.milestone(seen.milestone)) {
    if (told.milestone !== null) findings.push(one('demilestoned', 'milestone', { milestone: told.milestone }));
    if (seen.milestone !== null) findings.push(one('milestoned', 'milestone', { milestone: seen.milestone }));
  }
  if (isPull && told.draft !== seen.draft)
    findings.push(one(seen.draft ? 'converted_to_draft' : 'ready_for_review', 'draft'));
  if (told.locked !== seen.locked) findings.push(one(seen.locked ? 'locked' : 'unlocked', 'locked'));
  if (closed) findings.push({ ...one('closed', 'state'), sender: closer(object) });
  return findings;
}

/** A comment as the mirror has it: what apps were told of it. */
export interface KnownComment {
  body: string;
  updatedAt: Date;
  deleted: boolean;
  /** Heard of after the list was asked for. */
  fresh: boolean;
  url: string;
  author: { id: number | string; login: string } | null;
}

const timeOf = (value: unknown): number => Date.parse(String(value ?? ''));

/**
 * Comments that came or were changed since the poller first came. `whole`: the list holds all there are, so that what is not
 * on it was deleted.
 */
export function commentFindings(
  name: 'issue_comment' | 'pull_request_review_comment',
  listed: readonly Json[],
  known: ReadonlyMap<string, KnownComment>,
  o: { watermark: Date; whole: boolean },
): Finding[] {
  const findings = listed.flatMap((comment): Finding[] => {
    const id = String(comment.id);
    const version = versionOf(comment);
    const before = known.get(id);
    const one = (action: string, fields: Json): Finding => ({
      name,
      action,
      fields: { comment, ...fields },
      sender: comment.user,
      piece: commentPiece(name, id),
      version,
      detail: id,
    });
    if (before === undefined) {
      if (timeOf(comment.created_at) >= o.watermark.getTime()) return [one('created', {})];
      // Of before the poller came, and edited since: what it said is not known.
      return timeOf(version) >= o.watermark.getTime() &&
        wholeSeconds(version) > wholeSeconds(String(comment.created_at))
        ? [one('edited', { changes: {} })]
        : [];
    }
    const isNewer = wholeSeconds(version) >= wholeSeconds(before.updatedAt);
    if (before.deleted || before.fresh || !isNewer || before.body === stateOf({ body: comment.body }).body) return [];
    return [one('edited', { changes: { body: { from: before.body } } })];
  });
  if (!o.whole) return findings;
  const there = new Set(listed.map((comment) => String(comment.id)));
  const gone = [...known].filter(([id, comment]) => !comment.deleted && !comment.fresh && !there.has(id));
  return [
    ...findings,
    ...gone.map(
      ([id, { body, updatedAt, url, author }]): Finding => ({
        name,
        action: 'deleted',
        fields: {
          comment: { id: Number(id), body, html_url: url, user: author, updated_at: updatedAt.toISOString() },
        },
        sender: undefined,
        piece: commentPiece(name, id),
        version: FINAL,
        detail: id,
      }),
    ),
  ];
}

/** Reviews that came or were dismissed. `known`: their states by id, as apps were told. */
export function reviewFindings(
  listed: readonly Json[],
  known: ReadonlyMap<string, string>,
  o: { watermark: Date; pullVersion: string },
): Finding[] {
  return listed.flatMap((given): Finding[] => {
    const id = String(given.id);
    // Webhooks write the state in small letters, lists in capitals.
    const state = String(given.state ?? '').toLowerCase();
    if (state === 'pending') return [];
    const review = { ...given, state };
    const before = known.get(id);
    const one = (action: string, version: string): Finding => ({
      name: 'pull_request_review',
      action,
      fields: { review },
      sender: action === 'submitted' ? given.user : undefined,
      piece: reviewPiece(id),
      version,
      detail: id,
    });
    const isLate = timeOf(given.submitted_at) >= o.watermark.getTime();
    if (before === undefined) return isLate && state !== 'dismissed' ? [one('submitted', o.pullVersion)] : [];
    return state === 'dismissed' && before !== 'dismissed' ? [one('dismissed', FINAL)] : [];
  });
}

/** What the findings cover besides their own pieces: webhooks of some forges do not say which review they tell of. */
export function alsoCovered(findings: readonly Finding[], object: Json): Report[] {
  const { head } = stateOf(object);
  const tellsOfHead = findings.some(({ piece }) => piece === WHOLE || piece === 'head');
  const tellsOfReview = findings.some(({ name }) => name === 'pull_request_review');
  return [
    ...(tellsOfHead && head !== null ? [{ piece: HEAD_COMMIT, version: head, before: null }] : []),
    ...(tellsOfReview ? [{ piece: REVIEWS, version: newestReview(findings, object), before: null }] : []),
  ];
}

/** Reviews are listed after the object is read, and may be younger than it was then. */
function newestReview(findings: readonly Finding[], object: Json): string {
  const given = findings.flatMap(({ name, fields: { review } }) =>
    name === 'pull_request_review' && typeof review === 'object' && review !== null
      ? [wholeSeconds(String(Reflect.get(review, 'submitted_at') ?? ''))]
      : [],
  );
  return [wholeSeconds(versionOf(object)), ...given].sort().at(-1) ?? '';
}
