/** A gzip-compressed tar as it is made: nothing of it is held whole. */
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Pack, pack } from 'tar-stream';

/** @param fill puts the entries in, one after the other. @throws whatever it throws, also when the tar was read in part */
export async function* streamTar(fill: (tar: Pack) => Promise<void>): AsyncGenerator<Buffer> {
  const tar = pack();
  const zipped = new PassThrough();
  const sending = pipeline(tar, createGzip(), zipped);
  const filling = (async () => {
    await fill(tar);
    tar.finalize();
  })().catch((error: Error) => {
    tar.destroy(error);
    throw error;
  });
  // Told below; until then nobody may think that nobody waits for it.
  for (const one of [filling, sending]) one.catch(() => undefined);
  try {
    for await (const chunk of zipped) yield chunk as Buffer;
  } catch (error) {
    await filling;
    throw error;
  } finally {
    if (!tar.destroyed) tar.destroy();
  }
  await filling;
  await sending;
}
