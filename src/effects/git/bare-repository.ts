/** Bare repositories of ours, made and removed so that one is never taken for whole when it is not. Under its lock only. */
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runGit } from './git-command.js';
import type { MirrorLock } from './mirror-lock.js';

const INIT_MS = 30_000;

/** git's own mark; it comes with the whole repository and goes before any other part of it. */
const headOf = (gitDir: string) => join(gitDir, 'HEAD');

export function isBareRepository(gitDir: string): Promise<boolean> {
  return stat(headOf(gitDir)).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );
}

/** In this process and not with rm(1), which could outlive us. What git writes into a bare repository is not deep. */
export async function removeBareRepository(gitDir: string): Promise<void> {
  await rm(headOf(gitDir), { force: true });
  await rm(gitDir, { recursive: true, force: true });
}

/** Where commands that were killed leave something, and what. No ref ends in `.lock`. */
const LEFTOVERS = [
  { folder: '.', name: /\.lock$|^index-/ },
  { folder: 'refs', name: /\.lock$/, recursive: true },
  { folder: 'objects/pack', name: /^tmp_/ },
] as const;

/** Removes what commands left that were killed: nobody else works on the repository while we hold its lock. */
export async function clearLeftovers(gitDir: string): Promise<void> {
  for (const { folder, name, ...options } of LEFTOVERS) {
    const entries = await readdir(join(gitDir, folder), { ...options, withFileTypes: true });
    const old = entries.filter((entry) => entry.isFile() && name.test(entry.name));
    await Promise.all(old.map((entry) => rm(join(entry.parentPath, entry.name), { force: true })));
  }
  // Not git's: set for one command, and in force for all work trees.
  await rm(join(gitDir, 'info', 'attributes'), { force: true });
}

/** Creates the repository when it is not there. */
export async function openBareRepository(gitDir: string, lock: MirrorLock, format: 'sha1' | 'sha256'): Promise<void> {
  if (await isBareRepository(gitDir)) return clearLeftovers(gitDir);
  const unfinished = `${gitDir}.new`;
  await Promise.all([removeBareRepository(gitDir), removeBareRepository(unfinished)]);
  await runGit(
    ['init', '--quiet', '--bare', '--template=', `--object-format=${format}`, '--end-of-options', unfinished],
    { timeoutMs: INIT_MS, lockFd: lock.fd },
  );
  await rename(unfinished, gitDir);
}

/** A worktree's own folder in the repository: that which says it belongs to `target`. */
export async function worktreeFolder(gitDir: string, target: string): Promise<string | undefined> {
  const folder = join(gitDir, 'worktrees');
  const unlessMissing =
    <T>(instead: T) =>
    (error: NodeJS.ErrnoException): T => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return instead;
      throw error;
    };
  for (const name of await readdir(folder).catch(unlessMissing<string[]>([]))) {
    const link = await readFile(join(folder, name, 'gitdir'), 'utf8').catch(unlessMissing(''));
    if (link.trim() === join(target, '.git')) return join(folder, name);
  }
  return undefined;
}
