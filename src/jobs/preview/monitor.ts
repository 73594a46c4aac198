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
import { askPreview, endPreview, type Unused } from './desired.js';
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
  /** Whether an address has a signed link in it, as those of private previews have; without it nobody is told another. */
  isSigned?: (url: string) => boolean;
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
  desired_version: bigint | string;
  /** Since somebody opened it, or it could first be opened. */
  idle_ms: number | null;
  /** Since that, or since anything was wanted of it. */
  untouched_ms: number;
  /** Since people were last told of it, and with it how to get in. */
  told_ms: number;
  /** Where people were told that it is. */
  url: string | null;
  /** Of its repository. */
  private: boolean;
  cluster: string | null;
  /** Since all visitors are led past us; null: they are not. */
  watched_ms: number | null;
  driver_state: unknown;
}

/** A signed link in a comment is good for thirty days; one that is in use for longer is told with another by then. */
const RENEW_MS = 15 * 86_400_000;

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
        `SELECT p.id, p.phase, p.observed_version = p.desired_version AS settled, p.desired_version, p.driver_state, r.private, p.cluster, p.url,
           extract(epoch FROM now() - p.watched_since) * 1000 AS watched_ms,
           extract(epoch FROM now() - p.updated_at) * 1000 AS told_ms,
           extract(epoch FROM now() - greatest(p.last_opened_at, p.ready_at)) * 1000 AS idle_ms,
           extract(epoch FROM now() - greatest(p.last_opened_at, p.ready_at, p.requested_at)) * 1000 AS untouched_ms
         FROM preview p JOIN repository r ON r.id = p.repository_id WHERE p.driver_state <> '{}'`,
      ),
    );
    return rows;
  }

  async function ask(organizationId: string, id: string, to: 'sleep' | 'look-again', unused?: Unused): Promise<void> {
    const asked = await store.tenant(organizationId, (tx) =>
      askPreview(tx, { previewId: id, to, ...(unused && { unused }) }),
    );
    if (asked !== null) await queue.poke({ organizationId, id }, { version: asked.version });
  }

  async function remove(organizationId: string, id: string, unused: Unused): Promise<void> {
    const { forMs: afterMs } = unused;
    const reason = `Nobody opened it for ${duration(afterMs)}; \`/preview\` or a push brings it back`;
    const ended = await store.tenant(organizationId, (tx) => endPreview(tx, { previewId: id, reason, unused }));
    if (ended === null) return;
    log.info({ preview: id, afterMs }, 'a preview that nobody opens is removed');
    await queue.poke({ organizationId, id }, { version: ended.version });
  }

  /** The link that people were told of runs out, or the repository was made private, or public, since. */
  function isOutdated({ url, phase, private: isPrivate, told_ms: toldMs }: Row): boolean {
    if (url === null || !['ready', 'sleeping'].includes(phase)) return false;
    if (options.isSigned !== undefined && options.isSigned(url) !== isPrivate) return true;
    return isPrivate && Number(toldMs) > RENEW_MS;
  }

  async function lookAt(organizationId: string, row: Row): Promise<void> {
    const { serving, candidate } = placesOf(row.driver_state);
    const config = (serving ?? candidate)?.config;
    const least = (ours: number, minutes: number | undefined) => Math.min(ours, (minutes ?? Infinity) * 60_000);
    const removeAfter = least(removeAfterMs, config?.ttlMinutes);
    // What a cluster refuses for as long is not tried for ever.
    const isOver = (row.settled && row.phase !== 'gone') || row.phase === 'failed';
    if (isOver && Number(row.untouched_ms) > removeAfter)
      return remove(organizationId, row.id, { version: row.desired_version, forMs: removeAfter });
    if (row.settled && isOutdated(row)) return ask(organizationId, row.id, 'look-again');
    if (!row.settled || !['ready', 'failed', 'waiting'].includes(row.phase)) return;
    for (const place of [serving, candidate]) {
      if (!place?.failure || !place.built) continue;
      // Where the cluster goes on trying, what has failed may run by now.
      if ((await driver.glance(place, row)) !== 'failed') return ask(organizationId, row.id, 'look-again');
    }
    if (serving === null || serving.failure !== null) return;
    const condition = await driver.glance(serving, row);
    if (condition !== 'ready') {
      log.warn({ preview: row.id, condition }, 'a preview no longer runs; it is looked at again');
      await ask(organizationId, row.id, 'look-again');
    } else await letSleep(organizationId, row, least(sleepAfterMs, config?.sleepAfterMinutes));
  }

  /**
   * Where an Ingress leads visitors in, nobody tells us of them. So before such a preview sleeps, its own way in is taken away for
   * as long: its visitors come through our listener then, and the first one brings the way back.
   */
  async function letSleep(organizationId: string, row: Row, afterMs: number): Promise<void> {
    const idleMs = Number(row.idle_ms ?? 0);
    const watchedMs = row.watched_ms === null ? null : Number(row.watched_ms);
    if (watchedMs === null && idleMs <= afterMs) return;
    const unused = { version: row.desired_version, forMs: afterMs };
    if (await driver.seesVisits({ organizationId, private: row.private, cluster: row.cluster })) {
      if (idleMs > afterMs) await ask(organizationId, row.id, 'sleep', unused);
    } else if (watchedMs === null) await watch(organizationId, row.id, true);
    // Somebody came, or another commit answers.
    else if (idleMs < watchedMs) await watch(organizationId, row.id, false);
    else if (watchedMs > afterMs) await ask(organizationId, row.id, 'sleep', unused);
  }

  async function watch(organizationId: string, id: string, isWatched: boolean): Promise<void> {
    const asked = await store.tenant(organizationId, async (tx) => {
      await tx.query('UPDATE preview SET watched_since = CASE WHEN $2 THEN now() END WHERE id = $1', [id, isWatched]);
      return askPreview(tx, { previewId: id, to: 'look-again' });
    });
    if (asked !== null) await queue.poke({ organizationId, id }, { version: asked.version });
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
