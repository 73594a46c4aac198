/** What the API is handed by the server process. Loaded at the first request to it, so that starting takes no longer. */
import type { Access } from '../accounts/access/access.js';
import { audit } from '../accounts/audit.js';
import { freshMemberships } from '../accounts/membership/fresh.js';
import type { MembershipPorts } from '../accounts/membership/ports.js';
import { previewSecretWork, readPreviewSecrets } from '../accounts/preview-secrets.js';
import { createVault } from '../accounts/vault.js';
import type { Services } from '../api/procedures/services.js';
import type { Config } from '../config/config.js';
import { forges } from '../forges/registry.js';
import { replayDelivery } from '../inbox/replay.js';
import { createPokes } from '../jobs/poke.js';
import { askPreviewByHand } from '../jobs/preview/by-hand.js';
import type { PreviewClusters } from '../jobs/preview/kubernetes/clusters.js';
import { createClusterLogs } from '../jobs/preview/kubernetes/logs.js';
import { createPreviewLogs } from '../jobs/preview/logs.js';
import { createQueueBackend } from '../jobs/queue/create-queue-backend.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Database, Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { plannedAgents } from './agent-jobs.js';
import { createApiWorkspaces } from './api-workspaces.js';
import { visibleWith } from './app-page.js';
import type { LazyBridge } from './lazy-bridge.js';
import { outboundOf } from './outbound.js';
import { openPreviewClusters } from './preview-clusters.js';
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
  connections: Services['connections'];
  log: Logger;
  metrics: Metrics;
}

export function createApiServices(o: ApiServicesOptions): { services: Services; close(): Promise<void> } {
  const { config, database, keys, store, workerStore, access, bridge, members, appPage, log, metrics } = o;
  const outbound = outboundOf(config);
  const opened: { queue?: ReturnType<typeof createQueueBackend>; clusters?: PreviewClusters } = {};
  const clusters = () => {
    opened.clusters ??= openPreviewClusters({ config, outbound, keys, store: workerStore, log });
    return opened.clusters;
  };
  const queue = () => {
    opened.queue ??= createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics });
    return opened.queue;
  };
  const vault = createVault(keys.versions);
  return {
    services: {
      store,
      access,
      forges,
      log,
      appPage,
      previewSecrets: previewSecretWork(workerStore, vault),
      previewLog: createPreviewLogs({
        dataDir: config.dataDir,
        ofCluster: createClusterLogs(clusters),
        secretsOf: (of, names) => readPreviewSecrets(workerStore, vault, { ...of, names }),
      }),
      async askPreview(asked) {
        const { organizationId, previewId, to, by } = asked;
        const answer = await workerStore.tenant(organizationId, async (tx) => {
          const said = await askPreviewByHand(tx, asked);
          if ('wanted' in said && said.wanted !== null)
            await audit(tx, organizationId, `preview.${to}`, previewId, {}, by);
          return said;
        });
        if ('wanted' in answer && answer.wanted !== null)
          try {
            const { id, version } = answer.wanted;
            await createPokes(queue()).preview.poke({ organizationId, id }, { version });
          } catch (error) {
            log.warn({ err: messageOf(error) }, 'the job queue could not be told of a preview');
          }
        return answer;
      },
      visibleWith: visibleWith(bridge),
      freshMemberships: (asked) => freshMemberships(members, asked),
      connections: o.connections,
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
    async close() {
      await opened.clusters?.close();
      await opened.queue?.close();
    },
  };
}
