/**
 * Looks after previews between events: what ended by itself or with a stopped worker is looked at again, what nobody
 * opens goes to sleep, and what no row knows is removed.
 */
import { pause } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Metrics } from '../../lib/metrics.js';
import type { Store } from '../../store/database.js';
import type { JobQueue } from '../queue/queue.js';
import { organizationIds } from './capacity.js';
import { askPreview } from './desired.js';
import type { Place, PreviewDriver } from './driver.js';
import { placesOf, writePlaces } from './preview-record.js';

export interface PreviewMonitorOptions {
  /** As the worker role. */
  store: Store;
  queue: JobQueue;
  driver: PreviewDriver;
  log: Logger;
  metrics: Metrics;
  /** A preview that nobody opened for this long goes to sleep. */
  sleepAfterMs: number;
  /** Default 5 s. */
  intervalMs?: number;
}

export interface PreviewMonitor {
  /** One look now. Never rejects. */
  look(): Promise<void>;
  /** Ends every preview's processes; what was built stays, and the next worker starts it again. */
  stopAll(): Promise<void>;
  /** Ends the loop and waits for the look under way. */
  stop(): Promise<void>;
}

interface Row {
  id: string;
  phase: string;
  settled: boolean;
  idle: boolean;
  driver_state: unknown;
}

/** Starts with a look at once: so previews of a worker that was killed are found and taken over. */
export function startPreviewMonitor(options: PreviewMonitorOptions): PreviewMonitor {
  const { store, queue, driver, log, metrics, sleepAfterMs, intervalMs = 5_000 } = options;
  const stopped = new AbortController();

  async function rowsOf(organizationId: string): Promise<Row[]> {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<Row>(
        `SELECT id, phase, observed_version = desired_version AS settled, driver_state,
           greatest(last_opened_at, ready_at) < now() - $1 * interval '1 millisecond' AS idle
         FROM preview WHERE driver_state <> '{}'`,
        [sleepAfterMs],
      ),
    );
    return rows;
  }

  async function ask(organizationId: string, id: string, to: 'sleep' | 'look-again'): Promise<void> {
    const asked = await store.tenant(organizationId, (tx) => askPreview(tx, { previewId: id, to }));
    if (asked !== null) await queue.poke({ organizationId, id }, { version: asked.version });
  }

  async function lookAt(organizationId: string, row: Row): Promise<void> {
    const { serving, candidate } = placesOf(row.driver_state);
    if (!row.settled || !['ready', 'failed', 'waiting'].includes(row.phase)) return;
    for (const place of [serving, candidate]) {
      if (!place?.failure || !place.built) continue;
      // Where the cluster goes on trying, what has failed may run by now.
      if ((await driver.glance(place)) !== 'failed') return ask(organizationId, row.id, 'look-again');
    }
    if (serving === null || serving.failure !== null) return;
    const condition = await driver.glance(serving);
    if (condition !== 'ready') {
      log.warn({ preview: row.id, condition }, 'a preview no longer runs; it is looked at again');
      await ask(organizationId, row.id, 'look-again');
    } else if (row.idle) await ask(organizationId, row.id, 'sleep');
  }

  async function pass(): Promise<void> {
    // What exists is listed first: a place is written into its row before anything of it exists.
    const existing = new Set(await driver.list());
    const phases = new Map<string, number>();
    for (const organizationId of await organizationIds(store)) {
      for (const row of await rowsOf(organizationId)) {
        const { serving, candidate, retired } = placesOf(row.driver_state);
        for (const place of [serving, candidate, ...retired]) if (place !== null) existing.delete(place.id);
        phases.set(row.phase, (phases.get(row.phase) ?? 0) + 1);
        await lookAt(organizationId, row);
      }
    }
    metrics.previews.reset();
    for (const [phase, count] of phases) metrics.previews.set({ phase }, count);
    for (const id of existing) {
      log.warn({ id }, 'a preview that no row knows is removed');
      await driver.removeUnknown(id);
    }
  }

  async function look(): Promise<void> {
    try {
      await pass();
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'previews could not be looked after; tried again');
    }
  }

  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await look();
      await pause(intervalMs, stopped.signal);
    }
  })();

  return {
    look,
    async stopAll() {
      for (const organizationId of await organizationIds(store)) {
        for (const row of await rowsOf(organizationId)) {
          const { serving, candidate, retired } = placesOf(row.driver_state);
          const halt = (place: Place | null) => (place === null ? null : driver.halt(place));
          const halted = { serving: await halt(serving), candidate: await halt(candidate), retired };
          // Its port is free for others now, so nobody may be sent there.
          await store.tenant(organizationId, (tx) => writePlaces(tx, row.id, halted));
        }
      }
    },
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}
