/** Lines of one file's patch, to place a comment: GitLab wants both line numbers where a line did not change. */
export interface DiffLine {
  kind: 'context' | 'added' | 'removed' | 'hunk';
  oldLine: number;
  newLine: number;
}

/** One entry per line of the patch; the index of a line is GitHub's deprecated `position`, the first hunk header being 0. */
export function diffLines(patch: string): DiffLine[] {
  const found: DiffLine[] = [];
  let oldLine = 0;
  let newLine = 0;
  for (const line of patch.replace(/\n$/, '').split('\n')) {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    if (hunk) {
      oldLine = Number(hunk[1]);
      newLine = Number(hunk[2]);
      found.push({ kind: 'hunk', oldLine, newLine });
    } else if (line.startsWith('+')) found.push({ kind: 'added', oldLine, newLine: newLine++ });
    else if (line.startsWith('-')) found.push({ kind: 'removed', oldLine: oldLine++, newLine });
    else if (!line.startsWith('\\')) found.push({ kind: 'context', oldLine: oldLine++, newLine: newLine++ });
  }
  return found;
}

/** The line of GitHub's `line` and `side`; undefined when it is not part of the diff. */
export const lineAt = (lines: readonly DiffLine[], line: number, side: 'LEFT' | 'RIGHT'): DiffLine | undefined =>
  lines.find((entry) =>
    side === 'LEFT'
      ? (entry.kind === 'removed' || entry.kind === 'context') && entry.oldLine === line
      : (entry.kind === 'added' || entry.kind === 'context') && entry.newLine === line,
  );
