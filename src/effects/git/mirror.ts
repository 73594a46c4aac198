/**
 * Bare mirrors of repositories and checkouts of single commits from them. A commit is always named by its full SHA;
 * branch names, which their authors choose, are never given to git.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import type { Outbound } from '../../lib/outbound/outbound.js';
import {
  clearLeftovers,
  isBareRepository,
  openBareRepository,
  removeBareRepository,
  worktreeFolder,
} from './bare-repository.js';
import { type GitCredential, type Held, runGit } from './git-command.js';
import { gitNetwork } from './git-network.js';
import { createMirrorLocks, type MirrorLock } from './mirror-lock.js';

export interface GitSource extends GitCredential {
  /** HTTP address of the repository, under `origin`. */
  url: string;
}

export interface CheckoutLimits {
  /** Largest pack that is fetched, and largest file that is checked out, in bytes. */
  packBytes: number;
  /** All files of the commit together, in bytes. */
  treeBytes: number;
  /** Files and folders of the commit. */
  files: number;
  timeoutMs: number;
}

export interface CheckoutRequest {
  /** Our own uuid of the repository: the name of its mirror. */
  repositoryId: string;
  source: GitSource;
  /** 40 or 64 hex digits. */
  sha: string;
  /** Full refs to try when the server does not hand out the SHA itself, such as `refs/pull/12/head`. */
  fallbackRefs: readonly string[];
  /** A directory that does not exist yet. */
  target: string;
  signal?: AbortSignal;
}

/** A mirror that has certain commits, while nobody else works on it. */
export interface OpenMirror extends Held {
  /** The limits that a command which writes into it keeps to, and what ends it. */
  limits: { timeoutMs: number; maxFileBytes: number; signal?: AbortSignal };
  /** @throws ForgewayError FORGEWAY_GIT_FAILED when a commit is larger than what is checked out */
  measure(sha: string): Promise<void>;
}

export interface GitMirrors {
  /**
   * Works on the mirror of a repository once it has these commits; without a source they must be there. What `work` leaves in
   * it is its own to remove.
   * @throws ForgewayError FORGEWAY_GIT_FAILED
   */
  use<T>(
    request: Omit<CheckoutRequest, 'sha' | 'target' | 'source'> & { shas: readonly string[]; source?: GitSource },
    work: (mirror: OpenMirror) => Promise<T>,
  ): Promise<T>;
  /**
   * Puts the files of exactly this commit into `target`, as a detached worktree of the mirror.
   * @throws ForgewayError FORGEWAY_GIT_FAILED
   */
  checkout(request: CheckoutRequest): Promise<void>;
  /**
   * Forgets worktrees whose directory is gone, that at `target` in any case, and the mirror with its last worktree. Reads
   * nothing inside a worktree.
   */
  prune(repositoryId: string, target?: string, signal?: AbortSignal): Promise<void>;
}

export const defaultCheckoutLimits: CheckoutLimits = {
  packBytes: 1024 ** 3,
  treeBytes: 1024 ** 3,
  files: 200_000,
  timeoutMs: 300_000,
};

/** Of a name, and of a whole path below a directory of ours, in bytes: git does not say well what Linux does not take, or ends in the middle. */
const MOST_NAME = 255;
const MOST_PATH = 3_000;
/** Far more than the longest listing within the limits takes. */
const LISTING_TIMEOUT_MS = 30_000;

const SHA = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** The head of a pull request, or a branch: nothing that git reads as an option, as two refs or as a pattern. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const FULL_REF = /^refs\/(?:[a-z-]+\/\d+\/head|heads\/(?!.*(?:\.\.|@\{|\/\/|\/$))[^\x00-\x20\x7f~^:?*[\\]{1,250})$/;
const UUID = /^[0-9a-f-]{36}$/;

function refuse(message: string): never {
  throw new ForgewayError('FORGEWAY_GIT_FAILED', message);
}

/** Looks through the output of `git ls-tree -r -t -l -z` as it arrives. */
interface TreeMeter {
  /** False once the tree cannot be checked out. */
  measure(chunk: Buffer): boolean;
  /** Why not, for people. */
  problem(): string | undefined;
}

function treeMeter(limits: CheckoutLimits): TreeMeter {
  const state = { rest: '', files: 0, bytes: 0 };
  let problem: string | undefined;
  return {
    problem: () => problem,
    measure(chunk) {
      const entries = (state.rest + chunk.toString('latin1')).split('\0');
      state.rest = entries.pop() ?? '';
      for (const entry of entries) {
        state.files += 1;
        // A tree and a submodule have a size of "-".
        state.bytes += Number(/^\S+ \S+ \S+ +(\d+)\t/.exec(entry)?.[1] ?? 0);
        const path = entry.slice(entry.indexOf('\t') + 1);
        if (path.length > MOST_PATH || path.length - path.lastIndexOf('/') - 1 > MOST_NAME)
          problem = `It has a name of a file or folder that is too long to be checked out: ${path.slice(0, 60).replace(/[^ -~]/g, '?')}…`;
      }
      if (state.files > limits.files) problem = `It has more than ${limits.files} files and folders.`;
      if (state.bytes > limits.treeBytes) problem = `Its files have more than ${limits.treeBytes / 1024 ** 2} MB.`;
      return problem === undefined;
    },
  };
}

/** @param o.directory holds one bare repository per uuid; private to us */
export function createGitMirrors(o: {
  directory: string;
  outbound: Pick<Outbound, 'pin'>;
  limits?: CheckoutLimits;
}): GitMirrors {
  const { directory, limits = defaultCheckoutLimits } = o;
  const locked = createMirrorLocks();

  const mirrorOf = (repositoryId: string): string => {
    if (!UUID.test(repositoryId)) refuse('A repository has an invalid id.');
    return join(directory, repositoryId);
  };

  async function has(held: Held, sha: string): Promise<boolean> {
    try {
      await runGit(['rev-parse', '--quiet', '--verify', '--end-of-options', `${sha}^{commit}`], {
        ...held,
        timeoutMs: 30_000,
      });
      return true;
    } catch (error) {
      if (error instanceof ForgewayError) return false;
      throw error;
    }
  }

  async function fetch(
    held: Held,
    sha: string,
    request: Pick<CheckoutRequest, 'fallbackRefs' | 'signal'> & { source?: GitSource },
  ): Promise<void> {
    const { source, signal } = request;
    if (source === undefined) return refuse(`Commit ${sha} is not here any more.`);
    if (new URL(source.url).origin !== new URL(source.origin).origin) {
      refuse('The repository’s address is not under the origin that its credential belongs to.');
    }
    const options = ['fetch', '--quiet', '--depth=1', '--no-tags', '--no-write-fetch-head', '--no-recurse-submodules'];
    const network = await gitNetwork(o.outbound, source.url, source.route, held.gitDir);
    const failures: unknown[] = [];
    for (const ref of [sha, ...request.fallbackRefs]) {
      try {
        await runGit([...options, '--end-of-options', source.url, ref], {
          ...{ ...held, signal, timeoutMs: limits.timeoutMs },
          ...{ credential: source, network, maxFileBytes: limits.packBytes },
        });
      } catch (error) {
        failures.push(error);
      }
      // Whatever a ref points at by now, only the commit that was asked for is used.
      if (await has(held, sha)) return;
    }
    throw failures[0] ?? new ForgewayError('FORGEWAY_GIT_FAILED', `The server does not hand out commit ${sha}.`);
  }

  // A small pack can unfold into millions of files, so they are counted before one is written; and into as many folders with
  // no file in them, which are printed only with `-t`.
  const measure = async (held: Held, sha: string, signal?: AbortSignal) => {
    const meter = treeMeter(limits);
    const listing = runGit(['ls-tree', '-r', '-t', '-l', '-z', '--full-tree', '--end-of-options', sha], {
      ...{ ...held, signal, onOutput: meter.measure },
      timeoutMs: Math.min(limits.timeoutMs, LISTING_TIMEOUT_MS),
    });
    await listing.catch((error: unknown) => {
      const problem = meter.problem();
      throw problem === undefined ? error : new ForgewayError('FORGEWAY_GIT_FAILED', problem, { cause: error });
    });
    const problem = meter.problem();
    if (problem !== undefined) refuse(problem);
  };

  const mirrors: GitMirrors = {
    use(request, work) {
      const { repositoryId, shas, signal } = request;
      const [first = ''] = shas;
      if (shas.length === 0 || shas.some((sha) => !SHA.test(sha))) refuse('A commit is named by its full SHA.');
      if (request.fallbackRefs.some((ref) => !FULL_REF.test(ref))) refuse('A fallback ref has an unexpected form.');
      const begin = async (lock: MirrorLock) => {
        const gitDir = mirrorOf(repositoryId);
        const held = { gitDir, lockFd: lock.fd };
        await openBareRepository(gitDir, lock, first.length === 64 ? 'sha256' : 'sha1');
        for (const sha of shas) if (!(await has(held, sha))) await fetch(held, sha, request);
        const { timeoutMs, packBytes: maxFileBytes } = limits;
        const write = { timeoutMs, maxFileBytes, ...(signal && { signal }) };
        return work({ ...held, limits: write, measure: (sha) => measure(held, sha, signal) });
      };
      return locked(mirrorOf(repositoryId), begin, signal);
    },

    checkout(request) {
      const { sha, target } = request;
      return mirrors.use({ ...request, shas: [sha] }, async ({ gitDir, lockFd, limits: write, measure: check }) => {
        await check(sha);
        await runGit(['worktree', 'prune'], { gitDir, lockFd, timeoutMs: write.timeoutMs });
        await runGit(['worktree', 'add', '--quiet', '--force', '--detach', '--end-of-options', target, sha], {
          ...{ gitDir, lockFd, ...write },
        });
      });
    },

    prune(repositoryId, target, signal) {
      const gitDir = mirrorOf(repositoryId);
      const forget = async (lock: MirrorLock) => {
        if (await isBareRepository(gitDir)) {
          await clearLeftovers(gitDir);
          const own = target === undefined ? undefined : await worktreeFolder(gitDir, target);
          if (own !== undefined) await rm(own, { recursive: true, force: true });
          await runGit(['worktree', 'prune'], { gitDir, lockFd: lock.fd, timeoutMs: 60_000 });
          const left = await readdir(join(gitDir, 'worktrees')).catch(() => []);
          if (left.length > 0) return;
        }
        await removeBareRepository(gitDir);
        await lock.removeFile();
      };
      return locked(gitDir, forget, signal);
    },
  };
  return mirrors;
}
