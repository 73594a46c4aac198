/** Connections to the embedded database over its unix socket. */
import pg from 'pg';
import { errorCodeOf } from './durable-file.js';
import { type EmbeddedPostgresLocation, MAINTENANCE_DATABASE } from './options.js';

const CONNECT_TIMEOUT_MS = 30_000;
/** Not there yet, or going: starting up, shutting down, recovering, no socket, nobody behind it. */
const PASSING = new Set([
  '57P03',
  '57P01',
  '57P02',
  'ENOENT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'EAGAIN',
  '53300',
]);

/** A connected client, to be ended by the caller. `name` is what `pg_stat_activity` shows. */
export async function connect(
  location: EmbeddedPostgresLocation,
  name: string,
  database = MAINTENANCE_DATABASE,
): Promise<pg.Client> {
  const { host, port, user, password } = location;
  const client = new pg.Client({
    ...{ host, port, user, password, database, ssl: false },
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  // Without a listener a connection that breaks between two queries would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** Whether a failed connection may succeed by waiting. */
export function isPassing(error: unknown): boolean {
  const code = errorCodeOf(error);
  // Without a code it is pg's own: the connection was cut or timed out while the two were still greeting each other.
  return code === undefined || PASSING.has(code);
}

/** Whether a connection failed because nobody listens. */
export function isSilent(error: unknown): boolean {
  return errorCodeOf(error) === 'ENOENT' || errorCodeOf(error) === 'ECONNREFUSED';
}

/** Creates the database unless it exists. */
export async function ensureDatabase(location: EmbeddedPostgresLocation): Promise<void> {
  const client = await connect(location, 'forgeway setup');
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [location.database]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(location.database)}`);
  } finally {
    await client.end();
  }
}
