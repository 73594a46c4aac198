/**
 * The embedded PostgreSQL: a database server of our own for an installation that has none.
 *
 * The server starts it (or adopts the one that a killed server left behind) and stops it last; workers and the command
 * line attach. It listens on a unix socket only, every connection needs the password, and its files are its user's alone.
 */
import { readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { type BinarySource, describeBinaries, findBinaries, installBinaries } from './binaries.js';
import { clusterExists, createCluster, readOrCreatePassword, removeInterrupted } from './cluster.js';
import { connect } from './connection.js';
import { canEnter, databaseUserFor } from './database-user.js';
import { errorCodeOf, readPrivateFile } from './durable-file.js';
import {
  chooseHome,
  clusterDirOf,
  ensurePrivateDir,
  ensureSocketDir,
  logFileOf,
  passwordFileOf,
  prepareDataDir,
  prepareSystemDir,
  readLayout,
  recordFileOf,
  removeSocketDir,
  writeLayout,
} from './layout.js';
import {
  type AttachOptions,
  BOOTSTRAP_USER,
  DEFAULT_SYSTEM_DIR,
  type EmbeddedPostgres,
  type EmbeddedPostgresLocation,
  type EmbeddedPostgresOptions,
  FORGEWAY_DATABASE,
  SOCKET_PORT,
} from './options.js';
import { type ClusterSetup, refusal, shutDown } from './postmaster.js';
import { findPostmaster } from './postmaster-file.js';
import { removeTree } from './run-command.js';
import { claimDataDir } from './server-claim.js';
import { supervise } from './supervision.js';

export type { AttachOptions, EmbeddedPostgres, EmbeddedPostgresLocation, EmbeddedPostgresOptions } from './options.js';

const ATTACH_PAUSE_MS = 100;

/**
 * For the server: claims the data directory, creates the database when there is none, and starts or adopts it.
 * If PostgreSQL dies before `stop()` it is started again. Installs no signal or exit hooks.
 * @example const database = await startEmbeddedPostgres({ dataDir: '/var/lib/forgeway/pg' });
 * @throws ForgewayError FORGEWAY_DATABASE_IN_USE (another server has it; at once), FORGEWAY_DATABASE_UNSUPPORTED (no
 *   binaries for this system), FORGEWAY_DATABASE_UNAVAILABLE (it does not start; the message carries its last log lines)
 */
export function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  return withReadableErrors(options.dataDir, async () => {
    const source = options.binariesDir ? await describeBinaries(options.binariesDir) : await findBinaries();
    const dataDir = await prepareDataDir(options.dataDir);
    const claim = await claimDataDir(dataDir);
    try {
      const setup = await prepareCluster(dataDir, source, options);
      const supervision = await supervise(setup, dataDir);
      let stopped: Promise<void> | undefined;
      const stop = async (): Promise<void> => {
        try {
          await supervision.stop();
          await removeSocketDir({ home: setup.home, socketDir: setup.location.host });
        } finally {
          await claim.release();
        }
      };
      return {
        location: setup.location,
        attached: supervision.attached,
        stop: () => (stopped ??= stop()),
      };
    } catch (error) {
      await claim.release();
      throw error;
    }
  });
}

/**
 * For workers and the command line: where the database of a running server is. Never starts or stops anything.
 * @throws ForgewayError FORGEWAY_DATABASE_UNAVAILABLE when no server runs on this data directory
 */
export function attachEmbeddedPostgres(options: AttachOptions): Promise<EmbeddedPostgresLocation> {
  return withReadableErrors(options.dataDir, async () => {
    const deadline = performance.now() + (options.waitMs ?? 0);
    for (;;) {
      try {
        return await askRunningServer(options.dataDir);
      } catch (error) {
        if (performance.now() >= deadline) throw error;
        await sleep(ATTACH_PAUSE_MS);
      }
    }
  });
}

/**
 * Stops the database and deletes it with its password: for demos and tests.
 * @throws ForgewayError FORGEWAY_DATABASE_IN_USE while a server runs on it
 */
export function removeEmbeddedPostgres(options: Pick<EmbeddedPostgresOptions, 'dataDir' | 'log'>): Promise<void> {
  return withReadableErrors(options.dataDir, async () => {
    const dataDir = await realpath(options.dataDir).catch(() => null);
    if (dataDir === null) return;
    const claim = await claimDataDir(dataDir);
    try {
      const layout = await readLayout(dataDir);
      if (layout) {
        const found = await findPostmaster(clusterDirOf(layout.home));
        if (found) await shutDown(found.process, options.log ?? (() => undefined));
        await removeSocketDir(layout);
        // First as its user, who may own what root must not follow; then the directory itself, whose parent is ours.
        await removeTree(layout.home, await databaseUserFor(layout.home));
        await rm(layout.home, { recursive: true, force: true });
      }
      for (const name of await readdir(dataDir)) {
        // As root the binaries are shared, and lie here only when this is the system's directory itself.
        const isOurs =
          name.startsWith('postgresql.log') || (name.startsWith('postgresql-') && process.getuid?.() !== 0);
        if (isOurs) await rm(join(dataDir, name), { recursive: true, force: true });
      }
      for (const path of [recordFileOf(dataDir), passwordFileOf(dataDir)]) await rm(path, { force: true });
    } finally {
      await claim.release();
    }
  });
}

async function prepareCluster(
  dataDir: string,
  source: BinarySource,
  options: EmbeddedPostgresOptions,
): Promise<ClusterSetup> {
  const systemDir = options.systemDir ?? DEFAULT_SYSTEM_DIR;
  const log = options.log ?? (() => undefined);
  const record = await readLayout(dataDir);
  const user = await databaseUserFor(record?.home ?? join(dataDir, 'postgres'));
  if (user) await prepareSystemDir(systemDir, user);
  const binaries = await installBinaries(source, user ? systemDir : dataDir);

  const home = record?.home ?? (await chooseHome(dataDir, systemDir, user));
  const planned = record ?? { home, socketDir: join(home, 'socket'), initialized: false };
  // Recorded before it exists, so that a server that is killed now leaves nothing that its successor does not know of.
  if (!record) await writeLayout(dataDir, planned);
  if (!planned.initialized) await ensurePrivateDir(home, user);
  if (!(await canEnter(home, user))) {
    throw unavailable(
      `The database in ${home} is missing, or its user cannot enter one of the directories above it: restore it, or ` +
        `open them with \`chmod a+x\`. To begin with an empty database instead, delete ${recordFileOf(dataDir)}.`,
    );
  }
  const socketDir = await ensureSocketDir(planned, systemDir, user);
  if (socketDir !== planned.socketDir) await writeLayout(dataDir, { ...planned, socketDir });
  await removeInterrupted(home, user);
  const exists = await clusterExists(home, binaries.major);
  if (!exists && planned.initialized) throw unavailable(`The cluster in ${home} is gone: restore it from a backup.`);
  const password = await readOrCreatePassword(dataDir, !exists);
  if (!exists) {
    log('creating the database');
    await createCluster(home, binaries, password, user);
  }
  if (!planned.initialized) await writeLayout(dataDir, { home, socketDir, initialized: true });
  const location = locate(dataDir, socketDir, password);
  return { home, logFile: logFileOf(dataDir), binaries, user, location, volatile: options.volatile ?? false, log };
}

async function askRunningServer(path: string): Promise<EmbeddedPostgresLocation> {
  const dataDir = await realpath(path).catch(() => path);
  const layout = await readLayout(dataDir);
  const password = (await readPrivateFile(passwordFileOf(dataDir)))?.trim();
  if (!layout || !password) {
    throw unavailable(
      `No database has been started in ${dataDir}: start the server first, or check FORGEWAY_DATA_DIR.`,
    );
  }
  const location = locate(dataDir, layout.socketDir, password);
  const client = await connect(location, 'forgeway attach', location.database).catch((cause: unknown) => {
    throw unavailable(`${refusal(cause, location)} Is the server running?`, cause);
  });
  await client.end();
  return location;
}

function locate(dataDir: string, host: string, password: string): EmbeddedPostgresLocation {
  return {
    host,
    port: SOCKET_PORT,
    database: FORGEWAY_DATABASE,
    user: BOOTSTRAP_USER,
    passwordFile: passwordFileOf(dataDir),
    password,
  };
}

function unavailable(message: string, cause?: unknown): ForgewayError {
  return new ForgewayError('FORGEWAY_DATABASE_UNAVAILABLE', message, { cause });
}

/** What the file system refuses becomes an error with a code and a place. */
async function withReadableErrors<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ForgewayError) throw error;
    const code = errorCodeOf(error);
    const hint =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? ' Make room on the disk and start again.'
        : code === 'EACCES' || code === 'EPERM'
          ? ' Run Forgeway as the user who owns it, or choose another FORGEWAY_DATA_DIR.'
          : '';
    throw unavailable(`The data directory ${dataDir} cannot be used: ${messageOf(error)}.${hint}`, error);
  }
}
