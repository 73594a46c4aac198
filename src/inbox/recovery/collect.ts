/** Reads what a forge remembers of a hook's deliveries, back to where it was read before, and notes what is missing. */
import type { DeliveryAttempt, DeliveryLog } from '../../forges/delivery-log.js';
import type { Store } from '../../store/database.js';
import { noteMissed } from './missed-rows.js';
import type { WatchedHook } from './watched-hooks.js';

/** Pages of one cycle; the rest is read from there on in the next ones. */
const MOST_PAGES = 30;
/** Clocks differ: what failed just before our row was made may be the first delivery of a new hook. */
const SLACK_MS = 60_000;

const newest = (a: bigint | undefined, b: bigint): bigint => (a === undefined || b > a ? b : a);

/**
 * Answers how many deliveries are newly missed. The list is read newest first, and `seen` moves only when a reading has
 * reached it: a reading that is cut off goes on at its page, and what comes meanwhile is the next reading's.
 * @throws RouteFailure as {@link DeliveryLog.page} does, with everything before kept
 */
export async function collectMissed(store: Store, hook: WatchedHook, log: DeliveryLog): Promise<number> {
  // Before the hook was ours, its deliveries were somebody else's.
  const horizon = new Date(Math.max(hook.createdAt.getTime(), Date.now() - log.keptMs) - SLACK_MS);
  const isKnown = ({ position, at }: DeliveryAttempt) =>
    (at !== undefined && at < horizon) || (hook.seen !== null && position < hook.seen - log.overlap);
  /** An attempt that delivered is listed before those of the same delivery that did not. */
  const delivered = new Set<string>();
  let page = hook.page ?? undefined;
  let top = hook.pageTop ?? undefined;
  let found = 0;
  for (let read = 0; read < MOST_PAGES; read += 1) {
    const { attempts, next } = await log.page(page, hook.seen);
    const missed = new Map<string, DeliveryAttempt>();
    for (const attempt of attempts) {
      if (page === undefined || top === undefined) top = newest(top, attempt.position);
      if (attempt.delivered) delivered.add(attempt.key);
      // What lies a little before the known point is looked at again: forges list an attempt when it has ended.
      else if (!missed.has(attempt.key) && !delivered.has(attempt.key) && !isTooOld(attempt, horizon))
        missed.set(attempt.key, attempt);
    }
    const reached = next === undefined || attempts.some(isKnown);
    const seen = top ?? hook.seen;
    found += await noteMissed(
      store,
      hook,
      [...missed.values()],
      reached || seen === null ? { seen } : { page: next, pageTop: seen },
    );
    if (reached) break;
    page = next;
  }
  return found;
}

const isTooOld = ({ at }: DeliveryAttempt, horizon: Date): boolean => at !== undefined && at < horizon;
