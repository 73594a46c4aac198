/** Reads `postmaster.pid`, and tells the postmaster that it names from a later process with the same pid. */
import { readdir, readFile, realpath, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCodeOf, isMissing, writeFileFor } from './durable-file.js';
import { SOCKET_PORT } from './options.js';
import {
  commandLineOf,
  identifyProcess,
  isStillRunning,
  type ProcessIdentity,
  workingDirectoryOf,
} from './process-identity.js';
import type { DatabaseUser } from './run-command.js';

/** Beyond the highest pid that a kernel gives out, so never that of a living process. */
const NOBODY = '2147483646';

/** Where the file's lines stand, as `src/include/utils/pidfile.h` of PostgreSQL numbers them. */
const PID_LINE = 0;
const STATUS_LINE = 7;

export interface FoundPostmaster {
  process: ProcessIdentity;
  /** It has said that it accepts connections, so its socket must be there. */
  isReady: boolean;
}

/** The living postmaster of this cluster, or null. */
export async function findPostmaster(clusterDir: string): Promise<FoundPostmaster | null> {
  const lines = await readLines(clusterDir);
  const pid = Number(lines[PID_LINE]);
  const identity = await identifyProcess(pid);
  if (!identity || !(await isPostmasterOf(pid, clusterDir)) || !(await isStillRunning(identity))) return null;
  return { process: identity, isReady: lines[STATUS_LINE]?.trim() === 'ready' };
}

/**
 * Ends backends that outlived their postmaster, found by the directory they stand in (on Linux). With the postmaster
 * gone nothing they do counts any more, but a busy one would keep a new postmaster from starting until it is done.
 */
export async function endOrphanedBackends(clusterDir: string): Promise<void> {
  const directory = await realpath(clusterDir);
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter(Number.isInteger);
  for (const pid of pids.filter((candidate) => workingDirectoryOf(candidate) === directory)) {
    const [command = ''] = await commandLineOf(pid);
    if (!basename(command).startsWith('postgres')) continue;
    try {
      process.kill(pid, 'SIGQUIT');
    } catch (error) {
      if (errorCodeOf(error) !== 'ESRCH') throw error;
    }
  }
}

/**
 * Makes a `postmaster.pid` harmless whose pid now belongs to some other process: PostgreSQL would take that one for its
 * predecessor and refuse to start. The pid alone is replaced, because PostgreSQL finds orphaned backends by the rest.
 * Call only under the server's claim, after {@link findPostmaster} answered null.
 */
export async function disarmStalePidFile(
  clusterDir: string,
  socketDir: string,
  user: DatabaseUser | undefined,
): Promise<void> {
  const [pid, ...rest] = await readLines(clusterDir);
  if ((await identifyProcess(Number(pid))) && !(await isPostmasterOf(Number(pid), clusterDir))) {
    const path = join(clusterDir, 'postmaster.pid');
    await rm(`${path}.stale`, { force: true });
    await writeFileFor(user, `${path}.stale`, [NOBODY, ...rest].join('\n'));
    await rename(`${path}.stale`, path);
  }
  // The socket's own lock names the same pid. It guards only this directory, which nobody else may enter.
  for (const name of [`.s.PGSQL.${SOCKET_PORT}`, `.s.PGSQL.${SOCKET_PORT}.lock`])
    await rm(join(socketDir, name), { force: true });
}

/** A backend changes its command line, so only the postmaster itself still shows `-D <directory>`. */
async function isPostmasterOf(pid: number, clusterDir: string): Promise<boolean> {
  const [command = '', ...args] = await commandLineOf(pid);
  if (basename(command) !== 'postgres' || !args.includes('-D')) return false;
  if (args[args.indexOf('-D') + 1] === clusterDir) return true;
  // The data directory was moved while its database ran: the process still stands in it.
  return workingDirectoryOf(pid) === (await realpath(clusterDir));
}

async function readLines(clusterDir: string): Promise<string[]> {
  try {
    return (await readFile(join(clusterDir, 'postmaster.pid'), 'utf8')).split('\n');
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
