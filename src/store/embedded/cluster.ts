/** A cluster on disk: created whole or not at all, and opened by a password that is created once. */
import { randomBytes } from 'node:crypto';
import { lstat, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import type { Binaries } from './binaries.js';
import {
  errorCodeOf,
  isMissing,
  readPrivateFile,
  syncDirectory,
  writeFileFor,
  writePrivateFile,
} from './durable-file.js';
import { clusterDirOf, passwordFileOf } from './layout.js';
import { explain, lastLines } from './log-tail.js';
import { BOOTSTRAP_USER } from './options.js';
import { type DatabaseUser, removeTree, runCommand } from './run-command.js';

/** Every connection needs the password; the collation is PostgreSQL's own, so that a system upgrade corrupts no index. */
const INITDB_OPTIONS = [
  `--username=${BOOTSTRAP_USER}`,
  '--auth-local=scram-sha-256',
  '--auth-host=reject',
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--data-checksums',
  '--no-instructions',
];

/** Whether there is a cluster of the right version. @throws ForgewayError FORGEWAY_DATABASE_UNAVAILABLE when it is broken or too old. */
export async function clusterExists(home: string, major: string): Promise<boolean> {
  const dir = clusterDirOf(home);
  let version: string;
  try {
    version = (await readFile(join(dir, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (!(await lstat(dir).catch(() => null))) return false;
    throw unusable(`The cluster in ${dir} is damaged (it has no PG_VERSION): restore ${home} from a backup.`);
  }
  if (version === major) return true;
  throw unusable(
    `The cluster in ${dir} is of PostgreSQL ${version}, this Forgeway brings ${major}: dump it with the Forgeway that made it, ` +
      'and load it into a new data directory.',
  );
}

/** Creates the cluster beside its place and renames it: one that was interrupted leaves nothing that looks finished. */
export async function createCluster(
  home: string,
  binaries: Binaries,
  password: string,
  user: DatabaseUser | undefined,
): Promise<void> {
  const suffix = randomBytes(6).toString('hex');
  const temporary = join(home, `initdb-${suffix}`);
  const passwordFile = join(home, `initdb-${suffix}.password`);
  try {
    await writeFileFor(user, passwordFile, `${password}\n`);
    const args = [`--pgdata=${temporary}`, `--pwfile=${passwordFile}`, ...INITDB_OPTIONS];
    const { code, output } = await runCommand(binaries.initdb, args, user).catch((cause: unknown) => {
      throw cannotRun(binaries.initdb, cause);
    });
    if (code !== 0)
      throw unusable(await explain('PostgreSQL could not create its data directory', home, lastLines(output)));
    await rename(temporary, clusterDirOf(home));
    await syncDirectory(home);
  } finally {
    await removeTree(passwordFile, user);
    await removeTree(temporary, user);
  }
}

/**
 * The password of the bootstrap superuser.
 * @param isFresh whether it may be created: with a cluster on disk a new one would not open it
 */
export async function readOrCreatePassword(dataDir: string, isFresh: boolean): Promise<string> {
  const path = passwordFileOf(dataDir);
  const existing = (await readPrivateFile(path))?.trim();
  if (existing) return existing;
  if (!isFresh)
    throw unusable(`The password file ${path} of the embedded PostgreSQL is missing: restore it from a backup.`);
  const password = randomBytes(24).toString('base64url');
  await writePrivateFile(path, `${password}\n`);
  return password;
}

/** The error for a binary that the system refuses to run. */
export function cannotRun(command: string, cause: unknown): ForgewayError {
  const code = errorCodeOf(cause);
  // The file is there, so what is missing is its loader: this system has another C library (Alpine), or another processor.
  if (code === 'ENOENT' || code === 'ENOEXEC') {
    return new ForgewayError(
      'FORGEWAY_DATABASE_UNSUPPORTED',
      'The embedded PostgreSQL needs a system with the GNU C library: use one (Debian, not Alpine), or set DATABASE_URL.',
      { cause },
    );
  }
  const hint = code === 'EACCES' ? ' (is its file system mounted noexec?)' : '';
  return new ForgewayError(
    'FORGEWAY_DATABASE_UNAVAILABLE',
    `${command} could not be run: ${code ?? String(cause)}${hint}.`,
    { cause },
  );
}

function unusable(message: string): ForgewayError {
  return new ForgewayError('FORGEWAY_DATABASE_UNAVAILABLE', message);
}

/** Deletes what an initdb left behind whose server was killed. */
export async function removeInterrupted(home: string, user: DatabaseUser | undefined): Promise<void> {
  for (const name of await readdir(home)) {
    // It may still be running and writing; what it adds now goes at the next start.
    if (name.startsWith('initdb-')) await removeTree(join(home, name), user);
  }
}
