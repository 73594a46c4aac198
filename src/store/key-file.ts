/** The master keys of an embedded database, in a file of their own: the current one in the first line, earlier ones below. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MASTER_KEY_BYTES, readMasterKey, weaknessOf } from '../config/master-key.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { sqlStateOf } from './connection.js';
import type { GivenKeys } from './master-keys.js';

export const keyFileOf = (dataDir: string): string => join(dataDir, 'encryption-key');

const refused = (message: string, cause?: unknown) => new ForgewayError('FORGEWAY_KEY_MISSING', message, { cause });

/** The keys, or undefined when there is no file. @throws ForgewayError FORGEWAY_KEY_MISSING when it is damaged */
export async function readKeyFile(path: string): Promise<GivenKeys | undefined> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (sqlStateOf(cause) === 'ENOENT') return undefined;
    throw refused(`The encryption key cannot be read: ${messageOf(cause)}`, cause);
  });
  if (text === undefined) return undefined;
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const [current, ...previous] = lines.map(readMasterKey);
  if (current === undefined || previous.some((key) => key === undefined))
    throw refused(`${path} does not hold an encryption key in each line: restore it from a backup.`);
  const weakness = weaknessOf(current, lines[0] ?? '');
  if (weakness !== undefined)
    throw refused(`The first key in ${path} ${weakness}. Put a new one into a line before it.`);
  return { current, previous: previous.filter((key) => key !== undefined) };
}

/** Makes a key and writes it, readable by nobody else. Another process's file wins: then its keys are the answer. */
export async function createKeyFile(path: string): Promise<GivenKeys> {
  const current = randomBytes(MASTER_KEY_BYTES);
  try {
    await writeNew(path, [current]);
    await syncFolder(path);
    return { current, previous: [] };
  } catch (cause) {
    const existing = sqlStateOf(cause) === 'EEXIST' ? await readKeyFile(path) : undefined;
    if (existing !== undefined) return existing;
    throw refused(`The encryption key cannot be written: ${messageOf(cause)}`, cause);
  }
}

/**
 * Puts a new key before those that the file has. At every moment the file is the old or the new one, whole.
 * @throws ForgewayError FORGEWAY_KEY_MISSING when there is no file, or it cannot be written
 */
export async function addKeyToFile(path: string): Promise<void> {
  const before = await readKeyFile(path);
  if (before === undefined) throw refused(`There is no ${path}: \`forgeway up\` makes it with the database.`);
  const next = `${path}.next`;
  try {
    // What a process left that was killed before it could rename it: nothing was sealed with that key.
    await rm(next, { force: true });
    const { uid, gid } = await stat(path);
    await writeNew(next, [randomBytes(MASTER_KEY_BYTES), before.current, ...before.previous], { uid, gid });
    await rename(next, path);
    await syncFolder(path);
  } catch (cause) {
    throw refused(`The new encryption key cannot be written: ${messageOf(cause)}`, cause);
  }
}

/** @param owner who may read it, when that is not this process's user: root may do this for the server's user */
async function writeNew(path: string, keys: readonly Buffer[], owner?: { uid: number; gid: number }): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    if (owner !== undefined) await file.chown(owner.uid, owner.gid);
    await file.writeFile(keys.map((key) => `${key.toString('base64')}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), constants.O_RDONLY);
  await folder.sync().finally(() => folder.close());
}
