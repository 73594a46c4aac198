/** The master key of an embedded database, in a file of its own that is written once and never again. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { sqlStateOf } from './connection.js';

const KEY_BYTES = 32;

/** The key, or undefined when there is no file. @throws ForgewayError FORGEWAY_KEY_MISSING when it is damaged */
export async function readKeyFile(path: string): Promise<Buffer | undefined> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (sqlStateOf(cause) === 'ENOENT') return undefined;
    throw new ForgewayError('FORGEWAY_KEY_MISSING', `The encryption key cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  });
  if (text === undefined) return undefined;
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length !== KEY_BYTES) {
    throw new ForgewayError(
      'FORGEWAY_KEY_MISSING',
      `${path} does not hold an encryption key: restore it from a backup.`,
    );
  }
  return key;
}

/** Makes a key and writes it, readable by nobody else. Another process's file wins: then that key is the answer. */
export async function createKeyFile(path: string): Promise<Buffer> {
  const key = randomBytes(KEY_BYTES);
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      await file.writeFile(`${key.toString('base64')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    const folder = await open(dirname(path), constants.O_RDONLY);
    await folder.sync().finally(() => folder.close());
    return key;
  } catch (cause) {
    const existing = sqlStateOf(cause) === 'EEXIST' ? await readKeyFile(path) : undefined;
    if (existing !== undefined) return existing;
    throw new ForgewayError('FORGEWAY_KEY_MISSING', `The encryption key cannot be written: ${messageOf(cause)}`, {
      cause,
    });
  }
}
