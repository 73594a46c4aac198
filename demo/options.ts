/** Command line of the demo. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/lib/errors.js';

export interface DemoOptions {
  once: boolean;
  keepData: boolean;
  /** Port of Forgeway's server; undefined picks a free one. */
  port: number | undefined;
  /** Where the run keeps its files; undefined is a folder of this checkout. */
  folder: string | undefined;
}

export const help = `Usage: npm run demo -- [--once] [--port N] [--keep-data] [--folder PATH]

Starts Forgeway and an emulated GitHub, GitLab and Gitea on this machine, and takes a pull request on
each the whole way: opened, previewed, updated, commented, closed. Every step is read back from outside.

  --once       end after the pull requests are closed; the exit code says whether every step happened
  --port N     port of Forgeway's server (a free one otherwise)
  --keep-data  start with the database of the last run instead of an empty one
  --folder P   keep the files of this run in P, which other users of the machine can enter
  --help       this text

Examples:
  npm run demo                     look around afterwards; Ctrl-C stops everything
  npm run demo -- --once           for scripts

Exit codes: 0 every step happened, 1 one did not, 2 wrong usage.`;

/** What was asked for; 'help', or the problem as a text for people. */
export function readOptions(args: readonly string[]): DemoOptions | 'help' | { problem: string } {
  const options = {
    once: { type: 'boolean', default: false },
    port: { type: 'string' },
    folder: { type: 'string' },
    'keep-data': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.help) return 'help';
    if (values.port !== undefined && !(/^\d{1,5}$/.test(values.port) && +values.port > 0 && +values.port < 65_536))
      return { problem: `--port needs a number from 1 to 65535, not "${values.port}".` };
    return {
      once: values.once,
      keepData: values['keep-data'],
      folder: values.folder === undefined ? undefined : resolve(values.folder),
      port: values.port === undefined ? undefined : Number(values.port),
    };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}
