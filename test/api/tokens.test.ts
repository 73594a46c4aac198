/** Tokens of the API against the real database, as the role that serves it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { callerOfToken, loadPerson } from '../../src/accounts/access/caller.js';
import {
  createToken,
  findToken,
  listTokens,
  revokeToken,
  type TokenOwner,
} from '../../src/accounts/api-tokens/rows.js';
import { hashOfToken, hasTokenForm, newTokenSecret } from '../../src/accounts/api-tokens/secret.js';
import { withConnection } from '../../src/store/connection.js';
import type { Store } from '../../src/store/database.js';
import { seenAs } from '../../src/store/seen-as.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

let db: TestDatabase;
let store: Store;
const personOf = (userId: string) => loadPerson(store, userId);
beforeAll(async () => {
  db = await createTestDatabase();
  store = db.store('api');
  await db.addUser('mona');
  await db
    .store('worker')
    .tenant(db.organizationId, (tx) =>
      tx.query(`INSERT INTO member (organization_id, user_id, role) VALUES ($1, 'mona', 'maintainer')`, [
        db.organizationId,
      ]),
    );
});
afterAll(() => db.drop());

const make = (owner: TokenOwner, expiresAt: Date | null = null) =>
  createToken(store, { owner, name: 'ci', scopes: ['read', 'run'], expiresAt, createdBy: 'test' });
const machine = (): TokenOwner => ({ kind: 'machine', organizationId: db.organizationId, role: 'member' });

describe('the secret of a token', () => {
  it('has 256 bits, a mark, and a checksum that finds every changed character', () => {
    const made = Array.from({ length: 200 }, () => newTokenSecret().token);
    expect(new Set(made).size).toBe(200);
    const [token = ''] = made;
    expect(token).toMatch(/^fgw_[0-9A-Za-z]{49}$/);
    expect(hasTokenForm(token)).toBe(true);
    for (let place = 4; place < token.length; place += 1) {
      const other = token[place] === 'a' ? 'b' : 'a';
      expect(hasTokenForm(token.slice(0, place) + other + token.slice(place + 1))).toBe(false);
    }
    for (const text of ['', 'fgw_', `${token} `, `x${token}`, token.toLowerCase(), 'fgw_'.padEnd(5_000, 'a')])
      expect(hasTokenForm(text)).toBe(false);
  });
});

describe('tokens', () => {
  it('lead to their actor, and nothing of the secret is stored', async () => {
    const made = await make(machine());
    expect(await callerOfToken(store, made.token, personOf)).toEqual({
      kind: 'machine',
      expiresAt: null,
      tokenId: made.id,
      name: 'ci',
      organizationId: db.organizationId,
      role: 'member',
      scopes: ['read', 'run'],
    });
    const [row] = await withConnection(db.superuser, async (client) => {
      const { rows } = await client.query(
        'select row_to_json(t)::text as row, secret_hash from api_token t where id = $1',
        [made.id],
      );
      return rows as { row: string; secret_hash: Buffer }[];
    });
    expect(row?.row).not.toContain(made.token.slice(12));
    expect(row?.secret_hash).toEqual(hashOfToken(made.token));
  });

  it('of a person are no more than the person, and end with them', async () => {
    const all = await make({ kind: 'user', userId: 'mona' });
    const one = await make({ kind: 'user', userId: 'mona', organizationId: db.organizationId });
    const memberships = new Map([[db.organizationId, 'maintainer']]);
    const mona = { kind: 'user', userId: 'mona', memberships };
    expect(await callerOfToken(store, all.token, personOf)).toMatchObject({ ...mona, token: { id: all.id } });
    expect(await callerOfToken(store, one.token, personOf)).toMatchObject({
      ...mona,
      token: { organizationId: db.organizationId },
    });
    expect(await callerOfToken(store, all.token, async () => undefined)).toBeUndefined();
  });

  it('that are unknown, expired or revoked are all the same: nobody', async () => {
    const [expired, revoked] = [await make(machine(), new Date(Date.now() - 1)), await make(machine())];
    const of = { organizationId: db.organizationId };
    expect(await revokeToken(store, of, revoked.id, 'test')).toBe(true);
    expect(await revokeToken(store, of, revoked.id, 'test')).toBe(true);
    for (const token of [expired.token, revoked.token, newTokenSecret().token, 'fgw_x', ''])
      expect(await callerOfToken(store, token, personOf)).toBeUndefined();
    const audited = await db
      .store('worker')
      .tenant(db.organizationId, (tx) =>
        tx.query('SELECT action FROM audit_entry WHERE subject = $1 ORDER BY created_at', [revoked.id]),
      );
    expect(audited.rows).toEqual([{ action: 'token.created' }, { action: 'token.revoked' }]);
  });

  it('are seen by whoever names the hash, the tenant or the person, and by nobody else', async () => {
    const theirs = '018f0000-0000-7000-8000-00000000beef';
    const own = await make({ kind: 'user', userId: 'mona' });
    const shared = await make(machine());
    const idsSeen = (seen: Parameters<typeof seenAs>[1]) =>
      seenAs(store, seen, async (tx) =>
        (await tx.query<{ id: string }>('SELECT id FROM api_token')).rows.map(({ id }) => id),
      );
    expect(await idsSeen({})).toEqual([]);
    expect(await idsSeen({ userId: 'hubot' })).toEqual([]);
    expect(await idsSeen({ organizationId: theirs })).toEqual([]);
    expect(await idsSeen({ tokenHash: hashOfToken(shared.token).toString('hex') })).toEqual([shared.id]);
    expect(await idsSeen({ organizationId: db.organizationId })).not.toContain(own.id);
    expect(await idsSeen({ userId: 'mona' })).toContain(own.id);
    expect(await revokeToken(store, { organizationId: theirs }, shared.id, 'test')).toBe(false);
    expect(await revokeToken(store, { userId: 'hubot' }, own.id, 'test')).toBe(false);
    expect((await listTokens(store, { userId: 'mona' }, { limit: 100 })).map(({ id }) => id)).toContain(own.id);
  });

  it('never change what they may do, and note their use no oftener than every ten minutes', async () => {
    const made = await make(machine());
    for (const change of [`scopes = '["manage"]'`, `role = 'admin'`, 'expires_at = NULL', `secret_hash = secret_hash`])
      await expect(
        store.tenant(db.organizationId, (tx) => tx.query(`UPDATE api_token SET ${change} WHERE id = $1`, [made.id])),
      ).rejects.toMatchObject({ code: '42501' });
    expect((await findToken(store, made.token))?.lastUsedAt).toBeNull();
    const first = (await findToken(store, made.token))?.lastUsedAt;
    expect(first).toBeInstanceOf(Date);
    expect((await findToken(store, made.token))?.lastUsedAt).toEqual(first);
  });
});
