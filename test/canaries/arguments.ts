/** Arguments of every process below Forgeway, as anybody on the machine can read them with `ps`. Needs Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import { parentOf } from '../../bench/support/processes.js';

export interface ArgumentWatch {
  /** Processes below this one count too. */
  alsoBelow(pid: number): void;
  seen(): Buffer;
  /** How many different command lines there were. */
  count(): number;
  stop(): void;
}

const LOOK_MS = 20;
/** A process becomes another program once or twice after it was started: git is started through two others. */
const LOOKS = 8;

function commandLine(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}

export function watchArguments(root: () => number): ArgumentWatch {
  const roots = new Set<number>();
  const ours = new Map<number, boolean>();
  const looks = new Map<number, number>();
  const lines = new Set<string>();

  function isOurs(pid: number): boolean {
    if (pid <= 1) return false;
    if (pid === root() || roots.has(pid)) return true;
    const known = ours.get(pid);
    if (known !== undefined) return known;
    const answer = isOurs(parentOf(pid));
    ours.set(pid, answer);
    return answer;
  }

  function look(): void {
    const now = new Set<number>();
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      if (!(pid > 1)) continue;
      now.add(pid);
      const before = looks.get(pid) ?? 0;
      if (before >= LOOKS || !isOurs(pid)) continue;
      looks.set(pid, before + 1);
      const line = commandLine(pid);
      if (line) lines.add(line);
    }
    // Numbers are given again.
    for (const pid of ours.keys()) if (!now.has(pid)) ours.delete(pid);
    for (const pid of looks.keys()) if (!now.has(pid)) looks.delete(pid);
  }

  const timer = setInterval(look, LOOK_MS);
  return {
    alsoBelow: (pid) => roots.add(pid),
    seen: () => Buffer.from([...lines].join('\n'), 'latin1'),
    count: () => lines.size,
    stop: () => clearInterval(timer),
  };
}
