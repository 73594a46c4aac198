/**
 * Git objects and refs that a forge's API cannot write: written into a bare repository of ours and pushed. Objects are kept
 * there until they are pushed, so that an app may create blobs, a tree and a commit in one run and move the ref in another.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import { type GitCredential, runGit } from './git-command.js';
import { parseCommit, parseTree, type TREE_MODES } from './object-formats.js';

export interface GitObjectIdentity {
  name: string;
  email: string;
  date: Date;
}

export interface GitObjectCommit {
  sha: string;
  tree: string;
  parents: readonly string[];
  message: string;
  author: GitObjectIdentity;
  committer: GitObjectIdentity;
}

export interface GitObjectEntry {
  path: string;
  mode: (typeof TREE_MODES)[number];
  type: 'blob' | 'tree' | 'commit';
  sha: string | null;
}

export interface GitObjectRepository {
  id: bigint;
  cloneUrl: string;
}

export interface GitObjectsOptions {
  /** Tenant, forge and host: repositories of the same number elsewhere are others. */
  namespace: string;
  credential: GitCredential;
  timeoutMs?: number;
  maxPackBytes?: number;
}

const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const FULL_REF = /^refs\/[\x21-\x7e\u0080-\uffff]{1,240}$/;
const NO_OBJECT = 128;
const QUICK_MS = 30_000;

function refuse(message: string): never {
  throw new ForgewayError('FORGEWAY_GIT_FAILED', message);
}

function checkSha(sha: string): string {
  return SHA.test(sha) ? sha : refuse('An object is named by its full SHA.');
}

/** `git update-index` leaves such paths out without a word. */
function checkPath(path: string): void {
  const bad = path.split('/').some((part) => part === '' || part === '.' || part === '..' || /^\.git$/i.test(part));
  if (bad || path.includes('\0')) refuse('A path in the tree leaves the repository.');
}

const identityVariables = (who: 'AUTHOR' | 'COMMITTER', { name, email, date }: GitObjectIdentity) => ({
  [`GIT_${who}_NAME`]: name,
  [`GIT_${who}_EMAIL`]: email,
  [`GIT_${who}_DATE`]: `${Math.floor(date.getTime() / 1_000)} +0000`,
});

/** Runs pieces of work on one repository one after the other, within this process. */
type InTurn = <T>(key: string, work: () => Promise<T>) => Promise<T>;

function createTurns(): InTurn {
  const queues = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const before = queues.get(key) ?? Promise.resolve();
    const run = before.then(work, work);
    const settled = run.then(
      () => undefined,
      () => undefined,
    );
    queues.set(key, settled);
    void settled.then(() => {
      if (queues.get(key) === settled) queues.delete(key);
    });
    return run;
  };
}

/** `directory` holds one bare repository for each repository of a forge, and is private to us. One for a process: what it makes for different connections takes turns on the same repositories. */
export function createGitObjectStore(directory: string) {
  const inTurn = createTurns();
  return (o: GitObjectsOptions) => openGitObjects({ ...o, directory, inTurn });
}

function openGitObjects(o: GitObjectsOptions & { directory: string; inTurn: InTurn }) {
  const timeoutMs = o.timeoutMs ?? 300_000;
  const maxFileBytes = o.maxPackBytes ?? 1024 ** 3;

  const folderOf = (repository: GitObjectRepository): string => {
    if (new URL(repository.cloneUrl).origin !== new URL(o.credential.origin).origin)
      refuse('The repository’s address is not under the origin that its credential belongs to.');
    const name = createHash('sha256').update(`${o.namespace}\n${repository.id}`).digest('hex').slice(0, 40);
    return join(o.directory, `${name}.git`);
  };

  const local = (gitDir: string, args: readonly string[], more: Partial<Parameters<typeof runGit>[1]> = {}) =>
    runGit(args, { gitDir, timeoutMs: QUICK_MS, maxFileBytes, ...more });

  const remote = (gitDir: string, args: readonly string[]) =>
    runGit(args, { gitDir, timeoutMs, maxFileBytes, credential: o.credential });

  const open = async (repository: GitObjectRepository): Promise<string> => {
    const gitDir = folderOf(repository);
    const there = await stat(join(gitDir, 'HEAD')).then(
      () => true,
      () => false,
    );
    if (there) return gitDir;
    await mkdir(o.directory, { recursive: true, mode: 0o700 });
    await runGit(['init', '--quiet', '--bare', '--template=', '--end-of-options', gitDir], { timeoutMs: QUICK_MS });
    return gitDir;
  };

  const has = async (gitDir: string, sha: string): Promise<boolean> =>
    (await local(gitDir, ['cat-file', '--batch-check'], { input: Buffer.from(`${sha}\n`) })).includes(' missing') ===
    false;

  /** Everything that branches and tags reach. */
  const fetchAll = (gitDir: string, repository: GitObjectRepository) =>
    remote(gitDir, [
      ...['fetch', '--quiet', '--prune', '--no-write-fetch-head', '--no-recurse-submodules', '--end-of-options'],
      repository.cloneUrl,
      '+refs/heads/*:refs/forge/heads/*',
      '+refs/tags/*:refs/forge/tags/*',
    ]);

  /** Makes sure that objects are here, from the forge when they are not ours. */
  const need = async (gitDir: string, repository: GitObjectRepository, shas: readonly string[]): Promise<boolean> => {
    const missing = async () => {
      for (const sha of shas) if (!(await has(gitDir, checkSha(sha)))) return true;
      return false;
    };
    if (!(await missing())) return true;
    await fetchAll(gitDir, repository);
    return !(await missing());
  };

  const inRepository = <T>(repository: GitObjectRepository, work: (gitDir: string) => Promise<T>): Promise<T> =>
    o.inTurn(folderOf(repository), async () => work(await open(repository)));

  /** What a ref points at now, as the forge says; null when there is none. */
  const remoteSha = async (gitDir: string, repository: GitObjectRepository, ref: string): Promise<string | null> => {
    const lines = (await remote(gitDir, ['ls-remote', '--quiet', '--end-of-options', repository.cloneUrl, ref])).split(
      '\n',
    );
    const found = lines.map((line) => line.split('\t')).find(([, name]) => name === ref);
    return found?.[0] ?? null;
  };

  const isAncestor = async (gitDir: string, older: string, newer: string): Promise<boolean> =>
    (await local(gitDir, ['rev-list', '--count', '--end-of-options', `${newer}..${older}`])).trim() === '0';

  const push = async (
    gitDir: string,
    repository: GitObjectRepository,
    ref: string,
    sha: string,
    seen: string | null,
  ) => {
    const lease = `--force-with-lease=${ref}:${seen ?? ''}`;
    try {
      await remote(gitDir, ['push', '--quiet', lease, '--end-of-options', repository.cloneUrl, `${sha}:${ref}`]);
      return 'moved' as const;
    } catch (error) {
      if ((await remoteSha(gitDir, repository, ref)) === seen) throw error;
      return 'changed-meanwhile' as const;
    }
  };

  const writeCommitHere = async (gitDir: string, commit: Omit<GitObjectCommit, 'sha'>): Promise<string> => {
    const parents = commit.parents.flatMap((sha) => ['-p', checkSha(sha)]);
    const variables = {
      ...identityVariables('AUTHOR', commit.author),
      ...identityVariables('COMMITTER', commit.committer),
    };
    const input = Buffer.from(commit.message);
    const sha = await local(gitDir, ['commit-tree', ...parents, '-F', '-', checkSha(commit.tree)], {
      input,
      variables,
    });
    return sha.trim();
  };

  /** Undefined when neither we nor the forge have it. */
  const read = <T>(repository: GitObjectRepository, sha: string, work: (gitDir: string) => Promise<T>) =>
    inRepository(repository, async (gitDir) => ((await need(gitDir, repository, [sha])) ? work(gitDir) : undefined));

  return {
    readBlob: (repository: GitObjectRepository, sha: string): Promise<Buffer | undefined> =>
      read(repository, sha, async (gitDir) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        const onOutput = (chunk: Buffer) => {
          bytes += chunk.length;
          chunks.push(chunk);
          return bytes <= 100 * 1024 * 1024;
        };
        await local(gitDir, ['cat-file', 'blob', sha], { onOutput });
        return Buffer.concat(chunks);
      }),

    readTree: (repository: GitObjectRepository, sha: string, recursive: boolean) =>
      read(repository, sha, async (gitDir) => {
        const flags = recursive ? ['-r', '-t'] : [];
        return parseTree(await local(gitDir, ['ls-tree', '-z', '-l', ...flags, '--end-of-options', sha]));
      }),

    readCommit: (repository: GitObjectRepository, sha: string): Promise<GitObjectCommit | undefined> =>
      read(repository, sha, async (gitDir) => {
        const text = await local(gitDir, ['cat-file', 'commit', sha], { exits: [NO_OBJECT] });
        return text === '' ? undefined : parseCommit(sha, text);
      }),

    writeBlob: (repository: GitObjectRepository, content: Buffer): Promise<string> =>
      inRepository(repository, async (gitDir) =>
        (await local(gitDir, ['hash-object', '-w', '--stdin'], { input: content })).trim(),
      ),

    writeTree: (
      repository: GitObjectRepository,
      baseTree: string | undefined,
      entries: readonly GitObjectEntry[],
    ): Promise<string> =>
      inRepository(repository, async (gitDir) => {
        for (const { path } of entries) checkPath(path);
        const shas = [baseTree, ...entries.map(({ sha, type }) => (type === 'commit' ? undefined : sha))];
        const needed = shas.filter((sha) => sha !== undefined && sha !== null);
        if (!(await need(gitDir, repository, needed))) refuse('The tree names an object that does not exist.');
        const index = join(gitDir, `index-${randomUUID()}`);
        const variables = { GIT_INDEX_FILE: index };
        try {
          if (baseTree !== undefined) await local(gitDir, ['read-tree', checkSha(baseTree)], { variables });
          // A path that was a folder and becomes a file, or the reverse, is removed first.
          const removed = entries.map(({ path }) => `0 ${'0'.repeat(40)}\t${path}\0`).join('');
          await local(gitDir, ['update-index', '-z', '--index-info'], { variables, input: Buffer.from(removed) });
          const files = entries.filter(({ sha, type }) => sha !== null && type !== 'tree');
          const lines = files.map(({ mode, sha, path }) => `${mode} ${checkSha(sha ?? '')}\t${path}\0`).join('');
          await local(gitDir, ['update-index', '-z', '--add', '--replace', '--index-info'], {
            ...{ variables, input: Buffer.from(lines) },
          });
          for (const { path, sha, type } of entries)
            if (type === 'tree' && sha !== null)
              await local(gitDir, ['read-tree', `--prefix=${path}/`, checkSha(sha)], { variables });
          return (await local(gitDir, ['write-tree'], { variables })).trim();
        } finally {
          await rm(index, { force: true });
        }
      }),

    writeCommit: (repository: GitObjectRepository, commit: Omit<GitObjectCommit, 'sha'>): Promise<string> =>
      inRepository(repository, async (gitDir) => {
        if (!(await need(gitDir, repository, [commit.tree, ...commit.parents])))
          refuse('The commit names a tree or a parent that does not exist.');
        return writeCommitHere(gitDir, commit);
      }),

    pushRef: (
      repository: GitObjectRepository,
      ref: string,
      sha: string,
      options: { force: boolean; expected?: string | null },
    ): Promise<'moved' | 'not-fast-forward' | 'changed-meanwhile'> =>
      inRepository(repository, async (gitDir) => {
        if (!FULL_REF.test(ref)) refuse('A ref is named in full.');
        if (!(await need(gitDir, repository, [sha]))) refuse(`There is no commit ${sha}.`);
        const seen = await remoteSha(gitDir, repository, ref);
        if (options.expected !== undefined && options.expected !== seen) return 'changed-meanwhile';
        if (seen === sha) return 'moved';
        if (!options.force && seen !== null) {
          await need(gitDir, repository, [seen]);
          if (!(await isAncestor(gitDir, seen, sha))) return 'not-fast-forward';
        }
        return push(gitDir, repository, ref, sha, seen);
      }),

    merge: (
      repository: GitObjectRepository,
      base: string,
      head: string,
      message: string,
      author: GitObjectIdentity,
    ): Promise<{ merged: string } | { conflict: true } | undefined> =>
      inRepository(repository, async (gitDir) => {
        const ref = `refs/heads/${base}`;
        if (!FULL_REF.test(ref)) refuse('A branch has an unexpected name.');
        const ours = await remoteSha(gitDir, repository, ref);
        const theirs = SHA.test(head) ? head : await remoteSha(gitDir, repository, `refs/heads/${head}`);
        if (ours === null || theirs === null) return refuse(`There is no branch ${ours === null ? base : head}.`);
        await fetchAll(gitDir, repository);
        if (!(await need(gitDir, repository, [ours, theirs]))) refuse(`There is no commit ${theirs}.`);
        if (await isAncestor(gitDir, theirs, ours)) return undefined;
        const merged = await local(gitDir, ['merge-tree', '--write-tree', '--name-only', ours, theirs], { exits: [1] });
        const [tree = '', ...conflicts] = merged.trim().split('\n');
        if (conflicts.length > 0) return { conflict: true };
        const sha = await writeCommitHere(gitDir, {
          ...{ tree, parents: [ours, theirs], message, author, committer: author },
        });
        if ((await push(gitDir, repository, ref, sha, ours)) === 'moved') return { merged: sha };
        return refuse(`Branch ${base} moved while it was merged.`);
      }),
  };
}
