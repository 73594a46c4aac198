/** What apps print and what a process says when it dies, without secrets: Node writes both as they are. */
import { writeSync } from 'node:fs';
import { redactAll } from './redact.js';

type Write = (...args: unknown[]) => boolean;

/** Streams whose failures are no end of the process. */
const outlived = new WeakSet<object>();
/** Lines of the log that could not be written, and nobody was told yet. */
const lines = { lost: 0 };

/** A full disk, or nobody who reads any more, costs what was written, and not the process. What is written later arrives. */
function outlive(stream: NodeJS.WriteStream): void {
  if (outlived.has(stream)) return;
  outlived.add(stream);
  // Lines of the log are counted where they are written.
  stream.on('error', () => undefined);
}

/** On a line of its own, since the last one may be there in part. */
function lostLines(count: number): string {
  const line = { level: 40, time: Date.now(), lost: count, msg: 'lines of the log could not be written' };
  return `\n${JSON.stringify(line)}\n`;
}

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
  for (const stream of [process.stdout, process.stderr]) {
    guard(stream);
    outlive(stream);
  }
}

/** Writes a text to standard error that was redacted already. Never throws, and never ends the process. */
export function writeRedacted(text: string): void {
  outlive(process.stderr);
  const write = plain.get(process.stderr) ?? (process.stderr.write.bind(process.stderr) as Write);
  const { lost } = lines;
  lines.lost = 0;
  write(lost === 0 ? text : lostLines(lost) + text, (error: unknown) => {
    if (error) lines.lost += lost + 1;
  });
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
