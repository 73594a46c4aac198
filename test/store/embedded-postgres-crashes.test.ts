import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { databaseUserFor } from '../../src/store/embedded/database-user.js';
import { attachEmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import { runCommand } from '../../src/store/embedded/run-command.js';
import {
  clusterOf,
  createSandbox,
  eventually,
  makeOpenDir,
  postmasterPid,
  query,
  type Sandbox,
} from './embedded-sandbox.js';

const { skip } = it;
/** Counted as skipped elsewhere: a backend that is too busy to end by itself can only be found through /proc. */
const itOnLinux = process.platform === 'linux' ? it : skip;

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

describe('the server process', () => {
  it('may be killed: the next one adopts the database with its data', async () => {
    const dataDir = sandbox.dataDir('data');
    const first = sandbox.spawnServer({ dataDir });
    const { pid } = await first.waitFor('ready');
    const location = await attachEmbeddedPostgres({ dataDir });
    await query(location, 'create table kept as select 1 as one');
    await expect(startEmbeddedPostgres(sandbox.options(dataDir))).rejects.toMatchObject({
      code: 'FORGEWAY_DATABASE_IN_USE',
      message: expect.stringMatching(new RegExp(`^[^\n]*process id ${pid}:[^\n]*$`)),
    });
    const postmaster = await postmasterPid(dataDir);
    await first.kill('SIGKILL');
    expect(await attachEmbeddedPostgres({ dataDir })).toEqual(location);

    const second = sandbox.spawnServer({ dataDir });
    expect(await second.waitFor('ready')).toMatchObject({ attached: true });
    expect(await postmasterPid(dataDir)).toBe(postmaster);
    expect(await query(location, 'select * from kept')).toEqual([{ one: 1 }]);
    second.process.stdin?.write('stop\n');
    await second.waitFor('stopped');
    await expect(attachEmbeddedPostgres({ dataDir })).rejects.toMatchObject({ code: 'FORGEWAY_DATABASE_UNAVAILABLE' });
  });

  it('drains on SIGTERM with the database still there', async () => {
    const dataDir = sandbox.dataDir('data');
    const child = sandbox.spawnServer({ dataDir });
    await child.waitFor('ready');
    child.process.kill('SIGTERM');
    await child.waitFor('drained');
    await child.waitFor('stopped');
    expect(await readdir((await clusterOf(dataDir)).data)).not.toContain('postmaster.pid');
  });

  it('is one of twenty that start at once', async () => {
    const dataDir = sandbox.dataDir('data');
    const children = Array.from({ length: 20 }, () => sandbox.spawnServer({ dataDir }));
    const events = await Promise.all(children.map((child) => child.waitFor('ready', 'failed')));
    expect(events.filter(({ event }) => event === 'ready')).toHaveLength(1);
    const losers = events.filter(({ event }) => event === 'failed');
    expect(losers.map(({ code }) => code)).toEqual(Array.from({ length: 19 }, () => 'FORGEWAY_DATABASE_IN_USE'));
    const winner = events.find(({ event }) => event === 'ready');
    for (const { message } of losers) expect(message).toContain(`process id ${winner?.pid}:`);
  });

  itOnLinux('gets its database back when PostgreSQL is killed, with every committed row (needs /proc)', async () => {
    const dataDir = sandbox.dataDir('data');
    const database = await startEmbeddedPostgres(sandbox.options(dataDir));
    await query(database.location, 'create table kept as select 1 as one');
    // A backend in the middle of a computation does not see that its postmaster is gone.
    const busy = query(database.location, 'select count(*) from (select generate_series(1, 1e12)) as numbers').catch(
      () => 'cut',
    );
    await eventually(async () => {
      const running = "select from pg_stat_activity where state = 'active' and query like 'select count%'";
      return (await query(database.location, running)).length > 0;
    });
    process.kill(await postmasterPid(dataDir), 'SIGKILL');
    await eventually(async () => sandbox.log.some((line) => line.startsWith('PostgreSQL is back')));
    expect(await busy).toBe('cut');
    expect(await query(database.location, 'select * from kept')).toEqual([{ one: 1 }]);
    await database.stop();
    await expect(attachEmbeddedPostgres({ dataDir })).rejects.toMatchObject({ code: 'FORGEWAY_DATABASE_UNAVAILABLE' });
  });

  it('keeps out a server on a copy of the data directory’s record', async () => {
    const dataDir = sandbox.dataDir('data');
    const database = await startEmbeddedPostgres(sandbox.options(dataDir));
    const copy = sandbox.dataDir('copy');
    await mkdir(copy);
    await cp(join(dataDir, 'postgres-password'), join(copy, 'postgres-password'));
    const { home, socketDir } = await clusterOf(dataDir);
    await writeFile(join(copy, 'embedded-postgres.json'), JSON.stringify({ home, socketDir, initialized: true }));
    await expect(startEmbeddedPostgres(sandbox.options(copy))).rejects.toMatchObject({
      code: 'FORGEWAY_DATABASE_IN_USE',
      message: expect.stringContaining(`process id ${process.pid}`),
    });
    expect(await query(database.location, 'select 1 as one')).toEqual([{ one: 1 }]);
    await database.stop();
    await rm(copy, { recursive: true });
  });
});

describe('what a crash leaves behind', () => {
  it('a postmaster.pid whose pid belongs to another process is no obstacle', async () => {
    const dataDir = sandbox.dataDir('data');
    await (await startEmbeddedPostgres(sandbox.options(dataDir))).stop();
    const { home, data, socketDir } = await clusterOf(dataDir);
    const user = await databaseUserFor(home);
    const stranger = spawn('sleep', ['600'], { ...user, stdio: 'ignore' });
    try {
      const lines = [stranger.pid, data, 1, 5432, socketDir, '', '  1 1', 'ready', ''].join('\n');
      for (const path of [join(data, 'postmaster.pid'), join(socketDir, '.s.PGSQL.5432.lock')]) {
        await writeFile(path, lines, { mode: 0o600 });
        await runCommand('chown', [user ? `${user.uid}:${user.gid}` : String(process.getuid?.()), path]);
      }
      const database = await startEmbeddedPostgres(sandbox.options(dataDir));
      expect(database.attached).toBe(false);
      await database.stop();
      expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it('a data directory that was moved keeps its data', async () => {
    const dataDir = sandbox.dataDir('data');
    const first = await startEmbeddedPostgres(sandbox.options(dataDir));
    await query(first.location, 'create table kept as select 1 as one');
    await first.stop();
    const moved = sandbox.dataDir('moved');
    await rename(dataDir, moved);
    const second = await startEmbeddedPostgres(sandbox.options(moved));
    expect(await query(second.location, 'select * from kept')).toEqual([{ one: 1 }]);
    await second.stop();
  });

  it('a socket directory that is gone, or was replaced by a link, is made anew', async () => {
    const dataDir = sandbox.dataDir('s'.repeat(100));
    const first = await startEmbeddedPostgres(sandbox.options(dataDir));
    await first.stop();
    const planted = await mkdtemp(join(sandbox.root, 'planted-'));
    await symlink(planted, first.location.host);
    try {
      const second = await startEmbeddedPostgres(sandbox.options(dataDir));
      expect(second.location.host).not.toBe(first.location.host);
      expect(await readdir(planted)).toEqual([]);
      await second.stop();
    } finally {
      await rm(first.location.host);
    }
  });

  it('a damaged cluster is reported with the last log lines, and holds no lock', async () => {
    const dataDir = sandbox.dataDir('data');
    await (await startEmbeddedPostgres(sandbox.options(dataDir))).stop();
    await truncate(join((await clusterOf(dataDir)).data, 'global', 'pg_control'), 10);
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(startEmbeddedPostgres(sandbox.options(dataDir))).rejects.toMatchObject({
        code: 'FORGEWAY_DATABASE_UNAVAILABLE',
        message: expect.stringContaining('pg_control'),
      });
    }
  });

  it('a database that has vanished is not replaced by an empty one', async () => {
    const dataDir = sandbox.dataDir('data');
    await (await startEmbeddedPostgres(sandbox.options(dataDir))).stop();
    await rm(join((await clusterOf(dataDir)).data), { recursive: true });
    await expect(startEmbeddedPostgres(sandbox.options(dataDir))).rejects.toMatchObject({
      code: 'FORGEWAY_DATABASE_UNAVAILABLE',
    });
  });
});
