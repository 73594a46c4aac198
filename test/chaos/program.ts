/** Forgeway as a user runs it, with the means to kill any part of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf } from '../../bench/support/processes.js';
import { processesIn } from '../../demo/process-table.js';
import { clusterDirOf, readLayout } from '../../src/store/embedded/layout.js';
import { findPostmaster } from '../../src/store/embedded/postmaster-file.js';

export interface ProgramOptions {
  environment: Record<string, string>;
  /** Of the server of its database. */
  databaseDir: string;
  url: string;
  apps: readonly string[];
  logFile: string;
  /** Where it is started: its processes are known by that. */
  folder: string;
}

export interface Program {
  /** Starts it, and resolves when it is ready. Further settings are kept for the starts after this one. */
  start(more?: Record<string, string>): Promise<void>;
  /** Resolves when it is ready, its workers too. @throws Error when it ends, or is not in time */
  ready(): Promise<void>;
  /** Pids of the server's workers. */
  workers(): number[];
  server(): number;
  /** Processes of it that live on without the server, although they had time enough to notice. */
  strays(): Promise<number[]>;
  postmaster(): Promise<number | undefined>;
  /** Ends these at once; those that are gone already do not count. Answers how many it ended. */
  kill(pids: readonly number[]): number;
  /** Answers whether there was such a process of Forgeway's. */
  signal(pid: number, signal: 'SIGSTOP' | 'SIGCONT'): boolean;
  /** Resolves when the server's process is gone. */
  gone(): Promise<void>;
  /** Runs a command of ours to its end. @throws Error with its words */
  command(args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

const READY_MS = 90_000;
const STOP_MS = 40_000;
/** A worker that has lost its server finishes what it runs first. */
const NOTICE_MS = 40_000;
const STARTS = 5;
const RESTART_MS = 1_000;
const cli = join(process.cwd(), 'dist/src/entry/cli.js');

function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch (error) {
    // It ended meanwhile.
    if (['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) return [];
    throw error;
  }
}

const isWorker = (pid: number): boolean => argumentsOf(pid).includes('work');
const isOurs = (pid: number): boolean => argumentsOf(pid).includes(cli);

export function createProgram(options: ProgramOptions): Program {
  const { environment, databaseDir, url, apps, logFile, folder } = options;
  const further: Record<string, string> = {};
  const state: { child?: ChildProcess; exited?: Promise<void> } = {};
  const pid = () => state.child?.pid ?? 0;
  const isRunning = () => state.child !== undefined && state.child.exitCode === null && state.child.signalCode === null;

  async function ready(): Promise<void> {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      if (!isRunning()) throw new Error(`Forgeway ended while it started; see ${logFile}`);
      const ready = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) }).then(
        (answer) => answer.ok,
        () => false,
      );
      if (ready) return;
      if (Date.now() > deadline) throw new Error(`Forgeway was not ready after ${READY_MS / 1_000} s; see ${logFile}`);
      await sleep(100);
    }
  }

  const alone = (): number[] => {
    const known = new Set([pid(), ...(isRunning() ? childrenOf(pid()) : [])]);
    return processesIn(folder).filter((one) => isOurs(one) && !known.has(one));
  };

  function kill(pids: readonly number[]): number {
    let ended = 0;
    for (const one of pids) {
      try {
        if (one > 0) process.kill(one, 'SIGKILL');
        ended += one > 0 ? 1 : 0;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    return ended;
  }

  async function strays(): Promise<number[]> {
    for (const deadline = Date.now() + NOTICE_MS; Date.now() < deadline && alone().length > 0; ) await sleep(500);
    return alone();
  }

  async function spawnServer(): Promise<void> {
    const log = await open(logFile, 'a', 0o600);
    // A group of its own: Ctrl-C reaches the run, which then ends everything in order.
    const child = spawn(process.execPath, [cli, 'app', 'run', ...apps], {
      cwd: folder,
      env: { ...environment, ...further },
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    state.child = child;
    state.exited = new Promise((resolve) => child.once('exit', () => resolve()));
    await log.close();
  }

  return {
    async start(more = {}) {
      Object.assign(further, more);
      for (let tries = 1; ; tries += 1) {
        await spawnServer();
        try {
          return await ready();
        } catch (error) {
          // Its database may just have been killed too; whoever supervises it starts it again.
          if (isRunning() || tries === STARTS) throw error;
          await sleep(RESTART_MS);
        }
      }
    },
    ready,
    workers: () => (isRunning() ? childrenOf(pid()).filter(isWorker) : []),
    server: pid,
    strays,
    async postmaster() {
      const layout = await readLayout(databaseDir);
      return layout ? (await findPostmaster(clusterDirOf(layout.home)))?.process.pid : undefined;
    },
    kill,
    signal(one, name) {
      if (!isOurs(one)) return false;
      try {
        return process.kill(one, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
        return false;
      }
    },
    gone: async () => state.exited,
    command: (args) => run(args, environment),
    async stop() {
      if (isRunning()) {
        process.kill(pid(), 'SIGTERM');
        const timer = setTimeout(() => process.kill(-pid(), 'SIGKILL'), STOP_MS);
        await state.exited;
        clearTimeout(timer);
      }
      kill(await strays());
    },
  };
}

function run(args: readonly string[], env: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(out) : reject(new Error(`forgeway ${args.join(' ')} ended with ${code}: ${err.trim()}`)),
    );
  });
}
