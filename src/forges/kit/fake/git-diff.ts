/** What changed between two commits, file by file and as text. */
import { git } from './git-process.js';

export interface FakeDiffFile {
  path: string;
  previousPath?: string;
  status: 'added' | 'removed' | 'modified' | 'renamed';
  additions: number;
  deletions: number;
  /** Hunks from the first `@@`; '' for binary files and for changes of name or mode alone. */
  patch: string;
  oldMode?: string;
  newMode?: string;
  /** Of the file as it is now, or was when it is removed. */
  sha: string;
}

export interface FakeDiff {
  files: readonly FakeDiffFile[];
  /** As `git diff` prints it. */
  text: string;
}

const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

const STATUS: Readonly<Record<string, FakeDiffFile['status']>> = {
  A: 'added',
  D: 'removed',
  M: 'modified',
  T: 'modified',
  R: 'renamed',
};

/** `fullIndex`: the text names files by their whole SHAs. */
export async function diffCommits(
  directory: string,
  base: string | null,
  head: string,
  { fullIndex = false } = {},
): Promise<FakeDiff> {
  const diff = (...options: string[]) =>
    git(directory, [
      'diff',
      '--find-renames',
      '--no-ext-diff',
      '--no-color',
      ...options,
      base ?? EMPTY_TREE,
      head,
      '--',
    ]);
  const [raw, numbers, text] = await Promise.all([
    diff('--raw', '-z', '--no-abbrev'),
    diff('--numstat', '-z'),
    diff('--patch', ...(fullIndex ? ['--full-index'] : [])),
  ]);
  const lines = linesOf(numbers.toString('utf8'));
  const chunks = text.toString('utf8').split(/^(?=diff --git )/m);
  const files = changesOf(raw.toString('utf8')).map(({ letter, ...change }): FakeDiffFile => {
    // A file that became a link, or the other way round, is printed as one removal and one addition.
    const printed = chunks.splice(0, letter === 'T' ? 2 : 1).join('');
    const [additions, deletions] = lines.get(change.path) ?? [0, 0];
    const hunks = printed.search(/^@@ /m);
    return { ...change, additions, deletions, patch: hunks < 0 ? '' : printed.slice(hunks) };
  });
  return { files, text: text.toString('utf8') };
}

type Change = Omit<FakeDiffFile, 'additions' | 'deletions' | 'patch'> & { letter: string };

/** Reads `:<mode> <mode> <sha> <sha> <letter>`, path, and for renames the new path; all ended by NUL. */
function changesOf(raw: string): Change[] {
  const fields = raw.split('\0');
  const changes: Change[] = [];
  while ((fields[0] ?? '') !== '') {
    const [oldMode = '', newMode = '', oldSha = '', newSha = '', kind = ''] = (fields.shift() ?? '')
      .slice(1)
      .split(' ');
    const letter = kind.slice(0, 1);
    const path = fields.shift() ?? '';
    const renamed = letter === 'R';
    changes.push({
      letter,
      path: renamed ? (fields.shift() ?? '') : path,
      ...(renamed && { previousPath: path }),
      status: STATUS[letter] ?? 'modified',
      ...(letter !== 'A' && { oldMode }),
      ...(letter !== 'D' && { newMode }),
      sha: letter === 'D' ? oldSha : newSha,
    });
  }
  return changes;
}

/** Reads `<added>\t<removed>\t<path>`, or with an empty path for renames, whose two paths follow. `-` is binary. */
function linesOf(numbers: string): Map<string, readonly [number, number]> {
  const fields = numbers.split('\0');
  const lines = new Map<string, readonly [number, number]>();
  while ((fields[0] ?? '') !== '') {
    const [added, removed, ...rest] = (fields.shift() ?? '').split('\t');
    const path = rest.join('\t');
    const [, to = ''] = path === '' ? [fields.shift(), fields.shift()] : ['', path];
    lines.set(to, [Number(added) || 0, Number(removed) || 0]);
  }
  return lines;
}
