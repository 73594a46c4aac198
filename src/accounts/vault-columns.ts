/** Sealed columns of a row: `<name>_ciphertext`, `_iv` and `_tag`, with one salt, key version and version for them all. */
import type pg from 'pg';
import { newSecretSalt, type SealedSecret, type SecretPlace, type Vault } from './vault.js';

/**
 * Every table that holds secrets, and their names; rotation goes through all of them. A new one needs the columns, the policy
 * `count_keys` and the trigger `sealed_row_goes_forward` too: test/vault/rotation.test.ts says what is missing.
 */
export const sealedTables = {
  connection: ['access_token', 'refresh_token', 'private_key', 'proxy_credentials'],
  token_revocation: ['access_token', 'refresh_token'],
  hook: ['secret', 'previous_secret'],
  oauth_client: ['client_secret', 'proxy_credentials'],
  forge_app: ['private_key', 'client_secret'],
  preview_cluster: ['kubeconfig'],
  preview_secret: ['value'],
  blob: ['data_key'],
  workspace_variable: ['sealed_value'],
  run: ['variables'],
  agent_secret: ['value'],
} as const satisfies Record<string, readonly string[]>;

/** Those that belong to the installation and to no organization; their seals name {@link PLATFORM} in its place. */
export const platformTables: ReadonlySet<SealedTable> = new Set<SealedTable>(['oauth_client', 'forge_app']);
export const PLATFORM = 'platform';

/** Whose rows were rows of another table, with the same id, and were moved with their seals, which name that one. */
const sealedAs: { readonly [Table in SealedTable]?: SealedTable } = { token_revocation: 'connection' };

export type SealedTable = keyof typeof sealedTables;
export type SecretName<T extends SealedTable> = (typeof sealedTables)[T][number];

/** The sealed columns as pg reads them. */
export type SealedColumns<T extends SealedTable> = {
  secret_salt: string | null;
  secret_key_version: number;
  secret_version: number;
} & { [Column in `${SecretName<T>}_${'ciphertext' | 'iv' | 'tag'}`]: string | null };

export type Secrets<T extends SealedTable> = { [Name in SecretName<T>]?: string };

/** Which row; with the columns it is everything a seal is bound to. */
export interface SecretRow<T extends SealedTable> {
  table: T;
  organizationId: string;
  rowId: string;
}

/** Names of the columns that {@link sealSecrets} answers and {@link openSecrets} needs, for lists in SQL. */
export function sealedColumnsOf(table: SealedTable): string[] {
  const parts = sealedTables[table].flatMap((name) => [`${name}_ciphertext`, `${name}_iv`, `${name}_tag`]);
  return ['secret_salt', 'secret_key_version', 'secret_version', ...parts];
}

/** The same columns with their values, for an INSERT or an UPDATE. */
export function sealedValues<T extends SealedTable>(
  table: T,
  columns: SealedColumns<T>,
): { names: string[]; values: unknown[] } {
  const names = sealedColumnsOf(table);
  return { names, values: names.map((name) => Reflect.get(columns, name)) };
}

/** All secrets of a row; a name is absent when there is none. @throws ForgewayError FORGEWAY_SECRET_UNREADABLE */
export function openSecrets<T extends SealedTable>(
  vault: Vault,
  row: SecretRow<T>,
  columns: SealedColumns<T>,
): Secrets<T> {
  return openAll(vault, row, columns) as Secrets<T>;
}

function openAll<T extends SealedTable>(
  vault: Vault,
  row: SecretRow<T>,
  columns: SealedColumns<T>,
): Record<string, string> {
  const secrets: Record<string, string> = {};
  for (const name of sealedTables[row.table]) {
    const sealed = readSealed(columns, name);
    if (sealed !== undefined) secrets[name] = vault.open(placeOf(row, name, columns), sealed);
  }
  return secrets;
}

/**
 * The columns after a change: a string replaces a secret, null removes it, the others stay. All are sealed anew under
 * the next version and the master key that this database seals with now. Write them in the same transaction, and only
 * where `secret_version` is still that of `current`, so that of two changes at once one is told to read again.
 * @param current the row's columns, or undefined for a new row
 */
export async function sealSecrets<T extends SealedTable>(
  tx: pg.ClientBase,
  vault: Vault,
  row: SecretRow<T>,
  current: SealedColumns<T> | undefined,
  change: SecretChange<T>,
): Promise<SealedColumns<T>> {
  const { rows } = await tx.query<{ version: number }>('SELECT sealing_key_version() AS version');
  return sealSecretsWith(vault, rows[0]?.version ?? 0, row, current, change);
}

export type SecretChange<T extends SealedTable> = { [Name in SecretName<T>]?: string | null };

/** The same with a master key that the caller has made sure is the right one. */
export function sealSecretsWith<T extends SealedTable>(
  vault: Vault,
  keyVersion: number,
  row: SecretRow<T>,
  current: SealedColumns<T> | undefined,
  change: SecretChange<T>,
): SealedColumns<T> {
  const kept = current === undefined ? {} : openAll(vault, row, current);
  const wanted: Record<string, string | null | undefined> = { ...kept, ...change };
  const base = {
    secret_salt: current?.secret_salt ?? newSecretSalt(),
    secret_key_version: keyVersion,
    secret_version: (current?.secret_version ?? 0) + 1,
  };
  const parts: Record<string, string | null> = {};
  for (const name of sealedTables[row.table]) {
    const text = wanted[name] ?? undefined;
    const sealed = text === undefined ? undefined : vault.seal(placeOf(row, name, base), text, keyVersion);
    parts[`${name}_ciphertext`] = sealed?.ciphertext ?? null;
    parts[`${name}_iv`] = sealed?.iv ?? null;
    parts[`${name}_tag`] = sealed?.tag ?? null;
  }
  return { ...base, ...parts } as SealedColumns<T>;
}

function placeOf(
  row: SecretRow<SealedTable>,
  column: string,
  columns: { secret_salt: string | null; secret_version: number },
): SecretPlace {
  const { organizationId, rowId } = row;
  const table = sealedAs[row.table] ?? row.table;
  return { organizationId, table, rowId, column, salt: columns.secret_salt ?? '', version: columns.secret_version };
}

/** Undefined only when all three parts are absent; a row with some of them was changed by somebody else. */
function readSealed(columns: object, name: string): SealedSecret | undefined {
  const values = columns as Record<string, string | number | null>;
  const [ciphertext, iv, tag] = ['ciphertext', 'iv', 'tag'].map((part) => values[`${name}_${part}`] ?? null);
  if (ciphertext === null && iv === null && tag === null) return undefined;
  return {
    ciphertext: String(ciphertext ?? ''),
    iv: String(iv ?? ''),
    tag: String(tag ?? ''),
    keyVersion: Number(values.secret_key_version),
  };
}
