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

/** After a push from `before` to `after`. A push that began where the branch no longer is came late, and moves nothing. */
export function pushed(history: RefHistory | undefined, before: string, after: string): RefHistory {
  const [head = before, ...earlier] = history ?? [];
  const isLate = before !== head && earlier.includes(before) && !isNoCommit(before);
  const next = isLate ? [head, after, ...earlier] : [after, head, ...earlier];
  return [...new Set(next)].slice(0, REMEMBERED);
}
