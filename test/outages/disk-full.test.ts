/** The disk under the embedded PostgreSQL is full, and has room again: nothing is restarted by hand, nothing is broken. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect } from '@jest/globals';
import { pino } from 'pino';
import { withConnection } from '../../src/store/connection.js';
import { databaseAt, openStore } from '../../src/store/database.js';
import { startEmbeddedPostgres } from '../../src/store/embedded/embedded-postgres.js';
import { migrate } from '../../src/store/migrate.js';
import { ensureOwner } from '../../src/store/owner.js';
import { GroupCommit } from '../../src/webhook/group-commit.js';
import { eventually } from '../inbox/inbox-database.js';
import { TEST_MASTER_KEY } from '../support/database.js';
import { itAsRoot } from '../support/small-disk.js';

const log = pino({ level: process.env.TEST_LOG ?? 'silent' });
const ROUNDS = 20;
/** Room that is left in each round is this much more than in the one before. */
const STEP = 64 * 1024;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

itAsRoot(
  'deliveries are refused while the disk is full, and taken again when it is not (needs root and the right to mount)',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'forgeway-disk-'));
    ends.push(() => rm(root, { recursive: true, force: true }));
    await chmod(root, 0o755);
    const disk = join(root, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=755', 'tmpfs', disk]);
    ends.push(() => execFileSync('umount', ['-l', disk]));
    const server = await startEmbeddedPostgres({
      dataDir: join(disk, 'data'),
      systemDir: join(root, 'system'),
      log: (line) => log.info(line),
    });
    ends.push(() => server.stop());
    await withConnection(server.location, (client) => ensureOwner(client, TEST_MASTER_KEY));
    const database = databaseAt(server.location, TEST_MASTER_KEY);
    await migrate(database, log);
    const store = openStore(database, 'ingress', { max: 4, log });
    ends.push(() => store.close());
    const commits = new GroupCommit({ pool: store.pool, log, commitTimeoutMs: 1_000, committed: () => undefined });
    ends.push(() => commits.close());
    const state = { sent: 0 };
    /** Whether a delivery of a quarter of a megabyte was committed. */
    const commit = () =>
      new Promise<boolean>((resolve) => {
        state.sent += 1;
        const bytes = Buffer.alloc(256 * 1024, state.sent);
        const deliveryKey = `key-${state.sent}`;
        const row = { hookId: 'h', forge: 'f', host: 'x', deliveryKey, eventType: '', headers: '{}' };
        commits.add({ ...row, body: { coding: 'identity', bytes } }, resolve);
      });
    const accepted: string[] = [];
    const deliver = async () => {
      const ok = await commit();
      if (ok) accepted.push(`key-${state.sent}`);
      return ok;
    };
    const ballast = join(disk, 'ballast');
    // Tables and the log of what is written before them (WAL) share this disk: whichever wants to grow first is refused.
    for (let round = 0; round < ROUNDS; round += 1) {
      await eventually(deliver);
      const { bavail, bsize } = await statfs(disk);
      // Who else writes there meanwhile may have taken the last of it: then it is full as well.
      await writeFile(ballast, Buffer.alloc(bavail * bsize - round * STEP)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
      });
      await eventually(async () => !(await deliver()));
      expect(await deliver()).toBe(false);
      await rm(ballast);
    }
    await eventually(deliver);
    const { rows } = await store.pool.query<{ delivery_key: string }>('SELECT delivery_key FROM webhook_delivery');
    const stored = new Set(rows.map((row) => row.delivery_key));
    expect(accepted.filter((key) => !stored.has(key))).toEqual([]);
  },
);
