/** Reads the text of a unified diff, as `git diff` writes it. */

export interface DiffFile {
  path: string;
  previousPath: string | undefined;
  status: 'added' | 'removed' | 'modified' | 'renamed';
  additions: number;
  deletions: number;
  /** The hunks; undefined for a binary file and for one whose content did not change. */
  patch: string | undefined;
  /** Of the new content, and of the old one where the file is gone; undefined when the diff abbreviates it. */
  sha: string | undefined;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v' };

/** A path as git quotes it when it holds anything unusual: bytes in octal, UTF-8. */
function unquote(text: string): string {
  if (!text.startsWith('"')) return text.replace(/\t$/, '');
  const bytes: Buffer[] = [];
  for (const [piece] of text.slice(1, -1).matchAll(/\\[0-7]{3}|\\.|[^\\]+/gs)) {
    if (/^\\[0-7]/.test(piece)) bytes.push(Buffer.from([Number.parseInt(piece.slice(1), 8)]));
    else if (piece.startsWith('\\')) bytes.push(Buffer.from(ESCAPES[piece.charAt(1)] ?? piece.charAt(1)));
    else bytes.push(Buffer.from(piece));
  }
  return Buffer.concat(bytes).toString('utf8');
}

/** `a/path` without its first letter; undefined for /dev/null. */
const sidePath = (text: string): string | undefined => {
  const path = unquote(text);
  return path === '/dev/null' ? undefined : path.replace(/^[a-z]\//, '');
};

/** The new path in `a/x b/x`, for files that have no `---` line: both sides are the same there. */
function pathInHeading(heading: string): string {
  const quoted = /^"(?:\\.|[^"\\])*" ("(?:\\.|[^"\\])*")$/s.exec(heading)?.[1];
  if (quoted !== undefined) return sidePath(quoted) ?? '';
  return heading.slice((heading.length + 1) / 2).replace(/^b\//, '');
}

function readFile(lines: readonly string[]): DiffFile {
  const start = lines.findIndex((line) => line.startsWith('@@ '));
  const head = start < 0 ? lines : lines.slice(0, start);
  const field = (prefix: string) => head.find((line) => line.startsWith(prefix))?.slice(prefix.length);
  const isNew = field('new file mode') !== undefined;
  const isGone = field('deleted file mode') !== undefined;
  const from = field('rename from ');
  const to = field('rename to ');
  const [oldSide, newSide] = [field('--- '), field('+++ ')];
  const path =
    (to === undefined ? undefined : unquote(to)) ??
    (newSide === undefined ? undefined : sidePath(newSide)) ??
    (oldSide === undefined ? undefined : sidePath(oldSide)) ??
    pathInHeading(head[0]?.slice('diff --git '.length) ?? '');
  const [before, after] = (field('index ')?.split(' ')[0] ?? '').split('..');
  const sha = (isGone ? before : after) ?? '';
  const hunks = start < 0 ? [] : lines.slice(start);
  while (hunks.at(-1) === '') hunks.pop();
  return {
    path,
    previousPath: from === undefined ? undefined : unquote(from),
    status: isNew ? 'added' : isGone ? 'removed' : from === undefined ? 'modified' : 'renamed',
    additions: hunks.filter((line) => line.startsWith('+')).length,
    deletions: hunks.filter((line) => line.startsWith('-')).length,
    patch: hunks.length === 0 ? undefined : hunks.join('\n'),
    sha: /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(sha) ? sha : undefined,
  };
}

/** The files of a diff, in its order. Never throws. */
export function readDiff(text: string): DiffFile[] {
  const files: string[][] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('diff --git ')) files.push([line]);
    else files.at(-1)?.push(line);
  }
  return files.map(readFile);
}

export interface DiffLine {
  side: 'LEFT' | 'RIGHT';
  line: number;
}

interface PatchLine {
  left: number | undefined;
  right: number | undefined;
  at: number;
  /** Which part of the patch it is in. */
  hunk: number;
}

/** The lines of a patch with where they stand; a line that both sides have stands on both. */
function* linesOf(patch: string): Generator<PatchLine> {
  let [left, right, hunk] = [0, 0, 0];
  for (const [at, text] of patch.split('\n').entries()) {
    const heading = /^@@ -(\d+)(?:,\d+)? \+(\d+)/.exec(text);
    if (heading) {
      [left, right] = [Number(heading[1]), Number(heading[2])];
      hunk += 1;
    } else if (text.startsWith('-')) yield { left: left++, right: undefined, at, hunk };
    else if (text.startsWith('+')) yield { left: undefined, right: right++, at, hunk };
    else if (!text.startsWith('\\')) yield { left: left++, right: right++, at, hunk };
  }
}

/**
 * The line at a position: lines of the patch are counted from 1 below its first `@@`, as older apps name places.
 * Undefined when there is none.
 */
export function lineAt(patch: string, position: number): DiffLine | undefined {
  for (const { left, right, at } of linesOf(patch)) {
    if (at !== position) continue;
    if (right !== undefined) return { side: 'RIGHT', line: right };
    if (left !== undefined) return { side: 'LEFT', line: left };
  }
  return undefined;
}

/** In which part of a patch a line is shown; undefined where it is not. */
function hunkOf(patch: string, { side, line }: DiffLine): number | undefined {
  for (const { left, right, hunk } of linesOf(patch)) if ((side === 'LEFT' ? left : right) === line) return hunk;
  return undefined;
}

/** Whether a patch shows a line. */
export const holdsLine = (patch: string, place: DiffLine): boolean => hunkOf(patch, place) !== undefined;

/** The number after the change of a line that a patch shows unchanged, by the one that it had before. */
export function numberAfter(patch: string, before: number): number | undefined {
  for (const { left, right } of linesOf(patch)) if (left === before) return right;
  return undefined;
}

/** Whether a patch shows these lines and all between them: forges comment on several only within one part. */
export function holdsLines(patch: string, { side, line }: DiffLine, from: number): boolean {
  const hunk = hunkOf(patch, { side, line });
  return hunk !== undefined && hunkOf(patch, { side, line: from }) === hunk;
}
