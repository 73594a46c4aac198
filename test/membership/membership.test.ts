/** Roles that people have on a forge become roles here, and go with them: at sign-in, by webhook, by time, and when asked now. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freshMemberships } from '../../src/accounts/membership/fresh.js';
import { linkOrganization, unlinkOrganization } from '../../src/accounts/membership/link.js';
import { setMapping } from '../../src/accounts/membership/mapping-rows.js';
import {
  claimOwnership,
  giveRole,
  listMembers,
  listStrangers,
  personNamed,
} from '../../src/accounts/membership/members.js';
import { REFRESH_MS, reconcileMembership } from '../../src/accounts/membership/reconcile.js';
import type { NativeClient } from '../../src/forges/kit/native-client.js';
import { withConnection } from '../../src/store/connection.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { createRig, type Rig } from './rig.js';
import { giteaWorld, githubWorld, gitlabWorld, type World } from './worlds.js';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());

const open: World[] = [];
async function start<W extends World>(made: W | Promise<W>): Promise<{ world: W; rig: Rig }> {
  const world = await made;
  open.push(world);
  return { world, rig: await createRig(db, world) };
}
afterAll(async () => {
  for (const world of open) {
    expect(world.api.violations).toEqual([]);
    await world.close();
  }
});

const makers: readonly [string, () => World | Promise<World>][] = [
  ['github', githubWorld],
  ['gitlab', gitlabWorld],
  ['gitea', giteaWorld],
];
const fresh = async (rig: Rig, login: string, patienceMs?: number) => {
  const { roles, unknown } = await freshMemberships(rig.ports, {
    userId: rig.userOf(login),
    organizationIds: [rig.organizationId],
    ...(patienceMs !== undefined && { patienceMs }),
  });
  return { role: roles.get(rig.organizationId), unknown: unknown.get(rig.organizationId) };
};
const asTenant = <T>(rig: Rig, run: Parameters<typeof rig.ports.store.tenant<T>>[1]) =>
  rig.ports.store.tenant(rig.organizationId, run);

describe.each(makers)('%s', (_name, make) => {
  let world: World;
  let rig: Rig;
  beforeAll(async () => {
    ({ world, rig } = await start(make()));
    for (const login of ['alice', 'mona', 'carol', 'dora']) world.add(login);
    world.join('alice', 'owner');
    world.join('mona', 'member');
    world.join('carol', 'member');
    await rig.link();
    await rig.read();
  });

  it('gives roles at sign-in, to nobody before, and never makes an owner', async () => {
    const strangers = await asTenant(rig, (tx) => listStrangers(tx, rig.organizationId));
    expect(strangers.map(({ login }) => login)).toEqual(expect.arrayContaining(['alice', 'mona', 'carol']));
    expect(await asTenant(rig, (tx) => listMembers(tx, rig.organizationId))).toEqual([]);
    for (const login of ['alice', 'mona', 'carol', 'dora']) expect((await rig.signIn(login)).problems).toEqual([]);
    expect([await rig.roleOf('alice'), await rig.roleOf('mona'), await rig.roleOf('dora')]).toEqual([
      'admin',
      'member',
      undefined,
    ]);
    const promoted = rig.tell(`UPDATE member SET role = 'owner' WHERE user_id = $1`, [rig.userOf('alice')]);
    await expect(promoted).rejects.toMatchObject({ constraint: 'member_no_owner_by_forge' });
  });

  it('takes what somebody became since the last reading from their own token', async () => {
    world.join('dora', 'member');
    await rig.signIn('dora');
    expect(await rig.roleOf('dora')).toBe('member');
    // The next full reading says the same, although the lists were changed by hand in between.
    await rig.read();
    expect(await rig.roleOf('dora')).toBe('member');
    const lists = await rig.tell<{ list: string }>('SELECT DISTINCT list FROM forge_membership');
    expect(lists.filter(({ list }) => list.startsWith('standing'))).toEqual([]);
  });

  it('reads the forge when a webhook tells of a change, and believes the forge', async () => {
    expect(await rig.read()).toEqual([]);
    // Told, and not so.
    expect(await rig.webhook()).toBe(1);
    expect(await rig.read()).toMatchObject([{ kind: 'applied', changes: [] }]);
    world.leave('dora');
    world.join('mona', 'owner');
    await rig.webhook();
    await rig.read();
    expect([await rig.roleOf('dora'), await rig.roleOf('mona')]).toEqual([undefined, 'admin']);
    const trail = await rig.tell<{ actor: string; action: string }>(
      'SELECT actor, action FROM audit_entry WHERE subject = $1 ORDER BY created_at',
      [`user ${rig.userOf('dora')}`],
    );
    expect(trail).toEqual(
      ['member.added', 'member.removed'].map((action) => ({ actor: `${world.forge}:${world.host}`, action })),
    );
  });

  it('notices within five minutes what no webhook told', async () => {
    expect(REFRESH_MS).toBeLessThanOrEqual(5 * 60_000 - 30_000);
    world.join('mona', 'member');
    rig.pass(REFRESH_MS - 1);
    expect(await rig.read()).toEqual([]);
    rig.pass(1);
    await rig.read();
    expect(await rig.roleOf('mona')).toBe('member');
  });

  it('asks at once for an administrative action, and says no when it cannot', async () => {
    expect(await fresh(rig, 'carol')).toEqual({ role: 'member', unknown: undefined });
    world.api.failNext('GET', /./, { status: 500, json: { message: 'oops' } });
    const denied = await fresh(rig, 'carol');
    expect(denied).toEqual({ role: undefined, unknown: expect.stringContaining('could not be asked') });
    // Which changes nothing.
    expect(await rig.roleOf('carol')).toBe('member');
    const isAsked = new Promise<void>((resolve) => {
      rig.answerWith(() => {
        resolve();
        return new Promise(() => undefined);
      });
    });
    expect((await fresh(rig, 'carol', 5)).unknown).toContain('in time');
    // Given up, but perhaps not at the forge yet: it must not find the one that answers.
    await isAsked;
    rig.answerWith(undefined);
    world.leave('carol');
    expect(await rig.roleOf('carol')).toBe('member');
    expect(await fresh(rig, 'carol')).toEqual({ role: undefined, unknown: undefined });
    expect(await rig.roleOf('carol')).toBeUndefined();
  });

  it('knows people by number: a new name changes nothing, and an old name given to another gives nothing', async () => {
    world.rename('mona', 'mona-lisa');
    expect((await fresh(rig, 'mona')).role).toBe('member');
    world.add('mona');
    expect((await fresh(rig, 'mona')).role).toBe('member');
    await rig.webhook();
    await rig.read();
    expect(await rig.roleOf('mona')).toBe('member');
    world.leave('mona-lisa');
    world.join('mona', 'owner');
    expect((await fresh(rig, 'mona')).role).toBeUndefined();
    await rig.webhook();
    await rig.read();
    expect(await rig.roleOf('mona')).toBeUndefined();
  });

  it('leaves alone what a person gave, and an organization its last owner', async () => {
    const userId = rig.userOf('dora');
    const give = (role: 'owner' | 'viewer' | 'mirror') =>
      asTenant(rig, (tx) => giveRole(tx, rig.organizationId, { userId, role, by: 'user:root' }));
    expect(await asTenant(rig, (tx) => claimOwnership(tx, rig.organizationId, userId))).toBe(true);
    expect(await asTenant(rig, (tx) => claimOwnership(tx, rig.organizationId, rig.userOf('alice')))).toBe(false);
    await rig.webhook();
    await rig.read();
    expect([await rig.roleOf('dora'), (await fresh(rig, 'dora')).role]).toEqual(['owner', 'owner']);
    for (const role of ['viewer', 'mirror'] as const)
      await expect(give(role)).rejects.toMatchObject({ code: 'FORGEWAY_MEMBER_REFUSED' });
    const nobody = asTenant(rig, (tx) =>
      giveRole(tx, rig.organizationId, { userId: 'nobody', role: 'owner', by: 'user:root' }),
    );
    await expect(nobody).rejects.toMatchObject({ code: 'FORGEWAY_MEMBER_REFUSED' });
  });

  it('finds a person by id, by login, and by login and host where others are called so', async () => {
    const find = (named: string) => asTenant(rig, (tx) => personNamed(tx, named));
    const call = (userId: string, login: string) =>
      withConnection(db.superuser, (client) =>
        client.query('UPDATE identity SET login = $2 WHERE user_id = $1', [userId, login]),
      );
    const dora = { userId: rig.userOf('dora'), logins: [`dora@${world.host}`] };
    expect(await find(dora.userId)).toMatchObject(dora);
    expect(await find(`Dora@${world.host}`)).toMatchObject(dora);
    await expect(find('nobody')).rejects.toMatchObject({ code: 'FORGEWAY_PERSON_UNKNOWN' });
    await expect(find('')).rejects.toMatchObject({ code: 'FORGEWAY_PERSON_UNKNOWN' });
    const unique = `only-on-${world.host}`;
    await call(dora.userId, unique);
    expect(await find(unique)).toMatchObject({ userId: dora.userId });
    // Somebody else's login that reads like an id is no way to be taken for its owner.
    await call(rig.userOf('carol'), dora.userId);
    expect(await find(dora.userId)).toMatchObject({ userId: dora.userId });
    await call(rig.userOf('carol'), unique);
    await expect(find(unique)).rejects.toMatchObject({
      code: 'FORGEWAY_PERSON_UNKNOWN',
      message: expect.stringContaining(dora.userId),
    });
    for (const login of ['dora', 'carol']) await call(rig.userOf(login), login);
  });

  it('maps teams and roles as it is told, and forgets a team with its mapping', async () => {
    const source = await rig.source();
    const map = (
      mapping: Parameters<typeof setMapping>[2]['mapping'],
      role: Parameters<typeof setMapping>[2]['role'],
    ) => asTenant(rig, (tx) => setMapping(tx, rig.organizationId, { mapping, role, by: 'user:root' }));
    world.add('erin');
    world.join('erin', 'member');
    world.intoTeam('erin');
    await rig.signIn('erin');
    await rig.webhook();
    await rig.read();
    expect(await rig.roleOf('erin')).toBe('member');
    const people = await asTenant(rig, (tx) => listMembers(tx, rig.organizationId));
    expect(people.find(({ userId }) => userId === rig.userOf('erin'))?.teams).toContain(world.team.slug);
    await map({ sourceId: source.id, team: world.team.slug, forgeRole: 'any' }, 'maintainer');
    expect([await rig.roleOf('erin'), (await fresh(rig, 'erin')).role]).toEqual(['maintainer', 'maintainer']);
    await map({ sourceId: null, team: null, forgeRole: 'member' }, 'none');
    await map({ sourceId: source.id, team: world.team.slug, forgeRole: 'any' }, undefined);
    expect(await rig.roleOf('erin')).toBeUndefined();
    await map({ sourceId: null, team: null, forgeRole: 'member' }, undefined);
    expect(await rig.roleOf('erin')).toBe('member');
    await expect(map({ sourceId: source.id, team: 'nobody', forgeRole: 'any' }, 'admin')).rejects.toMatchObject({
      code: 'FORGEWAY_SOURCE_REFUSED',
    });
    const owner = map({ sourceId: null, team: null, forgeRole: 'owner' }, 'owner' as 'admin');
    await expect(owner).rejects.toMatchObject({ constraint: 'role_mapping_role_check' });
  });

  it('asks only whether anything changed, where the forge can tell', async () => {
    await rig.webhook();
    await rig.read();
    const before = world.api.log.length;
    await rig.webhook();
    await rig.read();
    const unchanged = world.api.log.slice(before).filter(({ status }) => status === 304);
    expect(unchanged.length > 0).toBe(world.hasEtags);
    expect(await rig.roleOf('erin')).toBe('member');
  });

  it('changes nothing while the forge fails, and says so', async () => {
    world.api.failNext('GET', world.memberList, { status: 503, json: { message: 'Down for maintenance' } });
    world.leave('erin');
    await rig.webhook();
    expect((await rig.read()).map(({ kind }) => kind)).toEqual(['failed']);
    expect(await rig.source()).toMatchObject({ state: 'failing', reason: expect.stringContaining('maintenance') });
    expect(await rig.roleOf('erin')).toBe('member');
    rig.pass(REFRESH_MS);
    await rig.read();
    expect([(await rig.source()).state, await rig.roleOf('erin')]).toEqual(['ok', undefined]);
  });

  it('lets a late reading change nothing', async () => {
    world.join('erin', 'member');
    await rig.webhook();
    await rig.read();
    const { promise, resolve } = gate();
    const seen = gate();
    rig.answerWith(async () => {
      const native = world.native('bot');
      const send: NativeClient['send'] = async (...request) => {
        const answer = await native.send(...request);
        if (world.memberList.test(request[1])) {
          seen.resolve();
          await promise;
        }
        return answer;
      };
      return { native: { ...native, send } };
    });
    await rig.webhook();
    const late = reconcileMembership(rig.ports, await rig.source());
    await seen.promise;
    rig.answerWith(undefined);
    world.leave('erin');
    expect((await fresh(rig, 'erin')).role).toBeUndefined();
    resolve();
    expect((await late).kind).toBe('overtaken');
    expect(await rig.roleOf('erin')).toBeUndefined();
  });

  it('removes everybody when it was told that the organization is deleted and finds it so, not before', async () => {
    world.add('fred');
    world.join('fred', 'member');
    await rig.signIn('fred');
    await rig.read();
    expect(await rig.roleOf('fred')).toBe('member');
    world.drop();
    await rig.webhook();
    await rig.read();
    expect(await rig.source()).toMatchObject({
      state: 'gone',
      reason: expect.stringContaining('Nothing was changed yet'),
    });
    expect([await rig.roleOf('fred'), (await fresh(rig, 'fred')).role]).toEqual(['member', undefined]);
    await rig.webhook(true);
    rig.pass(REFRESH_MS);
    await rig.read();
    expect(await rig.roleOf('fred')).toBeUndefined();
  });
});

function gate() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
}

it('leads many webhooks to one reading, and none to a forge that asked for patience', async () => {
  const { world, rig } = await start(gitlabWorld());
  await rig.link();
  await rig.read();
  for (let n = 0; n < 3; n += 1) await rig.webhook();
  expect(await rig.read()).toHaveLength(1);
  const patience = { status: 429, json: { message: 'slow' }, headers: { 'retry-after': '600' } };
  world.api.failNext('GET', world.memberList, patience);
  await rig.webhook();
  await rig.read();
  await rig.webhook();
  rig.pass(REFRESH_MS);
  expect(await rig.read()).toEqual([]);
  rig.pass(600_000);
  expect(await rig.read()).toMatchObject([{ kind: 'applied' }]);
});

it('takes a role away with the identity that gave it', async () => {
  const { world, rig } = await start(gitlabWorld());
  world.add('hal');
  world.join('hal', 'member');
  await rig.link();
  await rig.signIn('hal');
  expect((await fresh(rig, 'hal')).role).toBe('member');
  await db.store('api').pool.query('DELETE FROM identity WHERE user_id = $1', [rig.userOf('hal')]);
  expect((await fresh(rig, 'hal')).role).toBeUndefined();
  expect(await rig.roleOf('hal')).toBeUndefined();
});

describe('claims', () => {
  it('gives an organization of a forge to the first who may speak for it', async () => {
    const world = await gitlabWorld();
    open.push(world);
    const [mine, theirs] = [await createRig(db, world), await createRig(db, world)];
    // A guest may not claim what others own.
    world.group('acme').set(Number(await idOfBot(world)), 10);
    await expect(mine.link()).rejects.toMatchObject({ code: 'FORGEWAY_SOURCE_REFUSED' });
    world.group('acme').set(Number(await idOfBot(world)), 40);
    const id = await mine.link();
    expect(await mine.link()).toBe(id);
    await expect(theirs.link()).rejects.toMatchObject({ code: 'FORGEWAY_SOURCE_TAKEN' });
    await unlinkOrganization(mine.ports, await mine.source(), 'test');
    await expect(theirs.link()).resolves.not.toBe(id);
    const unknown = linkOrganization(mine.ports, {
      organizationId: mine.organizationId,
      login: 'nobody',
      linkedBy: 't',
    });
    await expect(unknown).rejects.toMatchObject({ code: 'FORGEWAY_SOURCE_REFUSED' });
  });

  it('takes an App that is installed elsewhere for no proof', async () => {
    const world = githubWorld();
    open.push(world);
    const rig = await createRig(db, world, { appAccount: 12n });
    await expect(rig.link()).rejects.toThrow('not installed on it');
  });

  it('takes its roles with it when it is unlinked', async () => {
    const { world, rig } = await start(gitlabWorld());
    world.add('gina');
    world.join('gina', 'member');
    await rig.link();
    await rig.signIn('gina');
    expect(await rig.roleOf('gina')).toBe('member');
    const changes = await unlinkOrganization(rig.ports, await rig.source(), 'test');
    expect(changes).toMatchObject([{ kind: 'removed' }]);
    expect(await rig.roleOf('gina')).toBeUndefined();
  });
});

const idOfBot = async (world: World) => ((await world.native('bot').get('/user')) as { id: number }).id;

it('GitHub: a pending invitation is no membership, and Apps that are kept out are no leaving', async () => {
  const { world, rig } = await start(githubWorld());
  const ann = Number(world.add('ann'));
  const ben = Number(world.add('ben'));
  world.join('ann', 'member');
  world.join('ben', 'owner');
  world.github.pending.add(ann);
  await rig.link();
  await rig.read();
  await rig.signIn('ann');
  expect(await rig.roleOf('ann')).toBeUndefined();
  world.github.pending.delete(ann);
  world.github.restricted = true;
  // Their own token sees nothing any more; the App does.
  await rig.signIn('ben');
  expect([ben > 0, await rig.roleOf('ben')]).toEqual([true, 'admin']);
  await rig.webhook();
  await rig.read();
  expect(await rig.roleOf('ann')).toBe('member');
});

it('GitHub: maintainers of a team are told apart', async () => {
  const { world, rig } = await start(githubWorld());
  world.add('ann');
  world.join('ann', 'member');
  world.intoTeam('ann');
  await rig.link();
  await rig.read();
  await rig.signIn('ann');
  const source = await rig.source();
  const map = (forgeRole: 'maintainer' | 'member', role: 'admin' | 'maintainer') =>
    asTenant(rig, (tx) =>
      setMapping(tx, rig.organizationId, { mapping: { sourceId: source.id, team: 'core', forgeRole }, role, by: 't' }),
    );
  await map('member', 'admin');
  expect(await rig.roleOf('ann')).toBe('member');
  await map('maintainer', 'maintainer');
  expect(await rig.roleOf('ann')).toBe('maintainer');
  expect(await rig.tell('SELECT role FROM team_member')).toEqual([{ role: 'maintainer' }]);
});

it('GitLab: members of a group are in those below it, and those of a group below are in it alone', async () => {
  const { world, rig } = await start(gitlabWorld());
  const [top, low] = [Number(world.add('top')), Number(world.add('low'))];
  world.group('acme').set(top, 50);
  world.group('acme/core/deep').set(low, 20);
  await rig.link();
  await rig.read();
  await rig.signIn('top');
  await rig.signIn('low');
  expect([await rig.roleOf('top'), await rig.roleOf('low')]).toEqual(['admin', undefined]);
  const teams = await rig.tell<{ slug: string; userId: string; role: string }>(
    'SELECT t.slug, m.user_id AS "userId", m.role FROM team_member m JOIN team t ON t.id = m.team_id ORDER BY t.slug, m.role',
  );
  expect(teams).toEqual([
    { slug: 'acme~core', userId: rig.userOf('top'), role: 'owner' },
    { slug: 'acme~core~deep', userId: rig.userOf('top'), role: 'owner' },
    { slug: 'acme~core~deep', userId: rig.userOf('low'), role: 'reader' },
  ]);
  const source = await rig.source();
  await asTenant(rig, (tx) =>
    setMapping(tx, rig.organizationId, {
      mapping: { sourceId: source.id, team: 'acme~core~deep', forgeRole: 'reader' },
      role: 'viewer',
      by: 't',
    }),
  );
  expect([await rig.roleOf('low'), (await fresh(rig, 'low')).role]).toEqual(['viewer', 'viewer']);
});

it('Gitea: the most that any team may do counts', async () => {
  const { world, rig } = await start(giteaWorld());
  for (const login of ['ann', 'ben', 'cid']) world.add(login);
  world.teamWith('read', ['ann', 'ben']);
  world.teamWith('admin', ['ben']);
  world.join('cid', 'owner');
  await rig.link();
  await rig.read();
  for (const login of ['ann', 'ben', 'cid']) await rig.signIn(login, { withToken: login !== 'ben' });
  expect([await rig.roleOf('ann'), await rig.roleOf('ben'), await rig.roleOf('cid')]).toEqual([
    'viewer',
    'admin',
    'admin',
  ]);
});

it('believes no list of several pages that somebody has left, before it has read it twice', async () => {
  const { world, rig } = await start(gitlabWorld());
  for (let n = 0; n < 25; n += 1) {
    world.add(`p${n}`);
    world.join(`p${n}`, 'member');
  }
  await rig.link();
  await rig.read();
  await rig.signIn('p7');
  const whole = (await world.native('bot').get(`/groups/${world.organization.id}/members/all`, { per_page: 100 })) as {
    username: string;
  }[];
  const shifted = whole.filter(({ username }) => username !== 'p7');
  world.api.failNext('GET', world.memberList, { status: 200, json: shifted });
  await rig.webhook();
  await rig.read();
  expect(await rig.roleOf('p7')).toBe('member');
  world.leave('p7');
  await rig.webhook();
  await rig.read();
  expect(await rig.roleOf('p7')).toBeUndefined();
});
