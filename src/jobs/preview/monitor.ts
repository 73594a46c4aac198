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
import { askPreview, endPreview } from './desired.js';
import type { Place, PreviewDriver } from './driver.js';
import { placesOf, writePlaces } from './preview-record.js';

export interface PreviewMonitorOptions {
  /** As the worker role. */
  store: Store;
  queue: JobQueue;
  driver: PreviewDriver;
  log: Logger;
  metrics: Metrics;
  /** A preview that nobody opened for this long goes to sleep; a repository may say less. */
  sleepAfterMs: number;
  /** One that nobody opened and nothing was pushed to for this long is removed; a repository may say less. */
  removeAfterMs: number;
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
  /** Since somebody opened it, or it could first be opened. */
  idle_ms: number | null;
  /** Since that, or since anything was wanted of it. */
  untouched_ms: number;
  driver_state: unknown;
}

/** `7 days`, `12 hours`, `30 minutes`: in the largest unit that it is whole in. */
function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  const [size, name] = minutes % 1_440 === 0 ? [1_440, 'day'] : minutes % 60 === 0 ? [60, 'hour'] : [1, 'minute'];
  const count = minutes / size;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** Starts with a look at once: so previews of a worker that was killed are found and taken over. */
export function startPreviewMonitor(options: PreviewMonitorOptions): PreviewMonitor {
  const { store, queue, driver, log, metrics, sleepAfterMs, removeAfterMs, intervalMs = 5_000 } = options;
  const stopped = new AbortController();

  async function rowsOf(organizationId: string): Promise<Row[]> {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<Row>(
        `SELECT id, phase, observed_version = desired_version AS settled, driver_state,
           extract(epoch FROM now() - greatest(last_opened_at, ready_at)) * 1000 AS idle_ms,
           extract(epoch FROM now() - greatest(last_opened_at, ready_at, requested_at)) * 1000 AS untouched_ms
         FROM preview WHERE driver_state <> '{}'`,
      ),
    );
    return rows;
  }

  async function ask(organizationId: string, id: string, to: 'sleep' | 'look-again'): Promise<void> {
    const asked = await store.tenant(organizationId, (tx) => askPreview(tx, { previewId: id, to }));
    if (asked !== null) await queue.poke({ organizationId, id }, { version: asked.version });
  }

  async function remove(organizationId: string, id: string, afterMs: number): Promise<void> {
    const reason = `Nobody opened it for ${duration(afterMs)}; \`/preview\` or a push brings it back`;
    const ended = await store.tenant(organizationId, (tx) => endPreview(tx, { previewId: id, reason }));
    if (ended === null) return;
    log.info({ preview: id, afterMs }, 'a preview that nobody opens is removed');
    await queue.poke({ organizationId, id }, { version: ended.version });
  }

  async function lookAt(organizationId: string, row: Row): Promise<void> {
    const { serving, candidate } = placesOf(row.driver_state);
    const config = (serving ?? candidate)?.config;
    const least = (ours: number, minutes: number | undefined) => Math.min(ours, (minutes ?? Infinity) * 60_000);
    const removeAfter = least(removeAfterMs, config?.ttlMinutes);
    if (row.settled && row.phase !== 'gone' && Number(row.untouched_ms) > removeAfter)
      return remove(organizationId, row.id, removeAfter);
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
    } else if (Number(row.idle_ms ?? 0) > least(sleepAfterMs, config?.sleepAfterMinutes))
      await ask(organizationId, row.id, 'sleep');
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
