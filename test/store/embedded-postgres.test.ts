import { cp, lstat, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  attachEmbeddedPostgres,
  removeEmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/store/embedded/embedded-postgres.js';
import { readLayout } from '../../src/store/embedded/layout.js';
import { type DatabaseUser, runCommand } from '../../src/store/embedded/run-command.js';
import {
  canRead,
  clusterOf,
  createSandbox,
  eventually,
  makeOpenDir,
  makePrivateDir,
  postmasterPid,
  query,
  type Sandbox,
} from './embedded-sandbox.js';

const { skip } = it;
const isRoot = process.getuid?.() === 0;
/** Counted as skipped for an ordinary user: only root can become another user. */
const itAsRoot = isRoot ? it : skip;
const NOBODY: DatabaseUser = { uid: 65534, gid: 65534 };

jest.setTimeout(300_000);

let systemDir: string;
beforeAll(async () => {
  systemDir = await makeOpenDir();
});
afterAll(() => rm(systemDir, { recursive: true, force: true }));

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox(systemDir);
});
afterEach(() => sandbox.dispose());

describe('a fresh data directory', () => {
  it('serves a durable database on a unix socket, to those with the password', async () => {
    const dataDir = sandbox.dataDir('data');
    const database = await startEmbeddedPostgres(sandbox.options(dataDir));
    const { location } = database;
    expect(database.attached).toBe(false);
    expect(await attachEmbeddedPostgres({ dataDir })).toEqual(location);
    const names = ['listen_addresses', 'fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums'];
    const settings = await query<{ name: string; setting: string }>(
      location,
      `select name, setting from pg_settings where name in ('${names.join("','")}')`,
    );
    expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
      listen_addresses: '',
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      data_checksums: 'on',
    });
    for (const password of ['', 'wrong', location.password.slice(1)]) {
      await expect(query({ ...location, password }, 'select 1')).rejects.toThrow(/password/);
    }
    const rules = await query(
      location,
      "select from pg_hba_file_rules where auth_method not in ('scram-sha-256', 'reject')",
    );
    expect(rules).toEqual([]);
    expect((await stat(location.passwordFile)).mode & 0o777).toBe(0o600);
    expect((await stat(location.host)).mode & 0o777).toBe(0o700);
    await database.stop();
    await database.stop();
    await expect(attachEmbeddedPostgres({ dataDir })).rejects.toMatchObject({ code: 'FORGEWAY_DATABASE_UNAVAILABLE' });
  });

  it('gives the database nothing of our environment', async () => {
    const dataDir = sandbox.dataDir('data');
    const child = sandbox.spawnServer({ dataDir });
    await child.waitFor('ready');
    const location = await attachEmbeddedPostgres({ dataDir });
    await query(location, "create table seen (line text); copy seen from program 'env'");
    const seen = await query<{ line: string }>(
      location,
      "select line from seen where line like '%SECRET%' or line like 'PATH=%'",
    );
    expect(seen).toEqual([{ line: 'PATH=/usr/sbin:/usr/bin:/sbin:/bin' }]);
    child.process.stdin?.write('stop\n');
    await child.waitFor('stopped');
  });

  it('needs no symlinks in the installed package, and takes names with commas, quotes and blanks, and too long ones', async () => {
    const require = createRequire(import.meta.url);
    const installed = dirname(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
    const copy = join(sandbox.root, 'package');
    const isLink = async (path: string): Promise<boolean> => (await lstat(path)).isSymbolicLink();
    await cp(installed, copy, { recursive: true, filter: async (path) => !(await isLink(path)) });
    const dataDir = sandbox.dataDir("a, 'b' c", 'd'.repeat(120));
    const database = await startEmbeddedPostgres({ ...sandbox.options(dataDir), binariesDir: join(copy, 'native') });
    expect(Buffer.byteLength(join(database.location.host, '.s.PGSQL.5432'))).toBeLessThanOrEqual(107);
    expect(await lstat(database.location.host)).toMatchObject({ mode: 0o40700 });
    expect(await attachEmbeddedPostgres({ dataDir })).toEqual(database.location);
    await database.stop();
    expect(await stat(database.location.host).catch(() => null)).toBeNull();

    const short = await startEmbeddedPostgres({
      ...sandbox.options(sandbox.dataDir("a, 'b' c", 'e')),
      binariesDir: join(copy, 'native'),
    });
    expect(await query(short.location, 'select 1 as one')).toEqual([{ one: 1 }]);
    await short.stop();
  });

  it('survives an initdb that was killed half way', async () => {
    const dataDir = sandbox.dataDir('data');
    const child = sandbox.spawnServer({ dataDir });
    const home = await eventually(async () => (await readLayout(dataDir).catch(() => null))?.home);
    const started = async (): Promise<boolean> =>
      (await readdir(home).catch(() => [])).some((name) => /^initdb-\w+$/.test(name));
    await eventually(started);
    await child.kill('SIGKILL');
    expect(await readdir(home)).not.toContain('data');
    const database = await startEmbeddedPostgres(sandbox.options(dataDir));
    expect(await query(database.location, 'select 1 as one')).toEqual([{ one: 1 }]);
    await database.stop();
  });
});

describe('attachEmbeddedPostgres', () => {
  it('creates nothing, and says what to do', async () => {
    const dataDir = join(sandbox.root, 'none');
    await expect(attachEmbeddedPostgres({ dataDir, waitMs: 50 })).rejects.toMatchObject({
      code: 'FORGEWAY_DATABASE_UNAVAILABLE',
      message: expect.stringContaining('start the server first'),
    });
    expect(await stat(dataDir).catch(() => null)).toBeNull();
  });

  it('waits for a server that is starting', async () => {
    const dataDir = sandbox.dataDir('data');
    const attaching = attachEmbeddedPostgres({ dataDir, waitMs: 200_000 });
    const database = await startEmbeddedPostgres(sandbox.options(dataDir));
    expect(await attaching).toEqual(database.location);
    await database.stop();
  });
});

describe('users', () => {
  itAsRoot('in a private directory of root the database works, and nobody else reads it (needs root)', async () => {
    const home = await makePrivateDir(join(sandbox.root, 'root-only'));
    const dataDir = sandbox.dataDir('root-only', 'clone', 'data');
    const database = await startEmbeddedPostgres(sandbox.options(dataDir));
    const cluster = await clusterOf(dataDir);
    expect(cluster.home.startsWith(join(sandbox.systemDir, 'clusters'))).toBe(true);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    for (const path of [join(cluster.data, 'PG_VERSION'), join(dataDir, 'postgres-password')]) {
      expect(await canRead(path, NOBODY)).toBe(false);
    }
    await database.stop();
    await removeEmbeddedPostgres({ dataDir });
    expect(await readdir(join(sandbox.systemDir, 'clusters'))).toEqual([]);
  });

  itAsRoot('in an open directory it lies there, and nobody else reads it (needs root)', async () => {
    const dataDir = sandbox.dataDir('data');
    const database = await startEmbeddedPostgres(sandbox.options(dataDir));
    const cluster = await clusterOf(dataDir);
    expect(cluster.home).toBe(join(dataDir, 'postgres'));
    const owner = (await stat(cluster.data)).uid;
    expect(owner).not.toBe(0);
    const log = join(dataDir, 'postgresql.log');
    for (const path of [join(cluster.data, 'PG_VERSION'), join(dataDir, 'postgres-password'), log]) {
      expect(await canRead(path, NOBODY)).toBe(false);
    }
    expect(await canRead(join(dataDir, 'postgres-password'), { uid: owner, gid: owner })).toBe(false);
    const connecting = await runCommand('ls', [database.location.host], NOBODY);
    expect(connecting.code).not.toBe(0);
    await database.stop();
  });

  itAsRoot('an ordinary user runs it as itself, all in the data directory (needs root to become one)', async () => {
    const require = createRequire(import.meta.url);
    const installed = dirname(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
    const home = join(sandbox.root, 'nobody');
    await mkdir(home);
    // A copy, because the checkout itself may lie where only root can go.
    await cp(installed, join(home, 'package'), { recursive: true });
    await runCommand('chown', ['-R', `${NOBODY.uid}:${NOBODY.gid}`, home]);
    const dataDir = sandbox.dataDir('nobody', 'data');
    const child = sandbox.spawnServer({ dataDir, uid: NOBODY.uid, binariesDir: join(home, 'package', 'native') });
    await child.waitFor('ready');
    const pid = await postmasterPid(dataDir);
    expect((await stat(`/proc/${pid}`)).uid).toBe(NOBODY.uid);
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    const location = await attachEmbeddedPostgres({ dataDir });
    expect(await query(location, 'select 1 as one')).toEqual([{ one: 1 }]);
    child.process.stdin?.write('stop\n');
    await child.waitFor('stopped');
  });
});
