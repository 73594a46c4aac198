/**
 * A forge's repository for the fakes: one bare repository on disk, read and written with git's plumbing. Commits, trees,
 * differences and merges are real, so that what a fake tells of them is too.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CommitOptions,
  createTag,
  type FakeCommit,
  type FakeIdentity,
  type FakeTag,
  readCommitObject,
  readTagObject,
  writeCommit,
} from './git-commits.js';
import { diffCommits, type FakeDiff } from './git-diff.js';
import { hasConflicts, type MergeOptions, mergeBranches } from './git-merge.js';
import { type FakeRef, forgetObjects, git, gitText, listRefs, tryGit } from './git-process.js';
import { type FakeFile, type FakeTreeEntry, readFileAt, readTreeAt } from './git-tree.js';

export type { CommitOptions, FakeCommit, FakeFileChange, FakeIdentity, FakeTag } from './git-commits.js';
export type { FakeDiff, FakeDiffFile } from './git-diff.js';
export type { FakeRef } from './git-process.js';
export type { FakeFile, FakeTreeEntry } from './git-tree.js';

export interface LogOptions {
  limit?: number;
  skip?: number;
  path?: string;
  since?: string;
  until?: string;
  /** Commits that this one reaches are left out. */
  exclude?: string;
  firstParent?: boolean;
}

/** Names may be branches, tags, full refs or SHAs unless a method says otherwise. All reject with Error when git fails. */
export interface FakeGit {
  /** The bare repository, for git http-backend. */
  readonly directory: string;
  readonly defaultBranch: string;
  /** Writes a commit on top of `startAt`, or else of the branch, moves the branch to it and answers its SHA. */
  commit(options: CommitOptions): Promise<string>;
  refs(prefix?: string): Promise<readonly FakeRef[]>;
  /** SHA of the commit; undefined when nothing has that name. */
  resolve(nameOrSha: string): Promise<string | undefined>;
  /** `ref` is a full name; null deletes it. */
  setRef(ref: string, sha: string | null): Promise<void>;
  /** An annotated tag; answers the SHA of the tag object. */
  createTag(options: { name: string; target: string; message: string; tagger: FakeIdentity }): Promise<string>;
  readTag(sha: string): Promise<FakeTag | undefined>;
  readCommit(sha: string): Promise<FakeCommit | undefined>;
  /** SHAs, newest first, and no parent before its child. */
  log(from: string, options?: LogOptions): Promise<readonly string[]>;
  mergeBase(a: string, b: string): Promise<string | undefined>;
  /** Also true of a commit and itself. */
  isAncestor(a: string, b: string): Promise<boolean>;
  /** Compares the two trees; null is the empty one. */
  diff(base: string | null, head: string, options?: { fullIndex?: boolean }): Promise<FakeDiff>;
  /** As mail, one message for each commit that `head` has and `base` has not. */
  formatPatch(base: string, head: string): Promise<string>;
  /** Entries with paths from the root; `ref` may be a tree. Undefined when there is no such folder. */
  readTree(ref: string, path?: string, recursive?: boolean): Promise<readonly FakeTreeEntry[] | undefined>;
  readFile(ref: string, path: string): Promise<FakeFile | undefined>;
  readBlob(sha: string): Promise<Buffer | undefined>;
  /** Would a merge conflict? Changes nothing. */
  conflicts(base: string, head: string): Promise<boolean>;
  /** Merges into branch `base` and moves it; a conflict changes nothing. */
  merge(options: MergeOptions): Promise<{ sha: string } | { conflict: true }>;
}

/** Creates `<folder>/<name>.git`, empty. `clock` dates what carries no date. */
export async function createFakeGit(
  folder: string,
  name: string,
  { defaultBranch = 'main', clock = () => new Date() }: { defaultBranch?: string; clock?: () => Date } = {},
): Promise<FakeGit> {
  const directory = join(folder, `${name}.git`);
  await mkdir(directory, { recursive: true });
  forgetObjects(directory);
  await git(directory, ['init', '--quiet', '--bare', '--template=', `--initial-branch=${defaultBranch}`]);

  const resolve = (nameOrSha: string) => resolveCommit(directory, nameOrSha);
  const named = async (nameOrSha: string): Promise<string> => {
    const sha = await resolve(nameOrSha);
    if (sha === undefined) throw new Error(`${name} has nothing named ${nameOrSha}.`);
    return sha;
  };

  return {
    directory,
    defaultBranch,
    commit: async (options) => {
      const parent = options.startAt === undefined ? undefined : await named(options.startAt);
      return writeCommit(directory, options, parent ?? (await resolve(`refs/heads/${options.branch}`)), clock);
    },
    refs: (prefix) => listRefs(directory, prefix),
    resolve,
    setRef: async (ref, sha) => {
      await git(directory, sha === null ? ['update-ref', '-d', ref] : ['update-ref', ref, sha]);
    },
    createTag: async (options) => createTag(directory, { ...options, target: await named(options.target) }, clock),
    readTag: (sha) => readTagObject(directory, sha),
    readCommit: (sha) => readCommitObject(directory, sha),
    log: async (from, options = {}) => {
      const exclude = options.exclude === undefined ? undefined : await named(options.exclude);
      return log(directory, await named(from), { ...options, exclude });
    },
    mergeBase: async (a, b) => {
      const { code, out } = await tryGit(directory, ['merge-base', await named(a), await named(b)]);
      return code === 0 ? out.toString('utf8').trim() : undefined;
    },
    isAncestor: async (a, b) => isAncestor(directory, await named(a), await named(b)),
    diff: async (base, head, options) =>
      diffCommits(directory, base === null ? null : await named(base), await named(head), options),
    formatPatch: async (base, head) =>
      (await git(directory, ['format-patch', '--stdout', `${await named(base)}..${await named(head)}`])).toString(),
    readTree: async (ref, path = '', recursive = false) => {
      const treeish = (await resolve(ref)) ?? (isSha(ref) ? ref : undefined);
      return treeish === undefined ? undefined : readTreeAt(directory, treeish, path, recursive);
    },
    readFile: async (ref, path) => {
      const sha = await resolve(ref);
      return sha === undefined ? undefined : readFileAt(directory, sha, path);
    },
    readBlob: async (sha) => {
      if (!isSha(sha)) return undefined;
      const { code, out } = await tryGit(directory, ['cat-file', 'blob', sha]);
      return code === 0 ? out : undefined;
    },
    conflicts: async (base, head) => hasConflicts(directory, await named(base), await named(head)),
    merge: async (options) => {
      const tip = await named(`refs/heads/${options.base}`);
      return mergeBranches(directory, { ...options, tip, head: await named(options.head) }, clock);
    },
  };
}

function isSha(text: string): boolean {
  return /^[0-9a-f]{4,64}$/i.test(text);
}

/** What a ref names, where it has a file of its own, as all have that nobody packed: git need not be started for it. */
const looseRef = (directory: string, ref: string): Promise<string | undefined> =>
  readFile(join(directory, ref), 'utf8').then(
    (text) => /^([0-9a-f]{40})\n$/.exec(text)?.[1],
    // Packed, or not there: git says which.
    () => undefined,
  );

/** A branch wins over a tag of the same name, and both over a short SHA; `main~1` is no name. */
async function resolveCommit(directory: string, name: string): Promise<string | undefined> {
  if (/[~^:?*[\\\s]|\.\.|@\{/.test(name)) return undefined;
  const candidates = /^([0-9a-f]{40}|HEAD|refs\/.+)$/.test(name)
    ? [name]
    : [`refs/heads/${name}`, `refs/tags/${name}`, ...(isSha(name) ? [name] : [])];
  for (const candidate of candidates) {
    const named = candidate.startsWith('refs/') ? await looseRef(directory, candidate) : undefined;
    const argv = ['rev-parse', '--verify', '--quiet', `${named ?? candidate}^{commit}`];
    const { code, out } = await tryGit(directory, argv);
    if (code === 0) return out.toString('utf8').trim();
  }
  return undefined;
}

async function log(directory: string, from: string, options: LogOptions): Promise<readonly string[]> {
  const argv = ['rev-list', '--date-order'];
  if (options.limit !== undefined) argv.push(`--max-count=${options.limit}`);
  if (options.skip !== undefined) argv.push(`--skip=${options.skip}`);
  if (options.since !== undefined) argv.push(`--since=${options.since}`);
  if (options.until !== undefined) argv.push(`--until=${options.until}`);
  if (options.firstParent) argv.push('--first-parent');
  argv.push(from);
  if (options.exclude !== undefined) argv.push(`^${options.exclude}`);
  argv.push('--');
  if (options.path) argv.push(`:(literal)${options.path}`);
  const text = await gitText(directory, argv);
  return text === '' ? [] : text.split('\n');
}

async function isAncestor(directory: string, a: string, b: string): Promise<boolean> {
  const { code, said } = await tryGit(directory, ['merge-base', '--is-ancestor', a, b]);
  if (code > 1) throw new Error(`git merge-base ended with ${code}: ${said}`);
  return code === 0;
}
