/**
 * When what a sandboxed command printed was printed. Its supervisor writes down beside the log, every second or so in which
 * something was added: the time of the last addition, the file, and how much it held then.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogPosition } from './log-page.js';

/** What it is called beside a log, by the log's name. */
export const timesOf = (name: string): string => `${name}-times`;

interface Note {
  at: number;
  inode: string;
  size: number;
}

async function readNotes(path: string): Promise<Note[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    // Nothing was printed for a second yet.
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').flatMap((line) => {
    const [, seconds, inode = '', size] = /^(\d+(?:\.\d+)?) (\d+) (\d+)$/.exec(line) ?? [];
    return seconds === undefined ? [] : [{ at: Number(seconds) * 1_000, inode, size: Number(size) }];
  });
}

/**
 * Where to begin to read so that nothing is missed that was printed from `since` on; lines of the second or two before may come
 * along. Undefined: there is no log.
 */
export async function positionSince(directory: string, name: string, since: Date): Promise<LogPosition | undefined> {
  const notes = await readNotes(join(directory, timesOf(name)));
  let end: LogPosition | undefined;
  for (const file of [`${name}.1`, name]) {
    const found = await stat(join(directory, file), { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined) continue;
    const inode = found.ino.toString();
    const size = Number(found.size);
    // What was added after the last look of the supervisor, such as the last words, has the time of the file.
    const last = { at: Number(found.mtimeMs), inode, size };
    const own = [...notes.filter((note) => note.inode === inode && note.size <= size), last];
    const first = own.findIndex(({ at }) => at >= since.getTime());
    if (first >= 0) return { inode, offset: own[first - 1]?.size ?? 0 };
    end = { inode, offset: size };
  }
  return end;
}
