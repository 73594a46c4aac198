/**
 * A server process for the tests of the embedded PostgreSQL: one that may be killed. Prints a JSON line per event,
 * stops on the line `stop`, and on SIGTERM drains first: it uses the database, and only then stops it.
 */
import { createInterface } from 'node:readline';
import pg from 'pg';
import { ForgewayError, messageOf } from '../../src/lib/errors.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';

export interface ChildOptions {
  dataDir: string;
  systemDir?: string;
  binariesDir?: string;
  /** Becomes this user once everything is loaded. */
  uid?: number;
}

const { uid, ...options } = JSON.parse(process.argv[2] ?? '{}') as ChildOptions;
const report = (event: Record<string, unknown>): boolean => process.stdout.write(`${JSON.stringify(event)}\n`);

async function drain(database: EmbeddedPostgres): Promise<void> {
  const { host, port, user, password, database: name } = database.location;
  for (let query = 0; query < 3; query++) {
    const client = new pg.Client({ host, port, user, password, database: name });
    await client.connect();
    await client.query('select 1');
    await client.end();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  report({ event: 'drained' });
}

if (uid !== undefined) {
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
}
try {
  const database = await startEmbeddedPostgres({ ...options, log: (line) => report({ event: 'log', line }) });
  const stop = async (): Promise<void> => {
    await database.stop();
    report({ event: 'stopped' });
    process.exit(0);
  };
  process.on('SIGTERM', () => void drain(database).then(stop));
  createInterface({ input: process.stdin }).on('line', () => void stop());
  // Who hears this may send a signal at once.
  report({ event: 'ready', attached: database.attached, pid: process.pid });
} catch (error) {
  report({ event: 'failed', code: error instanceof ForgewayError ? error.code : 'other', message: messageOf(error) });
  process.exitCode = 1;
}
