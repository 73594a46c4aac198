/** Rows with secrets in every table that has them, and what they must open to. */
import { createHash, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { createVault } from '../../src/accounts/vault.js';
import {
  openSecrets,
  platformTables,
  type SealedColumns,
  type SealedTable,
  sealedColumnsOf,
  sealedTables,
  sealedValues,
  sealSecrets,
} from '../../src/accounts/vault-columns.js';
import type { RotationOptions } from '../../src/accounts/vault-rotation.js';
import { withConnection } from '../../src/store/connection.js';
import type { Store } from '../../src/store/database.js';
import { masterKeyCheck } from '../../src/store/derive-key.js';
import { TEST_MASTER_KEY, type TestDatabase } from '../support/database.js';

type TenantTable = Exclude<SealedTable, 'oauth_client' | 'forge_app'>;

/** Those that belong to organizations. */
export const TABLES = (Object.keys(sealedTables) as SealedTable[]).filter(
  (table): table is TenantTable => !platformTables.has(table),
);

/** The key of the test database, and others that the same text always gives. */
export const keyOfVersion = (version: number): Buffer =>
  version === 1 ? TEST_MASTER_KEY : createHash('sha256').update(`a key of a test, version ${version}`).digest();

export const vaultOf = (...versions: number[]) =>
  createVault(new Map(versions.map((version) => [version, keyOfVersion(version)])));

/** As a start with the key does. */
export async function recordKey(db: TestDatabase, version: number): Promise<void> {
  await withConnection(db.database.poolConfig('migrate'), (owner) =>
    owner.query('INSERT INTO master_key (version, check_value) VALUES ($1, $2)', [
      version,
      masterKeyCheck(keyOfVersion(version)),
    ]),
  );
}

export interface SecretRowPlace {
  table: TenantTable;
  organizationId: string;
  rowId: string;
}

type Columns = Record<string, string | boolean>;

const plainColumns: Readonly<Record<TenantTable, (id: string, workspace: Columns) => Columns>> = {
  connection: (id) => ({ name: id, kind: 'pat', forge: 'gitlab', host: 'h', provider_account_id: id }),
  token_revocation: () => ({ forge: 'gitlab', host: 'h', due_at: '2026-01-02T03:04:05Z' }),
  hook: () => ({ forge: 'gitlab', host: 'h', scope: 'repository' }),
  preview_cluster: (id) => ({ name: id, created_by: 'ada', chosen: 'false' }),
  preview_secret: (id) => ({ name: id, set_by: 'ada' }),
  blob: () => ({ kind: 'plan' }),
  workspace_variable: (id, { workspace_id = '' }) => ({ workspace_id, key: id, category: 'env', sensitive: true }),
  run: (_, workspace) => ({ ...workspace, source: 'api', created_by: 'ada', plan_only: true }),
  agent_secret: (id) => ({ name: `K${id.replaceAll('-', '').toUpperCase()}`, set_by: 'test' }),
};

/** A workspace with a configuration, for the rows that belong to one. */
async function addWorkspace(tx: pg.PoolClient, organizationId: string): Promise<Columns> {
  const { rows } = await tx.query<Columns>(
    `WITH w AS (INSERT INTO workspace (organization_id, name, created_by) VALUES ($1, $2, 'ada') RETURNING id)
     INSERT INTO configuration_version (organization_id, workspace_id, source, created_by)
     SELECT $1, w.id, 'api', 'ada' FROM w RETURNING workspace_id, id AS configuration_version_id`,
    [organizationId, `w-${randomUUID()}`],
  );
  return rows[0] ?? {};
}

/** Every secret of a row: made of its place and of how often it was written. */
const secretsFor = ({ table, rowId }: SecretRowPlace, writes: number): Record<string, string> =>
  Object.fromEntries(sealedTables[table].map((name) => [name, `${name} of ${rowId}, write ${writes}`]));

type Vault = RotationOptions['vault'];

export async function addRow(store: Store, vault: Vault, table: TenantTable, organizationId: string) {
  const place: SecretRowPlace = { table, organizationId, rowId: randomUUID() };
  await store.tenant(organizationId, async (tx) => {
    const columns = await sealSecrets(tx, vault, place, undefined, secretsFor(place, 1));
    const workspace = table === 'run' || table === 'workspace_variable' ? await addWorkspace(tx, organizationId) : {};
    const plain = { id: place.rowId, organization_id: organizationId, ...plainColumns[table](place.rowId, workspace) };
    const sealed = sealedValues(table, columns);
    const names = [...Object.keys(plain), ...sealed.names];
    await tx.query(
      `INSERT INTO "${table}" (${names.join(', ')}) VALUES (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
      [...Object.values(plain), ...sealed.values],
    );
  });
  return place;
}

export async function readRow(tx: pg.PoolClient, { table, rowId }: SecretRowPlace, lock = '') {
  const found = await tx.query<SealedColumns<SealedTable>>(
    `SELECT ${sealedColumnsOf(table).join(', ')} FROM "${table}" WHERE id = $1 ${lock}`,
    [rowId],
  );
  return found.rows[0] as SealedColumns<SealedTable>;
}

/** As a server writes: the row is read, and written under the key that the database names. */
export async function rewriteRow(store: Store, vault: Vault, place: SecretRowPlace, writes: number): Promise<void> {
  await store.tenant(place.organizationId, async (tx) => {
    const row = await readRow(tx, place, 'FOR UPDATE');
    const sealed = sealedValues(place.table, await sealSecrets(tx, vault, place, row, secretsFor(place, writes)));
    await tx.query(
      `UPDATE "${place.table}" SET ${sealed.names.map((name, i) => `${name} = $${i + 2}`).join(', ')} WHERE id = $1`,
      [place.rowId, ...sealed.values],
    );
  });
}

/** Opens every secret of a row; answers its key's version. Throws unless all are those of that write. */
export async function checkRow(store: Store, vault: Vault, place: SecretRowPlace, writes?: number): Promise<number> {
  const row = await store.tenant(place.organizationId, (tx) => readRow(tx, place));
  const found: Record<string, string | undefined> = openSecrets(vault, place, row);
  const wanted = secretsFor(place, writes ?? 0);
  for (const name of sealedTables[place.table]) {
    const text = found[name];
    if (writes === undefined ? !text?.startsWith(`${name} of ${place.rowId}, write `) : text !== wanted[name])
      throw new Error(`${place.table}.${name} of ${place.rowId} is ${text}`);
  }
  return row.secret_key_version;
}

/** A store that calls `before` ahead of each query of a transaction, and `after` behind it. */
export function watched(store: Store, before: () => void, after: () => void = () => undefined): Store {
  return {
    ...store,
    tenant: (organizationId, run) =>
      store.tenant(organizationId, (tx) =>
        run(
          new Proxy(tx, {
            get(target, name) {
              if (name !== 'query') return Reflect.get(target, name);
              return async (text: string, values?: unknown[]) => {
                before();
                const result = await target.query(text, values);
                after();
                return result;
              };
            },
          }),
        ),
      ),
  };
}

export function optionsOf(db: TestDatabase, target: number, more: Partial<RotationOptions> = {}): RotationOptions {
  return {
    database: db.database,
    store: db.store('worker'),
    vault: vaultOf(...Array.from({ length: target }, (_, index) => index + 1)),
    target,
    organizationId: db.organizationId,
    ...more,
  };
}
