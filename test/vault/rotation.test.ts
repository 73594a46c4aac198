import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { createForgeAppDirectory } from '../../src/accounts/forge-apps/directory.js';
import { saveForgeApp } from '../../src/accounts/forge-apps/rows.js';
import { accessOfClient, putOAuthClient } from '../../src/accounts/sign-in/oauth-clients.js';
import { sealedTables } from '../../src/accounts/vault-columns.js';
import { rotateSecrets } from '../../src/accounts/vault-rotation.js';
import { vaultStatus } from '../../src/entry/vault-status.js';
import { forges } from '../../src/forges/registry.js';
import { systemClock } from '../../src/lib/clock.js';
import { withConnection } from '../../src/store/connection.js';
import { openStore } from '../../src/store/database.js';
import { countSealedRows } from '../../src/store/master-key-record.js';
import { migrate } from '../../src/store/migrate.js';
import { openDatabase } from '../../src/store/open-database.js';
import { readColumns } from '../support/catalog.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import {
  addRow,
  checkRow,
  keyOfVersion,
  optionsOf,
  readRow,
  recordKey,
  rewriteRow,
  type SecretRowPlace,
  TABLES,
  vaultOf,
  watched,
} from './vault-rig.js';

const keyMissing = { code: 'FORGEWAY_KEY_MISSING' };
const log = pino({ level: 'silent' });

describe('tables with secrets', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  it('are all in the list that rotation goes through, with every sealed column', async () => {
    const columns = await withConnection(db.superuser, readColumns);
    const inDatabase = columns.filter(({ column }) => /_ciphertext$/.test(column));
    const listed = Object.entries(sealedTables).flatMap(([table, names]) =>
      names.map((n) => `${table}.${n}_ciphertext`),
    );
    expect(inDatabase.map(({ table, column }) => `${table}.${column}`).sort()).toEqual(listed.sort());
  });

  it('refuse to go back, and are counted for their key', async () => {
    const { rows } = await withConnection(db.superuser, (client) =>
      client.query<{ table: string; guard: boolean; counted: boolean }>(
        `SELECT t AS "table",
           EXISTS (SELECT FROM pg_trigger WHERE tgrelid = t::regclass AND tgname = 'sealed_row_goes_forward') AS guard,
           EXISTS (SELECT FROM pg_policy WHERE polrelid = t::regclass AND polname = 'count_keys') AS counted
         FROM unnest($1::text[]) t ORDER BY t`,
        [Object.keys(sealedTables)],
      ),
    );
    // What no tenant owns is seen by whoever counts without a policy.
    const counted = (table: string) => (TABLES as readonly string[]).includes(table);
    expect(rows).toEqual(
      Object.keys(sealedTables)
        .sort()
        .map((table) => ({ table, guard: true, counted: counted(table) })),
    );
  });
});

describe('rotateSecrets', () => {
  let db: TestDatabase;
  const rows: SecretRowPlace[] = [];
  const version = { newest: 1 };
  beforeAll(async () => {
    db = await createTestDatabase();
    for (const table of TABLES)
      for (let n = 0; n < 20; n++) rows.push(await addRow(db.store('worker'), vaultOf(1), table, db.organizationId));
  });
  afterAll(() => db.drop());
  const nextVersion = async (): Promise<number> => {
    version.newest++;
    await recordKey(db, version.newest);
    return version.newest;
  };
  const versionsOf = (...known: number[]) => {
    const vault = vaultOf(...known);
    return Promise.all(rows.map((row) => checkRow(db.store('worker'), vault, row)));
  };

  it('seals every secret of every table anew, so that the key before opens nothing and is not needed', async () => {
    const store = db.store('worker');
    const [first] = rows as [SecretRowPlace];
    const before = await store.tenant(first.organizationId, (tx) => readRow(tx, first));
    const target = await nextVersion();
    const seen: number[] = [];
    const summary = await rotateSecrets(optionsOf(db, target, { batch: 7, progress: (done) => seen.push(done) }));
    expect(summary).toEqual({ keyVersion: target, rotated: rows.length, failed: [], left: 0 });
    expect(seen.at(-1)).toBe(rows.length);
    expect(new Set(await versionsOf(target))).toEqual(new Set([target]));
    const after = await store.tenant(first.organizationId, (tx) => readRow(tx, first));
    expect(after.secret_version).toBe(before.secret_version + 1);
    await expect(checkRow(store, vaultOf(1), first)).rejects.toMatchObject(keyMissing);
    const trail = await store.tenant(db.organizationId, (tx) =>
      tx.query<{ action: string; rows: number }>(
        `SELECT action, coalesce(sum((detail ->> 'rows')::int4), 0)::int4 AS rows FROM audit_entry GROUP BY action ORDER BY action`,
      ),
    );
    expect(trail.rows).toEqual([
      { action: 'vault.key_changed', rows: 0 },
      { action: 'vault.rotated', rows: rows.length },
    ]);
    // A second time there is nothing to do, and nothing is told.
    expect(await rotateSecrets(optionsOf(db, target))).toMatchObject({ rotated: 0, left: 0 });
  });

  it('reaches the secrets that belong to no organization', async () => {
    const pool = db.store('api').pool;
    const client = { forge: 'gitea', baseUrl: 'https://git.example', clientId: 'c', clientSecret: 'a-client-secret' };
    const { providerId } = await putOAuthClient(
      { pool, vault: vaultOf(version.newest), outbound: { check: () => undefined } },
      client,
    );
    const app = {
      ...{ id: '5', slug: 's', name: 'n', pageUrl: 'https://git.example/apps/s', owner: { id: 1n, login: 'o' } },
      ...{ clientId: 'c', clientSecret: 'of the client', webhookSecret: 'of the hook', privateKey: 'a key' },
    };
    const place = { forge: 'gitea', host: 'git.example', baseUrl: 'https://git.example', hookId: 'h', by: 'test' };
    const { organizationId } = db;
    await saveForgeApp({ store: db.store('api'), vault: vaultOf(version.newest), organizationId }, { ...place, app });
    const target = await nextVersion();
    // The App, and the hook that its webhooks come through.
    expect(await rotateSecrets(optionsOf(db, target))).toMatchObject({ rotated: rows.length + 3, failed: [], left: 0 });
    expect(await accessOfClient(pool, vaultOf(target), providerId)).toEqual({ secret: 'a-client-secret' });
    const apps = createForgeAppDirectory({
      ...{ pool: db.store('worker').pool, vault: vaultOf(target), forges, clock: systemClock },
    });
    expect((await apps.open({ ...place, appId: '5' }))?.app).toEqual({ id: '5', privateKey: 'a key' });
    await pool.query('DELETE FROM oauth_client');
    await db.store('api').tenant(organizationId, (tx) => tx.query(`DELETE FROM hook WHERE id = 'h'`));
  });

  it('may end after any statement and is taken up again', async () => {
    const store = db.store('worker');
    for (let at = 1, ended = false; !ended; at++) {
      const target = await nextVersion();
      let queries = 0;
      const stop = () => {
        if (++queries === at) throw new Error('killed');
      };
      ended = await rotateSecrets(optionsOf(db, target, { store: watched(store, stop), batch: 15 })).then(
        () => true,
        (error) => {
          expect(String(error)).toContain('killed');
          return false;
        },
      );
      expect(new Set(await versionsOf(target - 1, target)).size).toBeLessThanOrEqual(2);
      expect(await rotateSecrets(optionsOf(db, target))).toMatchObject({ failed: [], left: 0 });
      expect(new Set(await versionsOf(target))).toEqual(new Set([target]));
      if (ended) expect(at).toBeGreaterThan(rows.length);
      // Statements are many and alike: in the command of all tests every twentieth.
      else at += 19;
    }
  });

  it('runs beside readers, writers, new rows and a second rotation, and nothing is lost or goes back', async () => {
    const store = db.store('worker');
    const target = await nextVersion();
    const all = vaultOf(target - 1, target);
    const state = { over: false };
    const newest = new Map<string, number>();
    const writer = async (own: readonly SecretRowPlace[], seed: number): Promise<number> => {
      let writes = 0;
      for (; !state.over || writes < 20; writes++) {
        const row = own[(writes * 7 + seed) % own.length] as SecretRowPlace;
        await rewriteRow(store, all, row, writes + 2);
        newest.set(row.rowId, writes + 2);
        await checkRow(store, all, row, writes + 2);
      }
      return writes;
    };
    const added: SecretRowPlace[] = [];
    const adder = async () => {
      while (!state.over || added.length < 10) added.push(await addRow(store, all, 'hook', db.organizationId));
    };
    const others = [writer(rows.slice(0, 20), 1), writer(rows.slice(20), 2), adder()];
    const both = await Promise.all([1, 2].map(() => rotateSecrets(optionsOf(db, target, { batch: 3 }))));
    state.over = true;
    await Promise.all(others);
    rows.push(...added);
    for (const { failed, left } of both) expect({ failed, left }).toEqual({ failed: [], left: 0 });
    expect(new Set(await versionsOf(target))).toEqual(new Set([target]));
    for (const row of rows) await checkRow(store, all, row, newest.get(row.rowId) ?? undefined);
  });

  it('waits for a writer that asked for the version before', async () => {
    const target = await nextVersion();
    const order: string[] = [];
    const rotation: { running?: Promise<unknown> } = {};
    await db.store('worker').tenant(db.organizationId, async (tx) => {
      await tx.query('SELECT sealing_key_version()');
      rotation.running = rotateSecrets(optionsOf(db, target)).then(() => order.push('rotated'));
      // Until it waits for us.
      for (;;) {
        const { rows: locks } = await tx.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
        if (locks.length > 0) break;
      }
      order.push('written');
    });
    await rotation.running;
    expect(order).toEqual(['written', 'rotated']);
  });

  it('leaves a row that cannot be opened, names it, and rotates the others', async () => {
    const broken = rows[3] as SecretRowPlace;
    await withConnection(db.superuser, (client) =>
      client.query(`UPDATE "${broken.table}" SET secret_salt = $2 WHERE id = $1`, [
        broken.rowId,
        randomBytes(32).toString('base64'),
      ]),
    );
    const target = await nextVersion();
    const summary = await rotateSecrets(optionsOf(db, target));
    expect(summary).toMatchObject({ rotated: rows.length - 1, left: 1 });
    expect(summary.failed).toEqual([
      { table: broken.table, id: broken.rowId, reason: expect.stringContaining('opened') },
    ]);
    rows.splice(3, 1);
    await withConnection(db.superuser, (client) =>
      client.query(`DELETE FROM "${broken.table}" WHERE id = $1`, [broken.rowId]),
    );
  });

  it('refuses a key that no server has, and an earlier one', async () => {
    await expect(rotateSecrets(optionsOf(db, version.newest + 1))).rejects.toMatchObject({
      code: 'FORGEWAY_KEY_NOT_RECORDED',
    });
    await expect(rotateSecrets(optionsOf(db, version.newest - 1))).rejects.toMatchObject(keyMissing);
  });

  it('is never undone: the database refuses a row’s earlier key and earlier secrets', async () => {
    const [row] = rows as [SecretRowPlace];
    for (const column of ['secret_key_version', 'secret_version'])
      await expect(
        db
          .store('worker')
          .tenant(row.organizationId, (tx) =>
            tx.query(`UPDATE "${row.table}" SET ${column} = ${column} - 1 WHERE id = $1`, [row.rowId]),
          ),
      ).rejects.toMatchObject({ code: '23514' });
  });
});

describe('a database whose key is changed', () => {
  let db: TestDatabase;
  let databaseUrl: string;
  beforeAll(async () => {
    db = await createTestDatabase();
    const { host, port, database } = db.superuser;
    const { password } = db.database.poolConfig('migrate');
    databaseUrl = `postgresql://forgeway_migrate:${password}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
    for (const table of TABLES) await addRow(db.store('worker'), vaultOf(1), table, db.organizationId);
  });
  afterAll(() => db.drop());
  const open = (current: number, ...previous: number[]) =>
    openDatabase(
      {
        databaseUrl,
        encryptionKey: keyOfVersion(current),
        encryptionKeysPrevious: previous.map(keyOfVersion),
        dataDir: '/nonexistent',
      },
      { as: 'attach', log },
    );

  it('goes through the steps of the guide, and refuses every other', async () => {
    // 1. The new key is taken only beside the one that the database has, and used by nobody before it is recorded.
    await expect(open(2)).rejects.toMatchObject({ ...keyMissing, message: expect.stringContaining('version 1') });
    await expect(open(2, 3)).rejects.toMatchObject(keyMissing);
    const first = await open(2, 1);
    expect((await vaultStatus(first)).next).toContain('restart every Forgeway process');
    expect((await vaultStatus(await open(1))).keys).toEqual([
      { version: 1, state: 'sealing', given: true, rows: TABLES.length },
    ]);
    // 2. A server that starts records it. Processes with the old key alone still start, and passwords stay.
    await migrate(first.database, log);
    await open(1);
    const second = await open(2, 1);
    expect(second.facts).toMatchObject({ active: 1, wanted: 2, announced: undefined });
    expect(second.keys.root).toEqual(keyOfVersion(1));
    expect(await vaultStatus(second)).toMatchObject({
      toRotate: TABLES.length,
      next: expect.stringContaining('vault rotate'),
    });
    await expect(open(2)).rejects.toMatchObject(keyMissing);
    // 3. Rotated, but not to the end.
    const store = openStore(second.database, 'worker');
    let queries = 0;
    const half = watched(store, () => {
      if (++queries > 3) throw new Error('killed');
    });
    await expect(rotateSecrets(optionsOf(db, 2, { store: half }))).rejects.toThrow('killed');
    await expect(open(1)).rejects.toMatchObject({ message: expect.stringContaining('version 2 has replaced') });
    await expect(open(1, 2)).rejects.toMatchObject(keyMissing);
    await expect(open(2)).rejects.toMatchObject({
      ...keyMissing,
      message: expect.stringMatching(/\d of \w+ need version 1.*forgeway vault rotate/),
    });
    // 4. To the end: the old key may go, and everything goes on.
    await rotateSecrets(optionsOf(db, 2, { store }));
    await store.close();
    const last = await open(2);
    expect(last.keys).toEqual({ root: keyOfVersion(1), versions: new Map([[2, keyOfVersion(2)]]), active: 2 });
    expect(await migrate(last.database, log)).toEqual({ applied: [] });
    expect(await vaultStatus(last)).toMatchObject({ toRotate: 0, next: 'Nothing to do.' });
    expect((await vaultStatus(await open(2, 1))).next).toContain('keep it with the backups');
    // And once more, from a key that is not the first.
    await migrate((await open(3, 2)).database, log);
    expect((await open(3, 2)).keys.root).toEqual(keyOfVersion(1));
  });

  it('takes one new key of two that are given at once', async () => {
    const [mine, theirs] = await Promise.all([open(4, 2), open(5, 2)]);
    await migrate(mine.database, log);
    await expect(migrate(theirs.database, log)).rejects.toMatchObject(keyMissing);
  });

  it('counts over all tenants, and nobody else sees the rows', async () => {
    const counts = await withConnection(db.database.poolConfig('migrate'), async (owner) => {
      const counted = await countSealedRows(owner);
      const { rows } = await owner.query('SELECT id FROM connection');
      return { counted, visible: rows.length };
    });
    expect(counts).toEqual({ counted: TABLES.toSorted().map((table) => ({ table, version: 2, rows: 1 })), visible: 0 });
    await expect(db.store('api').pool.query('SELECT * FROM sealed_rows()')).rejects.toMatchObject({ code: '42501' });
  });
});
