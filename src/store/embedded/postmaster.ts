/** One PostgreSQL server process: found or started, waited for, stopped. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants, existsSync } from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Binaries } from './binaries.js';
import { cannotRun } from './cluster.js';
import { connect, isPassing, isSilent } from './connection.js';
import { errorCodeOf } from './durable-file.js';
import { clusterDirOf } from './layout.js';
import { explain, readLogTail } from './log-tail.js';
import type { EmbeddedPostgresLocation } from './options.js';
import { disarmStalePidFile, endOrphanedBackends, type FoundPostmaster, findPostmaster } from './postmaster-file.js';
import { identifyProcess, isStillRunning, type ProcessIdentity } from './process-identity.js';
import { COMMAND_ENVIRONMENT, type DatabaseUser } from './run-command.js';

/** All that is needed to bring one cluster up. */
export interface ClusterSetup {
  home: string;
  logFile: string;
  binaries: Binaries;
  user: DatabaseUser | undefined;
  location: EmbeddedPostgresLocation;
  volatile: boolean;
  log: (line: string) => void;
}

export interface RunningPostmaster {
  process: ProcessIdentity;
  attached: boolean;
}

/** Recovery after a crash reads up to a gigabyte of log back in; a slow disk needs minutes for that. */
const START_LIMIT_MS = 600_000;
/** The backends of a killed postmaster see that it is gone and end; until then PostgreSQL refuses to start. */
const START_ATTEMPTS = 30;
/** From here on those that are too busy to notice are ended. */
const ORPHAN_ATTEMPTS = 6;
const ATTEMPT_PAUSE_MS = 500;
const POLL_MS = 30;
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const FAST_SHUTDOWN_LIMIT_MS = 60_000;
const IMMEDIATE_SHUTDOWN_LIMIT_MS = 10_000;

const INVISIBLE =
  'A PostgreSQL that this process cannot see, perhaps in another container, serves the database in <path>: stop it first.';

/**
 * Adopts the living postmaster of the cluster or starts one, and waits until it accepts connections.
 * @throws ForgewayError FORGEWAY_DATABASE_UNAVAILABLE with the last lines of the log, or when `signal` aborts
 */
export async function bringUp(setup: ClusterSetup, signal?: AbortSignal): Promise<RunningPostmaster> {
  const clusterDir = clusterDirOf(setup.home);
  for (let attempt = 1; ; attempt++) {
    const found = await findPostmaster(clusterDir);
    if (found && (await adopt(setup, found, signal))) return { process: found.process, attached: true };
    if (!found && (await isAnswered(setup.location))) {
      if (attempt >= START_ATTEMPTS) throw unavailable(INVISIBLE.replace('<path>', setup.home));
      await sleep(ATTEMPT_PAUSE_MS);
      continue;
    }
    const logStart = await rotateLog(setup.logFile);
    const started = await start(setup);
    if (await waitUntilReady(setup, started, signal).catch((error: unknown) => giveUp(setup, started, error))) {
      const { process } = (await findPostmaster(clusterDir)) ?? { process: started };
      return { process, attached: process.pid !== started.pid };
    }
    const log = await readLogTail(setup.logFile, logStart);
    if (!isPassingFailure(log) || attempt >= START_ATTEMPTS || signal?.aborted) {
      throw unavailable(await explain('The embedded PostgreSQL did not start', setup.home, log));
    }
    if (attempt >= ORPHAN_ATTEMPTS) await endOrphanedBackends(clusterDir);
    await sleep(ATTEMPT_PAUSE_MS);
  }
}

/** Fast shutdown, then harder ones. Resolves when the process is gone. */
export async function shutDown(postmaster: ProcessIdentity, log: (line: string) => void): Promise<void> {
  const steps = [
    ['SIGINT', FAST_SHUTDOWN_LIMIT_MS],
    ['SIGQUIT', IMMEDIATE_SHUTDOWN_LIMIT_MS],
    ['SIGKILL', IMMEDIATE_SHUTDOWN_LIMIT_MS],
  ] as const;
  for (const [signal, limitMs] of steps) {
    if (!(await isStillRunning(postmaster))) return;
    if (signal !== 'SIGINT') log(`PostgreSQL (process ${postmaster.pid}) does not stop, sending ${signal}`);
    try {
      process.kill(postmaster.pid, signal);
    } catch (error) {
      if (errorCodeOf(error) === 'ESRCH') return;
      throw unavailable(`PostgreSQL (process ${postmaster.pid}) cannot be stopped: ${messageOf(error)}.`);
    }
    if (await waitUntilGone(postmaster, limitMs)) return;
  }
  throw unavailable(`PostgreSQL (process ${postmaster.pid}) did not end even after SIGKILL.`);
}

/**
 * Whether somebody serves the socket although no postmaster was found: one that has not written its file yet, or one
 * whose process ids are not ours. PostgreSQL itself would not notice the latter, and both would write the same files.
 */
async function isAnswered(location: EmbeddedPostgresLocation): Promise<boolean> {
  try {
    await (await connect(location, 'forgeway probe')).end();
    return true;
  } catch (error) {
    return !isSilent(error);
  }
}

/** False when there is room for a new one: it was shutting down, or nobody could have reached it. */
async function adopt(setup: ClusterSetup, found: FoundPostmaster, signal?: AbortSignal): Promise<boolean> {
  const { host, port } = setup.location;
  if (found.isReady && !existsSync(join(host, `.s.PGSQL.${port}`))) {
    setup.log(`PostgreSQL (process ${found.process.pid}) has lost its socket, restarting it`);
    await shutDown(found.process, setup.log);
    return false;
  }
  return waitUntilReady(setup, found.process, signal);
}

/** Two failures pass by themselves. PostgreSQL tells them apart only in words, which are English under our locale. */
function isPassingFailure(log: string): boolean {
  return /pre-existing shared memory block .* is still in use|lock file .* already exists/.test(log);
}

async function giveUp(setup: ClusterSetup, started: ProcessIdentity, error: unknown): Promise<never> {
  await shutDown(started, setup.log);
  throw error;
}

async function start(setup: ClusterSetup): Promise<ProcessIdentity> {
  const { home, binaries, user, location } = setup;
  await disarmStalePidFile(clusterDirOf(home), location.host, user);
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
  const log = await open(setup.logFile, flags, 0o600);
  try {
    const child = spawn(binaries.postgres, ['-D', clusterDirOf(home), ...settings(setup)], {
      ...user,
      cwd: '/',
      env: COMMAND_ENVIRONMENT,
      // Its own session, and no pipe to us: neither our end nor the terminal's reaches it.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await once(child, 'spawn').catch((cause: unknown) => {
      throw cannotRun(binaries.postgres, cause);
    });
    child.unref();
    const pid = child.pid ?? 0;
    return (await identifyProcess(pid)) ?? { pid, started: 'ended' };
  } finally {
    await log.close();
  }
}

/** On the command line they win over what `postgresql.conf` and `ALTER SYSTEM` say. */
function settings({ location: { host: socketDir, port }, volatile }: ClusterSetup): string[] {
  const durability = volatile ? 'off' : 'on';
  const values = {
    listen_addresses: '',
    // A list, in which a comma separates and a quote is written twice.
    unix_socket_directories: `"${socketDir.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
    port: String(port),
    fsync: durability,
    full_page_writes: durability,
    synchronous_commit: durability,
    password_encryption: 'scram-sha-256',
    max_connections: '200',
    timezone: 'UTC',
    log_timezone: 'UTC',
    logging_collector: 'off',
    log_destination: 'stderr',
    // Statements and their errors go to the client, who redacts them; values must not end up in this file.
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_statement: 'none',
    log_checkpoints: 'off',
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** False when the process ended instead. */
async function waitUntilReady(
  setup: ClusterSetup,
  postmaster: ProcessIdentity,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + START_LIMIT_MS;
  for (;;) {
    try {
      await (await connect(setup.location, 'forgeway probe')).end();
      return true;
    } catch (error) {
      if (!(await isStillRunning(postmaster))) return false;
      const isLost = performance.now() > deadline || signal?.aborted === true;
      if (!isPassing(error) || isLost) throw unavailable(refusal(error, setup.location), error);
    }
    await sleep(POLL_MS);
  }
}

/** Why a connection failed, as a sentence. */
export function refusal(error: unknown, location: EmbeddedPostgresLocation): string {
  const isPassword = errorCodeOf(error) === '28P01';
  const hint = isPassword ? ` (is ${location.passwordFile} the file of this cluster?)` : '';
  return `The embedded PostgreSQL at ${location.host} does not accept connections: ${messageOf(error)}${hint}.`;
}

async function waitUntilGone(postmaster: ProcessIdentity, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (await isStillRunning(postmaster)) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/** Keeps one old log, and answers the size of the current one. */
async function rotateLog(path: string): Promise<number> {
  const size = await stat(path).then(
    (status) => status.size,
    () => 0,
  );
  if (size < LOG_LIMIT_BYTES) return size;
  await rename(path, `${path}.1`);
  return 0;
}

function unavailable(message: string, cause?: unknown): ForgewayError {
  return new ForgewayError('FORGEWAY_DATABASE_UNAVAILABLE', message, { cause });
}
