/** What the API is handed by the server process. Loaded at the first request to it, so that starting takes no longer. */
import type { Access } from '../accounts/access/access.js';
import type { Services } from '../api/procedures/services.js';
import type { Config } from '../config/config.js';
import { forges } from '../forges/registry.js';
import { replayDelivery } from '../inbox/replay.js';
import { createPokes } from '../jobs/poke.js';
import { createQueueBackend } from '../jobs/queue/create-queue-backend.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Database, Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { type Bridge, createBridge } from '../translate/bridge.js';
import { createApiConnections } from './api-connections.js';
import { checkRunUrls, gitObjectsFor } from './bridge-ports.js';
import { defaultAppCredentials } from './default-app.js';
import { outboundOf } from './outbound.js';

export interface ApiServicesOptions {
  config: Config;
  database: Database;
  keys: MasterKeys;
  /** Opened as the api role. */
  store: Store;
  /** Opened as the worker, for what the role of the API may not do itself. */
  workerStore: Store;
  access: Access;
  log: Logger;
  metrics: Metrics;
}

export function createApiServices(o: ApiServicesOptions): { services: Services; close(): Promise<void> } {
  const { config, database, keys, store, workerStore, access, log, metrics } = o;
  const outbound = outboundOf(config);
  const opened: { bridge?: Promise<Bridge>; queue?: ReturnType<typeof createQueueBackend> } = {};
  const bridge = () => {
    opened.bridge ??= createBridge({
      github: defaultAppCredentials(config),
      apps: [],
      store: workerStore,
      keys,
      fetch: outbound.fetch,
      gitFor: gitObjectsFor(config, outbound),
      checkRunUrl: checkRunUrls(config, keys.root),
      log,
      metrics,
    });
    return opened.bridge;
  };
  const queue = () => {
    opened.queue ??= createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics });
    return opened.queue;
  };
  return {
    services: {
      store,
      access,
      forges,
      log,
      connections: createApiConnections({ store: workerStore, keys, outbound, publicUrl: config.publicUrl, log }),
      replay: (deliveryId, options) => replayDelivery(workerStore, deliveryId, options),
      async syncSoon({ version, ...key }) {
        try {
          await createPokes(queue()).sync.poke(key, { version });
        } catch (error) {
          // The row says that there is work: the sweeper finds it.
          log.warn({ err: messageOf(error) }, 'the job queue could not be told of a pull request to read again');
        }
      },
      requestsOf: async (organizationId, repositoryId) => (await bridge()).octokitFor(organizationId, repositoryId),
    },
    close: async () => opened.queue?.close(),
  };
}
