/** What PostgreSQL itself said, for the person who has to mend it. */
import { open, statfs } from 'node:fs/promises';

const LINES = 8;
const BYTES = 8192;
const DISK_FULL = ': the disk is full, make room and start again';
/** One segment of PostgreSQL's write-ahead log, without which it does not start. */
const LEAST_ROOM_BYTES = 16 * 1024 * 1024;

/** The last lines of a text. */
export function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-LINES).join('\n');
}

/** The last lines of a log file, none of them older than the byte position `since`. */
export async function readLogTail(path: string, since: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Math.max(since, size - BYTES);
    const buffer = Buffer.alloc(Math.max(0, size - start));
    await file.read(buffer, 0, buffer.length, start);
    return lastLines(buffer.toString('utf8'));
  } finally {
    await file.close();
  }
}

/** One message out of what failed in which directory, a hint for the causes that people meet most, and the log. */
export async function explain(what: string, directory: string, log: string): Promise<string> {
  const hint = (await isFull(directory)) ? DISK_FULL : hintFor(log);
  return `${what} (${directory})${hint}. It said:\n${log === '' ? '(nothing)' : log}`;
}

/** Asked of the file system: what the checkpointer fails at does not always reach the log. */
async function isFull(directory: string): Promise<boolean> {
  const room = await statfs(directory).catch(() => null);
  return room !== null && room.bavail * room.bsize < LEAST_ROOM_BYTES;
}

/** For people only: no decision hangs on these words. */
function hintFor(log: string): string {
  if (/no space left on device|disk quota exceeded/i.test(log)) return DISK_FULL;
  if (/permission denied|has wrong ownership|invalid permissions/i.test(log))
    return ': a file does not belong to its user';
  if (/read-only file system/i.test(log)) return ': the file system is read-only';
  if (/invalid checkpoint|could not locate a valid checkpoint|is corrupt|invalid page|PANIC/i.test(log)) {
    return ': its files are damaged, restore them from a backup';
  }
  if (/could not look up effective user/i.test(log)) return ': this user has no entry in /etc/passwd';
  if (/shared memory|semaphores/i.test(log))
    return ': the system grants it too little shared memory, or an old process holds it';
  return '';
}
