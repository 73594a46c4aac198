/** What runs on this machine, read from /proc. A process is named by pid and start time, since pids are used again. */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface ProcessRecord {
  pid: number;
  parent: number;
  /** Pid of the process that began its session. */
  session: number;
  /** Boot and start time: differs for a later process with the same pid. */
  started: string;
  /** Real, effective, saved and file system user. */
  uids: readonly number[];
  /** Inode of the PID namespace, or '' when it may not be read. */
  namespace: string;
}

const NOT_THERE = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

/** The value, or undefined for a process that is gone or may not be looked at. */
async function unlessGone<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (NOT_THERE.has(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** Undefined for a process that is gone or only waits to be reaped. */
export async function readProcess(pid: number, boot?: string): Promise<ProcessRecord | undefined> {
  const [stat, status] = await Promise.all([
    unlessGone(readFile(`/proc/${pid}/stat`, 'utf8')),
    unlessGone(readFile(`/proc/${pid}/status`, 'utf8')),
  ]);
  if (stat === undefined || status === undefined || status === '') return undefined;
  // The command name may hold spaces and brackets, so fields are counted after its last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const uids = /^Uid:\s+(.+)$/m.exec(status)?.[1]?.split(/\s+/).map(Number) ?? [];
  const namespace = (await unlessGone(readlink(`/proc/${pid}/ns/pid`))) ?? '';
  const [parent, session] = [Number(fields[1]), Number(fields[3])];
  return { pid, parent, session, started: `${boot ?? (await bootId())}:${fields[19] ?? ''}`, uids, namespace };
}

/** What a process is called, at most its first 15 bytes; undefined for one that is gone. */
export async function readProcessName(pid: number): Promise<string | undefined> {
  return (await unlessGone(readFile(`/proc/${pid}/comm`, 'utf8')))?.replace(/\n$/, '');
}

/** Every process that can be seen, except those that only wait to be reaped. */
export async function listProcesses(): Promise<ProcessRecord[]> {
  const [names, boot] = await Promise.all([readdir('/proc'), bootId()]);
  const found = await Promise.all(
    names.filter((name) => /^\d+$/.test(name)).map((name) => readProcess(Number(name), boot)),
  );
  return found.filter((record) => record !== undefined);
}

/** Whether a process carries `name=value` in the environment it was started with. Only for processes of our own user. */
export async function hasEnvironment(pid: number, name: string, value: string): Promise<boolean> {
  const environ = (await unlessGone(readFile(`/proc/${pid}/environ`, 'utf8'))) ?? '';
  return environ.split('\0').includes(`${name}=${value}`);
}

/** The process and everything it started, by parent. */
export function withDescendants(processes: readonly ProcessRecord[], root: number): ProcessRecord[] {
  const found = processes.filter((process) => process.pid === root);
  for (const parent of found) found.push(...processes.filter((process) => process.parent === parent.pid));
  return found;
}

/**
 * True when a TCP socket listens on the port, in this process's network or in that of `pid`, and is of the user when one
 * is given.
 */
export async function listensOn(port: number, o: { uid?: number; pid?: number } = {}): Promise<boolean> {
  const { uid, pid = 'self' } = o;
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => unlessGone(readFile(`/proc/${pid}/net/${name}`, 'utf8'))),
  );
  return tables.some((table) =>
    (table ?? '').split('\n').some((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[1]?.endsWith(`:${hex}`) && fields[3] === '0A' && (uid === undefined || fields[7] === String(uid));
    }),
  );
}
