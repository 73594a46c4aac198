/** Asks a forge to send again what is missing, a few at first, and more when those arrive. */
import type { DeliveryLog } from '../../forges/delivery-log.js';
import { pause } from '../../lib/clock.js';
import type { Logger } from '../../lib/logger.js';
import type { Metrics } from '../../lib/metrics.js';
import type { Store } from '../../store/database.js';
import {
  anyArrived,
  askedLately,
  type GivenUp,
  giveUpMissed,
  settleMissed,
  takeMissed,
  untakeMissed,
} from './missed-rows.js';
import type { WatchedHook } from './watched-hooks.js';

export interface AskTiming {
  /** Wait before a delivery is asked for a second time; it doubles up to `capMs`. */
  baseMs: number;
  capMs: number;
  /** How often one is asked for before it is given up. */
  mostAsks: number;
  /** How long the first ones of a cycle may take to arrive before the others are left for later. */
  arrivesWithinMs: number;
}

export interface AskOptions {
  store: Store;
  log: Logger;
  metrics: Metrics;
  timing: AskTiming;
  signal: AbortSignal;
}

/** Asked for before anything is known of whether our server is reached. */
const FIRST = 3;
const POLL_MS = 100;
const GONE = 'The forge does not keep it any longer, or knows another address for the hook.';

/** Ends what has an end, and tells of it. */
async function settle(o: AskOptions, hook: WatchedHook, log: DeliveryLog): Promise<void> {
  const { arrived, givenUp } = await settleMissed(o.store, hook, { mostAsks: o.timing.mostAsks, keptMs: log.keptMs });
  if (arrived > 0) {
    o.metrics.missedDeliveries.inc({ forge: hook.forge, result: 'arrived' }, arrived);
    o.log.info({ hook: hook.id, forge: hook.forge, arrived }, 'deliveries that were missed have arrived');
  }
  for (const one of givenUp) tellGivenUp(o, hook, one);
}

function tellGivenUp(o: AskOptions, hook: WatchedHook, { key, event, answer, reason }: GivenUp): void {
  o.metrics.missedDeliveries.inc({ forge: hook.forge, result: 'given_up' });
  o.log.warn(
    { hook: hook.id, forge: hook.forge, delivery: key, event, answer, reason },
    'a delivery that was missed is given up',
  );
}

/**
 * Asks for what is due, the oldest first and one after the other, as often as the forge allows in a minute. Ends early
 * when nothing of the first few arrives, and when a forge that tries at once says that our server did not take one.
 * @throws RouteFailure, ForgewayError when the forge cannot be asked; what was not asked for stays as it was
 */
export async function askForMissed(o: AskOptions, hook: WatchedHook, log: DeliveryLog): Promise<void> {
  await settle(o, hook, log);
  const allowed = log.mostAsks - (await askedLately(o.store, hook));
  const asked: string[] = [];
  let reached = false;
  let refused = false;
  for (let requests = 0; requests < allowed && !refused && !o.signal.aborted; requests += 1) {
    if (!reached && asked.length >= FIRST) {
      reached = await awaitArrival(o, hook, asked);
      if (!reached) break;
    }
    const one = await takeMissed(o.store, hook, o.timing);
    if (one === undefined) break;
    const outcome = await log.resend(one.attemptId).catch(async (error: unknown) => {
      await untakeMissed(o.store, hook, one.key);
      throw error;
    });
    if (outcome === 'gone') {
      await giveUpMissed(o.store, hook, one.key, GONE);
      tellGivenUp(o, hook, { ...one, reason: GONE });
      continue;
    }
    asked.push(one.key);
    refused = outcome === 'refused';
    o.metrics.missedDeliveries.inc({ forge: hook.forge, result: 'asked' });
  }
  if (asked.length === 0) return;
  o.log.info({ hook: hook.id, forge: hook.forge, asked: asked.length }, 'asked for deliveries that were missed');
  if (!reached && !refused) await awaitArrival(o, hook, asked);
  await settle(o, hook, log);
}

async function awaitArrival(o: AskOptions, hook: WatchedHook, keys: readonly string[]): Promise<boolean> {
  const end = performance.now() + o.timing.arrivesWithinMs;
  for (;;) {
    if (await anyArrived(o.store, hook, keys)) return true;
    if (performance.now() >= end || o.signal.aborted) return false;
    await pause(POLL_MS, o.signal);
  }
}
