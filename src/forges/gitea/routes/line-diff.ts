/** What changed between two texts, as a unified diff: for comparisons that the forge does not make. */

/** Lines of unchanged text around a change. */
const CONTEXT = 3;
/** Beyond this many differing lines the shortest diff is not worth its time: everything goes and everything comes. */
const MOST_EDITS = 2000;

interface Edit {
  kind: ' ' | '-' | '+';
  text: string;
}

/** The shortest way from `a` to `b` (Myers, greedy); undefined when it takes too many steps. */
function shortest(a: readonly string[], b: readonly string[]): Edit[] | undefined {
  const trace: Map<number, number>[] = [];
  const reach = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= Math.min(a.length + b.length, MOST_EDITS); d += 1) {
    trace.push(new Map(reach));
    for (let k = -d; k <= d; k += 2) {
      const [above, below] = [reach.get(k + 1) ?? -1, reach.get(k - 1) ?? -1];
      let x = k === -d || (k !== d && below < above) ? above : below + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return backwards(a, b, trace);
    }
  }
  return undefined;
}

function backwards(a: readonly string[], b: readonly string[], trace: readonly Map<number, number>[]): Edit[] {
  const edits: Edit[] = [];
  let [x, y] = [a.length, b.length];
  for (let d = trace.length - 1; d >= 0; d -= 1) {
    const reach = trace[d] ?? new Map<number, number>();
    const k = x - y;
    const [above, below] = [reach.get(k + 1) ?? -1, reach.get(k - 1) ?? -1];
    const before = k === -d || (k !== d && below < above) ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : (reach.get(before) ?? 0);
    const fromY = d === 0 ? 0 : fromX - before;
    while (x > fromX && y > fromY) {
      edits.push({ kind: ' ', text: a[x - 1] ?? '' });
      [x, y] = [x - 1, y - 1];
    }
    if (d > 0) edits.push(x === fromX ? { kind: '+', text: b[y - 1] ?? '' } : { kind: '-', text: a[x - 1] ?? '' });
    [x, y] = [fromX, fromY];
  }
  return edits.reverse();
}

/** Lines without their ends; a text that does not end with one says so as git does. */
function linesOf(text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') return lines.slice(0, -1);
  return [...lines.slice(0, -1), `${lines.at(-1)}\n\\ No newline at end of file`];
}

function hunks(edits: readonly Edit[]): string[] {
  const changed = edits.flatMap((edit, index) => (edit.kind === ' ' ? [] : [index]));
  const spans: [number, number][] = [];
  for (const index of changed) {
    const last = spans.at(-1);
    if (last && index - last[1] <= 2 * CONTEXT) last[1] = index;
    else spans.push([index, index]);
  }
  const before = (end: number, without: '+' | '-') =>
    edits.slice(0, end).filter((edit) => edit.kind !== without).length;
  return spans.map(([first, last]) => {
    const [start, end] = [Math.max(0, first - CONTEXT), Math.min(edits.length, last + CONTEXT + 1)];
    const part = edits.slice(start, end);
    const side = (without: '+' | '-') => {
      const count = part.filter((edit) => edit.kind !== without).length;
      const line = before(start, without) + (count === 0 ? 0 : 1);
      return count === 1 ? String(line) : `${line},${count}`;
    };
    return [`@@ -${side('+')} +${side('-')} @@`, ...part.map(({ kind, text }) => `${kind}${text}`)].join('\n');
  });
}

/** The hunks and counts of what turns `before` into `after`; no patch when nothing does. */
export function lineDiff(
  before: string,
  after: string,
): { patch: string | undefined; additions: number; deletions: number } {
  const [a, b] = [linesOf(before), linesOf(after)];
  const edits: Edit[] = shortest(a, b) ?? [
    ...a.map((text): Edit => ({ kind: '-', text })),
    ...b.map((text): Edit => ({ kind: '+', text })),
  ];
  const count = (kind: '+' | '-') => edits.filter((edit) => edit.kind === kind).length;
  return { patch: hunks(edits).join('\n') || undefined, additions: count('+'), deletions: count('-') };
}
