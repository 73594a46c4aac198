/** Directories, server processes and connections for the tests of the embedded PostgreSQL, and their removal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import pg from 'pg';
import {
  type EmbeddedPostgresLocation,
  type EmbeddedPostgresOptions,
  removeEmbeddedPostgres,
} from '../../src/store/embedded/embedded-postgres.js';
import { readLayout } from '../../src/store/embedded/layout.js';
import { type DatabaseUser, runCommand } from '../../src/store/embedded/run-command.js';
import type { ChildOptions } from './embedded-server-child.js';

export type ChildEvent = {
  event: string;
  attached?: boolean;
  pid?: number;
  code?: string;
  message?: string;
  line?: string;
};

export interface ServerChild {
  process: ChildProcess;
  /** Waits for an event that was or will be printed; rejects when the process ends without it. */
  waitFor(...events: string[]): Promise<ChildEvent>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface Sandbox {
  root: string;
  systemDir: string;
  /** What the servers that were started with {@link Sandbox.options} had to say. */
  log: string[];
  options(dataDir: string): EmbeddedPostgresOptions;
  /** Registers a data directory, which need not exist, for removal. */
  dataDir(...path: string[]): string;
  spawnServer(options: ChildOptions): ServerChild;
  dispose(): Promise<void>;
}

/** @param systemDir one for all tests of a file, so that the binaries are copied once */
export async function createSandbox(systemDir: string): Promise<Sandbox> {
  const root = await makeOpenDir();
  const log: string[] = [];
  const dataDirs = new Set<string>();
  const children: ServerChild[] = [];
  return {
    root,
    systemDir,
    log,
    options: (dataDir) => ({ dataDir, systemDir, log: (line) => log.push(line) }),
    dataDir: (...path) => {
      const dataDir = join(root, ...path);
      dataDirs.add(dataDir);
      return dataDir;
    },
    spawnServer: (options) => {
      const child = spawnServer({ systemDir, ...options });
      children.push(child);
      return child;
    },
    dispose: async () => {
      for (const child of children) await child.kill('SIGKILL');
      for (const dataDir of dataDirs) await removeEmbeddedPostgres({ dataDir });
      await rm(root, { recursive: true, force: true });
    },
  };
}

export async function clusterOf(dataDir: string): Promise<{ home: string; data: string; socketDir: string }> {
  const layout = await readLayout(dataDir);
  if (!layout) throw new Error('no database was created');
  return { home: layout.home, data: join(layout.home, 'data'), socketDir: layout.socketDir };
}

export async function postmasterPid(dataDir: string): Promise<number> {
  return Number((await readFile(join((await clusterOf(dataDir)).data, 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

export async function canRead(path: string, user: DatabaseUser): Promise<boolean> {
  return (await runCommand('cat', [path], user)).code === 0;
}

export async function makePrivateDir(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o700);
  return path;
}

export async function query<Row extends pg.QueryResultRow>(
  location: EmbeddedPostgresLocation,
  sql: string,
): Promise<Row[]> {
  const { host, port, user, password, database } = location;
  const client = new pg.Client({ host, port, user, password, database });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** A new directory that others may pass through. Not under TMPDIR, which may be private. */
export async function makeOpenDir(): Promise<string> {
  const path = await mkdtemp('/tmp/forgeway-test-');
  await chmod(path, 0o711);
  return path;
}

/** Asks again until the answer is there; the test's own time limit ends it. */
export async function eventually<T>(ask: () => Promise<T | null | undefined | false>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((done) => setTimeout(done, 20));
  }
}

function spawnServer(options: ChildOptions): ServerChild {
  const program = join(import.meta.dirname, 'embedded-server-child.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', program, JSON.stringify(options)], {
    cwd: resolve(import.meta.dirname, '../..'),
    env: { PATH: '/usr/bin:/bin', FORGEWAY_TEST_SECRET: 'must not reach the database' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const events: ChildEvent[] = [];
  const errors: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => events.push(JSON.parse(line) as ChildEvent));
  const closed = once(child, 'close').then(() => true);
  return {
    process: child,
    waitFor: (...wanted) =>
      eventually(async () => {
        const hasEnded = child.exitCode !== null || child.signalCode !== null;
        if (hasEnded) await closed;
        const found = events.find(({ event }) => wanted.includes(event));
        if (!found && hasEnded)
          throw new Error(`ended without ${wanted}: ${JSON.stringify(events)} ${errors.join('')}`);
        return found;
      }),
    kill: async (signal) => {
      child.kill(signal);
      await closed;
    },
  };
}
