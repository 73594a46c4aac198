/**
 * Finds every row whose observed version is not its desired one and pokes it, so that the queue may forget anything at
 * any time: a poke that was lost is repeated within one interval.
 */
import { pause } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import type { JobQueue } from './queue/queue.js';
import type { KeyLocks } from './reconcile-locks.js';
import { isDue, type VersionedTable } from './reconcile-rows.js';

export interface SweeperOptions {
  /** As the worker role, which may list the ids of all organizations. */
  store: Store;
  locks: KeyLocks;
  /** What to sweep; a Reconciler is one of these. */
  sweeps: readonly { table: VersionedTable; queue: JobQueue }[];
  log: Logger;
  /** From the end of one pass to the start of the next; default 10 s. */
  intervalMs?: number;
}

export interface Sweeper {
  /** One pass now. Resolves to the number of rows poked; never rejects. */
  sweep(): Promise<number>;
  stop(): Promise<void>;
}

const PAGE = 500;
/** Pokes under way together, so that they share a round trip. */
const ABREAST = 50;
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** Starts with a pass at once. One process sweeps a table at a time; the others skip that pass. */
export function startSweeper({ store, locks, sweeps, log, intervalMs = 10_000 }: SweeperOptions): Sweeper {
  const stopped = new AbortController();

  async function organizations(after: string): Promise<string[]> {
    const { rows } = await store.pool.query<{ id: string }>(
      'SELECT "id" FROM "organization" WHERE "id" > $1 ORDER BY "id" LIMIT $2',
      [after, PAGE],
    );
    return rows.map((row) => row.id);
  }

  async function unsettled(organizationId: string, table: VersionedTable, after: string) {
    const { name, key } = table;
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<{ id: string; desired_version: bigint | string }>(
        `SELECT "${key}" AS id, "desired_version" FROM "${name}"
           WHERE "${name}"."organization_id" = $1 AND "${key}" > $2 AND ${isDue(table)}
           ORDER BY "${key}" LIMIT $3`,
        [organizationId, after, PAGE],
      ),
    );
    return rows.map((row) => ({ organizationId, id: row.id, version: BigInt(row.desired_version) }));
  }

  async function sweepTable(table: VersionedTable, queue: JobQueue): Promise<number> {
    let poked = 0;
    for (let page = await organizations(NO_ID); page.length > 0; page = await organizations(page.at(-1) ?? NO_ID)) {
      for (const organizationId of page) {
        let rows = await unsettled(organizationId, table, NO_ID);
        while (rows.length > 0 && !stopped.signal.aborted) {
          for (let start = 0; start < rows.length; start += ABREAST) {
            const some = rows.slice(start, start + ABREAST);
            await Promise.all(some.map(({ version, ...key }) => queue.poke(key, { version })));
          }
          poked += rows.length;
          rows = rows.length < PAGE ? [] : await unsettled(organizationId, table, rows.at(-1)?.id ?? NO_ID);
        }
      }
    }
    return poked;
  }

  async function sweep(): Promise<number> {
    let poked = 0;
    for (const { table, queue } of sweeps) {
      if (stopped.signal.aborted) break;
      try {
        const lock = await locks.tryAcquire(`sweep:${table.name}`);
        if (lock === undefined) continue;
        try {
          poked += await sweepTable(table, queue);
        } finally {
          await lock.release();
        }
      } catch (error) {
        log.warn({ table: table.name, error: messageOf(error) }, 'sweep failed; it is repeated');
      }
    }
    if (poked > 0) log.debug({ poked }, 'swept');
    return poked;
  }

  async function forever(): Promise<void> {
    while (!stopped.signal.aborted) {
      await sweep();
      await pause(intervalMs, stopped.signal);
    }
  }

  const loop = forever();
  return {
    sweep,
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}
