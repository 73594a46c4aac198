/**
 * Looks at the headers of a tar before its reader does: one holds long names and extended headers whole, however long they say that
 * they are, and waits for ever for a body of less than nothing.
 */
import { refuseArchive } from './entry-rules.js';

const BLOCK = 512;
/** Extended headers and long names; a path and what hangs on it is much shorter. */
const META = new Set(['x', 'g', 'L', 'K']);
const MOST_META = 1024 * 1024;

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;
const textAt = (block: Buffer, from: number, length: number): string =>
  block.toString('latin1', from, from + length).replace(/\0.*$/s, '');

/** Octal digits, or a number of 95 bits where the first one is set. */
function sizeOf(block: Buffer): number {
  const field = block.subarray(124, 136);
  if (((field[0] ?? 0) & 0x80) === 0) {
    const digits = textAt(block, 124, 12).trim();
    if (!/^[0-7]*$/.test(digits)) throw refuseArchive('an entry has a size that is none');
    return digits === '' ? 0 : Number.parseInt(digits, 8);
  }
  const size = Number(
    BigInt(`0x${Buffer.concat([Buffer.of((field[0] ?? 0) & 0x7f), field.subarray(1)]).toString('hex')}`),
  );
  if (!Number.isSafeInteger(size)) throw refuseArchive('an entry has a size that is none');
  return size;
}

/** The size that an extended header gives the next entry. */
function extendedSize(body: Buffer): number | undefined {
  let size: number | undefined;
  let rest = body;
  while (rest.length > 0) {
    const length = Number.parseInt(rest.toString('latin1', 0, Math.max(0, rest.indexOf(0x20))), 10);
    if (!(length > 0)) break;
    const [key, value = ''] = rest.toString('latin1', rest.indexOf(0x20) + 1, length - 1).split('=', 2);
    if (key === 'size') {
      if (!/^\d{1,15}$/.test(value)) throw refuseArchive('an entry has a size that is none');
      size = Number(value);
    }
    rest = rest.subarray(length);
  }
  return size;
}

function isDirectory(block: Buffer, type: string): boolean {
  if (type === '5') return true;
  const name = textAt(block, 0, 100) || textAt(block, 345, 155).replace(/$/, '/');
  return (type === '0' || type === '\0') && name.endsWith('/');
}

/** Passes everything on as it is. @throws ForgewayError FORGEWAY_ARCHIVE_REFUSED before the reader sees what it could not bear */
export async function* guardHeaders(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  let skip = 0;
  let meta: { type: string; size: number; parts: Buffer[]; have: number } | undefined;
  const sizes: { next?: number | undefined; common?: number | undefined } = {};

  function readMeta({ type, size, parts }: NonNullable<typeof meta>): void {
    skip = padding(size);
    meta = undefined;
    if (type === 'L' || type === 'K') return;
    const found = extendedSize(Buffer.concat(parts));
    if (type === 'g') sizes.common = found;
    else sizes.next = found ?? sizes.common;
  }
  function readHeader(block: Buffer): void {
    if (block.every((byte) => byte === 0)) return;
    const type = String.fromCharCode(block[156] ?? 0);
    const size = sizeOf(block);
    if (META.has(type)) {
      if (size > MOST_META) throw refuseArchive('a name or an extended header is longer than a megabyte');
      if (size > 0) meta = { type, size, parts: [], have: 0 };
      return;
    }
    const whole = sizes.next ?? size;
    sizes.next = undefined;
    skip = isDirectory(block, type) ? 0 : whole + padding(whole);
  }

  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const left = chunk.length - at;
      if (meta !== undefined) {
        const part = chunk.subarray(at, at + Math.min(meta.size - meta.have, left));
        meta.parts.push(part);
        meta.have += part.length;
        at += part.length;
        if (meta.have === meta.size) readMeta(meta);
      } else if (skip > 0) {
        const passed = Math.min(skip, left);
        skip -= passed;
        at += passed;
      } else {
        const part = chunk.subarray(at, at + BLOCK - head.length);
        head = Buffer.concat([head, part]);
        at += part.length;
        if (head.length < BLOCK) continue;
        const block = head;
        head = Buffer.alloc(0);
        readHeader(block);
      }
    }
    yield chunk;
  }
}
