/** Finds the database that the configuration names, and its master key. Nothing is migrated here. */
import { mkdir } from 'node:fs/promises';
import type pg from 'pg';
import type { Config } from '../config/config.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { withConnection } from './connection.js';
import { type Database, databaseAt, databaseOf, type KeyFacts } from './database.js';
import { attachEmbeddedPostgres, startEmbeddedPostgres } from './embedded/embedded-postgres.js';
import { claimDataDir } from './embedded/server-claim.js';
import { createKeyFile, keyFileOf, readKeyFile } from './key-file.js';
import { readKeyRecords, refuseNeededKeys } from './master-key-record.js';
import { type GivenKeys, type MasterKeys, resolveMasterKeys } from './master-keys.js';
import { ensureOwner } from './owner.js';

const OLDEST_SERVER = 130_000;

export type DatabaseConfig = Pick<Config, 'databaseUrl' | 'encryptionKey' | 'encryptionKeysPrevious' | 'dataDir'>;

export interface OpenDatabaseOptions {
  /** `server` starts the embedded database; workers and the command line `attach` to it. */
  as: 'server' | 'attach';
  log: Logger;
  /** When attaching: how long to wait for a server that is still starting, in milliseconds. */
  waitMs?: number;
}

export interface OpenedKeyFacts extends KeyFacts {
  /** Version that secrets are sealed with. */
  active: number;
  /** Version of the key that was given as the current one. */
  wanted: number;
}

export interface OpenedDatabase {
  database: Database;
  /** What stored secrets are opened with, and what else is derived from. */
  keys: MasterKeys;
  facts: OpenedKeyFacts;
  /** Stops the embedded database when this process started it. Call it last. */
  stop(): Promise<void>;
}

/**
 * The external database of DATABASE_URL, or the embedded one in the data directory. A server that starts an empty
 * embedded database makes its master key; in every other case a key that is missing, or that the database never had and
 * that is not given together with the one it has, is refused.
 * @throws ForgewayError FORGEWAY_KEY_MISSING, FORGEWAY_DATABASE_UNAVAILABLE, FORGEWAY_DATABASE_IN_USE,
 *   FORGEWAY_DATABASE_UNSUPPORTED
 */
export function openDatabase(config: DatabaseConfig, options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const isServer = options.as === 'server';
  if (config.databaseUrl === undefined) return isServer ? startOwn(config, options) : attachToOwn(config, options);
  const open = () => openExternal(config.databaseUrl ?? '', configuredKeys(config), options.log);
  return isServer ? underClaim(config.dataDir, options.log, open) : open();
}

/** Previews and runs lie in the data directory also where the database does not: a second server would end those of the first. */
async function underClaim(dataDir: string, log: Logger, open: () => Promise<OpenedDatabase>): Promise<OpenedDatabase> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o711 });
  } catch (error) {
    // Where nothing can be kept there is nothing to share.
    log.debug({ dataDir, err: messageOf(error) }, 'there is no data directory');
    return open();
  }
  const claim = await claimDataDir(dataDir);
  try {
    return { ...(await open()), stop: () => claim.release() };
  } catch (error) {
    await claim.release();
    throw error;
  }
}

const nothingToStop = async (): Promise<void> => undefined;

async function openExternal(url: string, given: GivenKeys | undefined, log: Logger): Promise<OpenedDatabase> {
  if (given === undefined) throw keyMissing('An external database needs its encryption key.');
  // As the owner, whose password stands in the address; those of the other roles come from the root key.
  const { keys, facts } = await withConnection(
    { connectionString: url, application_name: 'forgeway migrate' },
    async (client) => {
      await refuseOldServer(client);
      return findKeys(client, given, log);
    },
  );
  return { database: databaseOf(url, keys.root, facts), keys, facts, stop: nothingToStop };
}

/** Which of the given keys are this database's. @param client as the schema's owner, or stronger */
async function findKeys(client: pg.Client, given: GivenKeys, log: Logger) {
  const { keys, active, announced, wanted, missing, strangers } = resolveMasterKeys(
    await readKeyRecords(client),
    given,
  );
  await refuseNeededKeys(client, missing);
  if (strangers > 0)
    log.warn({ keys: strangers }, 'of the previous encryption keys some were never used by this database');
  const facts: OpenedKeyFacts = { keyCheck: active.check, announced, active: active.version, wanted };
  return { keys, facts };
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
    const { keys, facts } = await withConnection(server.location, async (client) => {
      const isNew = (await readKeyRecords(client)).length === 0;
      const given = (await givenKeys(config)) ?? (isNew ? await makeKey(config.dataDir, log) : undefined);
      const found = await findKeys(client, requireKeys(given, config.dataDir), log);
      await ensureOwner(client, found.keys.root);
      return found;
    });
    return { database: databaseAt(server.location, keys.root, facts), keys, facts, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function attachToOwn(config: DatabaseConfig, options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const location = await attachEmbeddedPostgres({ dataDir: config.dataDir, waitMs: options.waitMs ?? 0 });
  const given = requireKeys(await givenKeys(config), config.dataDir);
  const { keys, facts } = await withConnection(location, (client) => findKeys(client, given, options.log));
  return { database: databaseAt(location, keys.root, facts), keys, facts, stop: nothingToStop };
}

/** The configured keys, else those of the key file. */
async function givenKeys(config: DatabaseConfig): Promise<GivenKeys | undefined> {
  return configuredKeys(config) ?? (await readKeyFile(keyFileOf(config.dataDir)));
}

function configuredKeys({ encryptionKey, encryptionKeysPrevious }: DatabaseConfig): GivenKeys | undefined {
  return encryptionKey && { current: encryptionKey, previous: encryptionKeysPrevious ?? [] };
}

async function makeKey(dataDir: string, log: Logger): Promise<GivenKeys> {
  const path = keyFileOf(dataDir);
  const keys = await createKeyFile(path);
  log.info({ path }, 'made an encryption key: back it up, without it stored secrets are lost');
  return keys;
}

function requireKeys(given: GivenKeys | undefined, dataDir: string): GivenKeys {
  if (given === undefined) throw keyMissing(`${keyFileOf(dataDir)} is missing: restore it from a backup.`);
  return given;
}

function keyMissing(message: string): ForgewayError {
  return new ForgewayError('FORGEWAY_KEY_MISSING', message);
}
