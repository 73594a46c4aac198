import { type PreviewVisits, VISIT_PATH } from '../api/preview-visit.js';
import type { Config } from '../config/config.js';
import { startGateway } from '../effects/gateway/gateway.js';
import { LINK_PARAMETER, SIGNED_IN_DAYS } from '../effects/gateway/visitor-link.js';
import { createPokes } from '../jobs/poke.js';
import { checkedSettings } from '../jobs/preview/kubernetes/open-clusters.js';
import { createServiceReach } from '../jobs/preview/kubernetes/reach.js';
import { previewAddress } from '../jobs/preview/preview-address.js';
import { createPreviewRoutes } from '../jobs/preview/routes.js';
import { createQueueBackend } from '../jobs/queue/create-queue-backend.js';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import { type Database, openStore } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { isInside, openPreviewClusters, operatorSettings } from './preview-clusters.js';
import { visitorLinks } from './preview-jobs.js';

export interface PreviewGateway {
  port: number;
  /** For people: the address of a preview with its name left open. */
  url: string;
  visits: PreviewVisits;
  close(): Promise<void>;
}

/** The listener that serves previews, or undefined when previews are off. */
export async function startPreviewGateway(o: {
  config: Config;
  database: Database;
  keys: MasterKeys;
  outbound: Pick<Outbound, 'pin'>;
  log: Logger;
  metrics: Metrics;
  /** Where people reach our own pages; asked at each visit. */
  publicUrl: () => string;
}): Promise<PreviewGateway | undefined> {
  const { config, database, log, metrics } = o;
  if (config.previewDriver === 'off') return undefined;
  const store = openStore(database, 'worker', { max: 4, log });
  const backend = createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics });
  const routes = createPreviewRoutes({ store, queue: createPokes(backend).preview });
  const clusters =
    config.previewDriver === 'kubernetes'
      ? openPreviewClusters({ config, outbound: o.outbound, keys: o.keys, store, log })
      : undefined;
  const links = visitorLinks(o.keys);
  const strangersDomain =
    clusters && checkedSettings(operatorSettings(config), 'PREVIEW_CLUSTER_SETTINGS').untrustedDomain;
  const gateway = await startGateway({
    host: config.host,
    port: config.previewPort,
    domain: config.previewDomain,
    strangersDomain,
    ...(clusters !== undefined && {
      connectService: createServiceReach({ clusters, inside: (id) => isInside(config, id) }),
    }),
    find: routes.find,
    opened: routes.opened,
    wake: routes.wake,
    links,
    signInUrl: (label, path) => {
      const ours = o.publicUrl();
      return `${ours.replace(/\/$/, '')}${VISIT_PATH}/${encodeURIComponent(label)}?to=${encodeURIComponent(path)}`;
    },
    secure: config.previewPublicUrl?.startsWith('https:') ?? false,
    log,
  });
  const { previewDomain: domain, previewPublicUrl: publicUrl } = config;
  return {
    port: gateway.port,
    url: previewAddress({ domain, port: gateway.port, publicUrl }, '*'),
    visits: {
      find: routes.find,
      linkTo(label, preview, path) {
        const place = {
          domain: (preview.stranger ? strangersDomain : undefined) ?? domain,
          port: gateway.port,
          publicUrl,
        };
        const to = new URL(path, previewAddress(place, label));
        to.searchParams.set(LINK_PARAMETER, links.tokenFor(preview.id, systemClock.now(), SIGNED_IN_DAYS));
        return to.href;
      },
    },
    async close() {
      await gateway.close();
      await clusters?.close();
      await backend.close();
      await store.close();
    },
  };
}
