/**
 * Providers that are kept between the runs of a workspace, where Terraform looks for them before it downloads any. Each workspace
 * has its own: what somebody's code could have changed is given to nobody else. Terraform takes one only when it has the hash that
 * the configuration's lock file names, so a changed one is downloaded anew.
 */
import { cp, lstat, mkdir, readdir, rename, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { removeTree } from '../process/run-tool.js';

/** Of a workspace that has not been planned for this long they are let go, and so is what a crash has left. */
const UNUSED_MS = 30 * 86_400_000;

const LOCKED =
  /^provider "((?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+(?::\d+)?\/[\w-]+\/[\w-]+)" \{\s+version\s*=\s*"(\d[\w.+-]*)"/gm;

/** Directories of the providers that a lock file names, below the place where Terraform keeps them. */
export const placesOf = (lockFile: string): string[] =>
  [...lockFile.matchAll(LOCKED)].map(([, source = '', version = '']) => join(source, version));

const unless =
  (...codes: string[]) =>
  (error: NodeJS.ErrnoException): undefined => {
    if (!codes.includes(error.code ?? '')) throw error;
    return undefined;
  };

/** Copies what is kept into the place that a run looks at; nothing where nothing is. */
export async function giveProviders(kept: string, into: string): Promise<void> {
  const now = new Date();
  await utimes(kept, now, now).catch(unless('ENOENT'));
  await cp(kept, into, { recursive: true, verbatimSymlinks: true }).catch(unless('ENOENT'));
}

/**
 * Keeps of what a run leaves what its configuration locks, in place of what was kept: versions that nobody uses any more go.
 * @param kept of this workspace @param run names this copy among those that end at the same time
 */
export async function keepProviders(kept: string, run: string, made: string, lockFile: string | null): Promise<void> {
  const next = `${kept}.${run}`;
  await mkdir(dirname(kept), { recursive: true, mode: 0o700 });
  await removeTree(next);
  let any = false;
  for (const place of placesOf(lockFile ?? '')) {
    const from = join(made, place);
    const found = await lstat(from).catch(unless('ENOENT', 'ENOTDIR'));
    if (found?.isDirectory() !== true) continue;
    any = true;
    const filter = async (path: string) => !(await lstat(path)).isSymbolicLink();
    await cp(from, join(next, place), { recursive: true, filter });
  }
  if (any) {
    const old = `${next}.old`;
    await rename(kept, old).catch(unless('ENOENT'));
    // Another run of the workspace may have ended in between: its copy is as good.
    await rename(next, kept).catch(unless('ENOTEMPTY', 'EEXIST'));
    await Promise.all([removeTree(old), removeTree(next)]);
  }
  await sweep(dirname(kept), basename(kept));
}

async function sweep(all: string, except: string): Promise<void> {
  for (const name of await readdir(all)) {
    const found = name === except ? undefined : await lstat(join(all, name)).catch(unless('ENOENT'));
    if (found !== undefined && Date.now() - found.mtimeMs > UNUSED_MS) await removeTree(join(all, name));
  }
}
