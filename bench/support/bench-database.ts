import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { pino } from 'pino';
import { withConnection } from '../../src/store/connection.js';
import { databaseAt, openStore, type Store } from '../../src/store/database.js';
import { startEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import { migrate } from '../../src/store/migrate.js';
import { ensureDefaultOrganization } from '../../src/store/organization.js';
import { ensureOwner } from '../../src/store/owner.js';
import { parentOf } from './processes.js';

export interface BenchDatabase {
  login(role: 'ingress' | 'worker'): pg.PoolConfig;
  store: Store;
  organizationId: string;
  version: string;
  /** The process whose children are the server's. */
  postmaster(): Promise<number>;
  empty(): Promise<void>;
  stop(): Promise<void>;
}

/** A fresh embedded PostgreSQL as the product runs it, with durability on, which is checked. */
export async function startBenchDatabase(): Promise<BenchDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'forgeway-bench-'));
  await chmod(folder, 0o711);
  const server = await startEmbeddedPostgres({ dataDir: join(folder, 'data') });
  const masterKey = randomBytes(32);
  const { version } = await withConnection(server.location, async (client) => {
    for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes']) {
      const { rows } = await client.query<Record<string, string>>(`SHOW ${setting}`);
      if (rows[0]?.[setting] !== 'on') throw new Error(`${setting} is not on: this would measure nothing`);
    }
    await ensureOwner(client, masterKey);
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    return { version: rows[0]?.server_version ?? '' };
  });
  const database = databaseAt(server.location, masterKey);
  await migrate(database, pino({ level: 'silent' }));
  const store = openStore(database, 'worker', { max: 4 });
  const organizationId = await ensureDefaultOrganization(store);
  const owner = openStore(database, 'migrate', { max: 1 });
  return {
    store,
    organizationId,
    version,
    login: (role) => database.poolConfig(role),
    postmaster: async () => {
      const { rows } = await store.pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      return parentOf(rows[0]?.pid ?? 0);
    },
    empty: async () => {
      await owner.pool.query('TRUNCATE webhook_delivery, dispatch, event_claim, write_journal');
    },
    stop: async () => {
      await owner.close();
      await store.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
