/**
 * Git objects and refs that a forge's API cannot write: written into a bare repository of ours and pushed. Objects are kept
 * there until they are pushed, so that an app may create blobs, a tree and a commit in one run and move the ref in another.
 */
import { createHash, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import { openBareRepository } from './bare-repository.js';
import { type GitCredential, type Held, runGit } from './git-command.js';
import { gitNetwork } from './git-network.js';
import { createMirrorLocks, type MirrorLocks } from './mirror-lock.js';
import { parseCommit, parseTag, parseTree, type TREE_MODES } from './object-formats.js';

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

export interface GitObjectTag {
  sha: string;
  name: string;
  message: string;
  object: string;
  type: 'commit' | 'tree' | 'blob' | 'tag';
  tagger: GitObjectIdentity;
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
  /** The password is asked for before each command: it may be one that ends. */
  credential: Omit<GitCredential, 'password'> & { password: string | (() => Promise<string>) };
  timeoutMs?: number;
  maxPackBytes?: number;
}

const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
const FULL_REF = /^refs\/[\x21-\x7e\u0080-\uffff]{1,240}$/;
const NO_OBJECT = 128;
const QUICK_MS = 30_000;
const MOST_PRINTED = 100 * 1024 * 1024;

function refuse(message: string): never {
  throw new ForgewayError('FORGEWAY_GIT_FAILED', message);
}

/** What whoever asked has to correct. */
function reject(message: string): never {
  throw new ForgewayError('FORGEWAY_GIT_REFUSED', message);
}

function checkSha(sha: string): string {
  return SHA.test(sha) ? sha : reject('An object is named by its full SHA.');
}

/** `git update-index` leaves such paths out without a word. */
function checkPath(path: string): void {
  const bad = path.split('/').some((part) => part === '' || part === '.' || part === '..' || /^\.git$/i.test(part));
  if (bad || path.includes('\0')) reject('A path in the tree leaves the repository.');
}

/** What git would refuse with a word of its own, or store otherwise. */
function checkText(of: 'commit' | 'tag', message: string, people: readonly GitObjectIdentity[]): void {
  if (message.includes('\0')) reject(`The message of a ${of} has a NUL.`);
  for (const { name, email, date } of people) {
    if (Number.isNaN(date.getTime())) reject(`A date of the ${of} is none.`);
    if (/[\0\n]/.test(name + email) || name.replace(/[<>\s.,:;"'\\]/g, '') === '')
      reject(of === 'tag' ? 'The tagger has no name.' : 'The author or the committer has no name.');
  }
}

const checkCommit = ({ message, author, committer }: Omit<GitObjectCommit, 'sha'>): void =>
  checkText('commit', message, [author, committer]);

/** As `git mktag` takes it. */
function tagText({ name, message, object, type, tagger }: Omit<GitObjectTag, 'sha'>): Buffer {
  checkText('tag', message, [tagger]);
  if (!FULL_REF.test(`refs/tags/${name}`)) reject('A tag has an unexpected name.');
  const seconds = Math.floor(tagger.date.getTime() / 1_000);
  const plain = (text: string) => text.replace(/[<>]/g, '').trim();
  const headers = [
    `object ${checkSha(object)}`,
    `type ${type}`,
    `tag ${name}`,
    `tagger ${plain(tagger.name)} <${plain(tagger.email)}> ${seconds} +0000`,
  ];
  return Buffer.from(`${headers.join('\n')}\n\n${message.replace(/\n*$/, '\n')}`);
}

const identityVariables = (who: 'AUTHOR' | 'COMMITTER', { name, email, date }: GitObjectIdentity) => ({
  [`GIT_${who}_NAME`]: name,
  [`GIT_${who}_EMAIL`]: email,
  [`GIT_${who}_DATE`]: `${Math.floor(date.getTime() / 1_000)} +0000`,
});

/** `directory` holds one bare repository for each repository of a forge, and is private to us and the other processes on it: all take turns. */
export function createGitObjectStore(directory: string, outbound: Pick<Outbound, 'pin'>) {
  const locked = createMirrorLocks();
  return (o: GitObjectsOptions) => openGitObjects({ ...o, directory, outbound, locked });
}

function openGitObjects(
  o: GitObjectsOptions & { directory: string; outbound: Pick<Outbound, 'pin'>; locked: MirrorLocks },
) {
  const timeoutMs = o.timeoutMs ?? 300_000;
  const maxFileBytes = o.maxPackBytes ?? 1024 ** 3;

  const folderOf = (repository: GitObjectRepository): string => {
    if (new URL(repository.cloneUrl).origin !== new URL(o.credential.origin).origin)
      refuse('The repository’s address is not under the origin that its credential belongs to.');
    const name = createHash('sha256').update(`${o.namespace}\n${repository.id}`).digest('hex').slice(0, 40);
    return join(o.directory, `${name}.git`);
  };

  const local = (held: Held, args: readonly string[], more: Partial<Parameters<typeof runGit>[1]> = {}) =>
    runGit(args, { ...held, timeoutMs: QUICK_MS, maxFileBytes, ...more });

  /** `args` name the repository by its address. */
  const remote = async (held: Held, repository: GitObjectRepository, args: readonly string[]) => {
    const { password, route, ...rest } = o.credential;
    const credential = { ...rest, password: typeof password === 'string' ? password : await password() };
    const network = await gitNetwork(o.outbound, repository.cloneUrl, route, held.gitDir);
    return runGit(args, { ...held, timeoutMs, maxFileBytes, credential, network });
  };

  const has = async (held: Held, sha: string): Promise<boolean> =>
    (await local(held, ['cat-file', '--batch-check'], { input: Buffer.from(`${sha}\n`) })).includes(' missing') ===
    false;

  /** Everything that branches and tags reach. */
  const fetchAll = (held: Held, repository: GitObjectRepository) =>
    remote(held, repository, [
      ...['fetch', '--quiet', '--prune', '--no-write-fetch-head', '--no-recurse-submodules', '--end-of-options'],
      repository.cloneUrl,
      '+refs/heads/*:refs/forge/heads/*',
      '+refs/tags/*:refs/forge/tags/*',
    ]);

  /** Makes sure that objects are here, from the forge when they are not ours. */
  const need = async (held: Held, repository: GitObjectRepository, shas: readonly string[]): Promise<boolean> => {
    const missing = async () => {
      for (const sha of shas) if (!(await has(held, checkSha(sha)))) return true;
      return false;
    };
    if (!(await missing())) return true;
    await fetchAll(held, repository);
    return !(await missing());
  };

  const inRepository = <T>(repository: GitObjectRepository, work: (held: Held) => Promise<T>): Promise<T> => {
    const directory = folderOf(repository);
    return o.locked(directory, async (lock) => {
      await openBareRepository(directory, lock, 'sha1');
      return work({ gitDir: directory, lockFd: lock.fd });
    });
  };

  /** What a ref points at now, as the forge says; null when there is none. */
  const remoteSha = async (held: Held, repository: GitObjectRepository, ref: string): Promise<string | null> => {
    const lines = (
      await remote(held, repository, ['ls-remote', '--quiet', '--end-of-options', repository.cloneUrl, ref])
    ).split('\n');
    const found = lines.map((line) => line.split('\t')).find(([, name]) => name === ref);
    return found?.[0] ?? null;
  };

  const isAncestor = async (held: Held, older: string, newer: string): Promise<boolean> =>
    (await local(held, ['rev-list', '--count', '--end-of-options', `${newer}..${older}`])).trim() === '0';

  const push = async (held: Held, repository: GitObjectRepository, ref: string, sha: string, seen: string | null) => {
    const lease = `--force-with-lease=${ref}:${seen ?? ''}`;
    try {
      await remote(held, repository, [
        'push',
        '--quiet',
        lease,
        '--end-of-options',
        repository.cloneUrl,
        `${sha}:${ref}`,
      ]);
      return 'moved' as const;
    } catch (error) {
      const now = await remoteSha(held, repository, ref);
      if (now === seen) throw error;
      // Done, though the answer was lost.
      if (now === sha) return 'moved' as const;
      return 'changed-meanwhile' as const;
    }
  };

  const writeCommitHere = async (held: Held, commit: Omit<GitObjectCommit, 'sha'>): Promise<string> => {
    checkCommit(commit);
    const parents = commit.parents.flatMap((sha) => ['-p', checkSha(sha)]);
    const variables = {
      ...identityVariables('AUTHOR', commit.author),
      ...identityVariables('COMMITTER', commit.committer),
    };
    const input = Buffer.from(commit.message);
    const sha = await local(held, ['commit-tree', ...parents, '-F', '-', checkSha(commit.tree)], {
      input,
      variables,
    });
    return sha.trim();
  };

  /** Undefined when neither we nor the forge have it. */
  const read = <T>(repository: GitObjectRepository, sha: string, work: (held: Held) => Promise<T>) =>
    inRepository(repository, async (held) => ((await need(held, repository, [sha])) ? work(held) : undefined));

  /** What a command prints, as bytes. */
  const printed = async (held: Held, args: readonly string[]): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onOutput = (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      return bytes <= MOST_PRINTED;
    };
    await local(held, args, { onOutput });
    return Buffer.concat(chunks);
  };

  return {
    readBlob: (repository: GitObjectRepository, sha: string): Promise<Buffer | undefined> =>
      read(repository, sha, (held) => printed(held, ['cat-file', 'blob', sha])),

    readChanges: (
      repository: GitObjectRepository,
      base: string,
      head: string,
      form: 'diff' | 'patch',
    ): Promise<Buffer | undefined> =>
      inRepository(repository, async (held) => {
        if (!(await need(held, repository, [base, head]))) return undefined;
        const common = (await local(held, ['merge-base', base, head], { exits: [1] })).trim();
        if (common === '') return undefined;
        const plain = ['--no-ext-diff', '--no-textconv', '--no-color', '--find-renames'];
        return form === 'diff'
          ? printed(held, ['diff', ...plain, common, head, '--'])
          : printed(held, ['format-patch', '--stdout', ...plain, `${base}..${head}`, '--']);
      }),

    readTree: (repository: GitObjectRepository, sha: string, recursive: boolean) =>
      read(repository, sha, async (held) => {
        const flags = recursive ? ['-r', '-t'] : [];
        return parseTree(await local(held, ['ls-tree', '-z', '-l', ...flags, '--end-of-options', sha]));
      }),

    readCommit: (repository: GitObjectRepository, sha: string): Promise<GitObjectCommit | undefined> =>
      read(repository, sha, async (held) => {
        const text = await local(held, ['cat-file', 'commit', sha], { exits: [NO_OBJECT] });
        return text === '' ? undefined : parseCommit(sha, text);
      }),

    writeBlob: (repository: GitObjectRepository, content: Buffer): Promise<string> =>
      inRepository(repository, async (held) =>
        (await local(held, ['hash-object', '-w', '--stdin'], { input: content })).trim(),
      ),

    writeTree: (
      repository: GitObjectRepository,
      baseTree: string | undefined,
      entries: readonly GitObjectEntry[],
    ): Promise<string> =>
      inRepository(repository, async (held) => {
        for (const { path } of entries) checkPath(path);
        const shas = [baseTree, ...entries.map(({ sha, type }) => (type === 'commit' ? undefined : sha))];
        const needed = shas.filter((sha) => sha !== undefined && sha !== null);
        if (!(await need(held, repository, needed))) reject('The tree names an object that does not exist.');
        const index = join(held.gitDir, `index-${randomUUID()}`);
        const variables = { GIT_INDEX_FILE: index };
        try {
          if (baseTree !== undefined) await local(held, ['read-tree', checkSha(baseTree)], { variables });
          // A path that was a folder and becomes a file, or the reverse, is removed first.
          const removed = entries.map(({ path }) => `0 ${'0'.repeat(40)}\t${path}\0`).join('');
          await local(held, ['update-index', '-z', '--index-info'], { variables, input: Buffer.from(removed) });
          const files = entries.filter(({ sha, type }) => sha !== null && type !== 'tree');
          const lines = files.map(({ mode, sha, path }) => `${mode} ${checkSha(sha ?? '')}\t${path}\0`).join('');
          await local(held, ['update-index', '-z', '--add', '--replace', '--index-info'], {
            ...{ variables, input: Buffer.from(lines) },
          });
          for (const { path, sha, type } of entries)
            if (type === 'tree' && sha !== null)
              await local(held, ['read-tree', `--prefix=${path}/`, checkSha(sha)], { variables });
          return (await local(held, ['write-tree'], { variables })).trim();
        } finally {
          await rm(index, { force: true });
        }
      }),

    writeCommit: (repository: GitObjectRepository, commit: Omit<GitObjectCommit, 'sha'>): Promise<string> =>
      inRepository(repository, async (held) => {
        if (!(await need(held, repository, [commit.tree, ...commit.parents])))
          reject('The commit names a tree or a parent that does not exist.');
        return writeCommitHere(held, commit);
      }),

    readTag: (repository: GitObjectRepository, sha: string): Promise<GitObjectTag | undefined> =>
      read(repository, sha, async (held) => {
        const text = await local(held, ['cat-file', 'tag', sha], { exits: [NO_OBJECT] });
        return text === '' ? undefined : parseTag(sha, text);
      }),

    writeTag: (repository: GitObjectRepository, tag: Omit<GitObjectTag, 'sha'>): Promise<string> =>
      inRepository(repository, async (held) => {
        const input = tagText(tag);
        const ref = await local(held, ['check-ref-format', '--normalize', `refs/tags/${tag.name}`], { exits: [1] });
        if (ref === '') reject('A tag has an unexpected name.');
        if (!(await need(held, repository, [tag.object]))) reject('The tag names an object that does not exist.');
        const type = (await local(held, ['cat-file', '-t', tag.object])).trim();
        if (type !== tag.type) reject(`${tag.object} is a ${type} and no ${tag.type}.`);
        return (await local(held, ['mktag'], { input })).trim();
      }),

    pushRef: (
      repository: GitObjectRepository,
      ref: string,
      sha: string,
      options: { force: boolean; expected?: string | null },
    ): Promise<'moved' | 'not-fast-forward' | 'changed-meanwhile'> =>
      inRepository(repository, async (held) => {
        if (!FULL_REF.test(ref)) reject('A ref is named in full.');
        if (!(await need(held, repository, [sha]))) reject(`There is no commit ${sha}.`);
        const seen = await remoteSha(held, repository, ref);
        if (options.expected !== undefined && options.expected !== seen) return 'changed-meanwhile';
        if (seen === sha) return 'moved';
        if (!options.force && seen !== null) {
          await need(held, repository, [seen]);
          if (!(await isAncestor(held, seen, sha))) return 'not-fast-forward';
        }
        return push(held, repository, ref, sha, seen);
      }),

    merge: (
      repository: GitObjectRepository,
      base: string,
      head: string,
      message: string,
      author: GitObjectIdentity,
    ): Promise<{ merged: string } | { conflict: true } | undefined> =>
      inRepository(repository, async (held) => {
        const ref = `refs/heads/${base}`;
        if (!FULL_REF.test(ref)) refuse('A branch has an unexpected name.');
        const ours = await remoteSha(held, repository, ref);
        const theirs = SHA.test(head) ? head : await remoteSha(held, repository, `refs/heads/${head}`);
        if (ours === null || theirs === null) return refuse(`There is no branch ${ours === null ? base : head}.`);
        await fetchAll(held, repository);
        if (!(await need(held, repository, [ours, theirs]))) refuse(`There is no commit ${theirs}.`);
        if (await isAncestor(held, theirs, ours)) return undefined;
        const merged = await local(held, ['merge-tree', '--write-tree', '--name-only', ours, theirs], { exits: [1] });
        const [tree = '', ...conflicts] = merged.trim().split('\n');
        if (conflicts.length > 0) return { conflict: true };
        const sha = await writeCommitHere(held, {
          ...{ tree, parents: [ours, theirs], message, author, committer: author },
        });
        if ((await push(held, repository, ref, sha, ours)) === 'moved') return { merged: sha };
        return refuse(`Branch ${base} moved while it was merged.`);
      }),
  };
}
