/** Single connections, outside any pool: for setting up and for asking. */
import pg from 'pg';
import { ForgewayError, messageOf } from '../lib/errors.js';

const CONNECT_TIMEOUT_MS = 10_000;

/** SQLSTATE, or the system's code when the server was not reached. */
export function sqlStateOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/**
 * Runs `work` on a connection of its own and closes it.
 * @throws ForgewayError FORGEWAY_DATABASE_UNAVAILABLE when it cannot connect; what `work` throws goes through
 */
export async function withConnection<T>(config: pg.ClientConfig, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(config).catch((cause: unknown) => {
    throw new ForgewayError('FORGEWAY_DATABASE_UNAVAILABLE', `PostgreSQL cannot be reached: ${messageOf(cause)}`, {
      cause,
    });
  });
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function connect(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({ connectionTimeoutMillis: CONNECT_TIMEOUT_MS, ...config });
  // A connection that breaks rejects the running query; without a listener it would also end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

/** Runs `work` in a transaction on this connection. */
export async function inTransaction<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    const result = await work();
    await client.query('commit');
    return result;
  } catch (error) {
    // The connection may be what failed; the first error says more.
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}
