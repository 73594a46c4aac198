/**
 * Decides when there is so much to do that new deliveries are better refused: a forge that is told 503 sends again or keeps
 * the delivery in its list, and one that is accepted and forgotten for days helps nobody.
 */
import type pg from 'pg';
import { pause } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';

/** A limit of 0 is none. */
export interface LoadLimits {
  /** Rows that are received or could run now. */
  depth: number;
  /** Age of the oldest of them. */
  ageSeconds: number;
  /** How late this process's event loop is. */
  lagMs: number;
}

export interface InboxLoad {
  depth: number;
  oldestSeconds: number;
}

/** Why deliveries are refused. */
export type Overload = 'deep' | 'old' | 'slow';

export interface LoadWatch {
  /** Undefined: deliveries are welcome. */
  refusal(): Overload | undefined;
  /** One sentence for a person. */
  describe(): string;
  close(): void;
}

export interface LoadWatchOptions {
  /** Asks the database, counting rows up to `most`. */
  ask(most: number): Promise<InboxLoad>;
  limits: LoadLimits;
  log: Logger;
  metrics: Metrics;
  /** For tests: shorter waits, in milliseconds. */
  askEveryMs?: number;
  tickMs?: number;
}

/** Without a limit the depth is only for the metric. */
const MOST_COUNTED = 200_000;
const ASK_EVERY_MS = 1_000;
/** Counting may take this part of the time, and rests no longer than that, since a slow connection looks like a slow count. */
const SHARE = 20;
const LONGEST_REST_MS = 5_000;
/** A figure that does not come in this time is not known. */
const PATIENCE_MS = 5_000;
const TICK_MS = 250;
/** A single long pause is no overload: so many ticks in a row must be late. */
const LATE_TICKS = 3;
/** Once refused, welcome again below this part of the limit, so that it does not flap. */
const BETTER = 0.8;

interface Figures {
  depth?: number | undefined;
  oldestSeconds?: number | undefined;
  lagMs?: number | undefined;
}

const ORDER = ['deep', 'old', 'slow'] as const;

/** The state after these figures. One that is not known refuses nothing: whether a row can be committed shows by itself. */
export function overloads(before: ReadonlySet<Overload>, figures: Figures, limits: LoadLimits): Set<Overload> {
  const exceeds = (why: Overload, value: number | undefined, limit: number): boolean =>
    limit > 0 && value !== undefined && value > (before.has(why) ? limit * BETTER : limit);
  return new Set(
    ORDER.filter((why) => {
      if (why === 'deep') return exceeds(why, figures.depth, limits.depth);
      if (why === 'old') return exceeds(why, figures.oldestSeconds, limits.ageSeconds);
      return exceeds(why, figures.lagMs, limits.lagMs);
    }),
  );
}

/** What role forgeway_ingress is told: a count and an age, by a function that may read what it may not. */
export async function askLoad(pool: pg.Pool, most: number): Promise<InboxLoad> {
  const { rows } = await pool.query<{ depth: bigint | string; oldest_seconds: number }>({
    name: 'inbox_load',
    text: 'SELECT depth, oldest_seconds FROM inbox_load($1)',
    values: [most],
  });
  return { depth: Number(rows[0]?.depth ?? 0), oldestSeconds: rows[0]?.oldest_seconds ?? 0 };
}

export function watchLoad(o: LoadWatchOptions): LoadWatch {
  const { ask, limits, log, metrics } = o;
  const askEveryMs = o.askEveryMs ?? ASK_EVERY_MS;
  const tickMs = o.tickMs ?? TICK_MS;
  const stopping = new AbortController();
  const figures: Figures = {};
  let state = new Set<Overload>();

  const judge = () => {
    const next = overloads(state, figures, limits);
    const changed = next.size !== state.size || [...next].some((why) => !state.has(why));
    state = next;
    if (!changed) return;
    const known = { depth: figures.depth, oldestSeconds: figures.oldestSeconds, lagMs: figures.lagMs };
    if (next.size > 0) log.warn({ why: [...next], ...known }, 'new deliveries are refused with 503');
    else log.info(known, 'new deliveries are accepted again');
  };

  const askOnce = async (): Promise<void> => {
    const waiting = new AbortController();
    const late = pause(PATIENCE_MS, waiting.signal).then(() => undefined);
    // One that comes too late is of no use, and must not count as unhandled when it fails.
    const most = limits.depth > 0 ? limits.depth + 1 : MOST_COUNTED;
    const asked = ask(most).catch((error: unknown) => {
      log.debug({ err: messageOf(error) }, 'the load of the inbox could not be read');
      return undefined;
    });
    const load = await Promise.race([asked, late]);
    waiting.abort();
    figures.depth = load?.depth;
    figures.oldestSeconds = load?.oldestSeconds;
    if (load !== undefined) metrics.inboxDepth.set(load.depth);
    judge();
    // The next question waits for the answer to this one.
    await asked;
  };

  const askAgain = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const began = performance.now();
      await askOnce();
      const restMs = Math.min(LONGEST_REST_MS, SHARE * (performance.now() - began));
      await pause(Math.max(askEveryMs, restMs), stopping.signal);
    }
  };
  void askAgain();

  const late: number[] = [];
  let expected = performance.now() + tickMs;
  const ticking = setInterval(() => {
    const now = performance.now();
    late.push(Math.max(0, now - expected));
    if (late.length > LATE_TICKS) late.shift();
    expected = now + tickMs;
    figures.lagMs = late.length < LATE_TICKS ? 0 : Math.round(Math.min(...late));
    metrics.ingressLagSeconds.set(figures.lagMs / 1_000);
    judge();
  }, tickMs);
  ticking.unref();

  return {
    refusal: () => ORDER.find((why) => state.has(why)),
    describe() {
      const { depth, oldestSeconds, lagMs } = figures;
      const inbox =
        depth === undefined
          ? 'the load of the inbox is not known'
          : `${depth > limits.depth && limits.depth > 0 ? `more than ${limits.depth}` : depth} to do, the oldest ${Math.round(oldestSeconds ?? 0)} s old`;
      return `${state.size > 0 ? `refuses deliveries (${[...state].join(', ')})` : 'accepts deliveries'}: ${inbox}, event loop ${lagMs ?? 0} ms late`;
    },
    close() {
      stopping.abort();
      clearInterval(ticking);
    },
  };
}
