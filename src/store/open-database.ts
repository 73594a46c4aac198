/** Finds the database that the configuration names, and its master key. Nothing is migrated here. */
import { join } from 'node:path';
import type pg from 'pg';
import type { Config } from '../config/config.js';
import { ForgewayError } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { withConnection } from './connection.js';
import { type Database, databaseAt, databaseOf } from './database.js';
import { masterKeyCheck } from './derive-key.js';
import { attachEmbeddedPostgres, startEmbeddedPostgres } from './embedded/embedded-postgres.js';
import { createKeyFile, readKeyFile } from './key-file.js';
import { recordedKeyCheck, refuseOtherKey } from './master-key-record.js';
import { ensureOwner } from './owner.js';

const OLDEST_SERVER = 130_000;

export type DatabaseConfig = Pick<Config, 'databaseUrl' | 'encryptionKey' | 'dataDir'>;

export interface OpenDatabaseOptions {
  /** `server` starts the embedded database; workers and the command line `attach` to it. */
  as: 'server' | 'attach';
  log: Logger;
  /** When attaching: how long to wait for a server that is still starting, in milliseconds. */
  waitMs?: number;
}

export interface OpenedDatabase {
  database: Database;
  /** 32 bytes; every stored secret is sealed under keys derived from it. */
  masterKey: Buffer;
  /** Stops the embedded database when this process started it. Call it last. */
  stop(): Promise<void>;
}

/**
 * The external database of DATABASE_URL, or the embedded one in the data directory. A server that starts an empty
 * embedded database makes its master key; in every other case a key that is missing or differs is refused.
 * @throws ForgewayError FORGEWAY_KEY_MISSING, FORGEWAY_DATABASE_UNAVAILABLE, FORGEWAY_DATABASE_IN_USE,
 *   FORGEWAY_DATABASE_UNSUPPORTED
 */
export function openDatabase(config: DatabaseConfig, options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  if (config.databaseUrl !== undefined) return openExternal(config.databaseUrl, config.encryptionKey);
  return options.as === 'server' ? startOwn(config, options) : attachToOwn(config, options);
}

const nothingToStop = async (): Promise<void> => undefined;

async function openExternal(url: string, masterKey: Buffer | undefined): Promise<OpenedDatabase> {
  if (masterKey === undefined) throw keyMissing('An external database needs its encryption key.');
  const database = databaseOf(url, masterKey);
  await withConnection(database.poolConfig('migrate'), async (client) => {
    await refuseOldServer(client);
    refuseOtherKey(await recordedKeyCheck(client), database.keyCheck);
  });
  return { database, masterKey, stop: nothingToStop };
}

async function refuseOldServer(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ number: number; name: string }>(
    `select current_setting('server_version_num')::int4 as number, current_setting('server_version') as name`,
  );
  const version = rows[0];
  if (version !== undefined && version.number >= OLDEST_SERVER) return;
  throw new ForgewayError(
    'FORGEWAY_DATABASE_UNSUPPORTED',
    `This is PostgreSQL ${version?.name}: 13 or newer is needed.`,
  );
}

async function startOwn(config: DatabaseConfig, { log }: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const server = await startEmbeddedPostgres({ dataDir: config.dataDir, log: (line) => log.info(line) });
  try {
    const masterKey = await withConnection(server.location, async (client) => {
      const recorded = await recordedKeyCheck(client);
      const key = (await findKey(config)) ?? (recorded === undefined ? await makeKey(config.dataDir, log) : undefined);
      const checked = checkedKey(key, recorded, config.dataDir);
      await ensureOwner(client, checked);
      return checked;
    });
    return { database: databaseAt(server.location, masterKey), masterKey, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function attachToOwn(config: DatabaseConfig, options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const location = await attachEmbeddedPostgres({ dataDir: config.dataDir, waitMs: options.waitMs ?? 0 });
  const recorded = await withConnection(location, recordedKeyCheck);
  const masterKey = checkedKey(await findKey(config), recorded, config.dataDir);
  return { database: databaseAt(location, masterKey), masterKey, stop: nothingToStop };
}

const keyFileOf = (dataDir: string): string => join(dataDir, 'encryption-key');

/** The configured key, else that of the key file. */
async function findKey(config: DatabaseConfig): Promise<Buffer | undefined> {
  return config.encryptionKey ?? (await readKeyFile(keyFileOf(config.dataDir)));
}

async function makeKey(dataDir: string, log: Logger): Promise<Buffer> {
  const path = keyFileOf(dataDir);
  const key = await createKeyFile(path);
  log.info({ path }, 'made an encryption key: back it up, without it stored secrets are lost');
  return key;
}

function checkedKey(key: Buffer | undefined, recorded: string | undefined, dataDir: string): Buffer {
  if (key === undefined) throw keyMissing(`${keyFileOf(dataDir)} is missing: restore it from a backup.`);
  refuseOtherKey(recorded, masterKeyCheck(key));
  return key;
}

function keyMissing(message: string): ForgewayError {
  return new ForgewayError('FORGEWAY_KEY_MISSING', message);
}
