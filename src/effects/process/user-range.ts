/**
 * Users for untrusted processes: one uid for each, from a range that belongs to no account. A uid in use is a file
 * named after it, created exclusively, so that several processes of Forgeway never give out the same one.
 */
import { access, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import { listProcesses } from './process-table.js';

/** First candidates lie where systemd's table of uids leaves room; the last fits a container with 65,536 uids. */
const BASES = [2_000_000_000, 1_000_000_000, 400_000, 50_000];
const SIZE = 4_096;

export interface UserRange {
  first: number;
  size: number;
}

/** Uids that this user namespace knows, as [first, size] pairs, from the text of /proc/self/uid_map. */
export function mappedRanges(uidMap: string): UserRange[] {
  return uidMap
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((fields) => fields.length === 3)
    .map(([first = 0, , size = 0]) => ({ first, size }));
}

/** A range that the namespace has and no account of /etc/passwd lies in. Undefined when there is none. */
export function chooseRange(uidMap: string, passwd: string): UserRange | undefined {
  const taken = passwd.split('\n').map((line) => Number(line.split(':')[2]));
  const first = BASES.find(
    (base) =>
      mappedRanges(uidMap).some((range) => base >= range.first && base + SIZE <= range.first + range.size) &&
      !taken.some((uid) => uid >= base && uid < base + SIZE),
  );
  return first === undefined ? undefined : { first, size: SIZE };
}

export interface UserPool {
  /**
   * Gives out a uid. `owner` is the directory of the sandbox: a uid whose owner is gone was left behind and is free.
   * @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE
   */
  take(owner: string, isRetry?: boolean): Promise<number>;
  /** Only after no process of the uid is left. */
  release(uid: number): Promise<void>;
}

/** Whether the installation that a uid was given to has been deleted, and nothing runs as that uid any more. */
async function isLeftBehind(path: string, uid: number): Promise<boolean> {
  const owner = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (owner === '') return false;
  const exists = await access(owner).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
  return !exists && !(await listProcesses()).some(({ uids }) => uids.includes(uid));
}

/** @param directory private to us; holds one file per uid in use */
export async function openUserPool(directory: string): Promise<UserPool> {
  // Others must be able to pass through what lies above it, and not to look into it.
  await mkdir(dirname(directory), { recursive: true, mode: 0o711 });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const [uidMap, passwd] = await Promise.all([readFile('/proc/self/uid_map', 'utf8'), readFile('/etc/passwd', 'utf8')]);
  const range = chooseRange(uidMap, passwd);

  async function freeLeftBehind(): Promise<void> {
    for (const name of await readdir(directory)) {
      if (await isLeftBehind(join(directory, name), Number(name))) await rm(join(directory, name), { force: true });
    }
  }

  const pool: UserPool = {
    async take(owner, isRetry = false) {
      // A random start makes it unlikely that a uid is used again soon after it was given back.
      const start = range === undefined ? 0 : Math.floor(Math.random() * range.size);
      for (let step = 0; range !== undefined && step < range.size; step += 1) {
        const uid = range.first + ((start + step) % range.size);
        try {
          await writeFile(join(directory, String(uid)), `${owner}\n`, { flag: 'wx', mode: 0o600 });
          return uid;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
      }
      if (isRetry || range === undefined)
        throw new ForgewayError('FORGEWAY_SANDBOX_UNAVAILABLE', 'There is no free user id for an isolated process.');
      await freeLeftBehind();
      return pool.take(owner, true);
    },
    release: (uid) => rm(join(directory, String(uid)), { force: true }),
  };
  return pool;
}
