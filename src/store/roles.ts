/** The roles that serving processes log in as: created, given their passwords, and checked to be weak. */
import pg from 'pg';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { sqlStateOf, withConnection } from './connection.js';
import { type Database, roleName, type ServingRole, servingRoles } from './database.js';
import { scramVerifier } from './scram.js';

const INSUFFICIENT_PRIVILEGE = '42501';
/** Another migrator on the same server, for another database, did it first: duplicate role, or a row changed under us. */
const LOST_RACE = new Set(['42710', '23505', 'XX000']);
const ATTEMPTS = 5;

/**
 * Creates the serving roles that are missing, not yet able to log in.
 * @param client connected as the owner of the schema
 * @throws ForgewayError FORGEWAY_MIGRATION_FAILED with the SQL to run by hand when the owner may not do it
 */
export async function createServingRoles(client: pg.Client, database: Database): Promise<void> {
  for (const role of servingRoles) {
    await complete(client, database, async () => {
      const found = await findRole(client, role);
      return found === undefined ? `create role ${roleName(role)} nologin nosuperuser nobypassrls` : undefined;
    });
  }
}

/**
 * Lets every serving role log in with the password that the master key gives it, and checks that it can and that it
 * has no power of its own. Call it once the key is recorded.
 * @throws ForgewayError FORGEWAY_MIGRATION_FAILED as above, or when a role is too strong
 */
export async function openServingRoles(client: pg.Client, database: Database): Promise<void> {
  for (const role of servingRoles) {
    await complete(client, database, async () => {
      const found = await findRole(client, role);
      if (found?.login === false) return `alter role ${roleName(role)} ${loginClause(database, role)}`;
      if (found?.connect !== false) return undefined;
      return `grant connect on database ${pg.escapeIdentifier(found.database)} to ${roleName(role)}`;
    });
    await checkLogin(database, role);
  }
}

/** Runs the statements that `next` names until it names none. */
async function complete(client: pg.Client, database: Database, next: () => Promise<string | undefined>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const statement = await next();
    if (statement === undefined) return;
    try {
      await client.query(statement);
    } catch (cause) {
      const state = sqlStateOf(cause);
      if (state === INSUFFICIENT_PRIVILEGE) throw byHand(database, 'may not create or change roles', cause);
      if (state === undefined || !LOST_RACE.has(state) || attempt >= ATTEMPTS) throw cause;
    }
  }
}

interface FoundRole {
  login: boolean;
  /** Whether it may connect to this database. */
  connect: boolean;
  database: string;
}

async function findRole(client: pg.Client, role: ServingRole): Promise<FoundRole | undefined> {
  const { rows } = await client.query<FoundRole>(
    `select rolcanlogin as login, has_database_privilege(oid, current_database(), 'connect') as connect,
            current_database() as database
       from pg_roles where rolname = $1`,
    [roleName(role)],
  );
  return rows[0];
}

function loginClause(database: Database, role: ServingRole): string {
  return `login password ${pg.escapeLiteral(scramVerifier(passwordOf(database, role)))}`;
}

function passwordOf(database: Database, role: ServingRole): string {
  // Read back as the driver will, since an external database carries it in its URL.
  const password: unknown = new pg.Client(database.poolConfig(role)).password;
  if (typeof password !== 'string') throw new TypeError(`the role ${role} has no password`);
  return password;
}

async function checkLogin(database: Database, role: ServingRole): Promise<void> {
  const rows = await withConnection(database.poolConfig(role), async (client) => {
    const asked = await client.query<{ strong: boolean }>(
      `select r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolreplication
              or exists (select from pg_class c where c.oid = to_regclass('public.organization')
                         and pg_has_role(r.oid, c.relowner, 'member')) as strong
         from pg_roles r where r.rolname = current_user`,
    );
    return asked.rows;
  }).catch((error: unknown) => {
    // A login that is refused is most likely that of another installation with another key: taking its roles over
    // would lock it out, so a person decides.
    throw byHand(database, `cannot log in as ${roleName(role)} (${messageOf(error)})`, error);
  });
  if (rows[0]?.strong !== false) {
    throw new ForgewayError(
      'FORGEWAY_MIGRATION_FAILED',
      `The database role ${roleName(role)} could pass over row level security: take SUPERUSER, BYPASSRLS, CREATEROLE, ` +
        `REPLICATION and every membership in the schema's owner away from it.`,
    );
  }
}

function byHand(database: Database, problem: string, cause: unknown): ForgewayError {
  const lines = servingRoles.flatMap((role) => [
    `  CREATE ROLE ${roleName(role)} NOSUPERUSER NOBYPASSRLS;  -- unless it exists`,
    `  ALTER ROLE ${roleName(role)} ${loginClause(database, role)};`,
  ]);
  return new ForgewayError(
    'FORGEWAY_MIGRATION_FAILED',
    `The database's owner ${problem}. If no other Forgeway uses these roles on this server, run as its ` +
      `administrator, then start again:\n${lines.join('\n')}`,
    { cause },
  );
}
