import type { Config } from '../config/config.js';
import { startGateway } from '../effects/gateway/gateway.js';
import { createPokes } from '../jobs/poke.js';
import { previewAddress } from '../jobs/preview/preview-address.js';
import { createPreviewRoutes } from '../jobs/preview/routes.js';
import { createQueueBackend } from '../jobs/queue/create-queue-backend.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import { type Database, openStore } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { visitorLinks } from './preview-jobs.js';

export interface PreviewGateway {
  port: number;
  /** For people: the address of a preview with its name left open. */
  url: string;
  close(): Promise<void>;
}

/** The listener that serves previews, or undefined when previews are off. */
export async function startPreviewGateway(o: {
  config: Config;
  database: Database;
  keys: MasterKeys;
  log: Logger;
  metrics: Metrics;
}): Promise<PreviewGateway | undefined> {
  const { config, database, log, metrics } = o;
  if (config.previewDriver === 'off') return undefined;
  const store = openStore(database, 'worker', { max: 4, log });
  const backend = createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics });
  const routes = createPreviewRoutes({ store, queue: createPokes(backend).preview });
  const gateway = await startGateway({
    host: config.host,
    port: config.previewPort,
    domain: config.previewDomain,
    find: routes.find,
    opened: routes.opened,
    wake: routes.wake,
    links: visitorLinks(o.keys),
    secure: config.previewPublicUrl?.startsWith('https:') ?? false,
    log,
  });
  const { previewDomain: domain, previewPublicUrl: publicUrl } = config;
  return {
    port: gateway.port,
    url: previewAddress({ domain, port: gateway.port, publicUrl }, '*'),
    async close() {
      await gateway.close();
      await backend.close();
      await store.close();
    },
  };
}
