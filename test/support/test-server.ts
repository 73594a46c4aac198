/**
 * The one PostgreSQL server of a test run, in a process of its own: it starts the embedded server in a temporary
 * directory, migrates a template database, prints where it is, and removes everything when its standard input closes,
 * which also happens when Jest is killed.
 */
import { access, chmod, constants, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { withConnection } from '../../src/store/connection.js';
import { databaseAt, openStore } from '../../src/store/database.js';
import { startEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import { migrate } from '../../src/store/migrate.js';
import { ensureDefaultOrganization } from '../../src/store/organization.js';
import { ensureOwner } from '../../src/store/owner.js';
import { TEST_MASTER_KEY } from './master-key.js';

/** Where a folder is memory on Linux: databases are made and dropped there in a third of the time. */
const MEMORY = '/dev/shm';
/** What a run needs of it several times over; containers have less of it by default. */
const ENOUGH_BYTES = 4 * 1024 ** 3;

async function place(): Promise<string> {
  try {
    await access(MEMORY, constants.W_OK);
    const { bavail, bsize } = await statfs(MEMORY);
    if (bavail * bsize >= ENOUGH_BYTES) return MEMORY;
  } catch {
    // No such folder, or none of ours: the disk is as good, and slower.
  }
  return tmpdir();
}

const folder = await mkdtemp(join(await place(), 'forgeway-jest-'));
// As root the server runs as another user, who has to pass through.
await chmod(folder, 0o711);
// Tests that are about durability start a server of their own.
const server = await startEmbeddedPostgres({ dataDir: join(folder, 'data'), volatile: true });

const stop = async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
};
process.stdin.resume().on('end', () => {
  stop().then(
    () => process.exit(0),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('SIGINT', () => undefined).on('SIGTERM', () => undefined);

async function prepare(): Promise<string> {
  await withConnection(server.location, (client) => ensureOwner(client, TEST_MASTER_KEY));
  const database = databaseAt(server.location, TEST_MASTER_KEY);
  await migrate(database, pino({ level: 'silent' }));
  const store = openStore(database, 'worker');
  const organizationId = await ensureDefaultOrganization(store);
  await store.close();
  return organizationId;
}

try {
  const organizationId = await prepare();
  const { host, port, user, password, database } = server.location;
  console.log(JSON.stringify({ host, port, user, password, template: database, organizationId }));
} catch (error) {
  console.error(error);
  await stop();
  process.exit(1);
}
