/** For slips of the pen: what was probably meant. */

/** Fewest insertions, deletions and replacements of one character between two texts. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The one of these names that is most like `name`; of several the first. `names` has one at least. */
export function nearest(name: string, names: readonly string[]): string {
  const byDistance = names.map((known) => ({ known, far: distance(name, known) }));
  return byDistance.reduce((best, one) => (one.far < best.far ? one : best)).known;
}
