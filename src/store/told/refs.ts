/** Where apps believe a branch or a tag to point, from the pushes they were told of. */

/** Commits that a branch pointed to, the present one first; zeros where it was not there. */
export type RefHistory = readonly string[];
export type Branches = Readonly<Record<string, RefHistory>>;

const REMEMBERED = 8;
const GONE = /^0+$/;

export const isNoCommit = (sha: string): boolean => GONE.test(sha);

/** The commit a branch points to as far as was told; undefined where it is not there. */
export function headOf(history: RefHistory | undefined): string | undefined {
  const [head] = history ?? [];
  return head === undefined || isNoCommit(head) ? undefined : head;
}

/**
 * After a push from `before` to `after`. A push that began or ended where the branch no longer is came late, and moves nothing; nor
 * does one that made a branch which is there.
 */
export function pushed(history: RefHistory | undefined, before: string, after: string): RefHistory {
  const [head = before, ...earlier] = history ?? [];
  const wasAt = (sha: string) => earlier.includes(sha) && !isNoCommit(sha);
  const isMadeAgain = isNoCommit(before) && !isNoCommit(head);
  const isLate = before !== head && (isMadeAgain || wasAt(before) || wasAt(after));
  const next = isLate ? [head, after, ...earlier] : [after, head, ...earlier];
  return [...new Set(next)].slice(0, REMEMBERED);
}
