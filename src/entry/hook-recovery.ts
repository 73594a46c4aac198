/** Lets the inbox ask forges what they could not deliver: as the App, and with the token of each connection. */

import { administrationOf } from '../accounts/connecting/probe.js';
import { hookUrl, remoteHook, writeHook } from '../accounts/connecting/write-hook.js';
import { type HookOfConnection, targetOf } from '../accounts/connection-hooks.js';
import { createVault, type Vault } from '../accounts/vault.js';
import type { Config } from '../config/config.js';
import { forgeById } from '../forges/registry.js';
import type { HookAccess, OpenHook } from '../inbox/recovery/access.js';
import { createRecovery, type Recovery, type RecoveryOptions } from '../inbox/recovery/recovery.js';
import type { WatchedHook } from '../inbox/recovery/watched-hooks.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import type { Bridge } from '../translate/bridge.js';

export interface HookRecoveryOptions extends Pick<RecoveryOptions, 'store' | 'metrics' | 'log' | 'timing'> {
  config: Pick<Config, 'hookWatchSeconds' | 'publicUrl'>;
  keys: MasterKeys;
  bridge: Pick<Bridge, 'nativeOf' | 'nativeOfApp'>;
}

/** Undefined when it is switched off. */
export function createHookRecovery(o: HookRecoveryOptions): Recovery | undefined {
  const { store, metrics, log, timing, config } = o;
  const intervalSeconds = config.hookWatchSeconds;
  if (intervalSeconds === 0) return undefined;
  const vault = createVault(o.keys.versions);
  const open: OpenHook = async (hook) => {
    const { connectionId, scope, target } = hook;
    if (connectionId === null || target === null || scope === 'app') return appAccess(o.bridge, hook);
    return connectionAccess({ ...o, vault }, { ...hook, connectionId, scope, target });
  };
  return createRecovery({ store, metrics, log, timing, open, intervalSeconds });
}

/** An App's hook is switched off for nobody; one whose key is not here cannot be asked about. */
async function appAccess(bridge: Pick<Bridge, 'nativeOfApp'>, hook: WatchedHook): Promise<HookAccess | undefined> {
  const { forge, host, appId } = hook;
  const native = appId === null ? undefined : await bridge.nativeOfApp({ forge, host, appId });
  return native && { log: forgeById(forge)?.appDeliveries?.(native), tending: undefined };
}

async function connectionAccess(
  o: { store: Store; vault: Vault; config: Pick<Config, 'publicUrl'>; bridge: Pick<Bridge, 'nativeOf'> },
  watched: WatchedHook & Pick<HookOfConnection, 'connectionId' | 'scope' | 'target'>,
): Promise<HookAccess> {
  const { store, vault } = o;
  const { publicUrl } = o.config;
  const { organizationId } = watched;
  const { native, connection } = await o.bridge.nativeOf(organizationId, watched.connectionId);
  const administration = administrationOf(connection.forge);
  const target = targetOf(watched);
  /** Its id changes when it is made anew. */
  let hook: HookOfConnection = watched;
  return {
    log: hook.remoteHookId === null ? undefined : administration.deliveries?.(native, target, hook.remoteHookId),
    tending: {
      look: async () =>
        remoteHook(
          hook,
          await administration.listHooks(native, target),
          publicUrl === undefined ? undefined : hookUrl(publicUrl, hook),
        ),
      async enable(remoteId) {
        const outcome = (await administration.enableHook?.(native, target, remoteId)) ?? 'impossible';
        if (outcome === 'enabled') return outcome;
        if (outcome === 'refused') return 'This server did not take a delivery that was sent to try it.';
        if (publicUrl === undefined) return 'PUBLIC_URL is not set, so it cannot be written anew.';
        const wanted = { ...hook, organizationId, target };
        hook = (await writeHook({ store, vault, publicUrl, administration, native }, wanted)).hook;
        return 'enabled';
      },
    },
  };
}
