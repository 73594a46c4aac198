/**
 * One holder at a time of a repository of ours, across all processes of this machine: workers share their directories.
 *
 * A lock is a flock(2) on an empty file beside the repository. The kernel ties it to the open file and not to a process, so
 * it ends with the last one that has the file open, however that ends. The commands that work on the repository are given
 * the open file too: when we are killed and one of them lives on, the lock lasts until it has ended. What the next holder
 * finds may be unfinished, but nobody is at it any more.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ForgewayError } from '../../lib/errors.js';
import { TOOL_ENVIRONMENT } from '../process/run-tool.js';

export interface MirrorLock {
  /** The open lock file; every command that works on the repository inherits it. */
  fd: number;
  /** Deletes the lock file; for a holder that deleted the repository. Those who wait make a new one. */
  removeFile(): Promise<void>;
}

/**
 * Runs work on a repository when nobody else does, here or in another process.
 * @throws ForgewayError FORGEWAY_GIT_FAILED when the wait was stopped or takes too long; `work` has not begun then
 */
export type MirrorLocks = <T>(
  gitDir: string,
  work: (lock: MirrorLock) => Promise<T>,
  signal?: AbortSignal,
) => Promise<T>;

/** Longer than any piece of work on a repository may take. */
const WAIT_MS = 15 * 60_000;
const POLL_MS = 50;
/** `open` of macOS and the BSDs locks at once; Node has no name for it. */
const O_EXLOCK = 0x20;

const refuse = (gitDir: string, why: string) =>
  new ForgewayError('FORGEWAY_GIT_FAILED', `The lock of ${gitDir} was not given: ${why}.`);

/** flock(1) locks the file that it inherits from us, and ends; the lock stays with the file. */
function lockFile(gitDir: string, file: FileHandle, waitMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['--exclusive', '--wait', String(Math.ceil(waitMs / 1_000)), '3'], {
      ...{ cwd: '/', env: TOOL_ENVIRONMENT, stdio: ['ignore', 'ignore', 'pipe', file.fd] },
      ...{ signal, killSignal: 'SIGKILL' },
    });
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-500);
    });
    child.once('error', (error) => reject(refuse(gitDir, signal?.aborted ? 'it was stopped' : error.message)));
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(refuse(gitDir, said.trim() || 'another process works on it for too long'));
    });
  });
}

async function openLocked(gitDir: string, path: string, waitMs: number, signal?: AbortSignal): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT;
  if (process.platform === 'linux') {
    const file = await open(path, flags, 0o600);
    try {
      await lockFile(gitDir, file, waitMs, signal);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }
  const deadline = performance.now() + waitMs;
  for (;;) {
    try {
      return await open(path, flags | O_EXLOCK | constants.O_NONBLOCK, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    if (signal?.aborted) throw refuse(gitDir, 'it was stopped');
    if (performance.now() > deadline) throw refuse(gitDir, 'another process works on it for too long');
    await wait(POLL_MS);
  }
}

/** Whether the path still is the file that was locked, and not deleted by its last holder. */
async function isCurrent(file: FileHandle, path: string): Promise<boolean> {
  const [own, named] = await Promise.all([
    file.stat(),
    stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    }),
  ]);
  return named?.ino === own.ino && named.dev === own.dev;
}

async function hold<T>(
  ...[gitDir, work, waitMs, signal]: [string, (lock: MirrorLock) => Promise<T>, number, AbortSignal?]
): Promise<T> {
  const path = `${gitDir}.lock`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  for (;;) {
    const file = await openLocked(gitDir, path, waitMs, signal);
    try {
      if (await isCurrent(file, path)) return await work({ fd: file.fd, removeFile: () => rm(path, { force: true }) });
    } finally {
      await file.close();
    }
  }
}

/**
 * Locks of a process. Those who want the same repository here take turns, so that at most one of them waits outside.
 * @param waitMs longest wait for other processes
 */
export function createMirrorLocks(waitMs = WAIT_MS): MirrorLocks {
  /** Last piece of work per repository. */
  const queues = new Map<string, Promise<unknown>>();
  return async (gitDir, work, signal) => {
    // Its end was told before anybody listened, and is not told again.
    if (signal?.aborted) throw refuse(gitDir, 'it was stopped');
    let isBegun = false;
    const start = () => {
      if (signal?.aborted) throw refuse(gitDir, 'it was stopped');
      isBegun = true;
      return hold(gitDir, work, waitMs, signal);
    };
    const run = (queues.get(gitDir) ?? Promise.resolve()).then(start);
    const settled = run.then(
      () => undefined,
      () => undefined,
    );
    queues.set(gitDir, settled);
    void settled.then(() => {
      if (queues.get(gitDir) === settled) queues.delete(gitDir);
    });
    if (signal === undefined) return run;
    // Whoever waits for others here is not kept by them once it is stopped; what has begun ends by itself.
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        if (!isBegun) reject(refuse(gitDir, 'it was stopped'));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      void settled.then(() => signal.removeEventListener('abort', onAbort));
      run.then(resolve, reject);
    });
  };
}
