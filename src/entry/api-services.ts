/** What the API is handed by the server process. Loaded at the first request to it, so that starting takes no longer. */
import type { Access } from '../accounts/access/access.js';
import { freshMemberships } from '../accounts/membership/fresh.js';
import type { MembershipPorts } from '../accounts/membership/ports.js';
import { previewSecretWork } from '../accounts/preview-secrets.js';
import { createVault } from '../accounts/vault.js';
import type { Services } from '../api/procedures/services.js';
import type { Config } from '../config/config.js';
import { forges } from '../forges/registry.js';
import { replayDelivery } from '../inbox/replay.js';
import { createPokes } from '../jobs/poke.js';
import { createPreviewLogs } from '../jobs/preview/logs.js';
import { createQueueBackend } from '../jobs/queue/create-queue-backend.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Database, Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { plannedAgents } from './agent-jobs.js';
import { createApiConnections } from './api-connections.js';
import { createApiWorkspaces } from './api-workspaces.js';
import { visibleWith } from './app-page.js';
import type { LazyBridge } from './lazy-bridge.js';
import { outboundOf } from './outbound.js';
import { archiveLimits } from './run-jobs.js';

export interface ApiServicesOptions {
  config: Config;
  database: Database;
  keys: MasterKeys;
  /** Opened as the api role. */
  store: Store;
  /** Opened as the worker, for what the role of the API may not do itself. */
  workerStore: Store;
  access: Access;
  /** On that store. */
  bridge: LazyBridge;
  members: MembershipPorts;
  appPage: Services['appPage'];
  log: Logger;
  metrics: Metrics;
}

export function createApiServices(o: ApiServicesOptions): { services: Services; close(): Promise<void> } {
  const { config, database, keys, store, workerStore, access, bridge, members, appPage, log, metrics } = o;
  const outbound = outboundOf(config);
  const opened: { queue?: ReturnType<typeof createQueueBackend> } = {};
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
      appPage,
      previewSecrets: previewSecretWork(workerStore, createVault(keys.versions)),
      previewLog: createPreviewLogs({ dataDir: config.dataDir }),
      visibleWith: visibleWith(bridge),
      freshMemberships: (asked) => freshMemberships(members, asked),
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
      workspaces: createApiWorkspaces({
        store,
        keys,
        archives: archiveLimits(config),
        async runSoon({ version, ...key }) {
          try {
            await createPokes(queue()).run.poke(key, { version });
          } catch (error) {
            log.warn({ err: messageOf(error) }, 'the job queue could not be told of a run');
          }
        },
      }),
      async sessionSoon({ agents, reports }) {
        try {
          const pokes = createPokes(queue());
          await Promise.all([
            ...agents.map(({ version, ...key }) => pokes.agent.poke(key, { version })),
            ...reports.map(({ version, ...key }) => pokes.report.poke(key, { version })),
          ]);
        } catch (error) {
          log.warn({ err: messageOf(error) }, 'the job queue could not be told of an agent session');
        }
      },
      agents: plannedAgents(config),
      requestsOf: async (organizationId, repositoryId) => (await bridge()).octokitFor(organizationId, repositoryId),
    },
    close: async () => opened.queue?.close(),
  };
}
