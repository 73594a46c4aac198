import { describe, expect, it } from '@jest/globals';
import { createPermissions, type PermissionLevel, type PermissionQuestion, permissionAtLeast } from './permissions.js';

const START = Date.parse('2026-03-02T10:00:00Z');

function rig(answer: (count: number) => unknown) {
  const time = { now: START };
  const asked: [string, Record<string, unknown>][] = [];
  const permissions = createPermissions({ clock: { now: () => new Date(time.now) } });
  const question = (change: Partial<PermissionQuestion['user']> = {}, remoteId = 7001n): PermissionQuestion => ({
    repository: { forge: 'github', host: 'github.com', remoteId, owner: 'acme', name: 'web' },
    user: { id: 200n, login: 'alice', ...change },
    octokit: {
      request: async (route, parameters) => {
        asked.push([route, parameters]);
        return { data: await answer(asked.length) };
      },
    },
  });
  return {
    time,
    asked,
    question,
    ask: (change?: Partial<PermissionQuestion['user']>, id?: bigint) => permissions.levelOf(question(change, id)),
  };
}

const says =
  (permission: string, roleName?: string, id: number | string = 200) =>
  () => ({
    permission,
    role_name: roleName,
    user: { id, login: 'alice' },
  });

describe('levelOf', () => {
  it.each([
    ['admin', 'admin', 'admin'],
    ['write', 'maintain', 'maintain'],
    ['write', 'write', 'write'],
    ['write', undefined, 'write'],
    ['write', 'release-captain', 'write'],
    ['read', 'triage', 'triage'],
    ['read', 'read', 'read'],
    ['none', undefined, 'none'],
    ['owner', 'owner', 'none'],
    ['', '', 'none'],
  ])('of %s (%s) is %s', async (permission, role, level) => {
    const { ask, asked } = rig(says(permission, role));
    expect(await ask()).toEqual({ level, askedAt: expect.any(Date) });
    expect(asked).toEqual([
      [
        'GET /repos/{owner}/{repo}/collaborators/{username}/permission',
        { owner: 'acme', repo: 'web', username: 'alice' },
      ],
    ]);
  });

  it('is nothing when the login belongs to another account now', async () => {
    expect(await rig(says('admin', 'admin', 201)).ask()).toEqual({ level: undefined, because: 'identity' });
    expect(await rig(says('admin', 'admin', '9007199254740993')).ask({ id: 9007199254740993n })).toMatchObject({
      level: 'admin',
    });
  });

  it('is none for whom the forge does not know there', async () => {
    const { ask, asked } = rig(() => Promise.reject(Object.assign(new Error('Not Found'), { status: 404 })));
    expect(await ask()).toEqual({ level: 'none', askedAt: expect.any(Date) });
    await ask();
    expect(asked).toHaveLength(1);
  });

  it.each([
    ['an error', () => Promise.reject(new Error('socket hang up'))],
    ['an answer without a user', () => ({ permission: 'admin' })],
    ['no object', () => 'admin'],
    ['nothing', () => undefined],
  ])('is nothing, with a message, after %s', async (_what, answer) => {
    expect(await rig(answer).ask()).toMatchObject({
      level: undefined,
      because: 'error',
      message: expect.stringContaining('alice'),
    });
  });

  it('asks again after a failure and after sixty seconds, not before', async () => {
    const { ask, asked, time } = rig((count) =>
      count === 1 ? Promise.reject(new Error('502')) : says(count === 2 ? 'write' : 'read')(),
    );
    expect(await ask()).toMatchObject({ level: undefined, because: 'error' });
    expect(await ask()).toEqual({ level: 'write', askedAt: expect.any(Date) });
    time.now += 59_999;
    expect(await ask()).toEqual({ level: 'write', askedAt: expect.any(Date) });
    expect(asked).toHaveLength(2);
    time.now += 1;
    expect(await ask()).toEqual({ level: 'read', askedAt: expect.any(Date) });
    expect(asked).toHaveLength(3);
  });

  it('does not trust an answer from the future', async () => {
    const { ask, asked, time } = rig(says('write'));
    await ask();
    time.now -= 1;
    await ask();
    expect(asked).toHaveLength(2);
  });

  it('asks once for callers at the same time, and apart for each person and repository', async () => {
    const { ask, asked } = rig(says('write'));
    await Promise.all([ask(), ask(), ask()]);
    expect(asked).toHaveLength(1);
    await ask({ id: 201n, login: 'bob' });
    await ask({}, 7002n);
    expect(asked).toHaveLength(3);
  });
});

describe('permissionAtLeast', () => {
  it('orders them as GitHub does', () => {
    const least = (level: PermissionLevel) =>
      (['admin', 'maintain', 'write', 'triage', 'read', 'none'] as const).filter((one) =>
        permissionAtLeast(one, level),
      );
    expect(least('maintain')).toEqual(['admin', 'maintain']);
    expect(least('none')).toHaveLength(6);
  });
});
