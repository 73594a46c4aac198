import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  deletePreviewSecret,
  listPreviewSecrets,
  readPreviewSecrets,
  setPreviewSecret,
} from '../../src/accounts/preview-secrets.js';
import { createVault } from '../../src/accounts/vault.js';
import { withConnection } from '../../src/store/connection.js';
import { createTestDatabase, TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';
import { populateTenant } from '../support/tenant-rows.js';

const vault = createVault(new Map([[1, TEST_MASTER_KEY]]));
const THEIRS = '99999999-9999-4999-8999-999999999999';
let db: TestDatabase;
let mine = '';
let theirs = '';

beforeAll(async () => {
  db = await createTestDatabase();
  const ids = await withConnection(db.superuser, async (client) => {
    await populateTenant(client, db.organizationId, 1, { create: false });
    await populateTenant(client, THEIRS, 2);
    await client.query('DELETE FROM preview_secret');
    const { rows } = await client.query<{ id: string; organization_id: string }>(
      'SELECT id, organization_id FROM repository',
    );
    return new Map(rows.map((row) => [row.organization_id, row.id]));
  });
  mine = ids.get(db.organizationId) ?? '';
  theirs = ids.get(THEIRS) ?? '';
});
afterAll(() => db.drop());

const set = (name: string, value: string, repositoryId: string | null = null, organizationId = db.organizationId) =>
  setPreviewSecret(db.store('worker'), vault, organizationId, { name, value, repositoryId, by: 'ada' });
const read = (names: string[], repositoryId = mine, organizationId = db.organizationId) =>
  readPreviewSecrets(db.store('worker'), vault, { organizationId, repositoryId, names });

describe('preview secrets', () => {
  it('are given by name; the repository’s own value wins, and what is not asked for or not there is left out', async () => {
    await set('TOKEN', 'for all');
    await set('OTHER', 'other');
    expect(await read(['TOKEN', 'MISSING'])).toEqual({ TOKEN: 'for all' });
    await set('TOKEN', 'for one', mine);
    expect(await read(['TOKEN', 'OTHER'])).toEqual({ TOKEN: 'for one', OTHER: 'other' });
    await set('TOKEN', 'newer', mine);
    expect(await read(['TOKEN'])).toEqual({ TOKEN: 'newer' });
    expect(await read([])).toEqual({});
  });

  it('are listed without values, and stored without them', async () => {
    const listed = await listPreviewSecrets(db.store('api'), db.organizationId);
    expect(listed.map(({ name, repositoryId }) => [name, repositoryId])).toEqual([
      ['OTHER', null],
      ['TOKEN', null],
      ['TOKEN', mine],
    ]);
    const raw = await withConnection(db.superuser, (client) => client.query('SELECT * FROM preview_secret'));
    expect(JSON.stringify([listed, raw.rows])).not.toContain('newer');
    // The role that serves people could not read them if it wanted to.
    const asked = db
      .store('api')
      .tenant(db.organizationId, (tx) => tx.query('SELECT value_ciphertext FROM preview_secret'));
    await expect(asked).rejects.toThrow(/permission denied/);
  });

  it('stay in their organization', async () => {
    await set('TOKEN', 'of others', null, THEIRS);
    expect(await read(['TOKEN', 'OTHER'], theirs, THEIRS)).toEqual({ TOKEN: 'of others' });
    await expect(set('TOKEN', 'x', theirs)).rejects.toMatchObject({ code: 'FORGEWAY_NOT_FOUND' });
    const [other] = await listPreviewSecrets(db.store('api'), THEIRS);
    expect(await deletePreviewSecret(db.store('worker'), db.organizationId, other?.id ?? '', 'eve')).toBe(false);
  });

  it('set at once are one, with one of the values', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, index) => set('RACE', `value ${index}`)));
    const all = (await listPreviewSecrets(db.store('api'), db.organizationId)).filter(({ name }) => name === 'RACE');
    expect(all).toHaveLength(1);
    expect((await read(['RACE'])).RACE).toMatch(/^value \d$/);
  });

  it('are gone when they are deleted, which the trail says', async () => {
    const own = (await listPreviewSecrets(db.store('api'), db.organizationId)).find(
      ({ repositoryId }) => repositoryId === mine,
    );
    expect(await deletePreviewSecret(db.store('worker'), db.organizationId, own?.id ?? '', 'ada')).toBe(true);
    expect(await read(['TOKEN'])).toEqual({ TOKEN: 'for all' });
    const trail = await withConnection(db.superuser, (client) =>
      client.query<{ action: string; subject: string }>(
        `SELECT action, subject FROM audit_entry WHERE action LIKE 'preview_secret%'`,
      ),
    );
    expect(trail.rows.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['preview_secret.set', 'preview_secret.deleted']),
    );
    expect(JSON.stringify(trail.rows)).not.toContain('newer');
  });
});
