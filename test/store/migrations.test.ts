import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { assertSchemaCompatibility, LATEST_SCHEMA_VERSION } from 'bullmq';
import { pino } from 'pino';
import { withConnection } from '../../src/store/connection.js';
import { type Database, databaseAt } from '../../src/store/database.js';
import { migrate } from '../../src/store/migrate.js';
import { readColumns } from '../support/catalog.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const log = pino({ level: 'silent' });
const SOURCE = 'prisma/migrations';
const failed = { code: 'FORGEWAY_MIGRATION_FAILED' };

/** The migrations of this version, in order. */
const shipped = readdirSync(SOURCE, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort();

describe('migrate', () => {
  let db: TestDatabase;
  let folder: string;
  beforeEach(async () => {
    db = await createTestDatabase({ empty: true });
    folder = await mkdtemp(join(tmpdir(), 'forgeway-migrations-'));
    await cp(SOURCE, folder, { recursive: true });
  });
  afterEach(async () => {
    await db.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const addMigration = async (name: string, sql: string) => {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, 'migration.sql'), sql);
  };
  const ask = async <R extends object>(sql: string): Promise<R[]> =>
    (await withConnection(db.superuser, (client) => client.query<R>(sql))).rows;
  const ledger = () =>
    ask<{ migration_name: string }>(
      `select migration_name, checksum, applied_steps_count as steps, finished_at >= started_at as finished,
              rolled_back_at, logs, length(id) as id_length
         from _prisma_migrations order by migration_name`,
    );
  const exists = async (table: string) =>
    (await ask<{ found: boolean }>(`select to_regclass('public.${table}') is not null as found`))[0]?.found;

  it('applies everything once and then nothing', async () => {
    expect(await migrate(db.database, log)).toEqual({ applied: shipped });
    const columns = await withConnection(db.superuser, readColumns);
    const before = await ask('select xmin::text as version, * from _prisma_migrations');
    expect(await migrate(db.database, log)).toEqual({ applied: [] });
    expect(await withConnection(db.superuser, readColumns)).toEqual(columns);
    expect(await ask('select xmin::text as version, * from _prisma_migrations')).toEqual(before);
  });

  it('writes Prisma’s ledger: its columns, its checksum, one finished row for each', async () => {
    await migrate(db.database, log);
    const bytes = await Promise.all(shipped.map((name) => readFile(join(SOURCE, name, 'migration.sql'))));
    expect(await ledger()).toEqual(
      shipped.map((name, index) => ({
        migration_name: name,
        checksum: createHash('sha256')
          .update(bytes[index] ?? '')
          .digest('hex'),
        steps: 1,
        finished: true,
        rolled_back_at: null,
        logs: null,
        id_length: 36,
      })),
    );
    const columns = await ask<{ shape: string }>(
      `select concat_ws(' ', column_name, udt_name, character_maximum_length, is_nullable, column_default) as shape
         from information_schema.columns where table_name = '_prisma_migrations' order by ordinal_position`,
    );
    expect(columns.map(({ shape }) => shape)).toEqual([
      'id varchar 36 NO',
      'checksum varchar 64 NO',
      'finished_at timestamptz YES',
      'migration_name varchar 255 NO',
      'logs text YES',
      'rolled_back_at timestamptz YES',
      'started_at timestamptz NO now()',
      'applied_steps_count int4 NO 0',
    ]);
  });

  it('runs once when several processes migrate at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 4 }, () => migrate(db.database, log)));
    expect(results.flatMap(({ applied }) => applied)).toEqual(shipped);
    expect(await ledger()).toHaveLength(shipped.length);
  });

  it('applies later migrations in order, and only those', async () => {
    await migrate(db.database, log, { folder });
    await addMigration('9003_third', 'insert into second values (3)');
    await addMigration('9002_second', 'create table second (id int)');
    expect(await migrate(db.database, log, { folder })).toEqual({ applied: ['9002_second', '9003_third'] });
    // An older version of Forgeway keeps working on a database that a newer one migrated.
    expect(await migrate(db.database, log)).toEqual({ applied: [] });
  });

  it('on an upgrade from 0019 has the forges asked again of every tenant’s connections that were never confirmed', async () => {
    for (const name of shipped) if (name > '0020') await rm(join(folder, name), { recursive: true });
    await migrate(db.database, log, { folder });
    await ask(`insert into organization (slug, name) values ('one', 'One'), ('two', 'Two')`);
    await ask(
      `insert into connection (organization_id, name, kind, forge, host, provider_account_id, status)
       select id, slug || s, 'pat', 'gitea', 'git.example', s, s from organization, unnest(array['unreachable', 'active']) s`,
    );
    // One that was confirmed once and is away now.
    await ask(
      `insert into connection (id, organization_id, name, kind, forge, host, provider_account_id, status)
       select '00000000-0000-4000-8000-000000000001', id, 'served', 'pat', 'gitea', 'git.example', '5', 'unreachable'
       from organization where slug = 'one'`,
    );
    await ask(
      `insert into installation (organization_id, forge, host, app_id, installation_id, virtual_id, connection_id)
       select organization_id, forge, host, '', 1, 1, id from connection where name = 'served'`,
    );
    // Of people: one who belongs to the organization, and one who left it.
    await ask(`insert into "user" (id, name) values ('stays', 'S'), ('left', 'L')`);
    await ask(
      `insert into member (organization_id, user_id, role) select id, 'stays', 'viewer' from organization where slug = 'one'`,
    );
    await ask(
      `insert into connection (organization_id, user_id, name, kind, forge, host, provider_account_id, status)
       select o.id, u.id, u.id, 'pat', 'gitea', 'git.example', u.id, 'unreachable' from "user" u, organization o where o.slug = 'one'`,
    );
    await migrate(db.database, log);
    expect(await ask('select name from connection where user_id is not null')).toEqual([{ name: 'stays' }]);
    expect(
      await ask(
        `select c.name, n.organization_id = c.organization_id as own, n.wish, n.due_at <= now() as due
         from connection_confirmation n join connection c on c.id = n.connection_id order by c.name`,
      ),
    ).toEqual(['oneunreachable', 'twounreachable'].map((name) => ({ name, own: true, wish: {}, due: true })));
    expect(
      await ask(
        `select relname from pg_class where relname in ('connection', 'installation', 'connection_confirmation', 'member')
         and relrowsecurity and relforcerowsecurity`,
      ),
    ).toHaveLength(4);
  });

  it('refuses a migration that was changed after it had been applied', async () => {
    await migrate(db.database, log, { folder });
    const path = join(folder, '0001_init/migration.sql');
    await writeFile(path, `${await readFile(path, 'utf8')}\n`);
    await addMigration('9002_second', 'create table second (id int)');
    await expect(migrate(db.database, log, { folder })).rejects.toMatchObject(failed);
    expect(await exists('second')).toBe(false);
  });

  it('leaves nothing of a migration that fails, and continues once it is mended', async () => {
    await addMigration('9002_second', 'create table second (id int); select 1 / 0');
    await expect(migrate(db.database, log, { folder })).rejects.toMatchObject({
      ...failed,
      details: { sqlState: '22012' },
    });
    expect(await exists('second')).toBe(false);
    expect(await ledger()).toHaveLength(shipped.length);
    await addMigration('9002_second', 'create table second (id int)');
    expect(await migrate(db.database, log, { folder })).toEqual({ applied: ['9002_second'] });
  });

  it('refuses to continue after a migration that Prisma left unfinished', async () => {
    await migrate(db.database, log);
    await ask('update _prisma_migrations set finished_at = null');
    await expect(migrate(db.database, log)).rejects.toMatchObject(failed);
    await ask('update _prisma_migrations set finished_at = now()');
    await expect(migrate(db.database, log)).resolves.toEqual({ applied: [] });
  });

  it('leaves nothing when its process is killed', async () => {
    await migrate(db.database, log, { folder });
    await addMigration(
      '9002_slow',
      'create table first_half (id int); select pg_sleep(3); create table second_half (id int)',
    );
    const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/migrate-process.ts'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, MIGRATE: JSON.stringify({ ...db.superuser, folder }) },
    });
    const ended = exitOf(child);
    const sleeping = `select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`;
    while ((await ask(sleeping)).length === 0) await sleep(20);
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    await rm(join(folder, '9002_slow'), { recursive: true });
    // Waits for the lock that the dead process's connection still holds.
    expect(await migrate(db.database, log, { folder })).toEqual({ applied: [] });
    expect([await exists('first_half'), await exists('second_half')]).toEqual([false, false]);
    expect(await ledger()).toHaveLength(shipped.length);
  });

  it('refuses a database that was set up with another key, and changes nothing in it', async () => {
    await migrate(db.database, log);
    const { host, port, database } = db.superuser;
    const other = databaseAt({ host, port, database }, Buffer.alloc(32, 7));
    const wrong: Database = {
      keyCheck: other.keyCheck,
      poolConfig: (role) => (role === 'migrate' ? db.database : other).poolConfig(role),
    };
    await expect(migrate(wrong, log)).rejects.toMatchObject({ code: 'FORGEWAY_KEY_MISSING' });
    expect((await db.store('worker').pool.query('select 1 as works')).rows).toEqual([{ works: 1 }]);
  });

  it('does not take over roles that have another password', async () => {
    const { host, port, database } = db.superuser;
    const other = databaseAt({ host, port, database }, Buffer.alloc(32, 7));
    const stranger: Database = {
      keyCheck: other.keyCheck,
      poolConfig: (role) => (role === 'migrate' ? db.database : other).poolConfig(role),
    };
    const refusal = await migrate(stranger, log).catch((error: unknown) => error);
    expect(refusal).toMatchObject(failed);
    const { message } = refusal as Error;
    expect(message).toContain('ALTER ROLE forgeway_worker login password');
    // What it prints for an administrator holds verifiers, never a password.
    for (const role of ['ingress', 'worker', 'api'] as const)
      expect(message).not.toContain(String(other.poolConfig(role).password));
  });
});

describe('BullMQ’s schema', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it.each(['worker', 'api'] as const)('is there for %s, who migrates nothing', async (role) => {
    const { pool } = db.store(role);
    expect(await assertSchemaCompatibility(pool, 'bullmq')).toBe(LATEST_SCHEMA_VERSION);
    await expect(pool.query('create table bullmq.mine (id int)')).rejects.toMatchObject({ code: '42501' });
    const { rows } = await pool.query<{ denied: string }>(
      `select c.relname as denied from pg_class c where c.relnamespace = 'bullmq'::regnamespace
         and (c.relkind = 'r' and not has_table_privilege(c.oid, 'select, insert, update, delete')
           or c.relkind = 'S' and not has_sequence_privilege(c.oid, 'usage'))`,
    );
    expect(rows).toEqual([]);
  });
});

function exitOf(child: ChildProcess): Promise<NodeJS.Signals | number | null> {
  return new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));
}
