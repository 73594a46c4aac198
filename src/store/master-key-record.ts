/** Which master keys a database has, and what each is needed for. The keys themselves are never stored. */
import type pg from 'pg';
import { ForgewayError } from '../lib/errors.js';
import type { Database } from './database.js';
import { FIRST_VERSION, type KeyRecord } from './master-keys.js';

/** Every recorded key, the oldest first; none when the database is new. Reads databases that are not migrated yet, too. */
export async function readKeyRecords(client: pg.ClientBase): Promise<KeyRecord[]> {
  const { rows } = await client.query<{ exists: boolean }>(
    `select to_regclass('public.master_key') is not null as exists`,
  );
  if (rows[0]?.exists !== true) return [];
  // Before migration 0010 there was one key, and no such columns.
  const found = await client.query<KeyRecord>(
    `select version, check_value as check, to_jsonb(k) ->> 'sealed_root' as "sealedRoot",
       not to_jsonb(k) ? 'activated_at' or to_jsonb(k) ->> 'activated_at' is not null as activated
     from public.master_key k order by version`,
  );
  return found.rows;
}

/** Rows whose secrets are sealed with a version. */
export interface SealedRows {
  table: string;
  version: number;
  rows: number;
}

/** Over all tenants. @param client the schema's owner; the database is migrated */
export async function countSealedRows(client: pg.ClientBase): Promise<SealedRows[]> {
  const { rows } = await client.query<SealedRows>(
    `select table_name as "table", key_version as version, row_count::int4 as rows from sealed_rows() order by 1, 2`,
  );
  return rows;
}

/**
 * A key may be taken away once nothing is sealed with it.
 * @param missing recorded versions whose key was not given
 * @throws ForgewayError FORGEWAY_KEY_MISSING naming how many rows need which
 */
export async function refuseNeededKeys(client: pg.ClientBase, missing: readonly number[]): Promise<void> {
  if (missing.length === 0) return;
  const needed = (await countSealedRows(client)).filter(({ version }) => missing.includes(version));
  const [first] = needed;
  if (first === undefined) return;
  const counts = needed.map(({ table, version, rows }) => `${rows} of ${table} need version ${version}`).join(', ');
  throw new ForgewayError(
    'FORGEWAY_KEY_MISSING',
    `Stored secrets are still sealed with an encryption key that is not given (rows: ${counts}). Put it back into ` +
      'FORGEWAY_ENCRYPTION_KEYS_PREVIOUS, start, run `forgeway vault rotate`, and take it away after that.',
  );
}

/** @throws ForgewayError FORGEWAY_KEY_MISSING when the database has keys, and this process's is none of them */
export function refuseOtherKey(records: readonly KeyRecord[], keyCheck: string): void {
  if (records.length === 0 || records.some(({ check }) => check === keyCheck)) return;
  throw new ForgewayError(
    'FORGEWAY_KEY_MISSING',
    'This database was set up with another encryption key, and what is stored in it cannot be opened with this one.',
  );
}

/**
 * Records the key of a new database, and a key that this process is the first to have.
 * @throws ForgewayError FORGEWAY_KEY_MISSING when another process has recorded another one in its place
 */
export async function recordKeys(
  client: pg.ClientBase,
  { keyCheck, announced }: Pick<Database, 'keyCheck' | 'announced'>,
): Promise<void> {
  await client.query(
    `insert into public.master_key (version, check_value, activated_at)
     select $1, $2, now() where not exists (select from public.master_key) on conflict (version) do nothing`,
    [FIRST_VERSION, keyCheck],
  );
  if (announced !== undefined)
    await client.query(
      `insert into public.master_key (version, check_value, sealed_root) values ($1, $2, $3)
       on conflict (version) do nothing`,
      [announced.version, announced.check, announced.sealedRoot],
    );
  const records = await readKeyRecords(client);
  refuseOtherKey(records, keyCheck);
  if (announced !== undefined && !records.some((r) => r.version === announced.version && r.check === announced.check))
    throw new ForgewayError(
      'FORGEWAY_KEY_MISSING',
      'Another process has just given this database another new encryption key: give all of them the same one.',
    );
}
