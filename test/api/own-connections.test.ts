/** What people connect for themselves: seen, tested, used and taken away by them alone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { saveOAuthConnection } from '../../src/accounts/connection-kinds.js';
import { applyMirror } from '../../src/accounts/membership/apply.js';
import { giveRole } from '../../src/accounts/membership/members.js';
import { createVault } from '../../src/accounts/vault.js';
import { createApiConnections } from '../../src/entry/api-connections.js';
import { vcsOn } from '../../src/entry/vcs.js';
import { gitea } from '../../src/forges/gitea/forge.js';
import type { ForgeFake } from '../../src/forges/kit/fake/forge-fake.js';
import { createMetrics } from '../../src/lib/metrics.js';
import { createBridge } from '../../src/translate/bridge.js';
import { TEST_KEYS } from '../support/database.js';
import { loopback } from '../support/loopback.js';
import { type ApiRig, type Caller, callers, startApiRig } from './api-rig.js';

const log = pino({ level: 'silent' });
const shop = { owner: 'acme', name: 'shop' };
let rig: ApiRig;
let folder: string;
let fake: ForgeFake;
let id: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'forgeway-own-'));
  fake = (await gitea.startFake?.({ folder })) as ForgeFake;
  await fake.addRepository(shop);
  rig = await startApiRig({
    connections: (db) =>
      createApiConnections({
        ...{
          store: db.store('worker'),
          keys: TEST_KEYS,
          outbound: loopback,
          publicUrl: 'https://forgeway.example',
          log,
        },
      }),
  });
});
afterAll(async () => {
  await rig.close();
  await fake.close();
  await rm(folder, { recursive: true, force: true });
});

const connect = (caller: Caller, more: object = {}) =>
  rig.call(caller, 'POST', '/api/v1/connections', {
    ...{ owner: 'me', organization: 'mine', forge: 'gitea', url: fake.url, token: fake.token, ...more },
  });
const listed = async (caller: Caller, query: string) => {
  const answer = await rig.call(caller, 'GET', `/api/v1/connections?organization=mine&${query}`);
  return answer.statusCode === 200
    ? answer.json<{ items: { id: string }[] }>().items.map((one) => one.id)
    : answer.statusCode;
};
const one = (more = '') => `/api/v1/connections/${id}${more}?organization=mine&owner=me`;

describe('an own connection', () => {
  it('is made by whoever belongs to the organization, and is no app’s', async () => {
    const made = await connect('viewer');
    expect([made.statusCode, made.body.includes(fake.token)]).toEqual([201, false]);
    id = made.json<{ connection: { id: string } }>().connection.id;
    expect(made.json()).toMatchObject({
      connection: { account: fake.bot.login, status: 'active', kind: 'pat', hooks: 0 },
    });
    expect(await rig.rows('SELECT id FROM installation WHERE connection_id = $1', [id])).toEqual([]);
    expect(await rig.rows('SELECT id FROM hook WHERE connection_id = $1', [id])).toEqual([]);
    expect(await rig.rows('SELECT id FROM change_event WHERE subject_id = $1', [id])).toEqual([]);
    const trail = await rig.rows<{ actor: string }>('SELECT actor FROM audit_entry WHERE subject = $1', [id]);
    expect(trail).toEqual([{ actor: expect.stringMatching(/^user:viewer token:/) }]);
  });

  it('is listed to its owner alone', async () => {
    const seen = Object.fromEntries(
      await Promise.all(callers.map(async (caller) => [caller, await listed(caller, 'owner=me')] as const)),
    );
    expect(seen).toEqual({
      ...{ anonymous: 401, stranger: 404, 'other owner': 404, machine: 404, suspended: 403, 'run token': 403 },
      ...{ member: [], maintainer: [], admin: [], owner: [], 'read token': [], viewer: [id] },
    });
    for (const caller of ['viewer', 'owner'] as const) expect(await listed(caller, '')).not.toContain(id);
    for (const address of [one(), `/api/v1/connections/${id}?organization=mine`, `/api/v2/vcs-connections/vcs-${id}`])
      expect((await rig.call('owner', 'GET', address)).statusCode).toBe(404);
    expect((await rig.call('viewer', 'GET', one())).statusCode).toBe(200);
  });

  it('is told whole to its owner alone, without its token', async () => {
    const whole = await rig.call('viewer', 'GET', one('/export'));
    expect([whole.statusCode, whole.headers['content-type']]).toEqual([200, 'application/x-ndjson; charset=utf-8']);
    const lines = whole.body.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ table: 'connection', row: { id, kind: 'pat' } }]);
    expect(whole.body).not.toMatch(/ciphertext|_iv"|secret_salt/);
    expect(whole.body).not.toContain(fake.token);
    for (const [caller, address] of [
      ['owner', one('/export')],
      ['owner', `/api/v1/connections/${id}/export?organization=mine`],
      ['other owner', one('/export')],
    ] as const)
      expect((await rig.call(caller, 'GET', address)).statusCode).toBe(404);
    expect((await rig.call('viewer', 'GET', `${one('/export')}&unknown=1`)).statusCode).toBe(422);
  });

  it('is not for others to test, to take away, or to serve a repository with', async () => {
    for (const [method, address] of [
      ['POST', one('/test')],
      ['DELETE', one()],
      ['DELETE', `/api/v1/connections/${id}?organization=mine`],
      ['DELETE', `/api/v2/vcs-connections/vcs-${id}`],
    ] as const)
      expect([address, (await rig.call('owner', method, address)).statusCode]).toEqual([address, 404]);
    const served = await rig.call('owner', 'POST', `/api/trpc/connections.setDefaultForRepo`, {
      repositoryId: rig.mine.repository,
      connectionId: id,
    });
    expect(served.statusCode).toBe(404);
    expect((await connect('viewer', { repositories: ['acme/shop'] })).statusCode).toBe(422);
    expect((await connect('viewer', { owner: 'organization' })).statusCode).toBe(403);
  });

  it('is tested without becoming an app’s, and speaks for its owner', async () => {
    const tested = await rig.call('viewer', 'POST', `/api/v1/connections/${id}/test`, {
      organization: 'mine',
      owner: 'me',
    });
    expect(tested.json()).toMatchObject({ ok: true, account: fake.bot.login });
    expect(await rig.rows('SELECT id FROM installation WHERE connection_id = $1', [id])).toEqual([]);
    const store = rig.db.store('worker');
    const options = { github: undefined, apps: [], store, keys: TEST_KEYS, fetch: loopback.fetch, log };
    const bridge = await createBridge({ ...options, metrics: createMetrics() } as never);
    const { host } = gitea.endpoint(fake.url);
    const vcs = vcsOn({ store, bridge, organizationId: rig.mine.organization });
    const { repos } = await vcs.getScoped({ user: 'viewer', forge: 'gitea', host });
    expect(await repos.get({ owner: 'acme', repo: 'shop' })).toMatchObject({ full_name: 'acme/shop' });
    await expect(vcs.getScoped({ user: 'owner', forge: 'gitea', host })).rejects.toThrow('has no connection');
    await expect(vcs.getScoped({ forge: 'gitea', host })).rejects.toThrow('has no connection');
  });

  it('is one for each person, however often it is made, and goes when its owner says so', async () => {
    const codes = (await Promise.all([connect('member'), connect('member')]))
      .map(({ statusCode }) => statusCode)
      .sort();
    expect([[201, 201].join(), [201, 409].join()]).toContain(codes.join());
    expect(await rig.rows(`SELECT count(*)::int AS n FROM connection WHERE user_id = 'member'`)).toEqual([{ n: 1 }]);
    expect((await rig.call('viewer', 'DELETE', one())).json()).toEqual({ id, problems: [] });
    expect(await listed('viewer', 'owner=me')).toEqual([]);
    expect(await listed('member', 'owner=me')).toHaveLength(1);
  });

  it('can be taken away by whose it is while no forge confirms their role, and nothing else then', async () => {
    id = (await connect('maintainer')).json<{ connection: { id: string } }>().connection.id;
    await rig.rows(
      `UPDATE member SET origin = 'forge', confirmed_at = now() - interval '25 hours' WHERE user_id = 'maintainer'`,
    );
    expect((await connect('maintainer')).statusCode).toBe(404);
    expect((await rig.call('maintainer', 'GET', one())).statusCode).toBe(404);
    expect((await rig.call('owner', 'DELETE', one())).statusCode).toBe(404);
    expect((await rig.call('maintainer', 'DELETE', one())).json()).toEqual({ id, problems: [] });
    expect(await rig.rows('SELECT FROM connection WHERE id = $1', [id])).toEqual([]);
  });

  it('speaks for nobody who is suspended, and goes with its token when its owner leaves, however that comes', async () => {
    const store = rig.db.store('worker');
    const { organization } = rig.mine;
    const bridge = { octokitOf: async () => ({}) as never };
    const { host } = gitea.endpoint(fake.url);
    const speaks = () =>
      vcsOn({ store, bridge, organizationId: organization })
        .getScoped({ user: 'admin', forge: 'gitea', host })
        .then(() => true);
    id = (await connect('admin')).json<{ connection: { id: string } }>().connection.id;
    expect(await speaks()).toBe(true);
    await rig.rows(`UPDATE "user" SET suspended_at = now() WHERE id = 'admin'`);
    await expect(speaks()).rejects.toThrow('has no connection');
    await rig.rows(`UPDATE "user" SET suspended_at = NULL WHERE id = 'admin'`);
    const left = () => rig.rows('SELECT FROM connection WHERE id = $1', [id]);
    const mirrored = `UPDATE member SET origin = 'forge' WHERE user_id = 'admin'`;

    // Handed back to a mirror that has them, they never left.
    const as = (role: 'mirror') => (tx: Parameters<typeof giveRole>[0]) =>
      giveRole(tx, organization, { userId: 'admin', role, by: 'test' });
    await store.tenant(organization, async (tx) => {
      await as('mirror')(tx);
      await tx.query(`INSERT INTO member (organization_id, user_id, role) VALUES ($1, 'admin', 'admin')`, [
        organization,
      ]);
    });
    expect(await left()).toHaveLength(1);
    await store.tenant(organization, as('mirror'));
    expect(await left()).toHaveLength(0);
    expect(
      await rig.rows(`SELECT actor FROM audit_entry WHERE subject = $1 AND action = 'connection.removed'`, [id]),
    ).toEqual([{ actor: 'forgeway' }]);

    // By a forge that does not list them any more, while others keep theirs.
    await rig.rows(`INSERT INTO member (organization_id, user_id, role) VALUES ($1, 'admin', 'admin')`, [organization]);
    id = (await connect('admin')).json<{ connection: { id: string } }>().connection.id;
    await rig.rows(mirrored);
    await store.tenant(organization, (tx) => applyMirror(tx, organization, 'test'));
    expect(await left()).toHaveLength(0);
    await expect(speaks()).rejects.toThrow('has no connection');
    expect(await listed('member', 'owner=me')).toHaveLength(1);

    // Who was removed while the forge was asked leaves none behind either.
    const place = { organizationId: organization, forge: 'gitea', host, instanceUrl: fake.url };
    const identity = { id: 9n, login: 'a', name: null, email: null, emailVerified: false, avatarUrl: null };
    const saved = { userId: 'admin', identity, tokens: { accessToken: 'a-token' } };
    await expect(saveOAuthConnection(store, createVault(TEST_KEYS.versions), place, saved)).rejects.toMatchObject({
      code: 'FORGEWAY_FORBIDDEN',
    });
  });
});

describe('what is held of a connection of the organization', () => {
  it('goes with it when its administrator says so, and stays otherwise', async () => {
    const made = async () => {
      const answer = await rig.call('owner', 'POST', '/api/v1/connections', {
        ...{ organization: 'mine', forge: 'gitea', url: fake.url, token: fake.token, hooks: 'none' },
      });
      return answer.json<{ connection: { id: string } }>().connection.id;
    };
    const taken = async (connection: string, query: string) => {
      const url = `/api/v1/connections/${connection}?organization=mine&wait=false&${query}`;
      expect((await rig.call('owner', 'DELETE', url)).statusCode).toBe(200);
      const trail = `SELECT detail FROM audit_entry WHERE subject = $1 AND action = 'connection.removed'`;
      return rig.rows(trail, [connection]);
    };
    const asked = await made();
    // Before what was told to apps is dealt with, so that it is there to be seen.
    const whole = await rig.call('owner', 'GET', `/api/v1/connections/${asked}/export?organization=mine`);
    expect([whole.statusCode, whole.headers['content-disposition']]).toEqual([
      ...[200, `attachment; filename="connection-${asked}.jsonl"`],
    ]);
    const tables = whole.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).table as string);
    expect([...new Set(tables)]).toEqual(
      expect.arrayContaining(['connection', 'installation', 'hook', 'webhook_delivery']),
    );
    expect(whole.body).not.toContain(fake.token);
    const trail = `SELECT actor, detail FROM audit_entry WHERE subject = $1 AND action = 'connection.exported'`;
    expect(await rig.rows(trail, [asked])).toEqual([
      { actor: expect.stringMatching(/^user:owner/), detail: { lines: tables.length } },
    ]);
    expect(await taken(asked, '')).toEqual([{ detail: {} }]);
    // That it was made, and that it ends, are deliveries of its own.
    const deleted = { webhook_delivery: 2 };
    expect(await taken(await made(), 'withData=true')).toMatchObject([{ detail: { deleted } }]);
  });
});
