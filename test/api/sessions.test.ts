/** A person's session at the API: what is for administrators is asked of the forge once more, and only then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { loadPerson } from '../../src/accounts/access/caller.js';
import { freshMemberships } from '../../src/accounts/membership/fresh.js';
import type { MembershipPorts } from '../../src/accounts/membership/ports.js';
import { lackingOf } from '../../src/entry/app-page.js';
import type { NativeClient } from '../../src/forges/kit/native-client.js';
import { forges } from '../../src/forges/registry.js';
import { systemClock } from '../../src/lib/clock.js';
import { type ApiRig, startApiRig } from './api-rig.js';

const log = pino({ level: 'silent' });
let rig: ApiRig;
/** How often the forge was asked, and how it is. */
let asked = 0;
let isAdmin = true;
let state: 'works' | 'fails' | 'silent' = 'works';

const answers = (path: string): unknown => {
  if (path.endsWith('/memberships/ann')) return isAdmin ? { state: 'active', role: 'admin', user: ANN } : undefined;
  if (path === '/orgs/acme') return { id: 900, login: 'acme' };
  if (path === '/user/5') return ANN;
  return undefined;
};
const ANN = { id: 5, login: 'ann' };

const ports = (): MembershipPorts => ({
  store: rig.db.store('worker'),
  forges,
  clock: systemClock,
  log,
  async access() {
    asked += 1;
    if (state === 'fails') throw new Error('no route to host');
    if (state === 'silent') await new Promise(() => undefined);
    return { native: { find: async (path: string) => answers(path) } as unknown as NativeClient };
  },
});

/** By a cookie that the rig's sign-in takes for this person. */
const call = (userId: string, method: string, url: string, body?: unknown) =>
  rig.app.inject({
    method: method as 'GET',
    url,
    headers: {
      cookie: `person=${userId}`,
      origin: 'https://forgeway.example',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  });
const token = { kind: 'machine', role: 'viewer', name: 'ci', scopes: ['read'], organization: 'mine' };
const makeToken = (userId: string) => call(userId, 'POST', '/api/v1/tokens', token);

beforeAll(async () => {
  rig = await startApiRig({
    sessionActor: async ({ cookie, authorization }) => {
      const store = rig.db.store('api');
      const who = /person=(\w+)/.exec(cookie ?? '')?.[1] ?? (authorization?.startsWith('Bearer fws_ann.') && 'ann');
      return who ? loadPerson(store, who) : undefined;
    },
    freshMemberships: () => (o) => freshMemberships(ports(), { ...o, patienceMs: 200 }),
  });
  const { organization } = rig.mine;
  await rig.rows(`INSERT INTO "user" (id, name) VALUES ('ann', 'Ann')`);
  await rig.rows(
    `INSERT INTO identity (id, user_id, provider_id, account_id, forge, host, login)
     VALUES ('i', 'ann', 'github-github.com', '5', 'github', 'github.com', 'ann')`,
  );
  await rig.rows(
    `INSERT INTO installation (id, organization_id, forge, host, app_id, installation_id, virtual_id, account_id, account_login)
     VALUES ('00000000-0000-4000-8000-000000000001', $1, 'github', 'github.com', '1', 7001, 7001, 900, 'acme')`,
    [organization],
  );
  await rig.rows(
    `INSERT INTO organization_source (id, organization_id, forge, host, remote_id, login, name, url, installation_id, linked_by,
       due_at) VALUES ('00000000-0000-4000-8000-000000000002', $1, 'github', 'github.com', 900, 'acme', 'Acme', '',
       '00000000-0000-4000-8000-000000000001', 'test', now())`,
    [organization],
  );
});
afterAll(() => rig.close());
beforeEach(async () => {
  [asked, isAdmin, state] = [0, true, 'works'];
  await rig.rows(`DELETE FROM member WHERE user_id = 'ann'`);
  await rig.rows(`INSERT INTO member (organization_id, user_id, role, origin) VALUES ($1, 'ann', 'admin', 'forge')`, [
    rig.mine.organization,
  ]);
  await rig.rows(
    `INSERT INTO forge_membership (source_id, list, remote_user_id, organization_id, of_organization, login, role, seen_at)
     VALUES ('00000000-0000-4000-8000-000000000002', 'owners', 5, $1, true, 'ann', 'owner', now()) ON CONFLICT DO NOTHING`,
    [rig.mine.organization],
  );
});

describe('an action for administrators', () => {
  it('is done after the forge has said the role again; others ask nobody', async () => {
    const made = await makeToken('ann');
    expect([made.statusCode, made.json().error]).toEqual([201, undefined]);
    expect(asked).toBe(1);
    expect((await call('ann', 'GET', '/api/v1/repositories?organization=mine')).statusCode).toBe(200);
    expect(asked).toBe(1);
  });

  it('is refused, and the role is gone, when the forge says that they left; as if nothing were there', async () => {
    isAdmin = false;
    const answer = await makeToken('ann');
    expect([answer.statusCode, answer.json().error.code]).toEqual([404, 'FORGEWAY_NOT_FOUND']);
    expect(await rig.rows(`SELECT FROM member WHERE user_id = 'ann'`)).toHaveLength(0);
  });

  it.each(['fails', 'silent'] as const)('is refused with the reason when the forge %s', async (how) => {
    state = how;
    const before = await rig.rows('SELECT FROM api_token');
    const answer = await makeToken('ann');
    expect([answer.statusCode, answer.json().error.code]).toEqual([403, 'FORGEWAY_FORBIDDEN']);
    expect(answer.json().error.message).toMatch(/could not be (asked for your role in acme|confirmed)/);
    expect(await rig.rows('SELECT FROM api_token')).toHaveLength(before.length);
    // On the other surface too, by the address of an organization and by that of a thing.
    const path = '/api/v2/organizations/mine/vcs-connections';
    expect((await call('ann', 'POST', path, {})).statusCode).toBe(403);
    expect((await call('ann', 'DELETE', `/api/v1/connections/${rig.mine.connection}`)).statusCode).toBe(403);
    expect(rig.asked.filter((one) => one.startsWith('disconnect'))).toEqual([]);
  });

  it('by a token of theirs is refused too, and nothing of it stays, when the forge does not say the role again', async () => {
    await rig.rows(`UPDATE member SET confirmed_at = now() - interval '3 minutes' WHERE user_id = 'ann'`);
    const authorization = `Bearer ${(await rig.tokenOf({ kind: 'user', userId: 'ann' })).token}`;
    const lasting = { ...token, kind: 'organization', role: 'admin', scopes: ['read', 'run', 'manage'] };
    const mint = () =>
      rig.call('anonymous', 'POST', '/api/v1/tokens', { ...lasting, expiresInDays: null }, { authorization });
    const before = await rig.rows('SELECT FROM api_token');
    state = 'fails';
    expect((await mint()).statusCode).toBe(403);
    [isAdmin, state] = [false, 'works'];
    expect((await mint()).statusCode).toBe(404);
    expect(await rig.rows('SELECT FROM api_token')).toHaveLength(before.length);
    expect(asked).toBe(2);
  });

  it('asks nobody about a role that was given here, and nobody for whom it is not', async () => {
    state = 'fails';
    expect((await makeToken('owner')).statusCode).toBe(201);
    expect((await makeToken('viewer')).statusCode).toBe(403);
    expect((await makeToken('stranger')).statusCode).toBe(404);
    expect(asked).toBe(0);
  });
});

describe('a device', () => {
  const ask = (authorization: string) =>
    rig.app.inject({ method: 'GET', url: '/api/v1/repositories?organization=mine', headers: { authorization } });

  it('may what its person may, by its own kind of token; one that has ended is told so', async () => {
    expect((await ask('Bearer fws_ann.c2ln')).statusCode).toBe(200);
    expect((await ask('Bearer fws_bob.c2ln')).statusCode).toBe(401);
  });
});

describe('what lacks the App or a webhook', () => {
  it('is counted, what needs most first, and the same for the start page', async () => {
    await rig.rows(`UPDATE repository SET forge = 'github', host = 'github.com' WHERE id = $1`, [rig.mine.repository]);
    await rig.rows(`UPDATE repository SET installation_id = NULL WHERE id = $1`, [rig.mine.repository]);
    const answer = (await call('ann', 'GET', '/api/v1/install-state?organization=mine&limit=1')).json();
    const [row] = await rig.rows<{ n: number }>(
      'SELECT count(*)::int4 AS n FROM repository WHERE organization_id = $1',
      [rig.mine.organization],
    );
    const counts = Object.values(answer.counts as Record<string, number>);
    expect(counts.reduce((sum, one) => sum + one, 0)).toBe(row?.n);
    expect(answer.repositories).toHaveLength(1);
    expect(answer.repositories[0]).toMatchObject({
      state: 'lacks-app',
      fix: { link: 'https://github.com/settings/installations/7001' },
    });
    const neverAsked = () => Promise.reject(new Error('nobody is asked'));
    const person = await loadPerson(rig.db.store('api'), 'ann');
    if (person === undefined) throw new Error('nobody');
    const o = { store: rig.db.store('api'), appPage: async () => () => undefined, visibleWith: neverAsked, log };
    const lacking = await lackingOf(person, o);
    expect(lacking?.number).toBe(answer.counts['lacks-hook'] + answer.counts['lacks-app'] + answer.counts.suspended);
    // A webhook that has just been taken in shows, on the page as in the API.
    const ask = async () => (await call('ann', 'GET', '/api/v1/install-state?organization=mine&limit=1')).json();
    for (const now of [
      async () => (await ask()).counts['lacks-app'] as number,
      async () => (await lackingOf(person, o))?.number,
    ]) {
      const before = (await now()) ?? 0;
      await rig.rows(
        `INSERT INTO webhook_delivery (hook_id, forge, host, delivery_key, event_type)
         VALUES ('app', 'github', 'github.com', gen_random_uuid()::text, 'installation')`,
      );
      const asking = now();
      await sleep(100);
      const added = await rig.rows<{ id: string }>(
        `INSERT INTO repository (organization_id, forge, host, remote_id, remote_url, remote_owner, remote_name, default_branch)
         VALUES ($1, 'github', 'github.com', 4242, 'https://github.com/acme/late', 'acme', 'late', 'main') RETURNING id`,
        [rig.mine.organization],
      );
      await rig.rows(`UPDATE webhook_delivery SET status = 'ignored' WHERE event_type = 'installation'`);
      expect(await asking).toBe(before + 1);
      await rig.rows('DELETE FROM repository WHERE id = $1', [added[0]?.id]);
    }
    expect(await lackingOf({ ...person, suspended: true }, o)).toBeUndefined();
    expect(await lackingOf({ ...person, memberships: new Map() }, o)).toBeUndefined();
  });
});
