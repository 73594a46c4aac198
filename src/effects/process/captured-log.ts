/** Reads back what a sandboxed command printed: two files that take turns, so that only the last part is ever kept. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { redactText } from '../../lib/redact.js';

/** Name of the file that a sandbox's command prints into; before it, the same with `.1`. */
export const LOG = 'log';
/** The same for what the build printed, once something else runs. */
export const BUILD_LOG = 'build-log';

/** Bytes of each of the two files; at least this much of the end is always there. */
export const LOG_FILE_BYTES = 512 * 1024;

async function endOf(path: string, bytes: number): Promise<Buffer> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    const { size } = await file.stat();
    const length = Math.min(size, bytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const ESCAPE = String.fromCharCode(27);
const COLOUR = new RegExp(`${ESCAPE}\\[[0-9;?]*[ -/]*[@-~]`, 'g');
/** Control characters, zero-width characters and direction marks; lines and tabs stay. */
const CONTROL = /(?![\n\t])[\p{Cc}\p{Cf}]/gu;

/** Without terminal controls and direction marks. */
export const plainText = (text: string): string => text.replace(COLOUR, '').replace(CONTROL, '');

/** The last whole lines, without terminal controls and direction marks, redacted. */
export async function readLogTail(runDirectory: string, lines: number, bytes = 16 * 1024): Promise<string> {
  const current = await endOf(join(runDirectory, 'log'), bytes);
  const previous =
    current.length < bytes ? await endOf(join(runDirectory, 'log.1'), bytes - current.length) : Buffer.alloc(0);
  const text = Buffer.concat([previous, current]).toString('utf8').replaceAll('\r\n', '\n').replaceAll('\r', '\n');
  return redactText(plainText(text)).trimEnd().split('\n').slice(-lines).join('\n');
}

/** As a terminal shows a line in the end: a carriage return goes back to its beginning. */
export const shownLine = (line: string): string => plainText(line.replace(/\r+$/, '').split('\r').at(-1) ?? '');
