import { describe, expect, it } from '@jest/globals';
import { actionNames, actions } from './actions.js';
import { type Actor, type Machine, nameOfActor, type Person, scopes } from './actor.js';
import { decide } from './decide.js';
import { atLeast, isRole, type Role, roles } from './roles.js';

const MINE = '018f0000-0000-7000-8000-000000000001';
const THEIRS = '018f0000-0000-7000-8000-000000000002';

const person = (role: Role | undefined, more: Partial<Person> = {}): Person => ({
  kind: 'user',
  userId: 'u1',
  name: 'mona',
  platformAdmin: false,
  suspended: false,
  memberships: new Map(role === undefined ? [] : [[MINE, role]]),
  ...more,
});
const machine = (role: Role, more: Partial<Machine> = {}): Machine => ({
  kind: 'machine',
  tokenId: 't1',
  name: 'ci',
  organizationId: MINE,
  role,
  scopes: [...scopes],
  ...more,
});
const onForge = (level: 'admin' | 'write' | 'read' | undefined): Actor => ({
  kind: 'forge',
  forge: 'gitlab',
  host: 'gitlab.example.com',
  accountId: 7n,
  login: 'mona',
  level,
});
const ofOrganization = actionNames.filter((name) => !('platform' in actions[name]));
const ofPlatform = actionNames.filter((name) => 'platform' in actions[name]);

describe('decide', () => {
  it.each(actionNames)('%s: nobody, and nobody of another organization', (action) => {
    expect(decide({ kind: 'anonymous' }, action, { organizationId: MINE })).toMatchObject({ because: 'anonymous' });
    for (const actor of [person('owner'), machine('owner')]) {
      const decision = decide(actor, action, { organizationId: THEIRS });
      expect(decision.allowed).toBe(false);
    }
  });

  it.each(ofOrganization)('%s: each role, as a person and as a machine', (action) => {
    for (const role of roles) {
      const allowed = atLeast(role, actions[action].role);
      expect(decide(person(role), action, { organizationId: MINE }).allowed).toBe(allowed);
      expect(decide(machine(role), action, { organizationId: MINE }).allowed).toBe(allowed);
    }
    expect(decide(person(undefined), action, { organizationId: MINE })).toMatchObject({ because: 'absent' });
    expect(decide(person('owner', { suspended: true }), action, { organizationId: MINE })).toMatchObject({
      because: 'suspended',
    });
  });

  it.each(actionNames)('%s: a token needs its scope, also for one’s own things', (action) => {
    for (const thing of [{ organizationId: MINE }, { ownerUserId: 'u1' }])
      for (const scope of scopes) {
        const token = { id: 't', scopes: [scope] };
        const decision = decide(person('owner', { token, platformAdmin: true }), action, thing);
        if (decision.allowed) expect(scope).toBe(actions[action].scope);
        else if (scope === actions[action].scope) expect(decision.because).not.toBe('scope');
      }
    expect(decide(machine('owner', { scopes: [] }), action, { organizationId: MINE }).allowed).toBe(false);
  });

  it('keeps a token of one organization to it', () => {
    const both = new Map<string, Role>([
      [MINE, 'owner'],
      [THEIRS, 'owner'],
    ]);
    const actor = person('owner', { memberships: both, token: { id: 't', scopes: [...scopes], organizationId: MINE } });
    expect(decide(actor, 'repository.read', { organizationId: MINE }).allowed).toBe(true);
    expect(decide(actor, 'repository.read', { organizationId: THEIRS })).toMatchObject({ because: 'absent' });
  });

  it.each(ofPlatform)('%s: administrators of the installation, and no owner for that', (action) => {
    expect(decide(person('owner'), action, {}).allowed).toBe(false);
    expect(decide(machine('owner'), action, { organizationId: MINE }).allowed).toBe(false);
    expect(decide(person(undefined, { platformAdmin: true }), action, {}).allowed).toBe(true);
  });

  it('gives an administrator of the installation nobody’s organization', () => {
    const actor = person(undefined, { platformAdmin: true });
    for (const action of ofOrganization) expect(decide(actor, action, { organizationId: MINE }).allowed).toBe(false);
  });

  it('lets people do to their own what the table says, and nobody else', () => {
    for (const action of ofOrganization) {
      expect(decide(person(undefined), action, { ownerUserId: 'u1' }).allowed).toBe('own' in actions[action]);
      expect(decide(person('owner'), action, { ownerUserId: 'u2' })).toMatchObject({ because: 'absent' });
      const inMine = { organizationId: MINE, ownerUserId: 'u1' };
      expect(decide(person('viewer'), action, inMine).allowed).toBe('own' in actions[action]);
      expect(decide(person(undefined), action, inMine)).toMatchObject({ because: 'absent' });
      expect(decide(machine('owner'), action, inMine)).toMatchObject({ because: 'absent' });
    }
  });

  it.each(actionNames)('%s: from a forge, by its answer alone', (action) => {
    const needed = 'forge' in actions[action] ? actions[action].forge : undefined;
    expect(decide(onForge('admin'), action, { organizationId: MINE }).allowed).toBe(needed !== undefined);
    expect(decide(onForge(undefined), action, { organizationId: MINE }).allowed).toBe(false);
    const reader = decide(onForge('read'), action, { organizationId: MINE });
    expect(reader.allowed).toBe(needed === 'read');
  });

  it('names actors without their secrets, and knows its roles', () => {
    expect([
      nameOfActor({ kind: 'anonymous' }),
      nameOfActor(person('owner')),
      nameOfActor(person('owner', { token: { id: 't9', scopes: [] } })),
      nameOfActor(machine('member')),
      nameOfActor(onForge('read')),
    ]).toEqual(['anonymous', 'user:u1', 'user:u1 token:t9', 'machine:t1', 'gitlab:gitlab.example.com:7']);
    expect([isRole('owner'), isRole('root')]).toEqual([true, false]);
  });
});
