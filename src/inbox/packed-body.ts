import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';

/** How a stored body holds what was received, in the words of HTTP: as it is, or compressed with Brotli. */
export type BodyCoding = 'identity' | 'br';

export interface StoredBody {
  coding: BodyCoding;
  bytes: Buffer;
}

/** A shorter one fits into its row, so that nothing would be saved. */
const SHORTEST_PACKED = 1_500;
/** The event loop stands still for it: 30 us for 20 KB, and less than half a millisecond for this, whatever it says. */
export const LONGEST_PACKED = 128 * 1024;

/**
 * Makes a body ready to be stored. Webhooks repeat themselves and shrink to a tenth, so that packing costs a third of what
 * PostgreSQL would spend on logging and writing the rest; quality 1 is the cheapest, and twice as fast as zlib's.
 */
export function packBody(body: Buffer): StoredBody {
  if (body.length < SHORTEST_PACKED || body.length > LONGEST_PACKED) return { coding: 'identity', bytes: body };
  const bytes = brotliCompressSync(body, {
    // What most shrink to, so that little memory is set aside for nothing: it counts towards the next full collection.
    chunkSize: Math.max(512, body.length >> 3),
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 1,
      [constants.BROTLI_PARAM_LGWIN]: 16,
      [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
    },
  });
  return bytes.length < body.length ? { coding: 'br', bytes } : { coding: 'identity', bytes: body };
}

/** The very bytes that were received. @throws when what is stored is damaged. */
export function unpackBody({ coding, bytes }: StoredBody): Buffer {
  if (coding === 'identity') return bytes;
  return brotliDecompressSync(bytes, { chunkSize: 32 * 1024, maxOutputLength: LONGEST_PACKED });
}
