import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '../../src/lib/logger.js';
import { withConnection } from '../../src/store/connection.js';
import { openStore } from '../../src/store/database.js';
import { ensureDefaultOrganization } from '../../src/store/organization.js';
import { scramVerifier } from '../../src/store/scram.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

describe('a store', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await createTestDatabase();
  });
  afterAll(() => db.drop());

  const currentTenant = `select nullif(current_setting('app.organization_id', true), '') as id`;
  const addMember = `insert into audit_entry (organization_id, actor, action, subject) values ($1, 'a', 'b', $2)`;

  it('reads 64-bit integers exactly', async () => {
    const { rows } = await db
      .store('worker')
      .pool.query(
        'select 9007199254740993::int8 as one, array[9007199254740993, null]::int8[] as many, 1::int4 as small',
      );
    expect(rows).toEqual([{ one: 9007199254740993n, many: [9007199254740993n, null], small: 1 }]);
  });

  it('leaves the parsers of other pools alone', async () => {
    const { rows } = await withConnection(db.database.poolConfig('worker'), (client) =>
      client.query('select 9007199254740993::int8 as one'),
    );
    expect(rows).toEqual([{ one: '9007199254740993' }]);
  });

  it('names the tenant for one transaction and forgets it with the transaction', async () => {
    const store = openStore(db.database, 'worker', { max: 1 });
    try {
      const inside = await store.tenant(db.organizationId, async (tx) => (await tx.query(currentTenant)).rows);
      expect(inside).toEqual([{ id: db.organizationId }]);
      expect((await store.pool.query(currentTenant)).rows).toEqual([{ id: null }]);
      const failing = store.tenant(db.organizationId, async () => {
        throw new Error('on purpose');
      });
      await expect(failing).rejects.toThrow('on purpose');
      expect((await store.pool.query(currentTenant)).rows).toEqual([{ id: null }]);
    } finally {
      await store.close();
    }
  });

  it('takes any text as tenant without running it', async () => {
    const evil = `x'; drop table audit_entry; --`;
    const asked = db.store('worker').tenant(evil, async (tx) => (await tx.query(currentTenant)).rows);
    await expect(asked).resolves.toEqual([{ id: evil }]);
    await expect(db.store('worker').tenant(evil, (tx) => tx.query('select from audit_entry'))).rejects.toMatchObject({
      code: '22P02',
    });
  });

  it('rolls back what a failed run wrote, and keeps what a good one wrote', async () => {
    const store = db.store('worker');
    const { organizationId: id } = db;
    const failing = store.tenant(id, async (tx) => {
      await tx.query(addMember, [id, 'lost']);
      throw new Error('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    await store.tenant(id, (tx) => tx.query(addMember, [id, 'kept']));
    const { rows } = await store.tenant(id, (tx) => tx.query('select subject from audit_entry'));
    expect(rows).toEqual([{ subject: 'kept' }]);
  });

  it('says so when a swallowed error made the commit empty', async () => {
    const swallowing = db.store('worker').tenant(db.organizationId, async (tx) => {
      await tx.query(addMember, [db.organizationId, 'lost']);
      await tx.query('select 1 / 0').catch(() => undefined);
    });
    await expect(swallowing).rejects.toThrow('nothing was committed');
  });

  it('does the same through Prisma', async () => {
    const store = db.store('api');
    const id = db.organizationId;
    const create = { organizationId: id, actor: 'a', action: 'b', subject: 'prisma', detail: { big: 1 } };
    const created = await store.tenantPrisma(id, (tx) => tx.auditEntry.create({ data: create }));
    expect(created).toMatchObject({ ...create, createdAt: expect.any(Date) });
    expect(await store.tenantPrisma(randomUUID(), (tx) => tx.auditEntry.count())).toBe(0);
    const failing = store.tenantPrisma(id, async (tx) => {
      await tx.auditEntry.create({ data: { ...create, subject: 'lost' } });
      throw new Error('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    expect(await store.tenantPrisma(id, (tx) => tx.auditEntry.count({ where: { subject: 'lost' } }))).toBe(0);
    expect(await store.tenantPrisma(id, (tx) => tx.auditEntry.count({ where: { subject: 'prisma' } }))).toBe(1);
  });

  it('survives connections that the server cuts, idle and in use, and logs it', async () => {
    const lines: string[] = [];
    const destination = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const store = openStore(db.database, 'worker', {
      max: 2,
      log: createLogger({ level: 'debug', format: 'json', destination }),
    });
    const cut = (pid: number) =>
      withConnection(db.superuser, (client) => client.query('select pg_terminate_backend($1)', [pid]));
    const ownPid = 'select pg_backend_pid() as pid';
    try {
      const { rows } = await store.pool.query<{ pid: number }>(ownPid);
      await cut(rows[0]?.pid ?? 0);
      while (!lines.some((line) => line.includes('connection lost'))) await new Promise(setImmediate);
      const inUse = store.tenant(db.organizationId, async (tx) => {
        const own = await tx.query<{ pid: number }>(ownPid);
        await cut(own.rows[0]?.pid ?? 0);
        return tx.query('select 1');
      });
      await expect(inUse).rejects.toThrow();
      expect((await store.pool.query('select 1 as alive')).rows).toEqual([{ alive: 1 }]);
    } finally {
      await store.close();
      await store.close();
    }
  });

  it('ends statements and transactions that hang', async () => {
    const { rows } = await db.store('worker').pool.query(
      `select name, setting::int4 as ms from pg_settings
        where name in ('statement_timeout', 'idle_in_transaction_session_timeout') order by name`,
    );
    expect(rows).toEqual([
      { name: 'idle_in_transaction_session_timeout', ms: 60_000 },
      { name: 'statement_timeout', ms: 30_000 },
    ]);
  });

  it('looks into indexes also where a statement is planned while its table is empty', async () => {
    const { rows } = await db.store('worker').pool.query("select current_setting('random_page_cost') as cost");
    expect(rows).toEqual([{ cost: '1.1' }]);
  });

  it('has one default organization, however many ask for it at once', async () => {
    await withConnection(db.superuser, (client) => client.query('delete from organization'));
    const store = openStore(db.database, 'worker', { max: 8 });
    try {
      const ids = await Promise.all(Array.from({ length: 8 }, () => ensureDefaultOrganization(store)));
      expect(new Set(ids).size).toBe(1);
      expect((await store.pool.query('select slug from organization')).rows).toEqual([{ slug: 'default' }]);
    } finally {
      await store.close();
    }
    await expect(ensureDefaultOrganization(db.store('api'))).rejects.toThrow('invisible');
  });
});

describe('scramVerifier', () => {
  it('gives the keys of the exchange in RFC 7677', () => {
    // Salt and password of RFC 7677 section 3; the keys follow from its client proof and server signature.
    const verifier = scramVerifier('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'));
    expect(verifier).toBe(
      'SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=',
    );
  });
});
