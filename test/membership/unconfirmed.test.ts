/** Forges that do not answer, or answer that an organization is not there: what roles through them are worth meanwhile. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { loadPerson } from '../../src/accounts/access/caller.js';
import { decide } from '../../src/accounts/access/decide.js';
import { giveRole } from '../../src/accounts/membership/members.js';
import { REFRESH_MS } from '../../src/accounts/membership/reconcile.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { createRig, type Rig } from './rig.js';
import { giteaWorld, githubWorld, gitlabWorld, type World } from './worlds.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
let db: TestDatabase;
const worlds: World[] = [];
beforeAll(async () => {
  db = await createTestDatabase();
});
afterEach(async () => {
  for (const world of worlds.splice(0)) {
    expect(world.api.violations).toEqual([]);
    await world.close();
  }
});
afterAll(() => db.drop());

/** Ann is a member by the forge, Olga an owner by hand. */
async function begin(making: World | Promise<World>): Promise<{ world: World; rig: Rig }> {
  const world = await making;
  worlds.push(world);
  const rig = await createRig(db, world);
  for (const login of ['ann', 'olga']) {
    world.add(login);
    world.join(login, 'member');
  }
  await rig.link();
  for (const login of ['ann', 'olga']) await rig.signIn(login);
  await rig.ports.store.tenant(rig.organizationId, (tx) =>
    giveRole(tx, rig.organizationId, { userId: rig.userOf('olga'), role: 'owner', by: 'test' }),
  );
  await rig.read();
  return { world, rig };
}

async function standing({ rig }: { rig: Rig }, login: string) {
  const person = await loadPerson(db.store('api'), rig.userOf(login), rig.ports.clock.now());
  if (person === undefined) throw new Error(`nobody called ${login}`);
  const { organizationId } = rig;
  const may = (action: Parameters<typeof decide>[1]) => decide(person, action, { organizationId });
  return { role: person.memberships.get(organizationId), may };
}

describe.each([
  ['GitHub', githubWorld],
  ['GitLab', gitlabWorld],
  ['Gitea', giteaWorld],
])('while %s cannot be asked', (_name, make) => {
  it('a role counts for five minutes, then for reading, after a day for nothing; and at once again when it answers', async () => {
    const { rig, ...rest } = await begin(make());
    const all = { rig, ...rest };
    const away = () => Promise.reject(new Error('the forge is away'));
    rig.answerWith(away);
    rig.pass(5 * MINUTE);
    await rig.read();
    expect((await standing(all, 'ann')).role).toBe('member');
    expect((await standing(all, 'ann')).may('preview.write')).toMatchObject({ allowed: true });
    rig.pass(1);
    await rig.read();
    const reading = await standing(all, 'ann');
    expect(reading.role).toBe('viewer');
    expect(reading.may('connection.read')).toMatchObject({ allowed: true });
    expect(reading.may('preview.write')).toMatchObject({
      allowed: false,
      because: 'unconfirmed',
      why: expect.stringMatching(/role member .* not confirmed it since 2026-03-01.*only reading.*organizations list/),
    });
    // What nobody of that role may do is not put down to the forge.
    expect(reading.may('member.manage')).toMatchObject({ allowed: false, because: 'role' });
    rig.pass(23 * HOUR);
    expect((await standing(all, 'ann')).may('connection.read')).toMatchObject({ allowed: true });
    rig.pass(HOUR);
    const suspended = await standing(all, 'ann');
    expect([suspended.role, suspended.may('connection.read')]).toMatchObject([
      undefined,
      { allowed: false, because: 'unconfirmed', why: expect.stringContaining('gives nothing') },
    ]);
    // By hand is by hand.
    expect((await standing(all, 'olga')).role).toBe('owner');
    expect((await rig.source()).state).toBe('failing');

    rig.answerWith(undefined);
    rig.pass(REFRESH_MS);
    expect(await rig.read()).toMatchObject([{ kind: 'applied', changes: [] }]);
    expect((await standing(all, 'ann')).role).toBe('member');
  });

  it('who signs in with a token of their own has their whole role meanwhile, and nobody else', async () => {
    const all = await begin(make());
    all.world.add('bob');
    all.world.join('bob', 'member');
    await all.rig.signIn('bob');
    all.rig.answerWith(() => Promise.reject(new Error('the forge is away')));
    all.rig.pass(HOUR);
    await all.rig.signIn('ann');
    expect((await standing(all, 'ann')).role).toBe('member');
    expect((await standing(all, 'bob')).role).toBe('viewer');
  });
});

describe.each([
  ['GitHub', githubWorld],
  ['GitLab', gitlabWorld],
  ['Gitea', giteaWorld],
])('an organization on %s that is not to be found', (_name, make) => {
  it('is asked once more, then gives no roles, which administrators are told once; nobody’s role by hand goes', async () => {
    const { world, rig } = await begin(make());
    world.drop();
    rig.pass(REFRESH_MS);
    expect(await rig.read()).toMatchObject([{ kind: 'failed' }]);
    expect(await rig.roleOf('ann')).toBe('member');
    expect(await rig.source()).toMatchObject({
      state: 'gone',
      reason: expect.stringContaining('Nothing was changed yet'),
    });
    // Not yet due.
    rig.pass(20_000);
    expect(await rig.read()).toEqual([]);
    rig.pass(10_000);
    expect(await rig.read()).toMatchObject([{ kind: 'applied', changes: [{ kind: 'removed' }] }]);
    expect([await rig.roleOf('ann'), await rig.roleOf('olga')]).toEqual([undefined, 'owner']);
    expect(await rig.source()).toMatchObject({ state: 'gone', reason: expect.stringContaining('as two answers said') });
    for (let turn = 0; turn < 2; turn += 1) {
      rig.pass(REFRESH_MS);
      await rig.read();
    }
    const told = await rig.tell<{ detail: object }>(`SELECT detail FROM audit_entry WHERE action = 'source.ended'`);
    expect(told).toEqual([{ detail: { because: 'missing' } }]);
  });

  it('keeps its roles when the second answer is another', async () => {
    const { world, rig } = await begin(make());
    const missing = () => {
      for (let n = 0; n < 4; n += 1)
        world.api.failNext('GET', /./, { status: n % 2 === 0 ? 404 : 410, json: { message: 'Not Found' } });
    };
    const clear = () => rig.answerWith(undefined);
    missing();
    rig.pass(REFRESH_MS);
    await rig.read();
    expect((await rig.source()).missingSince).not.toBeNull();
    rig.answerWith(() => Promise.reject(new Error('the forge is away')));
    rig.pass(MINUTE);
    await rig.read();
    expect(await rig.source()).toMatchObject({ state: 'failing', missingSince: null });
    clear();
    expect(await rig.roleOf('ann')).toBe('member');
  });
});

it('gives its roles back when it can be seen again, with the teams that are mapped', async () => {
  const { world, rig } = await begin(gitlabWorld());
  const real = world.native('bot');
  rig.answerWith(async () => ({ native: { ...real, find: async () => undefined } }));
  for (const ms of [REFRESH_MS, MINUTE]) {
    rig.pass(ms);
    await rig.read();
  }
  expect(await rig.roleOf('ann')).toBeUndefined();
  rig.answerWith(undefined);
  rig.pass(REFRESH_MS);
  await rig.read();
  expect(await rig.roleOf('ann')).toBe('member');
  expect(await rig.source()).toMatchObject({ state: 'ok', missingSince: null, reason: null });
});
