/**
 * Keeps one cluster running and exclusively ours. A session of its own holds an advisory lock, which PostgreSQL drops
 * when this process dies however it dies, and which also reaches a server that the claim's process ids do not: one in
 * another container, or one on a copy of the data directory. When the session ends the database is brought back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { connect, ensureDatabase } from './connection.js';
import { clusterDirOf } from './layout.js';
import { bringUp, type ClusterSetup, shutDown } from './postmaster.js';
import { findPostmaster } from './postmaster-file.js';
import { inUse } from './server-claim.js';

/** Missing from pg's types. */
type Session = pg.Client & { ref(): void; unref(): void };

export interface Supervision {
  attached: boolean;
  stop(): Promise<void>;
}

/** The letters "forg". Only servers use it, in the maintenance database. */
const LOCK_KEY = 0x666f7267;
const NAME_PREFIX = 'forgeway server ';
/** The session of a server that was killed lives until PostgreSQL reads the end of its connection. */
const LOCK_WAIT_MS = 5_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Brings the cluster up and keeps it up until `stop()`, which shuts PostgreSQL down.
 * @throws ForgewayError FORGEWAY_DATABASE_IN_USE when another server holds the lock, FORGEWAY_DATABASE_UNAVAILABLE otherwise
 */
export async function supervise(setup: ClusterSetup, dataDir: string): Promise<Supervision> {
  const stopping = new AbortController();
  const first = await bringUp(setup);
  if (first.attached) setup.log(`adopted PostgreSQL, which was still running (process ${first.process.pid})`);
  let session = await holdLock(setup, dataDir).catch(async (error: unknown) => {
    if (!first.attached) await shutDown(first.process, setup.log);
    throw error;
  });
  let recovery: Promise<void> = Promise.resolve();

  const watch = (): void => {
    // The session alone must not keep a process alive that has nothing else to do.
    session.unref();
    session.once('end', () => {
      if (!stopping.signal.aborted) recovery = recover();
    });
  };
  const recover = async (): Promise<void> => {
    setup.log('the connection to PostgreSQL broke, bringing it back');
    for (let pause = FIRST_PAUSE_MS; !stopping.signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const { process } = await bringUp(setup, stopping.signal);
        session = await holdLock(setup, dataDir);
        setup.log(`PostgreSQL is back (process ${process.pid})`);
        return watch();
      } catch (error) {
        setup.log(`PostgreSQL is not back yet: ${messageOf(error)}`);
        await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };
  const stop = async (): Promise<void> => {
    stopping.abort();
    await recovery;
    session.ref();
    await session.end().catch(() => undefined);
    const found = await findPostmaster(clusterDirOf(setup.home));
    if (found) await shutDown(found.process, setup.log);
  };

  watch();
  return { attached: first.attached, stop };
}

async function holdLock(setup: ClusterSetup, dataDir: string): Promise<Session> {
  let session: Session | undefined;
  try {
    await ensureDatabase(setup.location);
    session = (await connect(setup.location, `${NAME_PREFIX}${process.pid}`)) as Session;
    const deadline = performance.now() + LOCK_WAIT_MS;
    while (!(await tryLock(session))) {
      if (performance.now() > deadline) throw inUse(dataDir, await holderName(session));
      await sleep(FIRST_PAUSE_MS);
    }
    return session;
  } catch (error) {
    await session?.end().catch(() => undefined);
    if (error instanceof ForgewayError) throw error;
    throw new ForgewayError(
      'FORGEWAY_DATABASE_UNAVAILABLE',
      `The embedded PostgreSQL started but does not work: ${messageOf(error)}.`,
      { cause: error },
    );
  }
}

async function tryLock(session: pg.Client): Promise<boolean> {
  const { rows } = await session.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [LOCK_KEY]);
  return rows[0]?.held === true;
}

/** The pid that the holder of the lock gave as its name, as it sees itself. */
async function holderName(session: pg.Client): Promise<string> {
  const { rows } = await session.query<{ name: string }>(
    `select application_name as name from pg_locks join pg_stat_activity using (pid)
     where locktype = 'advisory' and granted and classid = 0 and objid = $1`,
    [LOCK_KEY],
  );
  return rows[0]?.name.slice(NAME_PREFIX.length) ?? 'unknown';
}
