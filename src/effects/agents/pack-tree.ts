/** A directory as a gzip-compressed tar, as it is read: files, directories and links, and nothing of whose they are. */
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Pack } from 'tar-stream';
import { streamTar } from '../archive/stream-tar.js';

async function add(tar: Pack, root: string, name: string): Promise<void> {
  const path = join(root, name);
  const found = await lstat(path);
  if (found.isSymbolicLink()) tar.entry({ name, type: 'symlink', linkname: await readlink(path) });
  else if (found.isDirectory()) {
    tar.entry({ name, type: 'directory', mode: 0o700 });
    for (const below of (await readdir(path)).sort()) await add(tar, root, `${name}/${below}`);
  } else if (found.isFile()) {
    const entry = tar.entry({ name, size: found.size, mode: (found.mode & 0o100) === 0 ? 0o600 : 0o700 });
    // Of what grows meanwhile no more is read than was announced.
    if (found.size === 0) entry.end();
    else await pipeline(createReadStream(path, { end: found.size - 1 }), entry);
  }
}

/** @param names below `root` */
export const packTree = (root: string, names: readonly string[]): AsyncGenerator<Buffer> =>
  streamTar(async (tar) => {
    for (const name of names) await add(tar, root, name);
  });
