/**
 * Where an embedded database lies. `<dataDir>/embedded-postgres.json` records it, so that the server, its workers and
 * the command line agree; a directory inside the data directory is recorded relative to it and may be moved with it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, lchown, lstat, mkdir, mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import { canEnter } from './database-user.js';
import { errorCodeOf, isMissing, readPrivateFile, writePrivateFile } from './durable-file.js';
import { SOCKET_PORT } from './options.js';
import type { DatabaseUser } from './run-command.js';

export interface LayoutRecord {
  /** Belongs to the database's user: the cluster, and its socket when the path is short enough. */
  home: string;
  socketDir: string;
  /** Set once there is data that must never be replaced by an empty cluster. */
  initialized: boolean;
}

/** Bytes of a socket's path that the kernel takes: 108 on Linux, 104 on macOS, one of them for the terminator. */
const SOCKET_PATH_LIMIT = process.platform === 'darwin' ? 103 : 107;

export const clusterDirOf = (home: string): string => join(home, 'data');
export const passwordFileOf = (dataDir: string): string => join(dataDir, 'postgres-password');
export const logFileOf = (dataDir: string): string => join(dataDir, 'postgresql.log');
export const recordFileOf = (dataDir: string): string => join(dataDir, 'embedded-postgres.json');

/** Creates the data directory when it is missing and answers its real path. As root others may pass through it, not list it. */
export async function prepareDataDir(dataDir: string): Promise<string> {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  const created = await mkdir(dataDir, { recursive: true, mode });
  if (created !== undefined) await chmod(dataDir, mode);
  return realpath(dataDir);
}

/** Null when no server has run on this data directory yet. @param dataDir its real path */
export async function readLayout(dataDir: string): Promise<LayoutRecord | null> {
  const text = await readPrivateFile(recordFileOf(dataDir));
  if (text === null) return null;
  const record: unknown = JSON.parse(text);
  if (typeof record !== 'object' || record === null || !('home' in record) || !('socketDir' in record)) {
    throw new ForgewayError(
      'FORGEWAY_DATABASE_UNAVAILABLE',
      `${recordFileOf(dataDir)} is damaged: restore it from a backup.`,
    );
  }
  return {
    home: resolve(dataDir, String(record.home)),
    socketDir: resolve(dataDir, String(record.socketDir)),
    initialized: 'initialized' in record && record.initialized === true,
  };
}

/** Replaces the record at once. */
export async function writeLayout(dataDir: string, record: LayoutRecord): Promise<void> {
  const inside = (path: string): string => {
    const short = relative(dataDir, path);
    return short.startsWith('..') || isAbsolute(short) ? path : short;
  };
  const { home, socketDir, initialized } = record;
  const content = { home: inside(home), socketDir: inside(socketDir), initialized };
  await writePrivateFile(recordFileOf(dataDir), `${JSON.stringify(content, null, 2)}\n`);
}

/** Chooses the place of a new cluster: in the data directory, or in `systemDir` when the database's user cannot get there. */
export async function chooseHome(dataDir: string, systemDir: string, user: DatabaseUser | undefined): Promise<string> {
  if (await canEnter(dataDir, user)) return join(dataDir, 'postgres');
  const clusters = join(systemDir, 'clusters');
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  // The random part keeps a data directory that was deleted and made again from meeting its predecessor's data.
  return join(clusters, `${name}-${randomBytes(4).toString('hex')}`);
}

/** Creates root's shared directory, which others may pass through. */
export async function prepareSystemDir(systemDir: string, user: DatabaseUser): Promise<void> {
  await mkdir(systemDir, { recursive: true, mode: 0o711 });
  const { uid, mode } = await stat(systemDir);
  if (uid !== 0 || (mode & 0o022) !== 0) {
    throw new ForgewayError(
      'FORGEWAY_DATABASE_UNAVAILABLE',
      `${systemDir} must belong to root and be writable by nobody else: \`chown root ${systemDir} && chmod 711 ${systemDir}\`.`,
    );
  }
  await chmod(systemDir, mode | 0o711);
  if (!(await canEnter(systemDir, user))) {
    throw new ForgewayError(
      'FORGEWAY_DATABASE_UNAVAILABLE',
      `The database's user (uid ${user.uid}) cannot enter ${systemDir}: one of its parent directories is closed to others.`,
    );
  }
  for (const name of ['clusters', 'sockets']) {
    await mkdir(join(systemDir, name), { recursive: true });
    await chmod(join(systemDir, name), 0o711);
  }
}

/** Creates a directory that only the database's user may enter; an existing one keeps what it holds. */
export async function ensurePrivateDir(path: string, user: DatabaseUser | undefined): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
    if (user) await lchown(path, user.uid, user.gid);
  } catch (error) {
    if (errorCodeOf(error) !== 'EEXIST') throw error;
    const { uid } = await lstat(path);
    // A server that was killed between creating a directory and giving it away left it root's.
    if (user && uid === 0) await lchown(path, user.uid, user.gid);
    if (!(await isPrivateDir(path, user))) {
      throw new ForgewayError(
        'FORGEWAY_DATABASE_UNAVAILABLE',
        `${path} is not a directory that only the database's user can enter: correct its owner and its mode (0700).`,
      );
    }
  }
}

/** Answers a socket directory that exists, is ours alone and is short enough: the recorded one when it still is. */
export async function ensureSocketDir(
  layout: { home: string; socketDir: string },
  systemDir: string,
  user: DatabaseUser | undefined,
): Promise<string> {
  if (fits(layout.socketDir) && (await isPrivateDir(layout.socketDir, user))) return layout.socketDir;
  const inHome = join(layout.home, 'socket');
  if (fits(inHome)) {
    await ensurePrivateDir(inHome, user);
    return inHome;
  }
  const inSystemDir = join(systemDir, 'sockets', randomBytes(8).toString('hex'));
  if (user && fits(inSystemDir)) {
    await ensurePrivateDir(inSystemDir, user);
    return inSystemDir;
  }
  // mkdtemp makes a new directory under a name that nobody can guess, so nothing can be planted there beforehand.
  const temporary = await mkdtemp('/tmp/forgeway-');
  if (user) await chown(temporary, user.uid, user.gid);
  return temporary;
}

/** Removes a socket directory that lies outside the cluster's own. */
export async function removeSocketDir(layout: { home: string; socketDir: string }): Promise<void> {
  if (layout.socketDir !== join(layout.home, 'socket')) await rm(layout.socketDir, { recursive: true, force: true });
}

function fits(socketDir: string): boolean {
  return Buffer.byteLength(join(socketDir, `.s.PGSQL.${SOCKET_PORT}`)) <= SOCKET_PATH_LIMIT;
}

async function isPrivateDir(path: string, user: DatabaseUser | undefined): Promise<boolean> {
  try {
    const status = await lstat(path);
    return status.isDirectory() && status.uid === (user?.uid ?? process.getuid?.()) && (status.mode & 0o077) === 0;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
