/** `terraform login`: an authorization code with a proof key, for one token of whoever allows it. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { callerOfToken, loadPerson } from '../../src/accounts/access/caller.js';
import { allowTerraform, isLoginAddress, redeemTerraform } from '../../src/accounts/sign-in/terraform-login.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const verifier = 'v'.repeat(50);
const challenge = createHash('sha256').update(verifier).digest('base64url');
const redirectUri = 'http://localhost:10005/login';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await db.store('migrate').pool.query(`INSERT INTO "user" (id, name) VALUES ('ada', 'Ada')`);
});
afterAll(() => db.drop());

const parts = () => ({ store: db.store('api'), pool: db.store('api').pool });
const allow = () => allowTerraform(parts().pool, 'ada', { redirectUri, challenge });

describe('terraform login', () => {
  it('gives a token of the person, once', async () => {
    const code = await allow();
    const made = await redeemTerraform(parts(), { code, verifier, redirectUri });
    const actor = await callerOfToken(parts().store, made?.token ?? '', (id) => loadPerson(parts().store, id));
    expect(actor).toMatchObject({ kind: 'user', userId: 'ada', token: { scopes: ['read', 'run', 'manage'] } });
    expect(await redeemTerraform(parts(), { code, verifier, redirectUri })).toBeUndefined();
  });

  it('gives none for another secret or another address, and the code is used up', async () => {
    for (const wrong of [{ verifier: 'w'.repeat(50) }, { redirectUri: 'http://localhost:10006/login' }]) {
      const code = await allow();
      expect(await redeemTerraform(parts(), { code, verifier, redirectUri, ...wrong })).toBeUndefined();
      expect(await redeemTerraform(parts(), { code, verifier, redirectUri })).toBeUndefined();
    }
  });

  it('gives none when it is late', async () => {
    const code = await allow();
    await parts().pool.query(
      `UPDATE sign_in_code SET expires_at = now() - interval '1 second' WHERE kind = 'terraform-login'`,
    );
    expect(await redeemTerraform(parts(), { code, verifier, redirectUri })).toBeUndefined();
  });

  it.each([
    ['http://localhost:10000/login', true],
    ['http://127.0.0.1:10010/login', true],
    ['http://localhost:9999/login', false],
    ['http://localhost:10011/login', false],
    ['https://evil.example:10000/login', false],
    ['http://localhost.evil.example:10000/login', false],
    ['http://localhost:10000@evil.example/login', false],
    ['http://localhost:10000/login?x=1', false],
    ['http://localhost:10000/other', false],
    ['javascript:alert(1)', false],
  ])('sends a code to %s: %s', (address, allowed) => {
    expect(isLoginAddress(address)).toBe(allowed);
  });
});
