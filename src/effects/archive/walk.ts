/** Goes through a gzip-compressed tar as it streams in: everything is checked, and nothing is held whole. */
import { Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { type ArchiveEntry, type ArchiveLimits, createEntryRules, refuseArchive } from './entry-rules.js';
import { guardHeaders } from './tar-headers.js';

/** Bytes as a network or a file gives them. */
export type ArchiveSource = AsyncIterable<Uint8Array>;

export interface WalkOptions {
  limits: ArchiveLimits;
  stripRoot: boolean;
  signal?: AbortSignal;
  /** Given every chunk as it arrives, compressed. */
  onChunk?: (chunk: Buffer) => void | Promise<void>;
  /** What to do with an entry; the body of a file must be read to its end. Default: nothing. */
  visit?: (entry: ArchiveEntry, body: AsyncIterable<Uint8Array>) => Promise<void>;
}

export interface Walked {
  compressedBytes: number;
  bytes: number;
  entries: number;
}

/** Passes everything on and refuses what is more than `limit`. */
function counter(limit: number, say: string, onChunk?: WalkOptions['onChunk']): Transform & { total: number } {
  const transform = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      counted.total += chunk.length;
      if (counted.total > limit) return done(refuseArchive(say));
      Promise.resolve(onChunk?.(chunk)).then(
        () => done(null, chunk),
        (error: Error) => done(error),
      );
    },
  });
  const counted = Object.assign(transform, { total: 0 });
  return counted;
}

async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) void chunk;
}

/**
 * Reads an archive to its end. The source is destroyed when it is refused, so that no more of it is sent.
 * @throws ForgewayError FORGEWAY_ARCHIVE_REFUSED; whatever the source, `onChunk` and `visit` throw
 */
export async function walkArchive(source: ArchiveSource, o: WalkOptions): Promise<Walked> {
  const { limits } = o;
  const rules = createEntryRules(limits, o.stripRoot);
  const arriving = counter(limits.compressedBytes, `it is larger than ${limits.compressedBytes} bytes`, o.onChunk);
  const unfolding = counter(limits.bytes, `it unfolds to more than ${limits.bytes} bytes`);
  const gunzip = createGunzip();
  const entries = extract();
  const failure: { own?: unknown; source?: unknown } = {};
  // What ends the pipeline is told to its source too, so only here it is known whether the source itself had failed.
  const told = async function* () {
    try {
      yield* source;
    } catch (error) {
      failure.source = error;
      throw error;
    }
  };
  const input = Readable.from(told(), { objectMode: false });

  const reading = (async () => {
    for await (const entry of entries) {
      const taken = rules.take(entry.header);
      if (taken !== undefined && o.visit !== undefined) await o.visit(taken, entry);
      await drain(entry);
      entry.resume();
    }
  })().catch((error: unknown) => {
    failure.own ??= error;
    throw error;
  });
  const sending = pipeline(
    input,
    arriving,
    gunzip,
    unfolding,
    (unfolded: AsyncIterable<Buffer>) => guardHeaders(unfolded),
    entries as unknown as Writable,
    { ...(o.signal === undefined ? {} : { signal: o.signal }) },
  );
  const [sent, read] = await Promise.allSettled([sending, reading]);
  if (sent.status === 'rejected' || read.status === 'rejected') {
    o.signal?.throwIfAborted();
    const errors = [failure.own, failure.source, sent.status === 'rejected' ? sent.reason : undefined];
    const ours = errors.find((error) => error instanceof ForgewayError);
    if (ours !== undefined) throw ours;
    if (failure.source !== undefined) throw failure.source;
    const cause = failure.own ?? (sent.status === 'rejected' ? sent.reason : undefined);
    if (isFormatError(cause)) throw refuseArchive(`it is no whole gzip-compressed tar (${messageOf(cause)})`);
    throw cause;
  }
  if (rules.entries === 0) throw refuseArchive('it is empty');
  return { compressedBytes: arriving.total, bytes: unfolding.total, entries: rules.entries };
}

const OF_TAR = /^(?:Invalid tar header|Unexpected end of data|Premature close|Writable stream closed prematurely)/i;

/** What zlib and the tar reader say of bytes that are not theirs. */
function isFormatError(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const code = 'code' in error ? String(error.code) : '';
  return code.startsWith('Z_') || ('message' in error && OF_TAR.test(String(error.message)));
}
