/** The normal program as a child process, and its command line beside it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Pending, poll } from './poll.js';
import { killAllIn } from './process-table.js';
import type { RunFolder } from './run-folder.js';

export interface ForgewayServer {
  url: string;
  pid: number;
  /** Aborted when the server ends by itself, with what to say about it. */
  ended: AbortSignal;
  /** Runs `forgeway <args>` in the same environment. @throws Error with its words when it fails. */
  command(args: readonly string[]): Promise<string>;
  /** Last lines of the log, shortened for reading. */
  logTail(lines: number): Promise<string[]>;
  /** Asks it to stop and waits for its drain; kills it only when it does not end. */
  stop(): Promise<void>;
}

const readyLimitMs = 120_000;
const stopLimitMs = 60_000;
const answerLimitMs = 5_000;

/** Starts `forgeway up` and resolves when it is ready. Only what stands in `settings` reaches it, and PATH. */
export async function startForgeway(
  folder: RunFolder,
  stopped: AbortSignal,
  settings: Record<string, string>,
): Promise<ForgewayServer> {
  const program = join(folder.checkout, 'dist/src/entry/cli.js');
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: folder.home, LANG: 'C.UTF-8', ...settings };
  const log = await open(folder.log, 'a', 0o600);
  // A group of its own: Ctrl-C reaches the demo only, which then stops everything in order.
  const child = spawn(process.execPath, ['--enable-source-maps', program, 'up'], {
    cwd: folder.checkout,
    env,
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  const ended = new AbortController();
  child.on('exit', (code, signal) =>
    ended.abort(new Error(`Forgeway ended by itself (${signal === null ? `exit code ${code}` : signal}).`)),
  );
  await once(child, 'spawn');
  await log.close();
  const pid = child.pid ?? 0;
  await folder.rememberServer(pid);
  const server: ForgewayServer = {
    url: `http://127.0.0.1:${settings.PORT}`,
    pid,
    ended: ended.signal,
    command: (args) => runCommand(program, args, folder.checkout, env),
    logTail: (lines) => readTail(folder.log, lines),
    stop: () => stop(child, folder.data),
  };
  const ready = async () =>
    fetch(`${server.url}/readyz`, { signal: AbortSignal.timeout(answerLimitMs) }).then(
      (response) => (response.ok ? true : new Pending(`/readyz answers ${response.status}`)),
      () => new Pending('/readyz does not answer'),
    );
  try {
    await poll(ready, {
      what: 'the start of Forgeway',
      limitMs: readyLimitMs,
      signal: AbortSignal.any([stopped, ended.signal]),
    });
    return server;
  } catch (error) {
    const stopProblem = await server.stop().then(
      () => [],
      (problem: unknown) => [String(problem)],
    );
    if (stopped.aborted) throw error;
    const tail = await server.logTail(20);
    throw new Error(`${error instanceof Error ? error.message : error}\n${[...stopProblem, ...tail].join('\n')}`, {
      cause: error,
    });
  }
}

/** @throws Error when it does not stop by itself; then everything of it is killed. */
async function stop(child: ChildProcess, data: string): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  // Its workers are in its group.
  const timer = setTimeout(() => process.kill(-pid, 'SIGKILL'), stopLimitMs);
  await exit;
  clearTimeout(timer);
  if (child.signalCode !== 'SIGKILL') return;
  killAllIn(data);
  throw new Error(`Forgeway did not stop in ${stopLimitMs / 1000} s and was killed.`);
}

function runCommand(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString('utf8'));
      else
        reject(
          new Error(`forgeway ${args.join(' ')} ended with ${code}: ${Buffer.concat(err).toString('utf8').trim()}`),
        );
    });
  });
}

async function readTail(path: string, lines: number): Promise<string[]> {
  const text = await readFile(path, 'utf8');
  return text.trimEnd().split('\n').slice(-lines).map(shortened);
}

const levels: Readonly<Record<string, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** A JSON log line as level, message and the rest; other lines as they are. */
function shortened(line: string): string {
  if (!line.startsWith('{')) return line.slice(0, 300);
  try {
    const {
      level,
      time: _time,
      pid: _pid,
      hostname: _hostname,
      name: _name,
      msg,
      ...rest
    } = JSON.parse(line) as Record<string, unknown>;
    const facts = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
    return `${levels[String(level)] ?? level} ${msg}${facts}`.slice(0, 300);
  } catch {
    return line.slice(0, 300);
  }
}
