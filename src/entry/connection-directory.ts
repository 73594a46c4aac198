/** Connections for commands and for the API, which open them without a bridge: with tokens that renew themselves as there. */
import { type ConnectionDirectory, createConnectionDirectory } from '../accounts/connections.js';
import { createVault } from '../accounts/vault.js';
import { forges } from '../forges/registry.js';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { createTokenRenewal, registeredClients } from '../translate/token-renewal.js';

/** @param o.store as the worker role @param o.outbound the guarded way out */
export function openConnectionDirectory(o: {
  store: Store;
  keys: MasterKeys;
  outbound: Pick<Outbound, 'fetch'>;
  log: Logger;
}): ConnectionDirectory {
  const { store, keys, outbound, log } = o;
  return createConnectionDirectory({
    ...{ store, forges, log, clock: systemClock, vault: createVault(keys.versions) },
    renew: createTokenRenewal({
      send: outbound.fetch,
      clock: systemClock,
      clientOf: registeredClients({ store, keys }),
    }),
  });
}
