import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createVault } from './vault.js';
import { openSecrets, sealedColumnsOf, sealSecretsWith } from './vault-columns.js';

const vault = createVault(new Map([[1, randomBytes(32)]]));
const row = { table: 'connection', organizationId: 'o', rowId: 'r' } as const;
const unreadable = expect.objectContaining({ code: 'FORGEWAY_SECRET_UNREADABLE' });

describe('sealed columns', () => {
  const first = sealSecretsWith(vault, 1, row, undefined, { access_token: 'one', refresh_token: 'two' });

  it('are exactly those of the table', () => {
    expect(Object.keys(first).sort()).toEqual(sealedColumnsOf('connection').sort());
    expect(first).toMatchObject({ private_key_ciphertext: null, secret_version: 1, secret_key_version: 1 });
    expect(openSecrets(vault, row, first)).toEqual({ access_token: 'one', refresh_token: 'two' });
  });

  it('change one secret and keep the others, under the next version', () => {
    const second = sealSecretsWith(vault, 1, row, first, { access_token: 'new', private_key: 'key' });
    expect(openSecrets(vault, row, second)).toEqual({ access_token: 'new', refresh_token: 'two', private_key: 'key' });
    expect(second).toMatchObject({ secret_version: 2, secret_salt: first.secret_salt });
    const third = sealSecretsWith(vault, 1, row, second, { refresh_token: null });
    expect(openSecrets(vault, row, third)).toEqual({ access_token: 'new', private_key: 'key' });
    expect(third.refresh_token_tag).toBeNull();
  });

  it('refuse an older ciphertext put back', () => {
    const second = sealSecretsWith(vault, 1, row, first, { access_token: 'new' });
    const { access_token_ciphertext, access_token_iv, access_token_tag } = first;
    const rolledBack = { ...second, access_token_ciphertext, access_token_iv, access_token_tag };
    expect(() => openSecrets(vault, row, rolledBack)).toThrow(unreadable as never);
  });

  it('refuse two columns exchanged, a part taken away, and another row’s values', () => {
    const { access_token_ciphertext: c, access_token_iv: i, access_token_tag: t } = first;
    const exchanged = { ...first, refresh_token_ciphertext: c, refresh_token_iv: i, refresh_token_tag: t };
    for (const run of [
      () => openSecrets(vault, row, exchanged),
      () => openSecrets(vault, row, { ...first, access_token_tag: null }),
      () => openSecrets(vault, row, { ...first, secret_salt: null }),
      () => openSecrets(vault, { ...row, rowId: 's' }, first),
      () => openSecrets(vault, { ...row, organizationId: 'p' }, first),
    ])
      expect(run).toThrow(expect.objectContaining({ code: 'FORGEWAY_SECRET_UNREADABLE' }) as never);
  });

  it('of a hook hold the secret and the one before it', () => {
    const hook = { table: 'hook', organizationId: 'o', rowId: 'h' } as const;
    const columns = sealSecretsWith(vault, 1, hook, undefined, { secret: 'now', previous_secret: 'before' });
    expect(openSecrets(vault, hook, columns)).toEqual({ secret: 'now', previous_secret: 'before' });
  });
});
