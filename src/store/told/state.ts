/**
 * What apps have been told of a pull request or an issue, piece by piece. Each event tells of one piece, though its payload
 * shows the whole object: where the webhook of a closing was lost, a later `labeled` must not pass for it.
 */
import { hideTokens } from '../../lib/redact.js';
import { storable } from '../mirror/shape.js';

export type Json = Readonly<Record<string, unknown>>;
/** Fields of a label, a person, a team or a milestone, enough to tell of it when it is gone. */
export type Entry = Readonly<Record<string, string | number | boolean | null>>;

/** Plain JSON that PostgreSQL stores. */
export interface ToldState {
  title: string;
  body: string | null;
  state: 'open' | 'closed';
  merged: boolean;
  draft: boolean;
  locked: boolean;
  /** Commit of the head; null for an issue. */
  head: string | null;
  /** All heads that were told in one second, of which any may be the last; absent when it was one. */
  heads?: string[];
  base: { ref: string; sha: string } | null;
  milestone: Entry | null;
  labels: Entry[];
  assignees: Entry[];
  reviewers: Entry[];
  teams: Entry[];
  /** Deleted, or moved to another repository. */
  gone?: boolean;
  /** Something of it was told, and its opening has still to be. */
  unopened?: boolean;
  /** Comments that the poller counted last. */
  comments?: number;
  /** How many times the poller has reported something of it. */
  reports?: number;
}

/** By piece, the version of the event that told it last, in whole seconds; under {@link READ} that of the poller's reading. */
export type Versions = Readonly<Record<string, string>>;
export const READ = '*';

/**
 * The version of a reading. One after which no other change can carry the object's time holds all that events of that second
 * tell, so that it comes after them.
 */
export const readVersion = (version: string | Date, settled: boolean): string =>
  settled ? wholeSeconds(version).replace('.000Z', '.999Z') : wholeSeconds(version);

/** Webhooks and APIs of one forge write the same time with and without fractions: whole seconds are what both have. */
export function wholeSeconds(time: string | Date): string {
  const at = typeof time === 'string' ? Date.parse(time) : time.getTime();
  return Number.isNaN(at) ? '' : new Date(Math.floor(at / 1_000) * 1_000).toISOString();
}

const objectIn = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
const textOf = (value: unknown): string => (typeof value === 'string' ? storable(value) : '');

function entryOf(value: unknown): Entry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const plain = Object.entries(value).flatMap(([key, inner]) => {
    if (typeof inner === 'string') return [[key, storable(inner)]];
    return typeof inner === 'number' || typeof inner === 'boolean' || inner === null ? [[key, inner]] : [];
  });
  return Object.fromEntries(plain) as Entry;
}

const entriesOf = (value: unknown): Entry[] =>
  (Array.isArray(value) ? value : []).flatMap((one: unknown): Entry[] => {
    const entry = entryOf(one);
    return entry === undefined ? [] : [entry];
  });

/** What makes an entry the same one in two readings. */
export const keys = {
  label: (entry: Entry): string => String(entry.name),
  person: (entry: Entry): string => String(entry.id),
  team: (entry: Entry): string => String(entry.slug ?? entry.name),
  milestone: (entry: Entry | null): string => (entry === null ? '' : String(entry.number ?? entry.id)),
};

/** The pieces of a pull request or an issue in GitHub's shape. */
export function stateOf(object: Json): ToldState {
  const head = objectIn(object.head);
  const base = objectIn(object.base);
  const isPull = typeof head.sha === 'string';
  return {
    title: hideTokens(textOf(object.title)),
    body: typeof object.body === 'string' ? hideTokens(storable(object.body)) : null,
    state: object.state === 'closed' ? 'closed' : 'open',
    merged: object.merged === true || typeof object.merged_at === 'string',
    draft: object.draft === true,
    locked: object.locked === true,
    head: isPull ? textOf(head.sha) : null,
    base: isPull ? { ref: textOf(base.ref), sha: textOf(base.sha) } : null,
    milestone: entryOf(object.milestone) ?? null,
    labels: entriesOf(object.labels),
    assignees: entriesOf(object.assignees),
    reviewers: entriesOf(object.requested_reviewers),
    teams: entriesOf(object.requested_teams),
  };
}

export interface ToldEvent {
  /** Of `pull_request` or `issues`. */
  action: string;
  payload: Json;
  /** In GitHub's shape. */
  object: Json;
}

/** `again`: the same piece was told of, or read, in the same second before. */
type Change = readonly [piece: string, change: (state: ToldState, again: boolean) => ToldState];

const headsOf = ({ heads, head }: ToldState): string[] => heads ?? (head === null ? [] : [head]);

/** With the entry, or without it. */
function setMember(list: readonly Entry[], entry: Entry, key: (of: Entry) => string, present: boolean): Entry[] {
  const others = list.filter((one) => key(one) !== key(entry));
  return present ? [...others, entry] : others;
}

function editedChanges({ payload }: ToldEvent, now: ToldState): Change[] {
  const changes = payload.changes === undefined ? undefined : objectIn(payload.changes);
  const named = (key: string) => changes === undefined || Object.keys(changes).length === 0 || key in changes;
  return [
    ...(named('title') ? [['title', (s: ToldState) => ({ ...s, title: now.title })] as const] : []),
    ...(named('body') ? [['body', (s: ToldState) => ({ ...s, body: now.body })] as const] : []),
    ...(named('base') ? [['base', (s: ToldState) => ({ ...s, base: now.base })] as const] : []),
  ];
}

function membership(payload: Json, present: boolean, key: 'label' | 'assignee'): Change[] {
  const entry = entryOf(payload[key]);
  if (entry === undefined) return [];
  return key === 'label'
    ? [[`label ${keys.label(entry)}`, (s) => ({ ...s, labels: setMember(s.labels, entry, keys.label, present) })]]
    : [
        [
          `assignee ${keys.person(entry)}`,
          (s) => ({ ...s, assignees: setMember(s.assignees, entry, keys.person, present) }),
        ],
      ];
}

function reviewers(payload: Json, present: boolean): Change[] {
  const person = entryOf(payload.requested_reviewer);
  const team = entryOf(payload.requested_team);
  if (person !== undefined)
    return [
      [
        `reviewer ${keys.person(person)}`,
        (s) => ({ ...s, reviewers: setMember(s.reviewers, person, keys.person, present) }),
      ],
    ];
  if (team === undefined) return [];
  return [[`team ${keys.team(team)}`, (s) => ({ ...s, teams: setMember(s.teams, team, keys.team, present) })]];
}

function changesOf(event: ToldEvent): Change[] {
  const { action, payload, object } = event;
  const now = stateOf(object);
  switch (action) {
    case 'closed':
      return [['state', (s) => ({ ...s, state: 'closed', merged: now.merged })]];
    case 'reopened':
      return [['state', (s) => ({ ...s, state: 'open', merged: false })]];
    case 'synchronize':
      return [
        ['head', (s, again) => ({ ...s, head: now.head, heads: again ? [...headsOf(s), ...headsOf(now)] : undefined })],
      ];
    case 'edited':
      return editedChanges(event, now);
    case 'labeled':
    case 'unlabeled':
      return membership(payload, action === 'labeled', 'label');
    case 'assigned':
    case 'unassigned':
      return membership(payload, action === 'assigned', 'assignee');
    case 'review_requested':
    case 'review_request_removed':
      return reviewers(payload, action === 'review_requested');
    case 'milestoned':
      return [['milestone', (s) => ({ ...s, milestone: entryOf(payload.milestone) ?? now.milestone })]];
    case 'demilestoned':
      return [['milestone', (s) => ({ ...s, milestone: null })]];
    case 'converted_to_draft':
    case 'ready_for_review':
      return [['draft', (s) => ({ ...s, draft: action === 'converted_to_draft' })]];
    case 'locked':
    case 'unlocked':
      return [['locked', (s) => ({ ...s, locked: action === 'locked' })]];
    case 'deleted':
    case 'transferred':
      return [['gone', (s) => ({ ...s, gone: true })]];
    default:
      return [];
  }
}

/**
 * What has been told after one more event. One that is older than what was told of its piece changes nothing, so that
 * the order of arrival does not matter; in the same second the later arrival stands.
 */
export function retold(
  told: { state: ToldState; versions: Versions },
  event: ToldEvent,
): { state: ToldState; versions: Versions } {
  const version = wholeSeconds(String(event.object.updated_at ?? ''));
  let { state, versions } = told;
  for (const [piece, change] of changesOf(event)) {
    const last = [versions[piece] ?? '', versions[READ] ?? ''].sort().at(-1) ?? '';
    if (version !== '' && version < last) continue;
    state = change(state, version !== '' && version === last);
    versions = { ...versions, [piece]: version };
  }
  return { state, versions };
}

/** An object of before the poller came, as it was then: what was open is known, so that what is not known was closed. */
export function assumedBefore(object: Json, imported: boolean): ToldState {
  const now = stateOf(object);
  return imported ? { ...now, state: 'closed' } : now;
}

const LISTS = {
  label: ['labels', keys.label],
  assignee: ['assignees', keys.person],
  reviewer: ['reviewers', keys.person],
  team: ['teams', keys.team],
} as const;

/** The opening was told after other events of the object: what they told stands. */
function openedLate(
  { state: later, versions }: { state: ToldState; versions: Versions },
  { object }: ToldEvent,
): { state: ToldState; versions: Versions } {
  let state = stateOf(object);
  for (const piece of Object.keys(versions)) {
    const [kind = '', ...rest] = piece.split(' ');
    const list = Object.hasOwn(LISTS, kind) ? LISTS[kind as keyof typeof LISTS] : undefined;
    if (piece === 'state') state = { ...state, state: later.state, merged: later.merged };
    else if (piece === 'head') state = { ...state, head: later.head, heads: later.heads };
    else if (list === undefined) state = { ...state, [piece]: later[piece as keyof ToldState] };
    else {
      const [field, key] = list;
      const isIt = (entry: Entry) => key(entry) === rest.join(' ');
      state = { ...state, [field]: [...state[field].filter((one) => !isIt(one)), ...later[field].filter(isIt)] };
    }
  }
  return { state, versions };
}

/**
 * The same for an object that may not be known yet. Of one whose opening was not told, what is told meanwhile is kept, for
 * the opening may only be late. `opened`: it was told before anything was noted.
 */
export function toldAfter(
  known: { state: ToldState; versions: Versions } | undefined,
  event: ToldEvent,
  begun: { watermark: Date; imported: boolean; opened?: boolean },
): { state: ToldState; versions: Versions } {
  const isOpening = event.action === 'opened';
  if (known?.state.unopened && isOpening) return openedLate(known, event);
  if (known !== undefined) return retold(known, event);
  if (isOpening) return { state: stateOf(event.object), versions: {} };
  if (begun.opened) return retold({ state: stateOf(event.object), versions: {} }, event);
  const created = Date.parse(String(event.object.created_at ?? ''));
  const isNew = Number.isNaN(created) || created >= begun.watermark.getTime();
  // That it is closed may be told by an event that is still to come.
  const unopened = { ...stateOf(event.object), state: 'open', merged: false, unopened: true } as const;
  const state = isNew ? unopened : assumedBefore(event.object, begun.imported);
  return retold({ state, versions: {} }, event);
}
