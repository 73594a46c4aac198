/** Processes of this machine by what they work on. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Pids whose working directory or program lies below a folder; where the system does not show them, none. */
export function processesIn(folder: string): number[] {
  const lies = (pid: string, link: string) => {
    try {
      return readlinkSync(`/proc/${pid}/${link}`).startsWith(`${folder}/`);
    } catch {
      // Ended meanwhile, or another user's.
      return false;
    }
  };
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => lies(pid, 'cwd') || lies(pid, 'exe')).map(Number);
}
