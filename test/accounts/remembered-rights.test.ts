/** What the forge said of somebody's right counts for a day, until it tells of a change, and never an older word after a newer one. */
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { PoolClient } from 'pg';
import { forgetRights, type RightOf, rememberedRight, rememberRight } from '../../src/accounts/access/remembered.js';
import type { PermissionLevel } from '../../src/accounts/permissions.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let test: TestDatabase;
beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test?.drop());
beforeEach(() => tenant((tx) => tx.query('DELETE FROM remembered_right')));

const NOON = new Date('2026-03-02T12:00:00Z');
const minutes = (n: number) => new Date(NOON.getTime() + n * 60_000);
const tenant = <T>(run: (tx: PoolClient) => Promise<T>): Promise<T> =>
  test.store('worker').tenant(test.organizationId, run);
const of = (more: Partial<RightOf> = {}): RightOf => ({
  ...{
    organizationId: test.organizationId,
    forge: 'gitea',
    host: 'git.example',
    remoteRepositoryId: 7n,
    accountId: 200n,
  },
  ...more,
});
const say = (level: PermissionLevel, at = NOON, more: Partial<RightOf> = {}) =>
  tenant((tx) => rememberRight(tx, of(more), level, at));
const known = (now = minutes(1), more: Partial<RightOf> = {}) =>
  tenant(async (tx) => (await rememberedRight(tx, of(more), now))?.level);

it('is known for a day, of that account in that repository on that forge', async () => {
  await say('write');
  expect(await known()).toBe('write');
  expect(await known(minutes(24 * 60 - 1))).toBe('write');
  expect(await known(minutes(24 * 60 + 1))).toBeUndefined();
  // A clock that was set back makes no answer newer.
  expect(await known(minutes(-1))).toBeUndefined();
  for (const more of [{ accountId: 201n }, { remoteRepositoryId: 8n }, { host: 'other.example' }, { forge: 'gitlab' }])
    expect(await known(minutes(1), more)).toBeUndefined();
});

it('is what was said last, however late an older answer is written', async () => {
  await say('write', minutes(1));
  await say('admin', NOON);
  expect(await known(minutes(2))).toBe('write');
  await say('read', minutes(2));
  expect(await known(minutes(3))).toBeUndefined();
  await say('write', minutes(1));
  expect(await known(minutes(3))).toBeUndefined();
  await say('maintain', minutes(4));
  expect(await known(minutes(5))).toBe('maintain');
});

it('keeps nothing of strangers', async () => {
  for (const level of ['read', 'none'] as const) await say(level);
  expect(await tenant(async (tx) => (await tx.query('SELECT FROM remembered_right')).rowCount)).toBe(0);
});

it.each([
  ['of that account in that repository', { remoteRepositoryId: 7n, accountId: 200n }, true],
  ['of everybody in that repository', { remoteRepositoryId: 7n }, true],
  ['of everybody everywhere on that forge', {}, true],
  ['of another account', { remoteRepositoryId: 7n, accountId: 201n }, false],
  ['in another repository', { remoteRepositoryId: 8n }, false],
])('ends with a change %s: until the forge is asked again', async (_what, which, ends) => {
  const { organizationId, forge, host } = of();
  await say('write');
  await tenant((tx) => forgetRights(tx, { organizationId, forge, host, ...which }, minutes(1)));
  expect(await known(minutes(2))).toBe(ends ? undefined : 'write');
  // An answer from before the change, written after it.
  await say('admin', minutes(0.5));
  expect(await known(minutes(2))).toBe(ends ? undefined : 'admin');
  await say('write', minutes(3));
  expect(await known(minutes(4))).toBe('write');
});
