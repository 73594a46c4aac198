/** How to connect to the database as each of our roles (decision 18), and the pools through which everything goes. */
import pg from 'pg';
import { type Logger, pino } from 'pino';
import { messageOf } from '../lib/errors.js';
import { databaseRolePassword, masterKeyCheck } from './derive-key.js';
import type { KeyRecord } from './master-keys.js';
import type { PrismaClient, PrismaTransaction } from './prisma.js';
import { together } from './together.js';

export type { PrismaTransaction } from './prisma.js';

/** `migrate` owns the schema; the other three are what serving processes log in as. */
export type DatabaseRole = 'migrate' | 'ingress' | 'worker' | 'api';
export type ServingRole = Exclude<DatabaseRole, 'migrate'>;
export const servingRoles: readonly ServingRole[] = ['ingress', 'worker', 'api'];

export interface Database {
  /** How to connect as a role; for pools of other libraries. Our own come from {@link openStore}. */
  poolConfig(role: DatabaseRole): pg.PoolConfig;
  /** Which master key its secrets are sealed with, without revealing it. */
  readonly keyCheck: string;
  /** A new master key that `migrate` is to record. */
  readonly announced?: KeyRecord;
}

/** What is known of a database's master keys; by default it is new and has the one that its passwords come from. */
export type KeyFacts = Pick<Database, 'keyCheck' | 'announced'>;

export const roleName = (role: DatabaseRole): string => `forgeway_${role}`;

/** Where a PostgreSQL server of ours listens. */
export interface DatabaseAddress {
  /** Directory of a unix socket, or a host name. */
  host: string;
  port: number;
  database: string;
}

/** A database on a server of our own, where the schema belongs to `forgeway_migrate`. @param root see `MasterKeys` */
export function databaseAt(address: DatabaseAddress, root: Buffer, keys?: KeyFacts): Database {
  return {
    ...(keys ?? { keyCheck: masterKeyCheck(root) }),
    poolConfig: (role) => ({
      host: address.host,
      port: address.port,
      database: address.database,
      ssl: false,
      user: roleName(role),
      password: databaseRolePassword(root, role),
      application_name: `forgeway ${role}`,
    }),
  };
}

/** A database elsewhere: `url` says where it is and who owns the schema; the serving roles replace only the user. */
export function databaseOf(url: string, root: Buffer, keys?: KeyFacts): Database {
  return {
    ...(keys ?? { keyCheck: masterKeyCheck(root) }),
    poolConfig: (role) => {
      const application_name = `forgeway ${role}`;
      if (role === 'migrate') return { connectionString: url, application_name };
      // As last parameters they win over what stands before the @. Not through `URL`, which refuses a URL that names
      // a socket and so has no host. Both values consist of letters that need no escaping.
      const credentials = `user=${roleName(role)}&password=${databaseRolePassword(root, role)}`;
      return { connectionString: `${url}${url.includes('?') ? '&' : '?'}${credentials}`, application_name };
    },
  };
}

export interface Store {
  /** Raw connections without a tenant: tenant-owned tables look empty through it. */
  readonly pool: pg.Pool;
  /**
   * Runs `run` in one transaction that sees and writes the rows of this organization only. Rolled back when `run`
   * rejects; rejects too when a failed statement inside it was swallowed and nothing could be committed.
   */
  tenant<T>(organizationId: string, run: (tx: pg.PoolClient) => Promise<T>): Promise<T>;
  /** Rows of this organization, read by one statement in one round trip. For reads only: nothing says that it was committed. */
  glance<R extends pg.QueryResultRow>(organizationId: string, query: pg.QueryConfig): Promise<R[]>;
  /** The same through Prisma, which is loaded at the first call. */
  tenantPrisma<T>(organizationId: string, run: (tx: PrismaTransaction) => Promise<T>): Promise<T>;
  /** Waits for running transactions. May be called twice. */
  close(): Promise<void>;
}

export interface StoreOptions {
  /** Most connections at a time. */
  max?: number;
  log?: Logger;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STATEMENT_TIMEOUT_MS = 30_000;
/** The server ends a statement before; when it does not answer at all the connection is given up. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;
/**
 * Statements are planned once per connection, often while their tables are nearly empty: at PostgreSQL's default of 4 a look
 * into an index seems to cost more than reading all of such a table, and the plan stays while it grows to millions of rows. What
 * is hot here is in memory anyhow.
 */
const PLANNER = '-c random_page_cost=1.1';
/** A handler that hangs between two statements must not hold its locks. */
const IDLE_TRANSACTION_TIMEOUT_MS = 60_000;
const PRISMA_TRANSACTION_TIMEOUT_MS = 60_000;

const INT8 = 20;
const INT8_ARRAY = 1016;

/** 64-bit integers as bigint, which keeps them exact; everything else as pg does it. Only for the pools made here. */
const exactIntegers: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    const standard: (value: string) => unknown = pg.types.getTypeParser(oid, 'text');
    if (format === 'binary') return pg.types.getTypeParser(oid, 'binary');
    if (oid === INT8) return BigInt;
    if (oid === INT8_ARRAY) return (value: string) => toBigInts(standard(value));
    return standard;
  },
};

function toBigInts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toBigInts);
  return typeof value === 'string' ? BigInt(value) : value;
}

/** A pool as one role, with timeouts; a connection that breaks is logged and replaced. */
export function openStore(database: Database, role: DatabaseRole, options: StoreOptions = {}): Store {
  const log = options.log ?? pino({ level: 'silent' });
  const pool = new pg.Pool({
    ...database.poolConfig(role),
    max: options.max ?? 10,
    types: exactIntegers,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // Statements that do not depend on each other may share a round trip: each is sent without waiting for the one before.
    pipeline: true,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_TIMEOUT_MS,
    ...(role === 'migrate'
      ? {}
      : { statement_timeout: STATEMENT_TIMEOUT_MS, query_timeout: ANSWER_TIMEOUT_MS, options: PLANNER }),
    keepAlive: true,
  });
  // Without listeners a connection that the server closes, idle or in use, would end the process.
  pool.on('error', (error) => log.warn({ role, error: messageOf(error) }, 'idle database connection lost'));
  pool.on('connect', (client) =>
    client.on('error', (error) => log.debug({ role, error: messageOf(error) }, 'database connection lost')),
  );
  const lazy: { prisma?: Promise<PrismaClient>; closed?: Promise<void> } = {};
  const prisma = () => {
    lazy.prisma ??= import('./prisma.js').then(({ createPrisma }) => createPrisma(pool));
    return lazy.prisma;
  };
  return {
    pool,
    tenant: (organizationId, run) => inTenant(pool, organizationId, run),
    glance: (organizationId, query) => glance(pool, organizationId, query),
    tenantPrisma: async (organizationId, run) =>
      (await prisma()).$transaction(
        async (tx) => {
          await tx.$executeRaw`select set_config('app.organization_id', ${organizationId}, true)`;
          return run(tx);
        },
        { maxWait: CONNECT_TIMEOUT_MS, timeout: PRISMA_TRANSACTION_TIMEOUT_MS },
      ),
    close: () => {
      lazy.closed ??= closePool(pool, lazy.prisma);
      return lazy.closed;
    },
  };
}

async function closePool(pool: pg.Pool, prisma: Promise<PrismaClient> | undefined): Promise<void> {
  await (await prisma)?.$disconnect();
  await pool.end();
}

const beginAs = (organizationId: string): string =>
  `begin; set local app.organization_id = ${pg.escapeLiteral(organizationId)}`;

async function glance<R extends pg.QueryResultRow>(
  pool: pg.Pool,
  organizationId: string,
  query: pg.QueryConfig,
): Promise<R[]> {
  const client = await pool.connect();
  let isWhole = false;
  try {
    const begun = client.query(beginAs(organizationId));
    const [, { rows }] = await together([begun, client.query<R>(query), client.query('commit')]);
    isWhole = true;
    return rows;
  } finally {
    // Whatever went wrong, the next to use this connection shall not find itself in a transaction of ours.
    client.release(!isWhole);
  }
}

async function inTenant<T>(pool: pg.Pool, organizationId: string, run: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    // One round trip; the value ends with the transaction, so that a pooled connection never keeps a tenant.
    await client.query(beginAs(organizationId));
    const result = await run(client);
    const { command } = await client.query('commit');
    // PostgreSQL answers COMMIT of a failed transaction with success and the word ROLLBACK.
    if (command !== 'COMMIT') throw new Error('nothing was committed: a statement of the transaction had failed');
    return result;
  } catch (error) {
    await client.query('rollback').catch((cause: unknown) => {
      broken = cause instanceof Error ? cause : new Error(messageOf(cause));
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
