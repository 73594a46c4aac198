import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ADVISORY_LOCKS } from '../../src/inbox/advisory-locks.js';
import { fakeDispatcher } from './fake-forge.js';
import { InboxDatabase } from './inbox-database.js';

let inbox: InboxDatabase;
beforeEach(async () => {
  inbox = await InboxDatabase.create();
});
afterEach(() => inbox.drop());

const nothing = () => fakeDispatcher({ app: async () => undefined });

describe('a delivery that is about nothing', () => {
  it.each([
    ['null', 'not an object'],
    ['1', 'not an object'],
    ['[]', 'not an object'],
    ['', 'not JSON'],
    ['{"a":', 'not JSON'],
    [`{"a":${'['.repeat(80)}${']'.repeat(80)}}`, 'deeper'],
  ])('%s is ignored with a reason', async (text, reason) => {
    inbox.start({ dispatcher: nothing() });
    const row = await inbox.settled(await inbox.deliver(Buffer.from(text)));
    expect(row.status).toBe('ignored');
    expect(row.reason).toContain(reason);
  });

  it('of bytes that are not text is ignored, and its neighbours are not', async () => {
    const broken = await inbox.deliver(Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d]));
    const good = await inbox.deliver({ repository: 1, mark: 'Grüße' });
    inbox.start({ dispatcher: nothing() });
    expect(await inbox.settled(broken)).toMatchObject({ status: 'ignored', reason: expect.stringContaining('UTF-8') });
    expect(await inbox.settled(good)).toMatchObject({ status: 'done' });
  });

  it('that PostgreSQL cannot store is given up with the reason, and its neighbours are not', async () => {
    const broken = await inbox.deliver({ repository: 1, events: ['thing\u0000'] });
    const good = await inbox.deliver({ repository: 1 });
    inbox.start({ dispatcher: nothing() });
    expect(await inbox.settled(broken)).toMatchObject({ status: 'dead', reason: 'its content cannot be stored' });
    expect(await inbox.settled(good)).toMatchObject({ status: 'done' });
  });

  it('is ignored when no app listens, naming the event', async () => {
    inbox.start({ dispatcher: nothing() });
    const row = await inbox.settled(await inbox.deliver({ repository: 1 }, { eventType: 'unheard' }));
    expect(row).toMatchObject({ status: 'ignored', reason: 'no app listens to unheard' });
  });

  it('is ignored when its hook is gone', async () => {
    inbox.start({ dispatcher: nothing() });
    const row = await inbox.settled(await inbox.deliver({ repository: 1 }, { hook: 'removed' }));
    expect(row).toMatchObject({ status: 'ignored', reason: 'its hook no longer exists' });
  });
});

describe('assigning', () => {
  it('goes on while the poller and the hook recovery ask forges, which may take minutes', async () => {
    const client = await inbox.pool.connect();
    try {
      for (const key of [ADVISORY_LOCKS.poller, ADVISORY_LOCKS.recovery])
        await client.query('SELECT pg_advisory_lock($1)', [key]);
      inbox.start({ dispatcher: nothing() });
      await inbox.settled(await inbox.deliver({ repository: 1 }), 'done');
    } finally {
      client.release(true);
    }
  });
});

describe('ownership', () => {
  it('goes to the hook’s organization, which claims the repository', async () => {
    inbox.start({ dispatcher: nothing() });
    const row = await inbox.settled(await inbox.deliver({ repository: 7 }));
    expect(row).toMatchObject({ status: 'done', organization_id: inbox.test.organizationId });
    const { rows } = await inbox.pool.query('SELECT organization_id FROM repository_claim WHERE remote_id = 7');
    expect(rows).toEqual([{ organization_id: inbox.test.organizationId }]);
  });

  it('refuses a repository that another organization claimed first', async () => {
    const other = await inbox.addOrganization('other');
    await inbox.addHook('theirs', other);
    const first = await inbox.deliver({ repository: 7 }, { hook: 'theirs' });
    const second = await inbox.deliver({ repository: 7 });
    inbox.start({ dispatcher: nothing() });
    expect(await inbox.settled(first)).toMatchObject({ status: 'done', organization_id: other });
    expect(await inbox.settled(second)).toMatchObject({
      status: 'ignored',
      reason: 'repository belongs to another organization',
    });
  });

  it('keeps the hook of one repository to it, and claims nothing else through it', async () => {
    await inbox.addHook('its', inbox.test.organizationId, null, 7);
    inbox.start({ dispatcher: nothing() });
    expect(await inbox.settled(await inbox.deliver({ repository: 7 }, { hook: 'its' }))).toMatchObject({
      status: 'done',
    });
    for (const [about, told] of [
      [{ repository: 8 }, 'repository 8'],
      [{}, 'no repository'],
    ] as const)
      expect(await inbox.settled(await inbox.deliver(about, { hook: 'its' }))).toMatchObject({
        status: 'ignored',
        reason: `its hook is of repository 7 alone, and it tells of ${told}`,
      });
    const { rows } = await inbox.pool.query('SELECT FROM repository_claim WHERE remote_id = 8');
    expect(rows).toEqual([]);
  });

  it('takes what was refused through another hook from the hook that may tell it', async () => {
    await inbox.addHook('its', inbox.test.organizationId, null, 7);
    inbox.start({ dispatcher: nothing() });
    const told = { repository: 8, key: 'the same happening' };
    expect(await inbox.settled(await inbox.deliver(told, { hook: 'its' }))).toMatchObject({ status: 'ignored' });
    expect(await inbox.settled(await inbox.deliver(told))).toMatchObject({ status: 'done' });
  });

  it('goes to the installation’s organization before the hook’s', async () => {
    const other = await inbox.addOrganization('other');
    await inbox.test.store('worker').tenant(other, (tx) =>
      tx.query(
        `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id)
         VALUES ($1, 'fake', 'fake.example', '', 55, 55)`,
        [other],
      ),
    );
    inbox.start({ dispatcher: nothing() });
    const row = await inbox.settled(await inbox.deliver({ repository: 7, installation: 55 }));
    expect(row).toMatchObject({ status: 'done', organization_id: other });
  });

  it('stops for a suspended installation, but not the events that lift the suspension', async () => {
    await inbox.test.store('worker').tenant(inbox.test.organizationId, (tx) =>
      tx.query(
        `INSERT INTO installation (organization_id, forge, host, app_id, installation_id, virtual_id, status)
         VALUES ($1, 'fake', 'fake.example', '', 55, 55, 'suspended')`,
        [inbox.test.organizationId],
      ),
    );
    inbox.start({ dispatcher: nothing() });
    const stopped = await inbox.settled(await inbox.deliver({ repository: 7, installation: 55 }));
    expect(stopped).toMatchObject({ status: 'ignored', reason: 'the installation is suspended' });
    const lifted = await inbox.deliver({ installation: 55 }, { eventType: 'installation' });
    expect(await inbox.settled(lifted)).toMatchObject({ status: 'done' });
  });

  it('stops for a repository that is paused', async () => {
    await inbox.test.store('worker').tenant(inbox.test.organizationId, (tx) =>
      tx.query(
        `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name,
           default_branch, status) VALUES ($1, 'fake', 'fake.example', 7, 'https://fake.example/a/b', 'a', 'b', 'main', 'paused')`,
        [inbox.test.organizationId],
      ),
    );
    inbox.start({ dispatcher: nothing() });
    const row = await inbox.settled(await inbox.deliver({ repository: 7 }));
    expect(row).toMatchObject({ status: 'ignored', reason: 'the repository is paused' });
  });
});

describe('what is written down', () => {
  it('is one dispatch per event and app, in one lane, and the hash of the body', async () => {
    const dispatcher = fakeDispatcher({
      one: async () => undefined,
      two: async () => ({ kind: 'ignored', reason: 'x' }),
    });
    inbox.start({ dispatcher });
    const body = Buffer.from('{"repository":7,"number":3,"events":["a","b"]}');
    const id = await inbox.deliver(body);
    const row = await inbox.settled(id);
    expect(row.status).toBe('done');
    const dispatches = await inbox.dispatches(id);
    expect(dispatches.map((d) => `${d.app} ${d.status}`)).toEqual([
      'one done',
      'two ignored',
      'one done',
      'two ignored',
    ]);
    expect(new Set(dispatches.map((d) => d.lane))).toEqual(new Set(['fake:fake.example:7:3']));
  });

  it('is that the delivery was ignored when every app ignored it', async () => {
    inbox.start({ dispatcher: fakeDispatcher({ app: async () => ({ kind: 'ignored', reason: 'not for me' }) }) });
    const row = await inbox.settled(await inbox.deliver({ repository: 7 }));
    expect(row).toMatchObject({ status: 'ignored', reason: 'not for me' });
  });
});

describe('the same happening', () => {
  it('from two hooks runs once; from one hook every delivery counts', async () => {
    await inbox.addHook('second', inbox.test.organizationId);
    const dispatcher = nothing();
    const ids = [
      await inbox.deliver({ repository: 7, key: 'k', mark: 'first' }),
      await inbox.deliver({ repository: 7, key: 'k', mark: 'again' }),
      await inbox.deliver({ repository: 7, key: 'k', mark: 'elsewhere' }, { hook: 'second' }),
      await inbox.deliver({ repository: 8, key: 'k', mark: 'other repository' }, { hook: 'second' }),
    ];
    inbox.start({ dispatcher });
    const rows = await Promise.all(ids.map((id) => inbox.settled(id)));
    expect(rows.map((row) => row.status)).toEqual(['done', 'done', 'ignored', 'done']);
    expect(rows[2]?.reason).toBe('another source reported the same before');
    expect([...dispatcher.calls].sort()).toEqual(['app:again', 'app:first', 'app:other repository']);
  });
});
