import { randomBytes, randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createVault } from '../accounts/vault.js';
import { sealSecretsWith } from '../accounts/vault-columns.js';
import { firstKeys } from '../store/master-keys.js';
import { secretsOf } from './default-app.js';

const keys = firstKeys(randomBytes(32));
const organizationId = randomUUID();

function hook(id: string, previousUntil: Date | null, rowId = id) {
  const vault = createVault(keys.versions);
  const row = { table: 'hook', organizationId, rowId } as const;
  const sealed = sealSecretsWith(vault, 1, row, undefined, { secret: 'new secret', previous_secret: 'old secret' });
  const columns = { ...sealed, previous_secret_until: previousUntil };
  return { id, organizationId, forge: 'github', host: 'github.com', appId: null, secretSource: 'sealed', columns };
}

const inAnHour = () => new Date(Date.now() + 3_600_000);

describe('secretsOf', () => {
  it('opens the sealed secrets of a hook, the previous one only while it overlaps', async () => {
    const secrets = secretsOf({}, keys);
    expect(await secrets(hook('team-1', inAnHour()))).toEqual(['new secret', 'old secret']);
    expect(await secrets(hook('team-1', new Date(0)))).toEqual(['new secret']);
    expect(await secrets(hook('team-1', null))).toEqual(['new secret']);
  });

  it('takes the environment’s secret for the hook that is configured there, and closes it without one', async () => {
    const configured = { ...hook('github', null), secretSource: 'environment' };
    expect(await secretsOf({ webhookSecret: 'from the environment' }, keys)(configured)).toEqual([
      'from the environment',
    ]);
    expect(await secretsOf({}, keys)(configured)).toEqual([]);
  });

  it('refuses what was sealed for another hook or under another key', async () => {
    await expect(secretsOf({}, keys)(hook('team-1', null, 'team-2'))).rejects.toMatchObject({
      code: 'FORGEWAY_SECRET_UNREADABLE',
    });
    await expect(secretsOf({}, firstKeys(randomBytes(32)))(hook('team-1', null))).rejects.toMatchObject({
      code: 'FORGEWAY_SECRET_UNREADABLE',
    });
  });
});
