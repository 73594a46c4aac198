/** Which master key a database belongs to. The key itself is never stored. */
import type pg from 'pg';
import { ForgewayError } from '../lib/errors.js';

/** Keys are numbered for rotation; this is the first. */
export const FIRST_KEY_VERSION = 1;

/** The check value of the key that this database was set up with, or undefined when it is new. */
export async function recordedKeyCheck(client: pg.Client): Promise<string | undefined> {
  const { rows } = await client.query<{ exists: boolean }>(
    `select to_regclass('public.master_key') is not null as exists`,
  );
  if (rows[0]?.exists !== true) return undefined;
  const recorded = await client.query<{ check_value: string }>(
    'select check_value from public.master_key where version = $1',
    [FIRST_KEY_VERSION],
  );
  return recorded.rows[0]?.check_value;
}

/** @throws ForgewayError FORGEWAY_KEY_MISSING when the database was set up with another key */
export function refuseOtherKey(recorded: string | undefined, keyCheck: string): void {
  if (recorded === undefined || recorded === keyCheck) return;
  throw new ForgewayError(
    'FORGEWAY_KEY_MISSING',
    'This database was set up with another encryption key, and what is stored in it cannot be opened with this one.',
  );
}

/** Records the key of a new database. @throws ForgewayError FORGEWAY_KEY_MISSING when it has another already */
export async function recordKey(client: pg.Client, keyCheck: string): Promise<void> {
  await client.query(
    'insert into public.master_key (version, check_value) values ($1, $2) on conflict (version) do nothing',
    [FIRST_KEY_VERSION, keyCheck],
  );
  refuseOtherKey(await recordedKeyCheck(client), keyCheck);
}
