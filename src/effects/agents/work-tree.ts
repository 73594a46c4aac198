/**
 * The work tree of a session: a git worktree of the mirror whose own link to it we keep, so that the agent has the files and
 * a repository of its own beside them, without a remote, a credential or a path to ours. We never run git on the agent's
 * repository once the agent has had it: what it changed is read with the mirror's.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import { type GitRunOptions, runGit } from '../git/git-command.js';
import type { GitMirrors, OpenMirror } from '../git/mirror.js';
import { type ListedEntry, parseTree } from '../git/object-formats.js';
import { BYTES, setAttributes, withAttributes } from './attributes.js';
import { configuresAgents } from './guarded-paths.js';
import { instructionFiles } from './instruction-files.js';
import type { AgentRepository } from './runner.js';

export interface WorkTreeBase {
  repositoryId: string;
  /** The commit the work goes on from, and the parent of what is pushed. */
  sha: string;
  /** What was checked out: the same, or a commit of ours with the base branch's agent configuration. */
  start: string;
}

const IDENTITY = { name: 'Forgeway', email: 'forgeway@localhost' };
const READ_ONLY_FILES = 50;
const READ_ONLY_BYTES = 64 * 1024;
const SYMLINK = '120000';

/** Commits of ours carry a fixed time: the same content is the same commit. */
export const identityOf = (author: { name: string; email: string }, date: Date): Record<string, string> =>
  Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((who) => [
      [`GIT_${who}_NAME`, author.name],
      [`GIT_${who}_EMAIL`, author.email],
      [`GIT_${who}_DATE`, `@${Math.floor(date.getTime() / 1_000)} +0000`],
    ]),
  );

type GitCall = (args: readonly string[], more?: Partial<GitRunOptions>) => Promise<string>;

/** git on the mirror, under the lock that is held. */
export const gitOf =
  (mirror: OpenMirror): GitCall =>
  (args, more) =>
    runGit(args, { gitDir: mirror.gitDir, lockFd: mirror.lockFd, ...mirror.limits, ...more });

/**
 * All that git prints, at most so much. @throws ForgewayError FORGEWAY_GIT_FAILED when it is more
 */
export async function bytesOf(mirror: OpenMirror, args: readonly string[], most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const state = { bytes: 0 };
  const onOutput = (chunk: Buffer) => {
    chunks.push(chunk);
    state.bytes += chunk.length;
    return state.bytes <= most;
  };
  await gitOf(mirror)(args, { onOutput });
  return Buffer.concat(chunks);
}

/** A tree within the limits of a checkout has this much to say at most. */
const MOST_LISTING = 256 * 1024 * 1024;

/** Everything in a commit's tree. */
async function entriesOf(mirror: OpenMirror, sha: string): Promise<ListedEntry[]> {
  const listing = await bytesOf(
    mirror,
    ['ls-tree', '-r', '-z', '-l', '--full-tree', '--end-of-options', sha],
    MOST_LISTING,
  );
  return parseTree(listing.toString('latin1'));
}

/** Every folder that a path is in. */
const foldersOf = (path: string): string[] =>
  path.split('/').flatMap((_, at, parts) => (at === 0 ? [] : [parts.slice(0, at).join('/')]));

/**
 * Puts entries into a tree in place of what is at their paths, in an index of its own; null takes a path away. Paths are
 * bytes, one character each: a name need not be UTF-8.
 */
export async function withEntries(
  mirror: OpenMirror,
  tree: string,
  entries: ReadonlyMap<string, Pick<ListedEntry, 'mode' | 'sha'> | null>,
): Promise<string> {
  const git = gitOf(mirror);
  const index = join(mirror.gitDir, `index-${process.pid}-${Date.now()}`);
  const variables = { GIT_INDEX_FILE: index };
  try {
    await git(['read-tree', '--end-of-options', tree], { variables });
    const gone = [...entries.keys()].map((path) => `0 ${'0'.repeat(tree.length)}\t${path}\0`).join('');
    await git(['update-index', '-z', '--index-info'], { variables, input: Buffer.from(gone, 'latin1') });
    const put = [...entries].flatMap(([path, entry]) => (entry ? [`${entry.mode} ${entry.sha}\t${path}\0`] : []));
    await git(['update-index', '-z', '--add', '--replace', '--index-info'], {
      ...{ variables, input: Buffer.from(put.join(''), 'latin1') },
    });
    return (await git(['write-tree'], { variables })).trim();
  } finally {
    await rm(index, { force: true });
    await rm(`${index}.lock`, { force: true });
  }
}

export const treeOf = async (mirror: OpenMirror, commit: string): Promise<string> =>
  (await gitOf(mirror)(['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`])).trim();

/** Blobs by their names, as bytes, one character each. Each is small. */
async function textsOf(mirror: OpenMirror, shas: readonly string[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const wanted = [...new Set(shas)];
  if (wanted.length === 0) return texts;
  const chunks: Buffer[] = [];
  await gitOf(mirror)(['cat-file', '--batch=%(objectsize)'], {
    input: Buffer.from(`${wanted.join('\n')}\n`),
    onOutput: (chunk) => chunks.push(chunk) > 0,
  });
  const all = Buffer.concat(chunks);
  let at = 0;
  for (const sha of wanted) {
    const end = all.indexOf(10, at);
    const size = Number(all.subarray(at, end).toString('latin1'));
    if (!Number.isSafeInteger(size)) throw new ForgewayError('FORGEWAY_GIT_FAILED', `git does not have ${sha}.`);
    texts.set(sha, all.subarray(end + 1, end + 1 + size).toString('latin1'));
    at = end + 1 + size + 1;
  }
  return texts;
}

/** The commit that is checked out, and the branch's own copies of what was replaced in it. */
async function startingCommit(
  mirror: OpenMirror,
  { sha, trustedSha }: Pick<AgentRepository, 'sha' | 'trustedSha'>,
): Promise<{ start: string; own: ListedEntry[] }> {
  if (sha === trustedSha) return { start: sha, own: [] };
  const git = gitOf(mirror);
  const all = await entriesOf(mirror, sha);
  const trustedAll = await entriesOf(mirror, trustedSha);
  const { isLed, diversions, texts } = await instructionFiles({
    ...{ trusted: trustedAll, head: all },
    read: (shas) => textsOf(mirror, shas),
  });
  const isTheirs = (path: string) => configuresAgents(path) || isLed(path) || diversions.has(path);
  const own = all.filter(({ path, type }) => isTheirs(path) && (type === 'blob' || configuresAgents(path)));
  const ownPaths = new Set(own.map(({ path }) => path));
  // What stands in the place of their folder is the branch's work, and stays.
  const others = new Set(all.filter(({ path }) => !ownPaths.has(path)).map(({ path }) => path));
  const trusted = trustedAll.filter(
    ({ path, type }) =>
      (configuresAgents(path) || (isLed(path) && type === 'blob')) &&
      !foldersOf(path).some((folder) => others.has(folder)),
  );
  const changed = new Map<string, ListedEntry | null>(own.map((entry) => [entry.path, null]));
  for (const entry of trusted) {
    const text = texts.get(entry.path);
    const blob =
      text === undefined
        ? entry.sha
        : (await git(['hash-object', '-w', '--stdin'], { input: Buffer.from(text, 'latin1') })).trim();
    changed.set(entry.path, { ...entry, sha: blob });
  }
  for (const { path, sha: blob, mode } of own) {
    const base = changed.get(path);
    if (base?.sha === blob && base.mode === mode) changed.delete(path);
  }
  if (changed.size === 0) return { start: sha, own: [] };
  const tree = await withEntries(mirror, await treeOf(mirror, sha), changed);
  const message = 'Files that configure agents are those of the base branch';
  const start = await git(['commit-tree', '-p', sha, '-F', '-', tree], {
    ...{ input: Buffer.from(message), variables: identityOf(IDENTITY, new Date(0)) },
  });
  return { start: start.trim(), own: own.filter(({ path }) => changed.has(path)) };
}

/** The mirror's name for commits whose parents it does not have. */
async function shallowCommits(gitDir: string): Promise<string[]> {
  return readFile(join(gitDir, 'shallow'), 'utf8').then(
    (text) => text.split('\n').filter((line) => line !== ''),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
}

/** A repository at `target` with the commit on a branch, and nothing that leads anywhere else. */
async function giveRepository(mirror: OpenMirror, o: { target: string; start: string; branch: string }): Promise<void> {
  const gitDir = join(o.target, '.git');
  const { timeoutMs, signal } = mirror.limits;
  const limits = { timeoutMs, ...(signal && { signal }) };
  await rm(gitDir, { force: true });
  const format = o.start.length === 64 ? 'sha256' : 'sha1';
  await runGit(['init', '--quiet', '--template=', `--object-format=${format}`, '--end-of-options', o.target], limits);
  await gitOf(mirror)(['pack-objects', '--quiet', '--revs', join(gitDir, 'objects/pack/pack')], {
    input: Buffer.from(`${o.start}\n`),
  });
  const boundary = await shallowCommits(mirror.gitDir);
  if (boundary.length > 0) {
    const reached = new Set((await gitOf(mirror)(['rev-list', '--end-of-options', o.start])).split('\n'));
    const own = boundary.filter((sha) => reached.has(sha));
    if (own.length > 0) await writeFile(join(gitDir, 'shallow'), `${own.join('\n')}\n`);
  }
  // As its files were written, so that its own git sees none of them as changed.
  await setAttributes(gitDir, BYTES);
  const own = (args: readonly string[]) => runGit(args, { gitDir, ...limits, variables: { GIT_WORK_TREE: o.target } });
  await own(['symbolic-ref', 'HEAD', `refs/heads/${o.branch}`]);
  await own(['update-ref', '--end-of-options', `refs/heads/${o.branch}`, o.start]);
  await own(['reset', '--quiet']);
  await own(['config', '--local', 'user.name', 'agent']);
  await own(['config', '--local', 'user.email', 'agent@localhost']);
}

/** A name that is too long with what we add to it, or that is another copy's folder: it is not copied. */
const UNNAMEABLE = new Set(['ENAMETOOLONG', 'EEXIST', 'ENOTDIR', 'EISDIR']);

/** The branch's own copies of files that were replaced, below `folder`, for reading only. */
async function keepCopies(mirror: OpenMirror, own: readonly ListedEntry[], folder: string): Promise<void> {
  const files = own.filter(
    ({ mode, type, size = 0 }) => type === 'blob' && mode !== SYMLINK && size <= READ_ONLY_BYTES,
  );
  for (const { path, sha } of files.slice(0, READ_ONLY_FILES)) {
    const content = await gitOf(mirror)(['cat-file', 'blob', '--end-of-options', sha]);
    // The name says that it is not what a tool looks for.
    const file = join(folder, `${Buffer.from(path, 'latin1').toString('utf8')}.from-the-branch`);
    try {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    } catch (error) {
      if (!UNNAMEABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

/**
 * Puts the repository's files into `target`, which does not exist yet, and what was replaced below `copies`. Afterwards the
 * directory may be given away.
 * @throws ForgewayError FORGEWAY_GIT_FAILED
 */
export function openWorkTree(
  mirrors: GitMirrors,
  o: { repository: AgentRepository; target: string; copies: string; signal?: AbortSignal | undefined },
): Promise<WorkTreeBase> {
  const { id, source, sha, trustedSha, fallbackRefs, branch } = o.repository;
  const shas = sha === trustedSha ? [sha] : [sha, trustedSha];
  const need = { repositoryId: id, source, shas, fallbackRefs, ...(o.signal && { signal: o.signal }) };
  return mirrors.use(need, async (mirror) => {
    for (const one of shas) await mirror.measure(one);
    const { start, own } = await startingCommit(mirror, { sha, trustedSha });
    const git = gitOf(mirror);
    await git(['worktree', 'prune']);
    // Locked: the link that git looks for is taken away.
    const add = ['worktree', 'add', '--quiet', '--force', '--detach', '--lock', '--end-of-options'];
    await withAttributes(mirror.gitDir, BYTES, () => git([...add, o.target, start]));
    await giveRepository(mirror, { target: o.target, start, branch });
    await keepCopies(mirror, own, o.copies);
    return { repositoryId: id, sha, start };
  });
}
