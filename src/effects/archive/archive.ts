/** Archives of configurations on their way: checked while they stream to where they are kept, and unpacked from there. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ArchiveLimits } from './entry-rules.js';
import { type ArchiveSource, type Walked, walkArchive } from './walk.js';

export { type ArchiveLimits, DEFAULT_ENTRIES } from './entry-rules.js';
export type { ArchiveSource, Walked } from './walk.js';

export interface ReadOptions {
  limits: ArchiveLimits;
  /** A forge puts everything into one directory, which is left out. */
  stripRoot: boolean;
  signal?: AbortSignal;
}

/**
 * The same bytes, as they come, for whoever keeps them. What was handed on counts only once the end was reached: an archive
 * that is not to be had throws before it, with FORGEWAY_ARCHIVE_REFUSED, and so does a source that breaks.
 * @param onChecked told what it was, at its end
 */
export async function* checkedArchive(
  source: ArchiveSource,
  o: ReadOptions,
  onChecked?: (walked: Walked) => void,
): AsyncGenerator<Buffer> {
  const checked = new PassThrough();
  const walking = walkArchive(source, {
    ...o,
    async onChunk(chunk) {
      if (checked.destroyed) throw new Error('nobody reads the archive any more');
      if (checked.write(chunk) || checked.destroyed) return;
      await Promise.race([once(checked, 'drain'), once(checked, 'close')]);
    },
  }).then(
    (walked) => {
      onChecked?.(walked);
      checked.end();
    },
    (error: Error) => {
      checked.destroy(error);
    },
  );
  try {
    for await (const chunk of checked) yield chunk as Buffer;
  } finally {
    checked.destroy();
    await walking;
  }
}

/**
 * Unpacks into a directory that is empty or not there yet. Everything is checked again; modes are ours and not the archive's.
 * @throws ForgewayError FORGEWAY_ARCHIVE_REFUSED
 */
export async function unpackArchive(source: ArchiveSource, directory: string, o: ReadOptions): Promise<Walked> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return walkArchive(source, {
    ...o,
    async visit(entry, body) {
      const place = join(directory, entry.path);
      if (entry.kind === 'directory') {
        await mkdir(place, { recursive: true, mode: 0o700 });
        return;
      }
      await mkdir(dirname(place), { recursive: true, mode: 0o700 });
      if (entry.kind === 'link') return symlink(entry.target, place);
      await pipeline(body, createWriteStream(place, { flags: 'wx', mode: 0o600 }));
      if (entry.executable) await chmod(place, 0o700);
    },
  });
}
