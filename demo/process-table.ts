/** Processes of this machine by what they work on. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Empty when the process has ended meanwhile, or is another user's. */
function factsOf(pid: string): string[] {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return [readlinkSync(`/proc/${pid}/cwd`), readlinkSync(`/proc/${pid}/exe`), ...command];
  } catch {
    return [];
  }
}

/**
 * Pids that work below a folder or were started with a path below it; where the system does not show them, none.
 * A sandboxed process sees other paths, but whoever holds its sandbox names the folder.
 */
export function processesIn(folder: string): number[] {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => factsOf(pid).some((fact) => fact.startsWith(`${folder}/`))).map(Number);
}

/** Kills them; one that ends meanwhile, as its parent did, is what was wanted. */
export function killAllIn(folder: string): void {
  for (const pid of processesIn(folder)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
