/** Keys of agents: who is given them, and how long those are known that were replaced while an agent had them. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  everyAgentSecret,
  forgetReplacedSecrets,
  listAgentSecrets,
  readAgentSecrets,
  removeAgentSecret,
  setAgentSecret,
} from '../../src/accounts/agent-secrets.js';
import { createVault } from '../../src/accounts/vault.js';
import { withConnection } from '../../src/store/connection.js';
import { createTestDatabase, TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';
import { populateTenant } from '../support/tenant-rows.js';

const vault = createVault(new Map([[1, TEST_MASTER_KEY]]));
const OTHERS = '99999999-9999-4999-8999-999999999999';
let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase();
  await withConnection(db.superuser, async (client) => {
    await populateTenant(client, db.organizationId, 1, { create: false });
    await populateTenant(client, OTHERS, 2);
    await client.query('DELETE FROM agent_secret');
  });
});
afterAll(() => db.drop());

const store = () => db.store('worker');
const set = (value: string) =>
  setAgentSecret(store(), vault, db.organizationId, { name: 'MODEL_KEY', value, by: 'ada' });
const given = () => readAgentSecrets(store(), vault, db.organizationId, ['MODEL_KEY']);
const known = () => everyAgentSecret(store(), vault, db.organizationId, ['MODEL_KEY']);
const session = (change: string) =>
  store().tenant(db.organizationId, (tx) => tx.query(`UPDATE agent_session SET ${change}`));

it('knows a key that was replaced or taken away for as long as a session may have it, and gives it to nobody', async () => {
  await session(`status = 'running', lease_held = false, fence = 1, started_at = now()`);
  await set('first-key-0123456789');
  await set('second-key-0123456789');
  expect(await given()).toEqual({ MODEL_KEY: 'second-key-0123456789' });
  expect(await known()).toEqual(['first-key-0123456789', 'second-key-0123456789']);
  expect(await removeAgentSecret(store(), db.organizationId, 'MODEL_KEY', 'ada')).toBe(true);
  expect(await removeAgentSecret(store(), db.organizationId, 'MODEL_KEY', 'ada')).toBe(false);
  await expect(given()).rejects.toMatchObject({ code: 'FORGEWAY_AGENT_SECRET_MISSING' });
  expect(await listAgentSecrets(store(), db.organizationId)).toEqual([]);
  expect(await known()).toHaveLength(2);
  expect(await everyAgentSecret(store(), vault, OTHERS, ['MODEL_KEY'])).toEqual([]);

  // What a failed one left may yet be pushed, and is looked through for it then.
  for (const state of [
    `status = 'running'`,
    `status = 'completed', lease_held = true`,
    `status = 'failed', lease_held = false`,
  ]) {
    await session(state);
    expect(await forgetReplacedSecrets(store(), db.organizationId)).toBe(0);
  }
  await session('work_removed_at = now()');
  await set('third-key-0123456789');
  expect(await forgetReplacedSecrets(store(), db.organizationId)).toBe(2);
  expect(await known()).toEqual(['third-key-0123456789']);

  // One that began after it was replaced never had it.
  await set('fourth-key-0123456789');
  await session(`status = 'running', started_at = clock_timestamp()`);
  expect(await forgetReplacedSecrets(store(), db.organizationId)).toBe(1);
  expect(await known()).toEqual(['fourth-key-0123456789']);
});

it('has one of two that are set at the same moment', async () => {
  await Promise.all(['one-key-0123456789', 'two-key-0123456789'].map(set));
  expect(await listAgentSecrets(store(), db.organizationId)).toHaveLength(1);
  expect((await known()).slice(-2).sort()).toEqual(['one-key-0123456789', 'two-key-0123456789']);
});
