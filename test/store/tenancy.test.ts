/** Decision 18: row level security, as the second wall behind every query's own conditions. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { withConnection } from '../../src/store/connection.js';
import { type DatabaseRole, openStore } from '../../src/store/database.js';
import { type CatalogColumn, readColumns, tenantTables } from '../support/catalog.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { populateTenant } from '../support/tenant-rows.js';

const DENIED = { code: '42501' };

/** Tables that the worker reads before it knows the tenant, each with the reason. */
const workerReadsAll: Readonly<Record<string, string>> = {
  webhook_delivery: 'the inbox is classified before its tenant is known',
  dispatch: 'lanes are run across tenants',
  installation: 'an installation id leads to its tenant',
  hook: 'a hook leads to its tenant',
  repository_claim: 'a repository leads to its tenant',
  hook_watch: 'which hook is to be looked at is found across tenants',
  object_snapshot: 'deliveries are compared with it before their tenant is known',
  poll_report: 'webhooks are held against it in the batch that gives them their tenants',
  write_journal: 'a write is recorded in one statement, under the lease of its dispatch',
  run_hold: 'runs of every tenant are matched with it',
  connection_confirmation: 'which connection is tried again is found across tenants',
  token_revocation: 'which token is to be ended next is found across tenants',
  organization_source: 'which one is due, and whose organization it is, is found across tenants',
};
/** Of those, the ones it also writes without a tenant. */
const workerWritesAll = new Set(['webhook_delivery', 'dispatch', 'object_snapshot', 'poll_report', 'write_journal']);

describe('tenancy', () => {
  let db: TestDatabase;
  let columns: CatalogColumn[];
  let tables: string[];
  const [mine, theirs] = [randomUUID(), randomUUID()];
  const q = pg.escapeIdentifier;

  beforeAll(async () => {
    db = await createTestDatabase();
    await withConnection(db.superuser, async (client) => {
      columns = await readColumns(client);
      await populateTenant(client, mine, 1);
      await populateTenant(client, theirs, 2);
    });
    tables = tenantTables(columns);
  });
  afterAll(() => db.drop());

  const countAs = async (role: DatabaseRole, table: string): Promise<number> => {
    const { rows } = await db.store(role).pool.query<{ n: number }>(`select count(*)::int4 as n from ${q(table)}`);
    return rows[0]?.n ?? -1;
  };

  it('covers every table that has organization_id, and each has rows of both tenants', async () => {
    expect(tables.length).toBeGreaterThanOrEqual(18);
    const missing = await withConnection(db.superuser, async (client) => {
      const found: string[] = [];
      for (const table of tables) {
        const { rows } = await client.query<{ n: number }>(
          `select count(distinct organization_id)::int4 as n from ${q(table)} where organization_id = any ($1)`,
          [[mine, theirs]],
        );
        if (rows[0]?.n !== 2) found.push(table);
      }
      return found;
    });
    expect(missing).toEqual([]);
  });

  it('tells each tenant of its own deliveries that are over, however many one statement ends', async () => {
    const client = await db.store('worker').pool.connect();
    try {
      // Undone, since what follows counts the rows.
      await client.query('begin');
      await client.query("update webhook_delivery set status = 'assigned'");
      const { rows: ended } = await client.query<{ id: bigint; organization_id: string }>(
        "update webhook_delivery set status = 'done' returning id, organization_id",
      );
      expect(new Set(ended.map(({ organization_id: whose }) => whose))).toEqual(new Set([mine, theirs]));
      await client.query("update webhook_delivery set retry_count = 1, status = 'done'");
      const { rows: before } = await client.query("select current_setting('app.organization_id', true) as tenant");
      expect(before).toEqual([{ tenant: '' }]);
      for (const tenant of [mine, theirs]) {
        await client.query("select set_config('app.organization_id', $1, true)", [tenant]);
        const { rows } = await client.query<{ subject_id: string }>(
          "select subject_id from change_event where kind = 'delivery' and change = 'finished' order by id",
        );
        const own = ended.filter(({ organization_id: whose }) => whose === tenant);
        expect(rows.map((row) => row.subject_id)).toEqual(own.map(({ id }) => String(id)));
      }
    } finally {
      await client.query('rollback');
      client.release();
    }
  });

  it('forces row level security on each of them and on organization', async () => {
    const { rows } = await withConnection(db.superuser, (client) =>
      client.query<{ relname: string }>(
        `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
            and relrowsecurity and relforcerowsecurity order by relname`,
      ),
    );
    expect(rows.map(({ relname }) => relname)).toEqual([...tables, 'organization'].sort());
  });

  it('shows nothing while no tenant is named', async () => {
    for (const table of [...tables, 'organization']) {
      expect([table, await countAs('api', table)]).toEqual([table, 0]);
      expect([table, await countAs('migrate', table)]).toEqual([table, 0]);
      const rows = await countAs('worker', table);
      if (table in workerReadsAll || table === 'organization') expect([table, rows]).not.toEqual([table, 0]);
      else expect([table, rows]).toEqual([table, 0]);
    }
  });

  it.each(['worker', 'api'] as const)('shows %s only its tenant’s rows', async (role) => {
    const visible: string[] = [];
    await db.store(role).tenant(mine, async (tx) => {
      for (const table of tables) {
        const { rows } = await tx.query<{ organization_id: string }>(
          `select distinct organization_id from ${q(table)} order by organization_id`,
        );
        const ids = rows.map((row) => row.organization_id);
        expect([table, ids]).toEqual([table, expect.arrayContaining([mine])]);
        if (ids.length > 1) visible.push(table);
      }
    });
    expect(visible.sort()).toEqual(role === 'worker' ? Object.keys(workerReadsAll).sort() : []);
  });

  it.each(['worker', 'api'] as const)('lets %s change no other tenant’s rows', async (role) => {
    const writable = tables.filter((table) => !(role === 'worker' && workerWritesAll.has(table)));
    const changed: string[] = [];
    for (const table of writable) {
      for (const statement of [
        `update ${q(table)} set organization_id = organization_id where organization_id = '${theirs}'`,
        `delete from ${q(table)} where organization_id = '${theirs}'`,
      ]) {
        const rows = await db
          .store(role)
          .tenant(mine, async (tx) => (await tx.query(statement)).rowCount)
          .catch((error: { code?: string }) => {
            expect([statement, error.code]).toEqual([statement, DENIED.code]);
            return 0;
          });
        if (rows !== 0) changed.push(statement);
      }
    }
    expect(changed).toEqual([]);
  });

  it.each(['worker', 'api'] as const)('lets %s give no row to another tenant', async (role) => {
    for (const table of tables.filter((name) => !(role === 'worker' && workerWritesAll.has(name)))) {
      const writable = columns.filter((column) => column.table === table && !column.generated);
      const list = writable.map(({ column }) => q(column)).join(', ');
      const moved = db
        .store(role)
        .tenant(mine, (tx) => tx.query(`update ${q(table)} set organization_id = '${theirs}'`));
      await expect(moved).rejects.toMatchObject(DENIED);
      const planted = db.store(role).tenant(mine, (tx) =>
        tx.query(
          `insert into ${q(table)} (${list})
           select ${list} from jsonb_populate_record(null::${q(table)}, (
             select to_jsonb(own) || jsonb_build_object('organization_id', '${theirs}')
               from ${q(table)} own where organization_id = '${mine}' limit 1))`,
        ),
      );
      await expect(planted).rejects.toMatchObject(DENIED);
    }
  });

  it.each(['worker', 'api', 'ingress'] as const)('holds %s in its role', async (role) => {
    const store = openStore(db.database, role, { max: 1 });
    const ask = (sql: string) => store.pool.query(sql);
    try {
      for (const statement of [
        'set role forgeway_migrate',
        'set session authorization forgeway_migrate',
        'set role postgres',
        'alter role current_user bypassrls',
        'create role stronger superuser',
        'alter table preview disable row level security',
        'alter table preview no force row level security',
        'drop policy tenant on preview',
        'create table public.own (id int)',
        'truncate preview',
        'select * from master_key',
        'select * from _prisma_migrations',
        `copy organization to program 'id'`,
        `select pg_read_file('/etc/passwd')`,
      ])
        await expect(ask(statement)).rejects.toMatchObject(DENIED);
      await ask('reset role');
      await ask('reset session authorization');
      const { rows } = await ask(
        `select current_user::text as name, r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb as strong,
                (select count(*)::int4 from pg_auth_members m where m.member = r.oid) as memberships
           from pg_roles r where r.rolname = current_user`,
      );
      expect(rows).toEqual([{ name: `forgeway_${role}`, strong: false, memberships: 0 }]);
      await ask('set row_security = off');
      await expect(ask('select id from preview')).rejects.toMatchObject(DENIED);
    } finally {
      await store.close();
    }
  });

  it('keeps the trail of audit entries unchanged by those who write it', async () => {
    for (const role of ['worker', 'api'] as const)
      for (const statement of [`update audit_entry set actor = 'x'`, 'delete from audit_entry'])
        await expect(db.store(role).tenant(mine, (tx) => tx.query(statement))).rejects.toMatchObject(DENIED);
  });

  it('still deletes a tenant with everything it has', async () => {
    const gone = randomUUID();
    await withConnection(db.superuser, (client) => populateTenant(client, gone, 3));
    await db.store('migrate').tenant(gone, (tx) => tx.query('delete from organization where id = $1', [gone]));
    const left = await withConnection(db.superuser, async (client) => {
      const found: string[] = [];
      for (const table of tables) {
        const { rowCount } = await client.query(`select from ${q(table)} where organization_id = $1`, [gone]);
        if (rowCount !== 0) found.push(table);
      }
      return found;
    });
    // The inbox refers to no organization, since it is written before one is known, and what is told of changes would lock
    // its row each time; retention empties them.
    expect(left.sort()).toEqual(['change_event', 'dispatch', 'webhook_delivery']);
  });
});

describe('the ingress role', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
    await withConnection(db.superuser, (client) => populateTenant(client, db.organizationId, 1, { create: false }));
  });
  afterAll(() => db.drop());
  const ask = (sql: string, values: unknown[] = []) => db.store('ingress').pool.query(sql, values);

  it('adds deliveries, once each, and reads what it needs to answer', async () => {
    const insert = `insert into webhook_delivery (hook_id, forge, host, delivery_key, event_type, body)
      values ('h', 'f', 'x', 'new', 'push', '\\x01') on conflict (hook_id, delivery_key) do nothing returning id`;
    expect((await ask(insert)).rowCount).toBe(1);
    expect((await ask(insert)).rowCount).toBe(0);
    const { rows } = await ask(`select status from webhook_delivery where hook_id = 'h' and delivery_key = 'new'`);
    expect(rows).toEqual([{ status: 'received' }]);
    expect((await ask('select secret_ciphertext, secret_salt from hook')).rowCount).toBeGreaterThan(0);
  });

  it('revives a dead delivery and no other', async () => {
    const revive = `update webhook_delivery set status = 'received', reason = null where delivery_key = $1`;
    await withConnection(db.superuser, (client) =>
      client.query(`insert into webhook_delivery (hook_id, forge, host, delivery_key, status)
                    values ('h', 'f', 'x', 'dead', 'dead'), ('h', 'f', 'x', 'done', 'done')`),
    );
    expect((await ask(revive, ['dead'])).rowCount).toBe(1);
    expect((await ask(revive, ['done'])).rowCount).toBe(0);
    const finish = ask(`update webhook_delivery set status = 'done' where status = 'dead'`);
    expect((await finish).rowCount).toBe(0);
  });

  it.each([
    'select body from webhook_delivery',
    'select * from webhook_delivery',
    'select headers from webhook_delivery',
    'delete from webhook_delivery',
    `update webhook_delivery set hook_id = 'x'`,
    `update webhook_delivery set organization_id = null`,
    'select * from dispatch',
    'select * from connection',
    'select * from organization',
    'select * from "user"',
    'select * from identity',
    'select * from session',
    'select * from verification',
    'select * from oauth_client',
    'select * from forge_app',
    'select * from forge_app_registration',
    'select * from waiting_installation',
    'select * from admitted_account',
    'select * from sign_in_code',
    'select * from platform_setting',
    'select * from platform_audit_entry',
    `update hook set enabled = false`,
    `insert into hook (id) values ('x')`,
    'delete from hook',
    'select * from lane_lease',
    'select * from event_claim',
    'select * from bullmq.migration',
  ])('may not: %s', async (statement) => {
    await expect(ask(statement)).rejects.toMatchObject(DENIED);
  });
});

describe('people and how they sign in', () => {
  let db: TestDatabase;
  const [mine, theirs] = [randomUUID(), randomUUID()];
  beforeAll(async () => {
    db = await createTestDatabase();
    await withConnection(db.superuser, async (client) => {
      await populateTenant(client, mine, 1);
      await populateTenant(client, theirs, 2);
    });
  });
  afterAll(() => db.drop());

  it('the worker finds the person behind a forge’s number, and learns nothing else', async () => {
    const ask = (sql: string) => db.store('worker').pool.query(sql);
    await ask('select forge, host, remote_id, login, user_id from identity');
    await ask('select id, name, suspended_at from "user"');
    await ask('select key, value from platform_setting');
    // What renewing a token takes.
    await ask('select forge, host, base_url, client_id, client_secret_ciphertext from oauth_client where enabled');
    // What speaking as an App takes.
    await ask('select forge, host, app_id, base_url, private_key_ciphertext from forge_app');
    for (const statement of [
      'select * from identity',
      'select email from "user"',
      'select contact_email from "user"',
      'update "user" set platform_admin = true',
      'insert into identity (id) values ($$x$$)',
      'select * from session',
      'select * from verification',
      'select * from oauth_client',
      'select label from oauth_client',
      'update oauth_client set enabled = false',
      'delete from oauth_client',
      'select client_id from forge_app',
      'update forge_app set app_id = $$1$$',
      'delete from forge_app',
      'select * from forge_app_registration',
      'select * from sign_in_code',
      'select * from platform_audit_entry',
      `update platform_setting set value = '{}'`,
    ])
      await expect(ask(statement)).rejects.toMatchObject(DENIED);
  });

  it('the API sees the memberships of the person that its transaction names, wherever they are', async () => {
    const { pool } = db.store('api');
    const client = await pool.connect();
    try {
      const memberships = async (userId: string) => {
        await client.query('begin');
        await client.query(`select set_config('app.user_id', $1, true)`, [userId]);
        const { rows } = await client.query('select organization_id, user_id from member');
        const moved = await client.query(`update member set role = 'owner'`);
        await client.query('commit');
        return { rows, moved: moved.rowCount };
      };
      const wanted = { rows: [{ organization_id: theirs, user_id: 'user-2' }], moved: 0 };
      expect(await memberships('user-2')).toEqual(wanted);
      expect(await memberships('')).toEqual({ rows: [], moved: 0 });
      expect((await client.query('select from member')).rowCount).toBe(0);
    } finally {
      client.release();
    }
  });

  it('the trail is written once, and no token of a forge can be kept beside an identity', async () => {
    const ask = (sql: string) => db.store('api').pool.query(sql);
    await ask(`insert into platform_audit_entry (actor, action, subject) values ('a', 'b', 'c')`);
    for (const statement of ['delete from platform_audit_entry', `update platform_audit_entry set actor = 'x'`])
      await expect(ask(statement)).rejects.toMatchObject(DENIED);
    const identity = (columns: string, values: string) =>
      ask(`insert into identity (id, user_id, provider_id, account_id, forge, host, login${columns})
           values (gen_random_uuid(), 'user-1', 'p', '7', 'f', 'h', 'ada'${values})`);
    for (const column of ['access_token', 'refresh_token', 'id_token', 'password'])
      await expect(identity(`, ${column}`, `, 't'`)).rejects.toMatchObject({ code: '23514' });
    await identity('', '');
    await expect(identity('', '')).rejects.toMatchObject({ code: '23505' });
  });
});
