/** Whether a hook delivers, as its forge shows it; and switching it on again, without doing so over and over. */
import type { NativeHook } from '../../forges/administration.js';
import type { Logger } from '../../lib/logger.js';
import type { Metrics } from '../../lib/metrics.js';
import type { Store } from '../../store/database.js';
import type { HookAccess } from './access.js';
import { forgetEnabling, noteEnabled, noteEnabling, type WatchedHook } from './watched-hooks.js';

export interface HookStateOptions {
  store: Store;
  log: Logger;
  metrics: Metrics;
  /** Wait after the first try to switch a hook on; it doubles with each, up to `enableCapMs`. */
  timing: { enableBaseMs: number; enableCapMs: number };
}

const GONE = 'The forge has no such webhook any more.';
const BY_HAND = 'It was switched off at the forge.';
const LEFT_ALONE = `${BY_HAND} It was switched on again once, and is left alone now.`;

/** Why it does not deliver; undefined when it does. */
const troubleOf = (remote: NativeHook): string | undefined => remote.trouble ?? (remote.active ? undefined : BY_HAND);

/**
 * What is wrong with it after all that could be done about it, in one sentence; null when it delivers. One that the forge
 * switched off is switched on at once, and again with growing waits; one that a person switched off, once a day at most.
 * @throws RouteFailure, ForgewayError when the forge cannot be asked
 */
export async function tendHook(
  o: HookStateOptions,
  hook: WatchedHook,
  access: NonNullable<HookAccess['tending']>,
): Promise<string | null> {
  const remote = await access.look();
  if (remote === undefined) return GONE;
  const trouble = troubleOf(remote);
  if (trouble === undefined) {
    if (hook.enableAttempts > 0 && hook.steady) await forgetEnabling(o.store, hook);
    return null;
  }
  const { forge, id } = hook;
  if (hook.trouble === null) {
    o.metrics.hookSwitches.inc({ forge, change: 'disabled' });
    o.log.warn({ hook: id, forge, trouble }, 'a webhook is switched off at its forge');
  }
  if (remote.trouble === undefined && hook.enableAttempts > 0) return LEFT_ALONE;
  if (!hook.mayEnable) return trouble;
  const { enableBaseMs, enableCapMs } = o.timing;
  await noteEnabling(o.store, hook, Math.min(enableCapMs, enableBaseMs * 2 ** Math.min(hook.enableAttempts, 30)));
  const outcome = await access.enable(remote.id);
  if (outcome !== 'enabled') return `${trouble} ${outcome}`;
  const after = await access.look();
  const left = after === undefined ? GONE : troubleOf(after);
  if (left !== undefined) return left;
  await noteEnabled(o.store, hook);
  o.metrics.hookSwitches.inc({ forge, change: 'enabled' });
  o.log.info({ hook: id, forge }, 'a webhook was switched on again');
  return null;
}
