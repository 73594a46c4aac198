/** Tells a process from a later one that was given the same pid. */
import { readFileSync, readlinkSync } from 'node:fs';
import { runCommand } from './run-command.js';

export interface ProcessIdentity {
  pid: number;
  /** Boot and start time of the process; empty when the system does not show it to us. */
  started: string;
}

/** Null when there is no such process, or only its unreaped remains. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | null> {
  if (!Number.isInteger(pid) || pid <= 0 || !exists(pid)) return null;
  return process.platform === 'linux' ? identifyOnLinux(pid) : identifyWithPs(pid);
}

/** Whether the process that was identified still runs. */
export async function isStillRunning(identity: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(identity.pid);
  if (!now) return false;
  // A process we may not look at counts as the same one: refusing is safer than starting a second database.
  return now.started === '' || identity.started === '' || now.started === identity.started;
}

/** Empty when it cannot be read. */
export async function commandLineOf(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    return readOrEmpty(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
  }
  const { output } = await runCommand('ps', ['-p', String(pid), '-o', 'command=']);
  return output.trim().split(' ');
}

/** The working directory, or null when the system does not tell us. */
export function workingDirectoryOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function identifyOnLinux(pid: number): ProcessIdentity | null {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  if (stat === '') return exists(pid) ? { pid, started: '' } : null;
  // The command name may hold spaces and brackets, so fields are counted after its last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  const boot = readOrEmpty('/proc/sys/kernel/random/boot_id').trim();
  return { pid, started: `${boot}:${fields[19] ?? ''}` };
}

async function identifyWithPs(pid: number): Promise<ProcessIdentity | null> {
  const { output } = await runCommand('ps', ['-p', String(pid), '-o', 'stat=,lstart=']);
  const [state = '', ...started] = output.trim().split(/\s+/);
  if (state === '') return exists(pid) ? { pid, started: '' } : null;
  return state.startsWith('Z') ? null : { pid, started: started.join(' ') };
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
