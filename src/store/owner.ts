/** On a server of our own: the role that owns the schema, in place of the bootstrap superuser. */
import pg from 'pg';
import { roleName } from './database.js';
import { databaseRolePassword } from './derive-key.js';
import { scramVerifier } from './scram.js';

/**
 * Makes `forgeway_migrate` (not a superuser, bound by row level security) and gives it the database that `client`,
 * the superuser, is connected to.
 */
export async function ensureOwner(client: pg.Client, root: Buffer): Promise<void> {
  const name = roleName('migrate');
  const password = pg.escapeLiteral(scramVerifier(databaseRolePassword(root, 'migrate')));
  const { rows } = await client.query<{ exists: boolean; owns: boolean; database: string }>(
    `select exists (select from pg_roles where rolname = $1) as exists,
            pg_get_userbyid(datdba) = $1 as owns, datname as database
       from pg_database where datname = current_database()`,
    [name],
  );
  const found = rows[0];
  // Whoever calls has checked the key, and a start that was killed early may have left the password of another one.
  const verb = found?.exists === true ? 'alter' : 'create';
  await client.query(`${verb} role ${name} login createrole nosuperuser nobypassrls password ${password}`);
  if (found !== undefined && !found.owns) {
    await client.query(`alter database ${pg.escapeIdentifier(found.database)} owner to ${name}`);
  }
}
