import { type DestinationStream, type Logger, pino } from 'pino';
import { redactText } from './redact.js';

export type { Logger } from 'pino';

export interface LoggerOptions {
  level: string;
  /** `json` for machines, `pretty` for a person's terminal. */
  format: 'json' | 'pretty';
  destination?: DestinationStream;
}

const LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };

/** One readable line: time, level, message, then the fields. */
function prettyLine(json: string): string {
  const { level, time, msg, pid, hostname, name, ...rest } = JSON.parse(json) as Record<string, unknown>;
  const fields = Object.entries(rest)
    .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' ');
  const clock = new Date(Number(time)).toISOString().slice(11, 23);
  return `${clock} ${(LEVELS[Number(level)] ?? 'info').padEnd(5)} ${String(msg ?? '')}${fields ? `  ${fields}` : ''}\n`;
}

/**
 * A logger whose every line is redacted as text, after formatting, so that a secret inside an error
 * message or a nested object cannot slip past a list of paths. Lines go to standard error.
 */
export function createLogger(options: LoggerOptions): Logger {
  const write = options.destination ?? process.stderr;
  return pino(
    { level: options.level, base: null, timestamp: pino.stdTimeFunctions.epochTime },
    {
      write(line: string) {
        const safe = redactText(line);
        write.write(options.format === 'pretty' ? prettyLine(safe) : safe);
      },
    },
  );
}
