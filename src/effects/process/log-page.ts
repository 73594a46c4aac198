/** Reads on in what a sandboxed command prints, page by page, while it prints. */
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { redactText } from '../../lib/redact.js';
import { shownLine } from './captured-log.js';

/** A place in what was printed, that stays while the files take turns. */
export interface LogPosition {
  inode: string;
  offset: number;
}

export interface LogPage {
  /** Whole lines, without terminal controls, redacted. */
  lines: string[];
  /** Where the next page begins; null while nothing was printed. */
  next: LogPosition | null;
  /** There are whole lines after these already. */
  more: boolean;
  /** What came right before is not kept any more. */
  gap: boolean;
}

export interface LogPageOptions {
  /** Undefined: the last lines. */
  after: LogPosition | undefined;
  lines: number;
  /** Nothing is added any more: a last line without an end is one too. */
  isWhole: boolean;
}

const PAGE_BYTES = 48 * 1024;
/** A private key that began before a page goes on in it. */
const LOOK_BACK_BYTES = 8 * 1024;
const OPEN_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----(?![\s\S]*-----END)/;
const NEWLINE = 10;

interface LogFile {
  path: string;
  inode: string;
  size: number;
}

/** A file from an offset on, as far as it is read. */
interface Part extends LogPosition {
  bytes: Buffer;
}

async function logFile(path: string): Promise<LogFile | undefined> {
  try {
    const { ino, size } = await stat(path, { bigint: true });
    return { path, inode: ino.toString(), size: Number(size) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The older one first. */
async function logFiles(directory: string, name: string): Promise<LogFile[]> {
  // Looked at the other way round: when they take turns in between, the same file is met twice and none is missed.
  const newer = await logFile(join(directory, name));
  const older = await logFile(join(directory, `${name}.1`));
  return [older?.inode === newer?.inode ? undefined : older, newer].flatMap((file) => file ?? []);
}

async function readFrom(path: string, offset: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function readParts(files: readonly LogFile[], start: number): Promise<{ parts: Part[]; isAtEnd: boolean }> {
  const parts: Part[] = [];
  let skip = start;
  let left = PAGE_BYTES;
  for (const { path, inode, size } of files) {
    const offset = Math.min(skip, size);
    skip -= offset;
    const bytes = await readFrom(path, offset, Math.min(left, size - offset));
    left -= bytes.length;
    parts.push({ inode, offset, bytes });
    if (left === 0) break;
  }
  return { parts, isAtEnd: left > 0 };
}

function positionAfter(parts: readonly Part[], consumed: number): LogPosition | null {
  let left = consumed;
  for (const [index, { inode, offset, bytes }] of parts.entries()) {
    if (left < bytes.length || index === parts.length - 1) return { inode, offset: offset + left };
    left -= bytes.length;
  }
  return null;
}

function endsOfLines(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) ends.push(at + 1);
  return ends;
}

function linesOf(bytes: Buffer, before: string): string[] {
  return bytes.length === 0 ? [] : shownLines(bytes.toString('utf8').replace(/\n$/, '').split('\n'), before);
}

/** Lines without terminal controls, redacted. @param before what was printed right before them: a private key may go on */
export function shownLines(lines: readonly string[], before: string): string[] {
  const text = lines.map(shownLine).join('\n');
  const opening = OPEN_KEY.exec(before)?.[0];
  return lines.length === 0 ? [] : redactText(opening === undefined ? text : `${opening}\n${text}`).split('\n');
}

/**
 * A page of what was printed into `name` and, before that, `name.1`. Lines are told whole, so that nothing that has to be
 * redacted is cut in two.
 */
export async function readLogPage(directory: string, name: string, o: LogPageOptions): Promise<LogPage> {
  const { after } = o;
  const files = await logFiles(directory, name);
  if (files.length === 0) return { lines: [], next: null, more: false, gap: after !== undefined };
  const at = files.findIndex(({ inode, size }) => inode === after?.inode && size >= after.offset);
  const gap = after !== undefined && at < 0;
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const start = after === undefined ? Math.max(0, total - PAGE_BYTES) : gap ? 0 : after.offset;
  const { parts, isAtEnd } = await readParts(gap ? files : files.slice(Math.max(0, at)), start);
  const all = Buffer.concat(parts.map(({ bytes }) => bytes));
  const ends = endsOfLines(all);
  const hasRest = ends.at(-1) !== all.length && all.length > 0;
  // A line that is longer than a page would never end.
  if (hasRest && (o.isWhole ? isAtEnd || ends.length === 0 : !isAtEnd && ends.length === 0)) ends.push(all.length);
  // The last lines begin in the middle of one where there was more than a page.
  const begin = after === undefined ? Math.max(start > 0 ? 1 : 0, ends.length - o.lines) : 0;
  const until = after === undefined ? ends.length : Math.min(ends.length, o.lines);
  const from = begin === 0 ? 0 : (ends[begin - 1] ?? 0);
  const to = until === 0 ? 0 : (ends[until - 1] ?? 0);
  const known = files[at];
  const back = Math.min(LOOK_BACK_BYTES, start);
  const before =
    after === undefined
      ? all.subarray(Math.max(0, from - LOOK_BACK_BYTES), from)
      : known === undefined
        ? Buffer.alloc(0)
        : await readFrom(known.path, start - back, back);
  return {
    lines: linesOf(all.subarray(from, Math.max(from, to)), before.toString('utf8')),
    next: positionAfter(parts, to),
    more: until < ends.length || !isAtEnd,
    gap,
  };
}
