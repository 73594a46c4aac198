import type pg from 'pg';
import { createVault, type Vault } from '../../accounts/vault.js';
import { openStore } from '../../store/database.js';
import { type CommandSession, withDatabase } from '../session.js';

/** What belongs to the installation and to no organization is read and written by the role of the API alone. */
export function withApiDatabase<T>(
  run: (session: CommandSession & { pool: pg.Pool; vault: Vault }) => Promise<T>,
): Promise<T> {
  return withDatabase(async (session) => {
    const store = openStore(session.database, 'api', { max: 2, log: session.log });
    try {
      return await run({
        ...session,
        pool: store.pool,
        vault: createVault(session.keys.versions),
      });
    } finally {
      await store.close();
    }
  });
}
