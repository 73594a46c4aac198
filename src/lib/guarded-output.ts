/** What apps print and what a process says when it dies, without secrets: Node writes both as they are. */
import { writeSync } from 'node:fs';
import { redactAll } from './redact.js';

type Write = (...args: unknown[]) => boolean;

/** How a stream writes that was guarded. */
const plain = new WeakMap<object, Write>();
const STANDARD_ERROR = 2;

function guard(stream: NodeJS.WriteStream): void {
  if (plain.has(stream)) return;
  const write = stream.write.bind(stream) as Write;
  plain.set(stream, write);
  stream.write = ((chunk: unknown, ...rest: unknown[]) => {
    // A text in another encoding than its own is bytes.
    const isText = typeof chunk === 'string' && (typeof rest[0] !== 'string' || /^utf-?8$/i.test(rest[0]));
    const text = isText ? chunk : chunk instanceof Uint8Array ? Buffer.from(chunk).toString('utf8') : '';
    const safe = redactAll(text);
    return write(safe === text ? chunk : safe, ...rest);
  }) as typeof stream.write;
}

/** For a process that runs other people's code: from now on its standard output and error are redacted. */
export function guardOutput(): void {
  guard(process.stdout);
  guard(process.stderr);
}

/** Writes a text to standard error that was redacted already. */
export function writeRedacted(text: string): void {
  const write = plain.get(process.stderr);
  if (write === undefined) process.stderr.write(text);
  else write(text);
}

/** An error that nobody catches ends the process with exit code 1, as before, and is told without secrets. */
export function hideLastWords(): void {
  process.on('uncaughtException', (error: unknown, origin: string) => {
    // An app that has a way of its own keeps it.
    if (process.listenerCount('uncaughtException') > 1) return;
    const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
    try {
      // Nothing else of this process runs any more that could write it later.
      writeSync(STANDARD_ERROR, `${origin}: ${redactAll(said)}\n`);
    } finally {
      process.exit(1);
    }
  });
}
