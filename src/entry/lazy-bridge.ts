/** A bridge without apps, for questions of our own. Loaded when it is first asked for, since most of what a server answers needs none. */
import type { Config } from '../config/config.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import type { Bridge } from '../translate/bridge.js';
import { defaultAppCredentials } from './default-app.js';
import { outboundOf } from './outbound.js';

export interface LazyBridgeOptions {
  config: Config;
  /** As the worker role. */
  store: Store;
  keys: MasterKeys;
  log: Logger;
  metrics: Metrics;
}

export type LazyBridge = () => Promise<Bridge>;

/** One for the process: it keeps tokens, limits and what is known of forges that are away. */
export function lazyBridge(o: LazyBridgeOptions): LazyBridge {
  const { config, store, keys, log, metrics } = o;
  let opened: Promise<Bridge> | undefined;
  const open = async () => {
    const [{ createBridge }, { checkRunUrls, gitObjectsFor }, { inboxForRoutes }] = await Promise.all([
      import('../translate/bridge.js'),
      import('./bridge-ports.js'),
      import('../inbox/for-routes.js'),
    ]);
    const outbound = outboundOf(config);
    return createBridge({
      ...{ github: defaultAppCredentials(config), apps: [], store, keys, log, metrics },
      archiveBytes: config.archiveMaxMb * 1024 * 1024,
      fetch: outbound.fetch,
      gitFor: gitObjectsFor(config, outbound),
      inboxFor: inboxForRoutes(store),
      checkRunUrl: checkRunUrls(config, keys.root),
    });
  };
  return () => {
    if (opened !== undefined) return opened;
    const opening = open();
    opened = opening;
    // The next one tries again.
    opening.catch(() => {
      opened = undefined;
    });
    return opening;
  };
}
