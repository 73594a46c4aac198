import type pg from 'pg';
import type { ForgeDescriptor } from '../forges/forge.js';
import { type Backoff, deliveryBackoff } from '../lib/backoff.js';
import { type Clock, systemClock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import { Assigner } from './assigner.js';
import type { Dispatcher } from './dispatch.js';
import { Lanes } from './lanes.js';
import { Leases } from './leases.js';
import { Overtaking } from './overtaking.js';
import { MIN_ROW_DAYS } from './prune.js';

export interface InboxOptions {
  /** Role forgeway_worker, at least five connections: two sessions of its own, and statements beside each other. */
  store: { readonly pool: pg.Pool };
  dispatcher: Dispatcher;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  log: Logger;
  metrics: Metrics;
  /** Name of this worker, for people. */
  ownerId: string;
  /** Handlers at a time. */
  concurrency: number;
  /** How long a handler may hold its lane. */
  handlerTimeoutMs: number;
  clock?: Clock;
  /** Days that raw bodies are kept; without it nothing is ever pruned. */
  retentionDays?: number;
  /** For tests: shorter waits. */
  timing?: Partial<InboxTiming>;
}

export interface InboxTiming {
  /** How often the database is asked although nobody notified. */
  pollMs: number;
  leaseMs: number;
  tickMs: number;
  /** Wait before the one retry in place. */
  inPlaceMs: number;
  backoff: Backoff;
}

export interface Inbox {
  /** Begins nothing new, waits for running handlers at most `timeoutMs`, and gives the leases back. */
  drain(timeoutMs: number): Promise<void>;
  /** There may be new deliveries. Never needed, since the database is polled; only sooner. */
  wake(): void;
}

const DEFAULT_TIMING: InboxTiming = {
  pollMs: 1_000,
  leaseMs: 10_000,
  tickMs: 2_000,
  inPlaceMs: 500,
  backoff: deliveryBackoff,
};

/** Starts this process's part in working off the inbox: maybe the assigner, and its share of the lanes. */
export function startInbox(options: InboxOptions): Inbox {
  const { dispatcher, forges, log, metrics } = options;
  const { pool } = options.store;
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  const clock = options.clock ?? systemClock;
  const lanes = new Lanes({
    pool,
    dispatcher,
    log,
    metrics,
    concurrency: options.concurrency,
    handlerTimeoutMs: options.handlerTimeoutMs,
    retry: { backoff: timing.backoff, inPlaceMs: timing.inPlaceMs, now: () => clock.now() },
  });
  const overtaking = new Overtaking({ pool, dispatcher, log, handlerTimeoutMs: options.handlerTimeoutMs });
  const assigner = new Assigner({
    pool,
    forges,
    dispatcher,
    log,
    metrics,
    pollMs: timing.pollMs,
    retention:
      options.retentionDays === undefined ? undefined : { bodyDays: options.retentionDays, rowDays: MIN_ROW_DAYS },
    plan: (rows) => lanes.plan(rows),
    offer: (rows) => {
      const others = lanes.offer(rows);
      if (rows.some(({ overtakes }) => overtakes)) void overtaking.look();
      return others;
    },
    room: (ms) => lanes.room(ms),
  });
  const leases = new Leases({
    pool,
    lanes,
    log,
    ownerId: options.ownerId,
    leaseMs: timing.leaseMs,
    tickMs: timing.tickMs,
    notified: (shards) => {
      if (shards === undefined) assigner.wake();
      else if (shards.some((shard) => lanes.shards.includes(shard))) void lanes.refill(true);
    },
  });
  const poll = setInterval(() => {
    void lanes.refill(true);
    void overtaking.look();
    lanes.resumeParked().catch((error: unknown) => {
      log.warn({ err: messageOf(error) }, 'parked rows could not be read; tried again');
    });
  }, timing.pollMs);

  leases.start();
  assigner.start();
  return {
    wake: () => assigner.wake(),
    async drain(timeoutMs) {
      clearInterval(poll);
      // Together: whatever the assigner has in hand, nothing begins meanwhile. What it still offers is read by the next worker.
      await Promise.all([assigner.stop(), lanes.stop(timeoutMs), overtaking.stop(timeoutMs)]);
      await leases.stop();
    },
  };
}
