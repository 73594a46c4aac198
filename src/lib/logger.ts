import { type DestinationStream, type Logger, pino } from 'pino';
import { writeRedacted } from './guarded-output.js';
import { LONGEST_REDACTED, redactAll } from './redact.js';

export type { Logger } from 'pino';

export interface LoggerOptions {
  level: string;
  /** `json` for machines, `pretty` for a person's terminal. */
  format: 'json' | 'pretty';
  destination?: DestinationStream;
}

const LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };
const HEAD = /^\{"level":(\d+),"time":(\d+)/;

/** One readable line: time, level, message, then the fields. A line that cannot be read stays as it is. */
function prettyLine(json: string): string {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const { level, time, msg, pid, hostname, name, ...rest } = line;
  const fields = Object.entries(rest)
    .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' ');
  const clock = new Date(Number(time)).toISOString().slice(11, 23);
  return `${clock} ${(LEVELS[Number(level)] ?? 'info').padEnd(5)} ${String(msg ?? '')}${fields ? `  ${fields}` : ''}\n`;
}

/** A line that is too long to be searched is cut, and is a line all the same. */
function cut(line: string): string {
  const [, level = '30', time = '0'] = HEAD.exec(line) ?? [];
  const text = `${redactAll(line.slice(0, LONGEST_REDACTED))}… [cut, it had ${line.length} characters]`;
  return `${JSON.stringify({ level: Number(level), time: Number(time), msg: 'a long line', cut: text })}\n`;
}

/** What cannot be written down as it is; a log must never be what ends a process. */
const unwritable = (level: number, error: unknown): string =>
  `${JSON.stringify({ level, time: Date.now(), msg: 'something could not be logged', why: String(error) })}\n`;

/**
 * A logger whose every line is redacted as text, after formatting, so that a secret inside an error
 * message or a nested object cannot slip past a list of paths. Lines go to standard error.
 */
export function createLogger(options: LoggerOptions): Logger {
  const write = options.destination ? (text: string) => options.destination?.write(text) : writeRedacted;
  const send = (line: string) => {
    const safe = line.length > LONGEST_REDACTED ? cut(line) : redactAll(line);
    write(options.format === 'pretty' ? prettyLine(safe) : safe);
  };
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.epochTime,
      hooks: {
        logMethod(args, method, level) {
          try {
            method.apply(this, args);
          } catch (error) {
            // A getter that throws, a depth beyond the stack.
            send(unwritable(level, error));
          }
        },
      },
    },
    { write: send },
  );
}
