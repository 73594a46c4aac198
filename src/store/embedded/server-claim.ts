/**
 * At most one server per data directory, also while there is no database to ask yet.
 *
 * The claim is a directory `server.lock.<n>` that names its holder by pid and start time, so it ends with the process
 * however that dies. A dead claim is never deleted by those who want it (two would delete each other's): they create
 * number n + 1, which only one of them can, because a directory cannot be renamed onto one that is not empty.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ForgewayError } from '../../lib/errors.js';
import { errorCodeOf, isMissing } from './durable-file.js';
import { identifyProcess, isStillRunning, type ProcessIdentity } from './process-identity.js';

export interface ServerClaim {
  release(): Promise<void>;
}

const NAME = /^server\.lock\.(\d+)$/;
/** Old numbers stay for a while, so that a contender who was suspended after looking still finds a newer one. */
const KEPT_CLAIMS = 16;

/**
 * Claims the data directory for this process.
 * @throws ForgewayError FORGEWAY_DATABASE_IN_USE naming the holder, at once: it never waits.
 */
export async function claimDataDir(dataDir: string): Promise<ServerClaim> {
  const own = await identifyProcess(process.pid);
  const holder: ProcessIdentity = own ?? { pid: process.pid, started: '' };
  for (;;) {
    const current = await highestClaim(dataDir);
    if (current > 0) {
      const other = await holderOf(dataDir, current);
      if (other === 'released') continue;
      if (other && (await isStillRunning(other))) throw inUse(dataDir, other.pid);
    }
    const number = current + 1;
    if (!(await createClaim(dataDir, number, holder))) continue;
    if ((await highestClaim(dataDir)) === number) {
      await removeOldClaims(dataDir, number);
      return { release: () => removeClaim(dataDir, number) };
    }
    await removeClaim(dataDir, number);
  }
}

/** Process id of the server that holds the data directory now; undefined when there is none. */
export async function claimHolder(dataDir: string): Promise<number | undefined> {
  const current = await highestClaim(dataDir).catch((error: unknown) => {
    if (isMissing(error)) return 0;
    throw error;
  });
  const holder = current === 0 ? null : await holderOf(dataDir, current);
  if (holder === null || holder === 'released') return undefined;
  return (await isStillRunning(holder)) ? holder.pid : undefined;
}

/** The error that the losers get; `pid` is the server that holds the data directory. */
export function inUse(dataDir: string, pid: number | string): ForgewayError {
  return new ForgewayError(
    'FORGEWAY_DATABASE_IN_USE',
    `The data directory ${dataDir} is in use by the Forgeway server with process id ${pid}: ` +
      'stop that server, or start this one with another FORGEWAY_DATA_DIR.',
    { details: { dataDir, pid } },
  );
}

async function highestClaim(dataDir: string): Promise<number> {
  const numbers = (await readdir(dataDir)).map((name) => Number(NAME.exec(name)?.[1] ?? 0));
  return Math.max(0, ...numbers);
}

/** Null when it names nobody, which only a power loss leaves behind. */
async function holderOf(dataDir: string, number: number): Promise<ProcessIdentity | null | 'released'> {
  try {
    const holder: unknown = JSON.parse(await readFile(join(claimPath(dataDir, number), 'holder.json'), 'utf8'));
    if (typeof holder !== 'object' || holder === null || !('pid' in holder) || !('started' in holder)) return null;
    return { pid: Number(holder.pid), started: String(holder.started) };
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    if (!isMissing(error)) throw error;
    return (await readdir(dataDir)).includes(`server.lock.${number}`) ? null : 'released';
  }
}

async function createClaim(dataDir: string, number: number, holder: ProcessIdentity): Promise<boolean> {
  const temporary = join(dataDir, `server.lock.${randomBytes(6).toString('hex')}.tmp`);
  await mkdir(temporary, { mode: 0o700 });
  try {
    await writeFile(join(temporary, 'holder.json'), JSON.stringify(holder), { mode: 0o600 });
    await rename(temporary, claimPath(dataDir, number));
    return true;
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (errorCodeOf(error) === 'ENOTEMPTY' || errorCodeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Renamed away first, so that nobody meets a claim that is half deleted. */
async function removeClaim(dataDir: string, number: number): Promise<void> {
  const trash = join(dataDir, `server.lock.${randomBytes(6).toString('hex')}.tmp`);
  try {
    await rename(claimPath(dataDir, number), trash);
    await rm(trash, { recursive: true, force: true });
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

async function removeOldClaims(dataDir: string, newest: number): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const number = Number(NAME.exec(name)?.[1] ?? newest);
    if (number <= newest - KEPT_CLAIMS) await removeClaim(dataDir, number);
  }
}

const claimPath = (dataDir: string, number: number): string => join(dataDir, `server.lock.${number}`);
