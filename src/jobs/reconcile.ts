/**
 * The level-triggered loop behind every feature: read what is desired, do one idempotent step, repeat until the
 * observed version is the desired one. It works on any table with the columns desired_version, observed_version,
 * attempts and next_attempt_at. One row is worked on by one process at a time; different rows run in parallel.
 */

import { type Backoff, retryDelay } from '../lib/backoff.js';
import { type Clock, systemClock } from '../lib/clock.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import { redactText } from '../lib/redact.js';
import type { Store } from '../store/database.js';
import type { JobHandler, JobKey, JobQueue } from './queue/queue.js';
import type { HeldLock, KeyLocks } from './reconcile-locks.js';
import { type DueRow, type VersionedTable, versionedRows } from './reconcile-rows.js';
import { watchVersion } from './reconcile-superseded.js';

export type { VersionedTable } from './reconcile-rows.js';

/** The row a settle function is asked to bring to `version`. */
export interface UnsettledRow {
  organizationId: string;
  id: string;
  /** The desired version as read just before; what is desired must be read after this was given. */
  version: bigint;
  observedVersion: bigint;
  /** Failures in a row at this version. */
  attempts: number;
  /** A hold covers it, and it is worked on all the same, see {@link VersionedTable.despiteHolds}. */
  held: boolean;
}

/**
 * `settled`: what is desired at `row.version` is now so; the loop writes observed_version.
 * `settledWith`: the same, with a remark for a person that is kept in the error column.
 * `again`: a step was done, more are to do; settle is called again at once.
 * `retryInMs`: nothing more can be done now; look again later. With `error` it counts as a failure and is recorded.
 */
export type Settlement = 'settled' | { settledWith: string } | 'again' | { retryInMs: number; error?: string };

export type Settle = (row: UnsettledRow, signal: AbortSignal) => Promise<Settlement>;

export interface ReconcilerOptions {
  store: Store;
  /** Shared by all reconcilers of a process. */
  locks: KeyLocks;
  table: VersionedTable;
  /** Where the loop asks to be called again; the same queue the row's owner pokes. */
  queue: JobQueue;
  /**
   * Does one idempotent step. A rejection is a failure: attempts grows and the row is tried again later with full
   * jitter. `signal` aborts at shutdown, when the lock is lost, and (see `supersededPollMs`) when the version moved.
   */
  settle: Settle;
  log: Logger;
  metrics: Metrics;
  /** Delays after failures; default 1 s base, 5 min cap. Attempts have no end: the row stays unsettled and visible. */
  backoff?: Pick<Backoff, 'baseMs' | 'capMs'>;
  /** How often desired_version is looked at while settle runs, to abort work on an old version. Off when absent. */
  supersededPollMs?: number;
  clock?: Clock;
}

export interface Reconciler {
  readonly table: VersionedTable;
  readonly queue: JobQueue;
  /** The job handler: returns when the row is settled, not due, or worked on by somebody else. */
  run(key: JobKey, signal: AbortSignal): Promise<void>;
}

/** Wait after an error that trying again cannot mend by itself, such as a missing permission. */
const HOPELESS_RETRY_MS = 3_600_000;
/** A settle function that says `again` this often in one run is made to wait a second, so that it cannot spin. */
const STEPS_PER_RUN = 200;
const ERROR_LENGTH = 1_000;

/** Builds the loop for one table. The caller hands `run` to a queue worker and the reconciler to the sweeper. */
export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { store, locks, table, queue, settle, log, metrics, clock = systemClock } = options;
  const backoff = { baseMs: 1_000, capMs: 300_000, ...options.backoff, attempts: Number.POSITIVE_INFINITY };
  const rows = versionedRows(store, table);
  const count = (result: string) => metrics.jobs.inc({ queue: table.name, result });

  async function later(row: UnsettledRow, delayMs: number, error?: string): Promise<void> {
    const ms = Math.max(0, Math.ceil(delayMs));
    const kept = await rows.postpone(
      row,
      ms,
      error === undefined ? undefined : redactText(error).slice(0, ERROR_LENGTH),
    );
    // A little after the time in the row, so that it is due when the job starts. When the version has moved
    // meanwhile nothing was written, and the loop finds the new version by itself.
    if (kept) await queue.poke(row, { version: row.version, delayMs: ms + 50 });
  }

  async function failed(row: UnsettledRow, error: unknown): Promise<void> {
    const hopeless = error instanceof ForgewayError && error.retry === 'never';
    const delay = hopeless ? HOPELESS_RETRY_MS : retryDelay(backoff, row.attempts + 1);
    count('failed');
    log.warn(
      {
        table: table.name,
        key: row.id,
        version: String(row.version),
        attempts: row.attempts + 1,
        error: messageOf(error),
      },
      'reconcile failed',
    );
    await later(row, delay, messageOf(error));
  }

  /** One call of settle and what follows from it. True when the row should be looked at again at once. */
  async function step(row: DueRow, signal: AbortSignal, lock: HeldLock): Promise<boolean> {
    const watch = watchVersion(rows, row, options.supersededPollMs, log);
    const stop = AbortSignal.any([signal, lock.signal, watch.signal]);
    let settlement: Settlement;
    try {
      settlement = await settle(row, stop);
    } catch (error) {
      // Stopped work has not failed: whoever is next starts from what is observed.
      if (signal.aborted || lock.signal.aborted) return false;
      if (watch.signal.aborted) return true;
      await failed(row, error);
      return true;
    } finally {
      watch.stop();
    }
    if (lock.signal.aborted) return false;
    if (settlement === 'again') return true;
    if (settlement === 'settled' || 'settledWith' in settlement) {
      const remark = settlement === 'settled' ? undefined : settlement.settledWith;
      if (await rows.settled(row, remark)) count('settled');
    } else {
      if (settlement.error !== undefined) count('failed');
      await later(row, settlement.retryInMs, settlement.error);
    }
    return true;
  }

  async function underLock(key: JobKey, signal: AbortSignal, lock: HeldLock): Promise<void> {
    const until = clock.now().getTime() + 1_000;
    for (let steps = 1; !signal.aborted && !lock.signal.aborted; steps += 1) {
      const row = await rows.due(key);
      if (row === undefined) return;
      if (steps > STEPS_PER_RUN && clock.now().getTime() < until) {
        await later(row, 1_000);
        return;
      }
      if (!(await step(row, signal, lock))) return;
    }
  }

  return {
    table,
    queue,
    async run(key, signal) {
      while (!signal.aborted && (await rows.due(key)) !== undefined) {
        const lock = await locks.tryAcquire(`${table.name}:${key.id}`);
        // Whoever holds it looks again after letting go, so this poke is not lost.
        if (lock === undefined) return;
        try {
          await underLock(key, signal, lock);
        } finally {
          await lock.release();
        }
      }
    },
  };
}

/** One handler for tables that share a queue: a key is a row of one of them, and the others do not know it. */
export function handlerOf(...reconcilers: readonly Reconciler[]): JobHandler {
  return async (key, signal) => {
    for (const reconciler of reconcilers) await reconciler.run(key, signal);
  };
}
