/** What people connect for themselves: seen, tested, used and taken away by them alone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
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
});
