/** Archives as repositories and attackers make them. */
import { mkdtemp, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Headers, pack } from 'tar-stream';
import { checkedArchive, unpackArchive, type Walked } from './archive.js';

type Entry = Headers & { body?: string | Buffer };

async function tarOf(entries: readonly Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const { body, ...header } of entries) tar.entry(header, body ?? '');
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
const packed = async (...entries: Entry[]): Promise<Buffer> => gzipSync(await tarOf(entries));

/** In pieces, as a network gives them. */
async function* pieces(bytes: Buffer, size = 1_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Bytes that do not compress, the same every time. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0, state = seed; at < length; at += 1) {
    state = Math.imul(state ^ (state >>> 15), 2_246_822_519) + at;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

const LIMITS = { compressedBytes: 200_000, bytes: 1_000_000, entries: 50 };

/** An extended header of one record before a file; `size` is what its own header says. */
function extended(record: string, o: { type?: string; size?: number; body?: Buffer } = {}): Buffer {
  const header = (name: string, type: string, size: number) => {
    const block = Buffer.alloc(512);
    block.write(name, 0);
    block.write('0000644\0', 100);
    block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
    block.write('00000000000\0', 136);
    block.write('        ', 148);
    block.write(type, 156);
    block.write('ustar\x0000', 257);
    const sum = block.reduce((all, byte) => all + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return block;
  };
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
  const length = (line: string): string => {
    let whole = line.length + 3;
    while (String(whole).length + line.length + 2 !== whole) whole += 1;
    return `${whole} ${line}\n`;
  };
  const body = o.body ?? Buffer.from(length(record));
  return gzipSync(
    Buffer.concat([
      header('pax', o.type ?? 'x', o.size ?? body.length),
      padded(body),
      header('main.tf', '0', 1),
      padded(Buffer.from('x')),
      Buffer.alloc(1_024),
    ]),
  );
}

describe('an archive', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'forgeway-archives-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** What a store would get, and what it is told of it. */
  async function check(source: AsyncIterable<Uint8Array>, o: { stripRoot?: boolean; signal?: AbortSignal } = {}) {
    const chunks: Buffer[] = [];
    let walked: Walked | undefined;
    const options = { limits: LIMITS, stripRoot: false, ...o };
    for await (const chunk of checkedArchive(source, options, (told) => {
      walked = told;
    }))
      chunks.push(chunk);
    return { bytes: Buffer.concat(chunks), walked };
  }
  const put = (bytes: Buffer, stripRoot = false) => check(pieces(bytes), { stripRoot });

  it('is handed on as it came, and unpacked without the root of a forge', async () => {
    const bytes = await packed(
      { name: 'infra-0123456/', type: 'directory' },
      { name: 'infra-0123456/main.tf', body: 'terraform {}\n' },
      { name: 'infra-0123456/modules/web/run.sh', body: '#!/bin/sh\n', mode: 0o755 },
      { name: 'infra-0123456/modules/db/link.tf', type: 'symlink', linkname: '../../main.tf' },
    );
    const checked = await put(bytes, true);
    expect(checked.bytes.equals(bytes)).toBe(true);
    expect(checked.walked).toMatchObject({ compressedBytes: bytes.length, entries: 4 });

    const target = join(directory, 'out');
    await unpackArchive(pieces(bytes), target, { limits: LIMITS, stripRoot: true });
    expect(await readFile(join(target, 'main.tf'), 'utf8')).toBe('terraform {}\n');
    expect((await stat(join(target, 'modules/web/run.sh'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(target, 'main.tf'))).mode & 0o777).toBe(0o600);
    expect(await readlink(join(target, 'modules/db/link.tf'))).toBe('../../main.tf');
  });

  it.each([
    ['-1', /size that is none/],
    ['-512', /size that is none/],
    ['abc', /size that is none/],
    ['Infinity', /size that is none/],
    ['9999999999999999', /size that is none/],
  ])('is refused where an extended header says a size of %s', async (size, why) => {
    await expect(put(extended(`size=${size}`))).rejects.toThrow(why);
  });

  it.each(['x', 'g', 'L', 'K'])(
    'is refused where a header of type %s is longer than anything it may hold',
    async (type) => {
      await expect(put(extended('', { type, size: 2 * 1024 * 1024 }))).rejects.toThrow(/longer than a megabyte/);
    },
  );

  it('may have extended headers, whole or in pieces, with the size in them', async () => {
    const bytes = extended('size=1');
    for (const size of [1, 100, 511, 513, 100_000])
      expect((await check(pieces(bytes, size))).walked).toMatchObject({ entries: 1 });
    const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(90)}.tf`;
    expect((await put(await packed({ name: long, body: 'x' }, { name: 'b.tf', body: 'y' }))).walked).toMatchObject({
      entries: 2,
    });
  });

  it('is larger than what fits in a pipe', async () => {
    const bytes = await packed(...Array.from({ length: 30 }, (_, n) => ({ name: `f${n}`, body: noise(6_000, n + 1) })));
    expect((await put(bytes)).bytes.equals(bytes)).toBe(true);
  });

  const refused: [string, Entry[], RegExp][] = [
    ['an absolute path', [{ name: '/etc/cron.d/x', body: 'x' }], /absolute path/],
    ['a path with ..', [{ name: 'a/../../x', body: 'x' }], /leads out/],
    ['a path that is only ..', [{ name: '..', type: 'directory' }], /leads out/],
    ['a backslash', [{ name: '..\\..\\x', body: 'x' }], /characters/],
    ['a line break in a name', [{ name: 'a\nb', body: 'x' }], /characters/],
    ['an absolute link', [{ name: 'a', type: 'symlink', linkname: '/etc/passwd' }], /leads to/],
    ['a link out', [{ name: 'd/a', type: 'symlink', linkname: '../../x' }], /leads out/],
    [
      'a link out by way of another',
      [
        { name: 'd/e/one', type: 'symlink', linkname: '../../a' },
        { name: 'd/e/two', type: 'symlink', linkname: 'one/../../secret' },
      ],
      /leads out/,
    ],
    [
      'a file behind a link',
      [
        { name: 'a', type: 'symlink', linkname: 'b' },
        { name: 'a/x', body: 'x' },
      ],
      /no directory/,
    ],
    ['a hard link', [{ name: 'a', type: 'link', linkname: 'b' }], /is a link/],
    ['a device', [{ name: 'a', type: 'character-device' }], /is a character-device/],
    ['a pipe', [{ name: 'a', type: 'fifo' }], /is a fifo/],
    ['the same file twice', [{ name: 'a.tf' }, { name: './a.tf' }], /there twice/],
    ['two names that differ by case', [{ name: 'Main.tf' }, { name: 'main.tf' }], /same without case/],
    ['two directories that differ by case', [{ name: 'Mod/a.tf' }, { name: 'mod/b.tf' }], /same without case/],
    ['two spellings of one accent', [{ name: 'caf\u00e9.tf' }, { name: 'cafe\u0301.tf' }], /same without case/],
    ['a file where a directory is', [{ name: 'a/b.tf' }, { name: 'a', body: 'x' }], /there twice/],
    ['a file within a file', [{ name: 'a', body: 'x' }, { name: 'a/b.tf' }], /no directory/],
    ['too many entries', Array.from({ length: 51 }, (_, n) => ({ name: `f${n}` })), /more than 50 entries/],
    ['a path that is too deep', [{ name: `${'d/'.repeat(70)}f` }], /deeper/],
    ['nothing', [], /is empty/],
  ];
  it.each(refused)('refuses %s', async (_what, entries, why) => {
    const bytes = await packed(...entries);
    await expect(put(bytes)).rejects.toMatchObject({
      code: 'FORGEWAY_ARCHIVE_REFUSED',
      message: expect.stringMatching(why),
    });
  });

  it('refuses files beside the directory of a forge', async () => {
    const bytes = await packed({ name: 'root/a.tf' }, { name: 'other/b.tf' });
    await expect(put(bytes, true)).rejects.toThrow(/not all in one directory/);
  });

  it('stops reading a bomb as soon as it unfolds to too much', async () => {
    const bomb = gzipSync(await tarOf([{ name: 'zeros', body: Buffer.alloc(90_000_000) }]));
    expect(bomb.length).toBeLessThan(LIMITS.compressedBytes);
    let given = 0;
    const source = async function* () {
      for await (const piece of pieces(bomb, 100)) {
        given += piece.length;
        yield piece;
      }
    };
    await expect(check(source())).rejects.toThrow(/larger than|unfolds/);
    expect(given).toBeLessThan(bomb.length);
  });

  it('refuses a bomb whose header lies about its size, and one that is large as it comes', async () => {
    const many = await tarOf(Array.from({ length: 40 }, (_, n) => ({ name: `f${n}`, body: Buffer.alloc(40_000) })));
    await expect(put(gzipSync(many))).rejects.toThrow(/unfolds to more than 1000000/);
    await expect(put(await packed({ name: 'noise', body: noise(300_000, 1) }))).rejects.toThrow(
      /larger than 200000 bytes/,
    );
  });

  it.each([
    ['half an archive', async () => (await packed({ name: 'a', body: 'x'.repeat(50_000) })).subarray(0, -40)],
    [
      'a tar that is cut',
      async () => gzipSync((await tarOf([{ name: 'a', body: 'x'.repeat(5_000) }])).subarray(0, 2_048)),
    ],
    ['what is no gzip', async () => Buffer.from('<html>sign in</html>')],
    ['what is no tar', async () => gzipSync(Buffer.from('x'.repeat(2_000)))],
  ])('refuses %s', async (_what, make) => {
    await expect(put(await make())).rejects.toMatchObject({ code: 'FORGEWAY_ARCHIVE_REFUSED' });
  });

  it('passes on what broke the download, and is not held up by it', async () => {
    const bytes = await packed({ name: 'a', body: 'x'.repeat(50_000) });
    const broken = async function* () {
      yield bytes.subarray(0, 100);
      throw new Error('the connection was reset');
    };
    await expect(check(broken())).rejects.toThrow('the connection was reset');
    const hanging = new Readable({ read: () => undefined });
    await expect(check(hanging, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
  });

  it('writes nothing outside when it is unpacked unchecked', async () => {
    const bytes = await packed({ name: 'd', type: 'symlink', linkname: '..' }, { name: 'd/x', body: 'x' });
    await expect(
      unpackArchive(pieces(bytes), join(directory, 'out'), { limits: LIMITS, stripRoot: false }),
    ).rejects.toMatchObject({ code: 'FORGEWAY_ARCHIVE_REFUSED' });
    await expect(stat(join(directory, 'x'))).rejects.toThrow('ENOENT');
  });

  it('stops when whoever keeps it has enough', async () => {
    const bytes = await packed({ name: 'a', body: noise(100_000, 3) });
    const given = checkedArchive(pieces(bytes), { limits: LIMITS, stripRoot: false });
    await given.next();
    await given.return(undefined);
  });
});
