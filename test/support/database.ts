/** A PostgreSQL database per test file, cloned from a migrated template on the run's one server. */
import { randomBytes } from 'node:crypto';
import { withConnection } from '../../src/store/connection.js';
import { type Database, type DatabaseRole, databaseAt, openStore, type Store } from '../../src/store/database.js';
import { TEST_MASTER_KEY } from './master-key.js';

export { TEST_KEYS, TEST_MASTER_KEY } from './master-key.js';

/** What test-server.ts prints. */
interface TestServer {
  host: string;
  port: number;
  /** The superuser. */
  user: string;
  password: string;
  /** Name of the migrated database. */
  template: string;
  /** The default organization in it, and so in every clone. */
  organizationId: string;
}

export interface TestDatabase {
  database: Database;
  /** The default organization. */
  organizationId: string;
  /** A store as this role; the same one at every call, closed by `drop`. */
  store(role: DatabaseRole): Store;
  /** No serving role may write people yet, so the superuser does. */
  addUser(id: string): Promise<void>;
  /** A superuser's connection to this database, for looking behind row level security. */
  superuser: { host: string; port: number; user: string; password: string; database: string };
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  /** Start from nothing instead of from the migrated template. */
  empty?: boolean;
  /** Of each store; default 4. */
  connections?: number;
}

function testServer(): TestServer {
  const found = process.env.FORGEWAY_TEST_SERVER;
  if (found === undefined) throw new Error('the test server is not running: is globalSetup configured?');
  return JSON.parse(found) as TestServer;
}

const CONNECTIONS_PER_STORE = 4;

export async function createTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server = testServer();
  const { host, port, user, password } = server;
  const name = `test_${randomBytes(8).toString('hex')}`;
  const administer = (statement: string) =>
    withConnection({ host, port, user, password, database: 'postgres' }, (client) => client.query(statement));
  const template = options.empty === true ? 'template0' : server.template;
  // Copying the files takes half the CPU of logging every block of them, which is the default.
  await administer(`create database ${name} template ${template} strategy file_copy owner forgeway_migrate`);
  const database = databaseAt({ host, port, database: name }, TEST_MASTER_KEY);
  const stores = new Map<DatabaseRole, Store>();
  return {
    database,
    organizationId: server.organizationId,
    superuser: { host, port, user, password, database: name },
    addUser: (id) =>
      withConnection({ host, port, user, password, database: name }, async (client) => {
        await client.query(`insert into "user" (id, name) values ($1, $1) on conflict do nothing`, [id]);
      }),
    store: (role) => {
      const store =
        stores.get(role) ?? openStore(database, role, { max: options.connections ?? CONNECTIONS_PER_STORE });
      stores.set(role, store);
      return store;
    },
    drop: async () => {
      await Promise.all([...stores.values()].map((store) => store.close()));
      await administer(`drop database if exists ${name} with (force)`);
    },
  };
}
