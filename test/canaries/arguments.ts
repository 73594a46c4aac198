/** Arguments of every process below Forgeway, as anybody on the machine can read them with `ps`. Needs Linux's /proc. */
import { readdirSync, readFileSync } from 'node:fs';

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

/** Of a process that may end at any moment. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}

function parentOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`) ?? '';
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
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
      const line = read(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ');
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
