/** How the forge of one hook is asked about it. */
import type { NativeHook } from '../../forges/administration.js';
import type { DeliveryLog } from '../../forges/delivery-log.js';
import type { WatchedHook } from './watched-hooks.js';

export interface HookAccess {
  /** Undefined where the forge lists no deliveries of such a hook. */
  log: DeliveryLog | undefined;
  /** Undefined where a hook cannot be switched off by itself, as an App's. */
  tending:
    | {
        /** The hook as the forge shows it; undefined when it has none any more. */
        look(): Promise<NativeHook | undefined>;
        /** `enabled`, or one sentence for a person on why not. `remoteId` is the forge's id of it. */
        enable(remoteId: string): Promise<string>;
      }
    | undefined;
}

/**
 * Undefined where nobody may ask, as without an App.
 * @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE and the like, with what to do
 */
export type OpenHook = (hook: WatchedHook) => Promise<HookAccess | undefined>;
