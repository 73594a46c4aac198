/** Where Forgeway's database is: its own, or one that it reaches over a network that can fail. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import { type FaultProxy, startFaultProxy } from './fault-proxy.js';

export interface DatabasePlace {
  /** Whose embedded server it is. */
  dataDir: string;
  /** What Forgeway must be told. */
  settings: Record<string, string>;
  /** Between Forgeway and the database; its own is reached over a socket. */
  proxy: FaultProxy | undefined;
  /** Stops what was started here, and deletes the database. */
  remove(): Promise<void>;
}

/** Forgeway starts it itself. */
export function ownDatabase(dataDir: string): DatabasePlace {
  return { dataDir, settings: {}, proxy: undefined, remove: () => removeData(dataDir) };
}

/** Kept running here, as by whoever operates it: a postmaster that is killed comes back. */
export async function externalDatabase(folder: string): Promise<DatabasePlace> {
  const dataDir = join(folder, 'database');
  await mkdir(dataDir, { mode: 0o711 });
  const server = await startEmbeddedPostgres({ dataDir });
  const { host, port, database, user, password } = server.location;
  const proxy = await startFaultProxy({ path: join(host, `.s.PGSQL.${port}`) });
  return {
    dataDir,
    settings: {
      DATABASE_URL: `postgresql://${user}:${encodeURIComponent(password)}@127.0.0.1:${proxy.port}/${database}?sslmode=disable`,
      FORGEWAY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    },
    proxy,
    async remove() {
      await proxy.close();
      await server.stop();
      await removeData(dataDir);
    },
  };
}

/** A server that was killed has left its database running, and its claim is let go of a moment later. */
async function removeData(dataDir: string): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await removeEmbeddedPostgres({ dataDir });
    } catch (error) {
      if (tries > 50) throw error;
      await sleep(200);
    }
  }
}
