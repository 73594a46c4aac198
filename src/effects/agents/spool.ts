/** Reads on in what an agent printed, which is only added to, by the byte, so that each line is seen once. */
import { open } from 'node:fs/promises';
import type { AgentFormatDescription } from './formats/format.js';
import { type AgentEvent, MOST_LINE_BYTES, MOST_RAW, rawEvent } from './protocol.js';
import type { AgentPage } from './runner.js';

const NEWLINE = 10;
const PAGE_BYTES = 512 * 1024;
const MOST_LINES = 500;

/** What an agent printed, wherever it is kept. */
export interface Printed {
  /** Bytes of it that are there. */
  size: number;
  /** At most so many bytes from there on; fewer only where they are not there. */
  read(from: number, most: number): Promise<Buffer>;
}

/** Offset of the next line end at or after `from`; undefined when there is none yet. */
async function lineEnd({ size, read }: Printed, from: number): Promise<number | undefined> {
  for (let at = from; at < size; ) {
    const bytes = await read(at, Math.min(PAGE_BYTES, size - at));
    if (bytes.length === 0) return undefined;
    const found = bytes.indexOf(NEWLINE);
    if (found !== -1) return at + found;
    at += bytes.length;
  }
  return undefined;
}

/** Plain lines after each other are one event, so that a flood of them is no flood of events. Whether it was taken in. */
export function joins(last: AgentEvent | undefined, [first, ...more]: readonly AgentEvent[]): boolean {
  if (last?.type !== 'raw' || last.reason !== 'not-json' || more.length > 0) return false;
  if (first?.type !== 'raw' || first.reason !== 'not-json') return false;
  if (last.text.length + first.text.length > MOST_RAW) return false;
  last.text += `\n${first.text}`;
  return true;
}

export interface LinesOptions {
  format: Pick<AgentFormatDescription, 'parse' | 'speaksText'>;
  cursor: number;
  lines?: number | undefined;
  /** Nothing is added any more: a last line without an end is one too. */
  isWhole: boolean;
  /** What is kept at most; at that size something was left out. */
  mostBytes: number;
}

/** The same of a file. One that is not there is empty. */
export async function readSpool({ path, ...o }: LinesOptions & { path: string }): Promise<AgentPage> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { events: [], next: o.cursor, more: false };
    throw error;
  }
  try {
    const { size } = await file.stat();
    const read = async (from: number, most: number) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(most), 0, most, from);
      return buffer.subarray(0, bytesRead);
    };
    return await readPrinted({ size, read }, o);
  } finally {
    await file.close();
  }
}

/** A cursor that lies beyond the end reads nothing and stays. */
export async function readPrinted(printed: Printed, o: LinesOptions): Promise<AgentPage> {
  const { format, cursor, lines = MOST_LINES, isWhole, mostBytes } = o;
  const { size } = printed;
  const events: AgentPage['events'] = [];
  if (cursor >= size) return { events, next: cursor, more: false };
  const page = await printed.read(cursor, Math.min(PAGE_BYTES, size - cursor));
  const bytesRead = page.length;
  let next = cursor;
  // Cleaned together: an agent can print millions of lines with nothing in them, which nobody should have to wait for.
  let plain: { at: number; text: string } | undefined;
  const flush = () => {
    if (plain !== undefined) events.push({ at: plain.at, ordinal: 0, event: rawEvent(plain.text, 'not-json') });
    plain = undefined;
  };
  while (events.length < lines && next < cursor + bytesRead) {
    const start = next - cursor;
    const inPage = page.indexOf(NEWLINE, start);
    let end = inPage === -1 ? undefined : cursor + inPage;
    if (end === undefined) {
      // The line goes on after the page; the next one begins with it, unless it is the first here already.
      if (next !== cursor && cursor + bytesRead < size) break;
      end = await lineEnd(printed, cursor + bytesRead);
      if (end === undefined) {
        if (!isWhole && size < mostBytes) break;
        end = size;
      }
    }
    const line = page.subarray(start, Math.min(end - cursor, start + MOST_LINE_BYTES)).toString('utf8');
    const isLong = end - next > MOST_LINE_BYTES;
    const isEmpty = line.trim() === '';
    if (!isLong && !isEmpty && !format.speaksText && !line.trimStart().startsWith('{')) {
      if (plain !== undefined && plain.text.length + line.length < MOST_RAW) plain.text += `\n${line}`;
      else {
        flush();
        plain = { at: next, text: line };
      }
    } else if (!isEmpty) {
      flush();
      const said = isLong ? [rawEvent(line, 'long')] : format.parse(line);
      if (!joins(events.at(-1)?.event, said))
        events.push(...said.map((event, ordinal) => ({ at: next, ordinal, event })));
    }
    next = Math.min(end + 1, size);
  }
  flush();
  if (next === size && size >= mostBytes && next > cursor) {
    const text = `The agent printed more than ${Math.round(mostBytes / 1024 / 1024)} MB; the rest was not kept.`;
    events.push({ at: size, ordinal: 0, event: rawEvent(text, 'long') });
  }
  return { events, next, more: next > cursor && next < size };
}
