import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { lineAt, readDiff } from '../../../lib/diff-text.js';
import { lineDiff } from './line-diff.js';

const TEXT = `diff --git a/kept.txt b/kept.txt
index ${'1'.repeat(40)}..${'2'.repeat(40)} 100644
--- a/kept.txt
+++ b/kept.txt
@@ -1,3 +1,3 @@
 one
-two
+zwei
 three
@@ -9 +9,2 @@
 nine
+ten
diff --git "a/gr\\303\\266\\303\\237e.txt" "b/gr\\303\\266\\303\\237e.txt"
new file mode 100644
index 0000000..abc1234
--- /dev/null
+++ "b/gr\\303\\266\\303\\237e.txt"
@@ -0,0 +1 @@
+x
\\ No newline at end of file
diff --git a/old.png b/old.png
deleted file mode 100644
index ${'3'.repeat(40)}..0000000000000000000000000000000000000000
Binary files a/old.png and /dev/null differ
diff --git a/from.ts b/to.ts
similarity index 100%
rename from from.ts
rename to to.ts
diff --git a/run b/run
old mode 100644
new mode 100755
`;

describe('the text of a diff', () => {
  it('is read file by file', () => {
    expect(readDiff(TEXT).map(({ patch: _patch, sha: _sha, ...file }) => file)).toEqual([
      { path: 'kept.txt', previousPath: undefined, status: 'modified', additions: 2, deletions: 1 },
      { path: 'größe.txt', previousPath: undefined, status: 'added', additions: 1, deletions: 0 },
      { path: 'old.png', previousPath: undefined, status: 'removed', additions: 0, deletions: 0 },
      { path: 'to.ts', previousPath: 'from.ts', status: 'renamed', additions: 0, deletions: 0 },
      { path: 'run', previousPath: undefined, status: 'modified', additions: 0, deletions: 0 },
    ]);
    const [kept, , png] = readDiff(TEXT);
    expect([kept?.sha, png?.sha, png?.patch]).toEqual(['2'.repeat(40), '3'.repeat(40), undefined]);
  });

  it('names lines by positions, which count from the first hunk on', () => {
    const patch = readDiff(TEXT)[0]?.patch ?? '';
    const at = [1, 2, 3, 4, 6, 7].map((position) => lineAt(patch, position));
    expect(at).toEqual([
      { side: 'RIGHT', line: 1 },
      { side: 'LEFT', line: 2 },
      { side: 'RIGHT', line: 2 },
      { side: 'RIGHT', line: 3 },
      { side: 'RIGHT', line: 9 },
      { side: 'RIGHT', line: 10 },
    ]);
    expect([lineAt(patch, 0), lineAt(patch, 5), lineAt(patch, 99)]).toEqual([undefined, undefined, undefined]);
  });

  it('is never a reason to fail', () => {
    fc.assert(fc.property(fc.string(), (text) => Array.isArray(readDiff(`diff --git ${text}`))));
  });
});

/** What a patch makes of a text, as `git apply` would. */
function applied(before: string, patch: string | undefined): string {
  if (patch === undefined) return before;
  const ended = (text: string) => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));
  const lines = ended(before);
  const out: string[] = [];
  let at = 0;
  let open =
    patch.endsWith('\\ No newline at end of file') && !patch.endsWith(`-${lines.at(-1)}\n\\ No newline at end of file`);
  for (const hunk of patch.split(/^(?=@@ )/m)) {
    const [, start = '0', count = '1'] = /^@@ -(\d+)(?:,(\d+))?/.exec(hunk) ?? [];
    const from = Number(start) - (count === '0' ? 0 : 1);
    while (at < from) out.push(lines[at++] ?? '');
    for (const line of hunk.split('\n').slice(1)) {
      if (line.startsWith('+')) out.push(line.slice(1));
      else if (line.startsWith(' ')) out.push(lines[at++] ?? '');
      else if (line.startsWith('-')) at += 1;
    }
  }
  if (at < lines.length) open = !before.endsWith('\n');
  while (at < lines.length) out.push(lines[at++] ?? '');
  return out.length === 0 ? '' : `${out.join('\n')}${open ? '' : '\n'}`;
}

describe('what changed between two texts', () => {
  it('is the shortest, with three lines around it', () => {
    const before = Array.from({ length: 20 }, (_, at) => `line ${at + 1}\n`).join('');
    const after = before.replace('line 4\n', 'four\n').replace('line 18\n', '');
    const { patch, additions, deletions } = lineDiff(before, after);
    expect([additions, deletions]).toEqual([1, 2]);
    expect(patch?.split('\n').filter((line) => line.startsWith('@@'))).toEqual([
      '@@ -1,7 +1,7 @@',
      '@@ -15,6 +15,5 @@',
    ]);
  });

  it('turns the one into the other', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 14 })
      .map((lines) => lines.map((line) => `${line}\n`).join(''));
    fc.assert(
      fc.property(text, text, (before, after) => {
        expect(applied(before, lineDiff(before, after).patch)).toBe(after);
      }),
      { numRuns: 500 },
    );
  });

  it('says where a text does not end its last line', () => {
    expect(lineDiff('a\nb', 'a\nb\n').patch).toBe('@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b');
    expect(lineDiff('', 'x').patch).toBe('@@ -0,0 +1 @@\n+x\n\\ No newline at end of file');
  });

  it('is everything when it is too much', () => {
    const lines = (mark: string) => Array.from({ length: 3000 }, (_, at) => `${mark}${at}\n`).join('');
    expect(lineDiff(lines('a'), lines('b'))).toMatchObject({ additions: 3000, deletions: 3000 });
  });
});
