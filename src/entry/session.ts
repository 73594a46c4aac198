import { type Config, loadConfig } from '../config/config.js';
import { createLogger, type Logger } from '../lib/logger.js';
import { type Database, openStore, type Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { type OpenedKeyFacts, openDatabase } from '../store/open-database.js';
import { ensureDefaultOrganization } from '../store/organization.js';

export interface CommandSession {
  config: Config;
  log: Logger;
  database: Database;
  keys: MasterKeys;
  facts: OpenedKeyFacts;
  store: Store;
  organizationId: string;
}

/** Runs one command against the database of a running (or external) Forgeway, and lets go of it afterwards. */
export async function withDatabase<T>(run: (session: CommandSession) => Promise<T>): Promise<T> {
  const config = loadConfig();
  const log = createLogger({ level: 'warn', format: config.logFormat });
  const opened = await openDatabase(config, { as: 'attach', log });
  const store = openStore(opened.database, 'worker', { max: 2, log });
  try {
    return await run({
      config,
      log,
      database: opened.database,
      keys: opened.keys,
      facts: opened.facts,
      store,
      organizationId: await ensureDefaultOrganization(store),
    });
  } finally {
    await store.close();
    await opened.stop();
  }
}
