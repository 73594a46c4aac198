/** Where apps believe a branch or a tag to point, from the pushes they were told of. */

/**
 * Commits that a branch pointed to, the present one first; zeros where it was not there. Behind those may stand that apps were told of
 * its beginning and not yet of its first commit, or of commits and not of its beginning.
 */
export type RefHistory = readonly string[];
export type Branches = Readonly<Record<string, RefHistory>>;

const REMEMBERED = 8;
const NO_COMMIT = '0'.repeat(40);
/** Forges tell of a beginning twice, as one and as a push, and each may be lost. */
const BEGUN = 'begun';
const UNTOLD = 'untold';
const GONE = /^0+$/;

export const isNoCommit = (sha: string): boolean => GONE.test(sha);

/** The commit a branch points to as far as was told; undefined where it is not there. */
export function headOf(history: RefHistory | undefined): string | undefined {
  const [head] = history ?? [];
  return head === undefined || isNoCommit(head) ? undefined : head;
}

const isCommit = (one: string): boolean => one !== BEGUN && one !== UNTOLD;

/** Whether apps were told that it came, and not where it is. */
export const hasBegun = (history: RefHistory | undefined): boolean =>
  headOf(history) === undefined && history?.[1] === BEGUN;

/** The first commit of one that is there, and of whose beginning no app was told. */
export function untoldBeginning(history: RefHistory | undefined): string | undefined {
  const at = history?.indexOf(UNTOLD) ?? -1;
  return at > 1 ? history?.[at - 2] : undefined;
}

/** After apps were told that it came. */
export function began(history: RefHistory | undefined): RefHistory {
  const commits = (history ?? []).filter(isCommit);
  if (headOf(commits) !== undefined) return commits;
  return [...new Set([NO_COMMIT, BEGUN, ...commits])].slice(0, REMEMBERED);
}

/** What stays behind the head that a ref has had, once it has another one. */
function pastOf([head = '', ...earlier]: RefHistory, after: string): RefHistory {
  const commits = earlier.filter(isCommit);
  if (isNoCommit(after)) return commits;
  if (!isNoCommit(head)) return earlier;
  return earlier[0] === BEGUN ? commits : [UNTOLD, ...commits];
}

/**
 * After a push from `before` to `after`. A push that began or ended where the branch no longer is came late, and moves nothing; nor
 * does one that made a branch which is there. One from nothing to nothing is that of a branch that is gone, from wherever it was: some
 * forges do not say.
 */
export function pushed(history: RefHistory | undefined, before: string, after: string): RefHistory {
  // Of one that was not known apps were told neither that it came nor where it was.
  const known = history ?? (isNoCommit(before) ? [before] : [before, NO_COMMIT, UNTOLD]);
  const [head = before, ...earlier] = known;
  if (isNoCommit(before) && isNoCommit(after))
    return isNoCommit(head) ? known : [...new Set([NO_COMMIT, head, ...pastOf(known, after)])].slice(0, REMEMBERED);
  const wasAt = (sha: string) => earlier.includes(sha) && !isNoCommit(sha);
  const isMadeAgain = isNoCommit(before) && !isNoCommit(head);
  const isLate = before !== head && (isMadeAgain || wasAt(before) || wasAt(after));
  const next = isLate ? [head, after, ...earlier] : [after, head, ...pastOf(known, after)];
  return [...new Set(next)].slice(0, REMEMBERED);
}
