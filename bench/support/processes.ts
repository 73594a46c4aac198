import { type ChildProcess, fork } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

function stat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    // It ended meanwhile.
    if (['ENOENT', 'ESRCH'].includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}

export function parentOf(pid: number): number {
  return Number(stat(pid)?.[1] ?? 0);
}

export function childrenOf(pid: number): number[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return all.filter((candidate) => parentOf(candidate) === pid);
}

/** CPU seconds used by a process, by its children and by those that ended. */
export function cpuSeconds(pid: number): number {
  const own = stat(pid);
  if (!own) return 0;
  const ended = Number(own[13]) + Number(own[14]);
  const living = childrenOf(pid).reduce((sum, child) => {
    const fields = stat(child);
    return fields ? sum + Number(fields[11]) + Number(fields[12]) : sum;
  }, 0);
  return (Number(own[11]) + Number(own[12]) + ended + living) / TICKS_PER_SECOND;
}

export function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes ?? 0) / 1_024;
}

export interface RunningServer {
  child: ChildProcess;
  pid: number;
  port: number;
  bootMs: number;
  stop(): Promise<void>;
}

/** Starts a program that says its port once it listens. */
export function startServer(file: string, args: readonly string[]): Promise<RunningServer> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const child = fork(new URL(file, import.meta.url), args, {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.once('error', reject);
    const early = (code: number | null) => reject(new Error(`${file} ended with ${code}`));
    child.once('exit', early);
    child.once('message', (message: { port: number }) => {
      child.off('exit', early);
      const stop = () =>
        new Promise<void>((done) => {
          child.once('exit', () => done());
          child.disconnect();
        });
      resolve({ child, pid: child.pid ?? 0, port: message.port, bootMs: performance.now() - startedAt, stop });
    });
  });
}
