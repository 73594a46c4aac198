/** Processes of a running program, seen from outside: to be killed and frozen, and to be counted. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Pids of a process and of all that it has started. */
function familyOf(pid: number): number[] {
  const listed = spawnSync('ps', ['-e', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).stdout.split('\n');
  const rows = listed.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)).filter((row) => row !== null);
  const children = rows.filter(([, , parent]) => Number(parent) === pid).map(([, own]) => Number(own));
  return [pid, ...children.flatMap(familyOf)];
}

/** Ours of those: the server and its workers, by the command that they were started with, and not the database nor what an agent needs. */
export const programsOf = (pid: number): { pid: number; role: 'server' | 'worker' }[] =>
  familyOf(pid).flatMap((one) => {
    const args = spawnSync('ps', ['-o', 'args=', '-p', String(one)], { encoding: 'utf8' }).stdout;
    const [, command] = /entry\/cli\.js (up|work)\b/.exec(args) ?? [];
    return command === undefined ? [] : [{ pid: one, role: command === 'work' ? 'worker' : 'server' }];
  });

/** To a process that may be gone already. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Arguments of every process of this machine, without those that end while they are read. */
export const commandLines = (): string[][] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return args.length > 1 ? [args] : [];
      } catch {
        return [];
      }
    });
