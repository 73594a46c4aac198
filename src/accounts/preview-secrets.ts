/**
 * Secrets that previews are given by name: of an organization, or of one repository, whose value wins. They are sealed in the
 * vault, and only a preview that is trusted ever sees them.
 */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { ForgewayError } from '../lib/errors.js';
import { keepSecret } from '../lib/known-secrets.js';
import type { Store } from '../store/database.js';
import { audit } from './audit.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf, sealedValues, sealSecrets } from './vault-columns.js';

export interface PreviewSecret {
  id: string;
  name: string;
  /** Null: for every repository of the organization. */
  repositoryId: string | null;
  setBy: string;
  createdAt: Date;
  updatedAt: Date;
}

export interface PreviewSecretWish {
  name: string;
  value: string;
  repositoryId: string | null;
  by: string;
}

const TABLE = 'preview_secret';
const MOST = 500;
const SHOWN = `id, name, repository_id AS "repositoryId", set_by AS "setBy", created_at AS "createdAt",
  updated_at AS "updatedAt"`;

type SecretRow = SealedColumns<typeof TABLE> & { id: string; name: string; repository_id: string | null };

const scopeOf = (repositoryId: string | null) =>
  repositoryId === null ? 'organization' : `repository ${repositoryId}`;

/** Sets it, or another value of it. @throws ForgewayError FORGEWAY_NOT_FOUND for another's repository, FORGEWAY_CONFLICT when there are too many */
export async function setPreviewSecret(
  store: Store,
  vault: Vault,
  organizationId: string,
  wish: PreviewSecretWish,
): Promise<PreviewSecret> {
  keepSecret(wish.value);
  return store.tenant(organizationId, async (tx) => {
    // Two who set the same one at once take turns, and of a row that is not there yet nothing can be locked.
    await tx.query("SELECT pg_advisory_xact_lock(hashtextextended('preview_secret ' || $1, 0))", [organizationId]);
    if (wish.repositoryId !== null) {
      const { rowCount } = await tx.query('SELECT FROM repository WHERE id = $1', [wish.repositoryId]);
      if (rowCount === 0) throw new ForgewayError('FORGEWAY_NOT_FOUND', 'There is no such repository.');
    }
    const { rows } = await tx.query<SecretRow>(
      `SELECT id, name, repository_id, ${sealedColumnsOf(TABLE).join(', ')} FROM ${TABLE}
       WHERE name = $1 AND repository_id IS NOT DISTINCT FROM $2`,
      [wish.name, wish.repositoryId],
    );
    const current = rows[0];
    if (current === undefined) await checkRoom(tx);
    const rowId = current?.id ?? randomUUID();
    const columns = await sealSecrets(tx, vault, { table: TABLE, organizationId, rowId }, current, {
      value: wish.value,
    });
    const { names, values } = sealedValues(TABLE, columns);
    const set = names.map((name) => `${name} = excluded.${name}`).join(', ');
    const written = await tx.query<PreviewSecret>(
      `INSERT INTO ${TABLE} (id, organization_id, repository_id, name, set_by, ${names.join(', ')})
         VALUES ($1, $2, $3, $4, $5, ${names.map((_, index) => `$${index + 6}`).join(', ')})
       ON CONFLICT (id) DO UPDATE SET ${set}, set_by = excluded.set_by, updated_at = now()
       RETURNING ${SHOWN}`,
      [rowId, organizationId, wish.repositoryId, wish.name, wish.by, ...values],
    );
    const subject = `${wish.name} of ${scopeOf(wish.repositoryId)}`;
    await audit(tx, organizationId, 'preview_secret.set', subject, { isNew: current === undefined }, wish.by);
    const [secret] = written.rows;
    if (secret === undefined) throw new Error('a secret was written and is not there');
    return secret;
  });
}

async function checkRoom(tx: pg.PoolClient): Promise<void> {
  const { rows } = await tx.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${TABLE}`);
  if ((rows[0]?.count ?? 0) >= MOST)
    throw new ForgewayError('FORGEWAY_CONFLICT', `An organization has at most ${MOST} preview secrets. Delete one.`);
}

/** Names and never values; with a repository: what its previews can be given. */
export async function listPreviewSecrets(
  store: Store,
  organizationId: string,
  repositoryId?: string,
): Promise<PreviewSecret[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<PreviewSecret>(
      `SELECT ${SHOWN} FROM ${TABLE} WHERE $1::uuid IS NULL OR repository_id = $1
         OR (repository_id IS NULL AND EXISTS (SELECT FROM repository WHERE id = $1))
       ORDER BY name, repository_id NULLS FIRST`,
      [repositoryId ?? null],
    );
    return rows;
  });
}

/** False: there was none. */
export async function deletePreviewSecret(
  store: Store,
  organizationId: string,
  id: string,
  by: string,
): Promise<boolean> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ name: string; repository_id: string | null }>(
      `DELETE FROM ${TABLE} WHERE id = $1 RETURNING name, repository_id`,
      [id],
    );
    const [gone] = rows;
    if (gone === undefined) return false;
    await audit(tx, organizationId, 'preview_secret.deleted', `${gone.name} of ${scopeOf(gone.repository_id)}`, {}, by);
    return true;
  });
}

/**
 * The values that a preview of a repository may be given, of those that it asks for; a name that is not there is left out.
 * The caller has made sure that its code is trusted.
 */
export async function readPreviewSecrets(
  store: Store,
  vault: Vault,
  o: { organizationId: string; repositoryId: string; names: readonly string[] },
): Promise<Record<string, string>> {
  const { organizationId, repositoryId, names } = o;
  if (names.length === 0) return {};
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<SecretRow>(
      `SELECT id, name, repository_id, ${sealedColumnsOf(TABLE).join(', ')} FROM ${TABLE}
       WHERE name = ANY($1) AND (repository_id IS NULL OR repository_id = $2) ORDER BY repository_id NULLS FIRST`,
      [names, repositoryId],
    ),
  );
  const values = rows.map((row): [string, string] => {
    const { value = '' } = openSecrets(vault, { table: TABLE, organizationId, rowId: row.id }, row);
    keepSecret(value);
    return [row.name, value];
  });
  // The repository's own come last, and win.
  return Object.fromEntries(values);
}

/** For whoever manages them: see {@link setPreviewSecret}. @param store as the worker role, which may write them */
export const previewSecretWork = (store: Store, vault: Vault) => ({
  set: (organizationId: string, wish: PreviewSecretWish) => setPreviewSecret(store, vault, organizationId, wish),
  list: (organizationId: string, repositoryId?: string) => listPreviewSecrets(store, organizationId, repositoryId),
  delete: (organizationId: string, id: string, by: string) => deletePreviewSecret(store, organizationId, id, by),
});
