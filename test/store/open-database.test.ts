import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { withConnection } from '../../src/store/connection.js';
import { type Database, openStore } from '../../src/store/database.js';
import { attachEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import { firstKeys } from '../../src/store/master-keys.js';
import { migrate } from '../../src/store/migrate.js';
import { type OpenedDatabase, openDatabase } from '../../src/store/open-database.js';
import { createTestDatabase, TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';

const log = pino({ level: 'silent' });
const keyMissing = { code: 'FORGEWAY_KEY_MISSING' };

describe('openDatabase without DATABASE_URL', () => {
  let folder: string;
  let dataDir: string;
  let keyFile: string;
  const opened: OpenedDatabase[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgeway-open-'));
    // As root the database runs as another user, who has to pass through.
    await chmod(folder, 0o711);
    dataDir = join(folder, 'data');
    keyFile = join(dataDir, 'encryption-key');
  });
  afterEach(async () => {
    for (const { stop } of opened.splice(0)) await stop();
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (encryptionKey?: Buffer): Promise<OpenedDatabase> => {
    const result = await openDatabase({ dataDir, encryptionKey }, { as: 'server', log });
    opened.push(result);
    return result;
  };
  const attach = (encryptionKey?: Buffer) => openDatabase({ dataDir, encryptionKey }, { as: 'attach', log });
  const restart = async (encryptionKey?: Buffer): Promise<OpenedDatabase> => {
    await opened.pop()?.stop();
    return start(encryptionKey);
  };

  it('makes a key once, readable by nobody else, and finds it again', async () => {
    const first = await start();
    const text = await readFile(keyFile, 'utf8');
    const status = await stat(keyFile);
    expect(firstKeys(Buffer.from(text.trim(), 'base64'))).toEqual(first.keys);
    expect([status.mode & 0o777, status.uid, first.keys.root.length]).toEqual([0o600, process.getuid?.(), 32]);
    // Not migrated yet, as after a start that was killed early.
    expect((await restart()).keys).toEqual(first.keys);
    await migrate(first.database, log);

    const attached = await attach();
    expect(attached.keys).toEqual(first.keys);
    const store = openStore(attached.database, 'worker');
    expect((await store.pool.query('select current_user::text as name')).rows).toEqual([{ name: 'forgeway_worker' }]);
    await store.close();
    await attached.stop();
    expect((await restart()).keys).toEqual(first.keys);
    expect(await readFile(keyFile, 'utf8')).toBe(text);
    expect((await stat(keyFile)).mtimeMs).toBe(status.mtimeMs);
  });

  it('gives the schema to a role that row level security binds', async () => {
    const { database } = await start();
    await migrate(database, log);
    const rows = await withConnection(database.poolConfig('migrate'), async (client) => {
      const asked = await client.query(
        `select rolname::text as name, rolsuper, rolbypassrls, rolcreaterole,
                (select count(*)::int4 from pg_class where relnamespace = 'public'::regnamespace and relowner <> r.oid) as foreign_tables
           from pg_roles r where rolname = current_user`,
      );
      return asked.rows;
    });
    const weak = { rolsuper: false, rolbypassrls: false, rolcreaterole: true };
    expect(rows).toEqual([{ name: 'forgeway_migrate', ...weak, foreign_tables: 0 }]);
  });

  it('never makes a second key: a missing, damaged or different one is refused', async () => {
    const { database, keys } = await start();
    await migrate(database, log);
    const text = await readFile(keyFile, 'utf8');

    await rm(keyFile);
    await expect(attach()).rejects.toMatchObject(keyMissing);
    await expect(restart()).rejects.toMatchObject(keyMissing);
    await expect(stat(keyFile)).rejects.toMatchObject({ code: 'ENOENT' });

    for (const wrong of ['', 'AAAA', randomBytes(32).toString('base64')]) {
      await writeFile(keyFile, wrong, { mode: 0o600 });
      await expect(start()).rejects.toMatchObject(keyMissing);
      expect(await readFile(keyFile, 'utf8')).toBe(wrong);
    }
    await writeFile(keyFile, text);
    expect((await start()).keys).toEqual(keys);
    await expect(attach(randomBytes(32))).rejects.toMatchObject(keyMissing);
    await expect(restart(randomBytes(32))).rejects.toMatchObject(keyMissing);
    // What is refused does not keep the database running or locked.
    expect((await start(keys.root)).keys).toEqual(keys);
  });

  it('takes the key of the environment and then writes none', async () => {
    const key = randomBytes(32);
    const { database } = await start(key);
    await migrate(database, log);
    await expect(stat(keyFile)).rejects.toMatchObject({ code: 'ENOENT' });
    expect((await attach(key)).keys).toEqual(firstKeys(key));
    await expect(attach()).rejects.toMatchObject(keyMissing);
  });

  it('can be set up anew with another key as long as nothing was recorded', async () => {
    await start();
    const key = randomBytes(32);
    const { database } = await restart(key);
    await expect(migrate(database, log)).resolves.toEqual({ applied: expect.arrayContaining(['0001_init']) });
  });

  it('says what to run by hand when the owner may not create roles', async () => {
    const { database } = await start();
    const location = await attachEmbeddedPostgres({ dataDir });
    await withConnection(location, async (client) => {
      await client.query(`create role powerless login password 'p' nocreaterole`);
      await client.query(`alter database ${location.database} owner to powerless`);
    });
    const powerless: Database = {
      keyCheck: database.keyCheck,
      poolConfig: (role) => ({
        ...database.poolConfig(role),
        ...(role === 'migrate' ? { user: 'powerless', password: 'p' } : {}),
      }),
    };
    const refusal = await migrate(powerless, log).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'FORGEWAY_MIGRATION_FAILED' });
    const { message } = refusal as Error;
    expect(message).toContain('CREATE ROLE forgeway_ingress');
    // And that is enough.
    const statements = message.split('\n').filter((line) => line.startsWith('  '));
    expect(statements).toHaveLength(6);
    await withConnection(location, (client) => client.query(statements.join('\n')));
    expect(await migrate(powerless, log)).toEqual({ applied: expect.arrayContaining(['0001_init']) });
  });

  it('does not let a serving role be strong', async () => {
    const { database } = await start();
    await migrate(database, log);
    const location = await attachEmbeddedPostgres({ dataDir });
    for (const [give, take] of [
      ['alter role forgeway_worker bypassrls', 'alter role forgeway_worker nobypassrls'],
      ['alter role forgeway_api superuser', 'alter role forgeway_api nosuperuser'],
      ['alter role forgeway_ingress createrole', 'alter role forgeway_ingress nocreaterole'],
    ] as const) {
      await withConnection(location, (client) => client.query(give));
      await expect(migrate(database, log)).rejects.toMatchObject({ code: 'FORGEWAY_MIGRATION_FAILED' });
      await withConnection(location, (client) => client.query(take));
    }
    await expect(migrate(database, log)).resolves.toEqual({ applied: [] });
  });

  it('has nothing to attach to before a server ran', async () => {
    await expect(attach()).rejects.toMatchObject({ code: 'FORGEWAY_DATABASE_UNAVAILABLE' });
  });
});

describe('openDatabase with DATABASE_URL', () => {
  let db: TestDatabase;
  let databaseUrl: string;
  let dataDir: string;
  beforeAll(async () => {
    dataDir = join(await mkdtemp(join(tmpdir(), 'forgeway-open-')), 'data');
    db = await createTestDatabase();
    const { host, port, database } = db.superuser;
    const { password } = db.database.poolConfig('migrate');
    databaseUrl = `postgresql://forgeway_migrate:${password}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
  });
  afterAll(async () => {
    await db.drop();
    await rm(dirname(dataDir), { recursive: true, force: true });
  });
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });
  const open = async (encryptionKey?: Buffer, url = databaseUrl) => {
    const opened = await openDatabase({ databaseUrl: url, encryptionKey, dataDir }, { as: 'server', log });
    ends.push(opened.stop);
    return opened;
  };

  it('is for one server on a data directory, which previews lie in, and for any number of others', async () => {
    const first = await open(TEST_MASTER_KEY);
    await expect(open(TEST_MASTER_KEY)).rejects.toMatchObject({ code: 'FORGEWAY_DATABASE_IN_USE' });
    const config = { databaseUrl, encryptionKey: TEST_MASTER_KEY, dataDir };
    await (await openDatabase(config, { as: 'attach', log })).stop();
    await first.stop();
    await open(TEST_MASTER_KEY);
  });

  it('logs in as its owner and as each serving role', async () => {
    const { database, keys } = await open(TEST_MASTER_KEY);
    expect(keys).toEqual(firstKeys(TEST_MASTER_KEY));
    expect(await migrate(database, log)).toEqual({ applied: [] });
    for (const role of ['migrate', 'ingress', 'worker', 'api'] as const) {
      const store = openStore(database, role);
      expect((await store.pool.query('select current_user::text as name')).rows).toEqual([
        { name: `forgeway_${role}` },
      ]);
      await store.close();
    }
  });

  it('refuses a missing key and one that is not this database’s', async () => {
    await expect(open()).rejects.toMatchObject(keyMissing);
    await expect(open(randomBytes(32))).rejects.toMatchObject(keyMissing);
  });

  it('says that it cannot be reached, without its password', async () => {
    const unreachable = await open(TEST_MASTER_KEY, 'postgresql://u:hunter2@127.0.0.1:1/x').catch((error) => error);
    expect(unreachable).toMatchObject({ code: 'FORGEWAY_DATABASE_UNAVAILABLE' });
    expect(String(unreachable)).not.toContain('hunter2');
  });
});
