/** Small files that must survive a crash whole: written beside their place, synced, renamed. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DatabaseUser } from './run-command.js';

/** Replaces `path` at once by a file that only its owner may read. */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Creates a file that only `user` may read. It must not exist yet, so that root follows no link of that user's. */
export async function writeFileFor(user: DatabaseUser | undefined, path: string, content: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    if (user) await file.chown(user.uid, user.gid);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Null when there is no such file. Never follows a symlink, and shuts the file to others when it was open to them. */
export async function readPrivateFile(path: string): Promise<string | null> {
  try {
    const content = await readFile(path, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NOFOLLOW });
    if (((await lstat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
    return content;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Makes a rename or a creation inside `path` survive a power loss. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

export function isMissing(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** The system's or PostgreSQL's code of anything that was thrown. */
export function errorCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
