/**
 * Applies prisma/migrations. They are plain SQL in Prisma's layout, each applied in one transaction together with its
 * row in `_prisma_migrations`, exactly as Prisma writes it, so that `prisma migrate deploy` finds nothing to do.
 */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { inTransaction, sqlStateOf, withConnection } from './connection.js';
import type { Database } from './database.js';
import { readKeyRecords, recordKeys, refuseOtherKey } from './master-key-record.js';
import { migrateQueueSchema } from './queue-schema.js';
import { createServingRoles, openServingRoles } from './roles.js';

/** Prisma's own, so that it and we never migrate at the same time. */
const ADVISORY_LOCK = 72_707_369;

const LEDGER = `create table if not exists public._prisma_migrations (
  id                  varchar(36) primary key not null,
  checksum            varchar(64) not null,
  finished_at         timestamptz,
  migration_name      varchar(255) not null,
  logs                text,
  rolled_back_at      timestamptz,
  started_at          timestamptz not null default now(),
  applied_steps_count integer not null default 0
)`;

export interface Migration {
  name: string;
  sql: string;
  /** SHA-256 of the file as hex. */
  checksum: string;
}

export interface MigrateOptions {
  /** Where the migrations lie; by default those of this package. */
  folder?: string;
}

/**
 * Brings the database to this version's schema, together with BullMQ's, and sets up the serving roles. Several
 * processes may call it at once: one does the work and the others wait for it.
 * @returns the names of the migrations that were applied now
 * @throws ForgewayError FORGEWAY_MIGRATION_FAILED, FORGEWAY_KEY_MISSING, FORGEWAY_DATABASE_UNAVAILABLE
 */
export async function migrate(
  database: Database,
  log: Logger,
  options: MigrateOptions = {},
): Promise<{ applied: string[] }> {
  const migrations = await readMigrations(options.folder ?? findMigrations());
  return withConnection(database.poolConfig('migrate'), async (client) => {
    await client.query(`set search_path to public; set lock_timeout to 0; set statement_timeout to 0`);
    await takeLock(client, log);
    try {
      refuseOtherKey(await readKeyRecords(client), database.keyCheck);
      await createServingRoles(client, database);
      const applied = await applyPending(client, migrations, log);
      await recordKeys(client, database);
      await openServingRoles(client, database);
      await migrateQueueSchema(client);
      return { applied };
    } catch (cause) {
      if (cause instanceof ForgewayError) throw cause;
      throw failed(`The database could not be set up: ${messageOf(cause)}`, cause);
    }
  });
}

/** Names of this version's migrations that the database does not have yet. Changes nothing. */
export async function pendingMigrations(database: Database): Promise<string[]> {
  const migrations = await readMigrations(findMigrations());
  return withConnection(database.poolConfig('migrate'), async (client) => {
    const { rows } = await client.query<{ exists: boolean }>(
      `select to_regclass('public._prisma_migrations') is not null as exists`,
    );
    const names = migrations.map((migration) => migration.name);
    if (rows[0]?.exists !== true) return names;
    const applied = await client.query<{ migration_name: string }>(
      'select migration_name from public._prisma_migrations where finished_at is not null and rolled_back_at is null',
    );
    return names.filter((name) => !applied.rows.some((row) => row.migration_name === name));
  });
}

/** The nearest prisma/migrations above this file: the same from the sources and from the build. */
function findMigrations(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = join(folder, 'prisma/migrations');
    if (existsSync(join(found, 'migration_lock.toml'))) return found;
    if (dirname(folder) === folder) throw failed('The folder prisma/migrations is missing from this installation.');
  }
}

async function readMigrations(folder: string): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, name, 'migration.sql'));
      return { name, sql: bytes.toString('utf8'), checksum: createHash('sha256').update(bytes).digest('hex') };
    }),
  );
}

/** Held until the connection ends, so that a process that is killed lets it go. */
async function takeLock(client: pg.Client, log: Logger): Promise<void> {
  const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [ADVISORY_LOCK]);
  if (rows[0]?.taken === true) return;
  log.info('another process is migrating the database: waiting for it');
  await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK]);
}

interface LedgerRow {
  migration_name: string;
  checksum: string;
  finished: boolean;
}

async function applyPending(client: pg.Client, migrations: readonly Migration[], log: Logger): Promise<string[]> {
  await client.query(LEDGER);
  const { rows } = await client.query<LedgerRow>(
    `select migration_name, checksum, finished_at is not null as finished
       from public._prisma_migrations where rolled_back_at is null`,
  );
  const known = new Map(rows.map((row) => [row.migration_name, row]));
  const names = new Set(migrations.map((migration) => migration.name));
  const newer = rows.filter((row) => !names.has(row.migration_name)).map((row) => row.migration_name);
  if (newer.length > 0) log.warn({ migrations: newer }, 'the database was migrated by a newer version');

  const pending = migrations.filter((migration) => isPending(migration, known.get(migration.name)));
  for (const migration of pending) {
    await apply(client, migration);
    log.info({ migration: migration.name }, 'migration applied');
  }
  return pending.map((migration) => migration.name);
}

function isPending(migration: Migration, row: LedgerRow | undefined): boolean {
  if (row === undefined) return true;
  if (!row.finished) {
    throw failed(
      `Migration ${migration.name} failed earlier. Repair the database, then run ` +
        `\`npx prisma migrate resolve --applied ${migration.name}\` (or --rolled-back).`,
    );
  }
  if (row.checksum !== migration.checksum) {
    throw failed(
      `Migration ${migration.name} was changed after it had been applied: restore the file as it was released.`,
    );
  }
  return false;
}

async function apply(client: pg.Client, migration: Migration): Promise<void> {
  try {
    await inTransaction(client, async () => {
      await client.query(migration.sql);
      // clock_timestamp, since now() stands still in a transaction.
      await client.query(
        `insert into public._prisma_migrations
           (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
         values ($1, $2, $3, now(), clock_timestamp(), 1)`,
        [randomUUID(), migration.checksum, migration.name],
      );
    });
  } catch (cause) {
    throw failed(`Migration ${migration.name} failed: ${messageOf(cause)}`, cause);
  }
}

function failed(message: string, cause?: unknown): ForgewayError {
  const state = sqlStateOf(cause);
  return new ForgewayError('FORGEWAY_MIGRATION_FAILED', message, {
    cause,
    details: state === undefined ? {} : { sqlState: state },
  });
}
