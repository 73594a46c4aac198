/** What the bridge remembers and looks up: in our tables, or for a rehearsal in memory. */
import {
  type ConnectionDirectory,
  createConnectionDirectory,
  type OpenConnection,
  type RenewToken,
} from '../accounts/connections.js';
import { createForgeAppDirectory, type ForgeAppDirectory } from '../accounts/forge-apps/directory.js';
import { createVault } from '../accounts/vault.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import type { Records } from '../forges/kit/records.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { type ConnectionRepositories, repositoriesOf } from './connection-repositories.js';
import { createInstallationLookup, type InstallationLookup } from './installation-lookup.js';
import { createWriteJournal, type WriteJournal } from './journal/journal.js';
import { createLoopTraces, type LoopTraces } from './loop-traces.js';
import { createRecords } from './records.js';

export interface BridgeState {
  lookup: InstallationLookup;
  loops: LoopTraces;
  /** Absent where nothing is kept: then every write is sent. */
  journal?: WriteJournal;
  /** Connections; undefined where the key that opens them is not given. */
  directory: ConnectionDirectory | undefined;
  /** Apps that administrators registered; undefined where the key that opens them is not given. */
  forgeApps?: ForgeAppDirectory;
  repositories: ConnectionRepositories;
  recordsOf(connection: OpenConnection): Records;
}

export function databaseState(o: {
  /** Opened as the worker. */
  store: Store;
  keys?: Pick<MasterKeys, 'versions'>;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  clock: Clock;
  log: Logger;
  /** Renews tokens that end; without it they are used until they have. */
  renew?: RenewToken;
  /** See JournalOptions. */
  settleMs?: number;
}): BridgeState {
  const { store, keys, forges, clock, log, renew, settleMs } = o;
  const vault = keys && createVault(keys.versions);
  return {
    lookup: createInstallationLookup(store),
    loops: createLoopTraces(store),
    journal: createWriteJournal({ store, log, settleMs }),
    directory: vault && createConnectionDirectory({ store, vault, forges, clock, log, renew }),
    ...(vault && { forgeApps: createForgeAppDirectory({ pool: store.pool, vault, forges, clock }) }),
    repositories: repositoriesOf(store),
    recordsOf: ({ organizationId, forge, host }) => createRecords(store, { organizationId, forge: forge.id, host }),
  };
}
