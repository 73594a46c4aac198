/**
 * Which piece of an object an event tells of, and whether the poller reported that before. The rule of
 * docs/adr/0014: a webhook is ignored when the poller reported the same piece of the same object at the same or a later
 * version.
 */
import type { ForgeEvent } from '../../forges/forge.js';
import type { Telling } from '../../forges/poll.js';
import { isNoCommit } from '../../store/told/refs.js';
import { type Json, wholeSeconds } from '../../store/told/state.js';

/** What the poller reported of one piece, newest only. */
export interface Report {
  piece: string;
  /** The object's time, {@link FINAL}, or the commit that a ref or a head points to. */
  version: string;
  /**
   * For a ref, where it pointed before; for {@link HEAD_COMMIT} when a webhook told of another one; for one label, person and the like
   * whether it {@link CAME} or {@link WENT}.
   */
  before: string | null;
  /** For a ref, what was reported before: webhooks of that are still late. */
  earlier?: readonly RefMove[];
}

export type RefMove = readonly [before: string, after: string];

/** Of each ref. Whoever pushes more often while webhooks are away hears of the first ones twice. */
const MOVES_REMEMBERED = 32;
/** Version of a report of a ref that is over: its moves alone are remembered. */
export const OVER = '';

/** What is remembered of a report of a ref when another one takes its place, or a webhook goes beyond it. */
export function reportedMoves({ version, before, earlier = [] }: Report): readonly RefMove[] {
  const last: readonly RefMove[] = version === OVER || before === null ? [] : [[before, version]];
  return [...earlier, ...last].slice(-MOVES_REMEMBERED);
}

/** An object that was told of whole: it covers every piece of it. */
export const WHOLE = 'opened';
/**
 * The commit of a head, beside its time: a webhook shows the object as it is when it is made, which may be later than what it
 * tells of.
 */
export const HEAD_COMMIT = 'head commit';
/** A version that no later one follows: what is deleted stays so. */
export const FINAL = '9999';

const OBJECT_PIECES: Readonly<Record<string, string>> = {
  opened: WHOLE,
  closed: 'state',
  reopened: 'state',
  synchronize: 'head',
  edited: 'text',
  labeled: 'labels',
  unlabeled: 'labels',
  assigned: 'assignees',
  unassigned: 'assignees',
  review_requested: 'reviewers',
  review_request_removed: 'reviewers',
  milestoned: 'milestone',
  demilestoned: 'milestone',
  converted_to_draft: 'draft',
  ready_for_review: 'draft',
  locked: 'locked',
  unlocked: 'locked',
};

export const commentPiece = (event: string, id: string): string => `${event} ${id}`;
export const reviewPiece = (id: string): string => `review ${id}`;
/** All reviews of a pull request, for forges whose webhooks do not say which one it was. */
export const REVIEWS = 'reviews';
export const refPiece = (name: string): string => `ref ${name}`;
export const isRef = (piece: string): boolean => piece.startsWith('ref ');
export const releasePiece = (tag: string): string => `release ${tag}`;
/** What the poller reported of a release that is there: that it was published, once. */
export const PUBLISHED = 'published';
/** What a push to a ref is told as; on some forges a suite of checks begins with it. */
const OF_A_REF: ReadonlySet<string> = new Set(['push', 'create', 'delete', 'check_suite']);
const PUBLICATION: ReadonlySet<string> = new Set(['created', 'published', 'released', 'prereleased']);
const isNewHead = ({ name, action }: ForgeEvent): boolean => name === 'pull_request' && action === 'synchronize';
/**
 * `since`: what was reported still stands for webhooks of that time or before. `moves`: those that were reported still are.
 * Neither: nothing of it stands.
 */
export interface Passed {
  piece: string;
  since?: string;
  moves?: readonly RefMove[];
}

/** The report without a time that a webhook goes beyond: it is over then. */
export function passedBy(
  event: ForgeEvent,
  { ref, release, version = '' }: Telling,
  reports: ReadonlyMap<string, Report>,
): Passed | undefined {
  if (ref !== undefined) {
    const report = reports.get(refPiece(ref.name));
    return report === undefined || isBefore(report, ref)
      ? undefined
      : { piece: report.piece, moves: reportedMoves(report) };
  }
  const piece = isNewHead(event) ? HEAD_COMMIT : release && releasePiece(release.tag);
  if (piece === undefined || event.action === 'edited' || !reports.has(piece)) return undefined;
  const since = piece === HEAD_COMMIT ? comparable(version) : '';
  return { piece, ...(since !== '' && { since }) };
}

type MovedRef = NonNullable<Telling['ref']>;

/** A late webhook may also be of what came before the report, which stands then. */
function isBefore(report: Report, { before, after }: MovedRef): boolean {
  if (report.version === OVER) return true;
  if (before !== undefined && isNoCommit(before)) return true;
  return after !== undefined && after === report.before && !isNoCommit(after);
}

const coversHead = (report: Report | undefined, { head, version = '' }: Telling): boolean =>
  report !== undefined &&
  report.version === head &&
  // One that tells no time may be of after that.
  (report.before === null || (comparable(version) !== '' && comparable(version) <= report.before));

/** The piece that an event tells of and its version; undefined for what the poller never reports. */
export function pieceOf(event: ForgeEvent, telling: Telling): { piece: string; version: string } | undefined {
  const { name, action = '' } = event;
  const version = telling.version ?? '';
  if (name === 'pull_request' || name === 'issues') {
    const piece = OBJECT_PIECES[action];
    return piece === undefined ? undefined : { piece, version };
  }
  if (name === 'issue_comment' || name === 'pull_request_review_comment') {
    const { comment } = telling;
    // The comments of a review whose webhook does not name them: told with it, or with none.
    if (comment === undefined) return name === 'issue_comment' ? undefined : { piece: REVIEWS, version };
    return { piece: commentPiece(name, comment.id), version: action === 'deleted' ? FINAL : (comment.version ?? '') };
  }
  if (name === 'pull_request_review')
    return telling.review === undefined
      ? { piece: REVIEWS, version }
      : { piece: reviewPiece(telling.review), version: action === 'dismissed' ? FINAL : version };
  if (OF_A_REF.has(name)) {
    const { ref } = telling;
    return ref && { piece: refPiece(ref.name), version: ref.after ?? '' };
  }
  if (name === 'release' && telling.release !== undefined) {
    const version = action === 'deleted' ? FINAL : PUBLICATION.has(action) ? PUBLISHED : '';
    return { piece: releasePiece(telling.release.tag), version };
  }
  return undefined;
}

/** Of what comes and goes, by the action that says so: the field that names it, and whether it came. */
const PARTS: Readonly<Record<string, readonly [field: string | undefined, came: boolean]>> = {
  labeled: ['label', true],
  unlabeled: ['label', false],
  assigned: ['assignee', true],
  unassigned: ['assignee', false],
  milestoned: ['milestone', true],
  demilestoned: ['milestone', false],
  review_requested: ['requested_reviewer', true],
  review_request_removed: ['requested_reviewer', false],
  converted_to_draft: [undefined, true],
  ready_for_review: [undefined, false],
};
const NAMED_BY: Readonly<Record<string, string>> = { label: 'name', milestone: 'title' };
const CAME = 'came';
const WENT = 'went';

/** The one label, assignee, … that an event tells of, and whether it came; undefined for other events. */
export function partOf(action: string, told: Json): { piece: string; what: typeof CAME | typeof WENT } | undefined {
  const found = PARTS[action];
  if (found === undefined) return undefined;
  const [field, came] = found;
  const what = came ? CAME : WENT;
  if (field === undefined) return { piece: 'part draft', what };
  // Forges that compare call a reviewer by that name.
  const entry = told[field] ?? (field === 'requested_reviewer' ? told.reviewer : undefined);
  const name = (entry as Json | null | undefined)?.[NAMED_BY[field] ?? 'id'];
  return name === undefined || name === null ? undefined : { piece: `part ${field} ${String(name)}`, what };
}

/** What is to be remembered of findings for webhooks that are compared with one of before. */
export const partsOf = (findings: readonly { action?: string; fields: Json; version: string }[]): Report[] => [
  ...new Map(
    findings.flatMap(({ action = '', fields, version }) => {
      const part = partOf(action, fields);
      return part ? [[part.piece, { piece: part.piece, version, before: part.what }] as const] : [];
    }),
  ).values(),
];

/**
 * A webhook that says only what there is now, or after one that was lost: its difference to the one before it holds what the poller
 * reported between the two.
 */
function coversPart({ action = '', change }: ForgeEvent, reports: ReadonlyMap<string, Report>, since: string): boolean {
  const part = partOf(action, change ?? {});
  const report = part && reports.get(part.piece);
  // In one second too: the state of before it does not have what the poller saw come.
  return report !== undefined && report.before === part?.what && comparable(report.version) >= comparable(since);
}

/** As comparable text: times of one forge come with and without fractions. */
const comparable = (version: string): string => (version === FINAL ? FINAL : wholeSeconds(version));

/** Of what came or went the commit must be the same: there are branches that are made anew again and again. */
function isPartOf([from, to]: RefMove, { before, after }: MovedRef): boolean {
  const begins = from === before;
  const ends = to === after;
  const isOfNothing = [from, to, before, after].some((sha) => sha !== undefined && isNoCommit(sha));
  return isOfNothing ? begins && ends : begins || ends;
}

function coversRef(report: Report, ref: MovedRef): boolean {
  const { before, after } = ref;
  if ((report.earlier ?? []).some((move) => isPartOf(move, ref))) return true;
  if (report.version === OVER) return false;
  if (after !== undefined && isNoCommit(after)) return isNoCommit(report.version);
  if (before !== undefined && isNoCommit(before)) return report.before !== null && isNoCommit(report.before);
  return after === report.version || (before !== undefined && before === report.before);
}

/**
 * Whether the poller reported what this event of a webhook tells. `since` is the version of the state that the webhook was compared
 * with, to find out what changed.
 */
export function isCovered(
  event: ForgeEvent,
  telling: Telling,
  reports: ReadonlyMap<string, Report>,
  since?: string,
): boolean {
  const told = pieceOf(event, telling);
  if (told === undefined) return false;
  if (since !== undefined && coversPart(event, reports, since)) return true;
  const report = reports.get(told.piece);
  if (telling.ref !== undefined) return report !== undefined && coversRef(report, telling.ref);
  if (telling.release !== undefined) return report?.version === told.version;
  if (isNewHead(event) && coversHead(reports.get(HEAD_COMMIT), telling)) return true;
  const version = comparable(told.version);
  if (version === '') return false;
  const whole = Object.values(OBJECT_PIECES).includes(told.piece) ? reports.get(WHOLE) : undefined;
  return [report, whole].some((one) => one !== undefined && comparable(one.version) >= version);
}
