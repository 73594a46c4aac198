/** Folders and files of a commit. */
import { git, tryGit } from './git-process.js';

export interface FakeTreeEntry {
  /** From the root of the repository. */
  path: string;
  mode: string;
  type: 'blob' | 'tree' | 'commit';
  sha: string;
  /** Bytes, of blobs only. */
  size?: number;
}

export interface FakeFile {
  content: Buffer;
  sha: string;
  mode: string;
}

/** Undefined when there is no such folder. With `recursive`, folders are listed as well as what is in them. */
export async function readTreeAt(
  directory: string,
  treeish: string,
  path: string,
  recursive: boolean,
): Promise<readonly FakeTreeEntry[] | undefined> {
  const folder = path.replace(/^\/+|(?<!\/)\/+$/g, '');
  const object = folder === '' ? treeish : `${treeish}:${folder}`;
  const { code, out } = await tryGit(directory, ['ls-tree', '-z', '-l', ...(recursive ? ['-r', '-t'] : []), object]);
  return code === 0 ? entriesOf(out, folder === '' ? '' : `${folder}/`) : undefined;
}

/** Undefined for anything that is no file. A symbolic link's content is its target. */
export async function readFileAt(directory: string, commit: string, path: string): Promise<FakeFile | undefined> {
  const file = path.replace(/^\/+/, '');
  if (file === '' || file.endsWith('/')) return undefined;
  const entry = entriesOf(await git(directory, ['ls-tree', '-z', '-l', commit, '--', file]), '')[0];
  if (entry === undefined || entry.type !== 'blob' || entry.path !== file) return undefined;
  return { content: await git(directory, ['cat-file', 'blob', entry.sha]), sha: entry.sha, mode: entry.mode };
}

/** Reads `<mode> <type> <sha> <size>\t<path>` entries. */
function entriesOf(listing: Buffer, prefix: string): FakeTreeEntry[] {
  return listing
    .toString('utf8')
    .split('\0')
    .filter((line) => line !== '')
    .map((line) => {
      const tab = line.indexOf('\t');
      const [mode = '', type = '', sha = '', size = '-'] = line.slice(0, tab).split(/ +/);
      const entry = { path: `${prefix}${line.slice(tab + 1)}`, mode, type: type as FakeTreeEntry['type'], sha };
      return size === '-' ? entry : { ...entry, size: Number(size) };
    });
}
