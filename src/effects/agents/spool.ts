/** Reads on in the file that everything an agent printed is added to, by the byte, so that each line is seen once. */
import { type FileHandle, open } from 'node:fs/promises';
import type { AgentFormatDescription } from './formats/format.js';
import { type AgentEvent, MOST_LINE_BYTES, MOST_RAW, rawEvent } from './protocol.js';
import type { AgentPage } from './runner.js';

const NEWLINE = 10;
const PAGE_BYTES = 512 * 1024;
const MOST_LINES = 500;

/** Offset of the next line end at or after `from`; undefined when there is none yet. */
async function lineEnd(file: FileHandle, from: number, size: number): Promise<number | undefined> {
  const buffer = Buffer.alloc(PAGE_BYTES);
  for (let at = from; at < size; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(PAGE_BYTES, size - at), at);
    if (bytesRead === 0) return undefined;
    const found = buffer.subarray(0, bytesRead).indexOf(NEWLINE);
    if (found !== -1) return at + found;
    at += bytesRead;
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

export interface SpoolOptions {
  path: string;
  format: Pick<AgentFormatDescription, 'parse' | 'speaksText'>;
  cursor: number;
  lines?: number;
  /** Nothing is added any more: a last line without an end is one too. */
  isWhole: boolean;
  /** What the file may hold; at that size something was left out. */
  mostBytes: number;
}

/** A cursor that lies beyond the end reads nothing and stays. */
export async function readSpool(o: SpoolOptions): Promise<AgentPage> {
  const { path, format, cursor, lines = MOST_LINES, isWhole, mostBytes } = o;
  const events: AgentPage['events'] = [];
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { events, next: cursor, more: false };
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (cursor >= size) return { events, next: cursor, more: false };
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(PAGE_BYTES),
      0,
      Math.min(PAGE_BYTES, size - cursor),
      cursor,
    );
    const page = buffer.subarray(0, bytesRead);
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
        end = await lineEnd(file, cursor + bytesRead, size);
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
  } finally {
    await file.close();
  }
}
