import { hkdfSync } from 'node:crypto';
import type { Access } from '../accounts/access/access.js';
import { createPermissions } from '../accounts/permissions.js';
import { readPreviewSecrets } from '../accounts/preview-secrets.js';
import { createVault } from '../accounts/vault.js';
import type { Config } from '../config/config.js';
import { createVisitorLinks, LINK_PARAMETER, type VisitorLinks } from '../effects/gateway/visitor-link.js';
import { forgeById } from '../forges/registry.js';
import type { Pokes } from '../jobs/poke.js';
import type { DriverName, PreviewDriver } from '../jobs/preview/driver.js';
import { startCollector } from '../jobs/preview/kubernetes/collector.js';
import { createKubernetesDriver } from '../jobs/preview/kubernetes/driver.js';
import { createInventories } from '../jobs/preview/kubernetes/inventory.js';
import { checkedSettings } from '../jobs/preview/kubernetes/open-clusters.js';
import { startPreviewMonitor } from '../jobs/preview/monitor.js';
import { openProcessDriver } from '../jobs/preview/open-driver.js';
import { previewAddress } from '../jobs/preview/preview-address.js';
import { createPreviewReconciler } from '../jobs/preview/reconciler.js';
import type { Reconciler } from '../jobs/reconcile.js';
import type { KeyLocks } from '../jobs/reconcile-locks.js';
import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import { type MasterKeys, passingKeys } from '../store/master-keys.js';
import type { Bridge } from '../translate/bridge.js';
import { pagesOf } from './pages-of.js';
import { openPreviewClusters, operatorSettings } from './preview-clusters.js';

/** The same keys in server and workers, so that a link made by one opens at the other, also in the midst of a rotation. */
export function visitorLinks(keys: Pick<MasterKeys, 'versions' | 'active'>): VisitorLinks {
  const derived = (key: Buffer) => Buffer.from(hkdfSync('sha256', key, '', 'forgeway/v1/preview-link', 32));
  const [newest, ...others] = passingKeys(keys);
  return createVisitorLinks(derived(newest), ...others.map(derived));
}

/** What runs previews on this machine. @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE */
export function openPreviewDriver(config: Config, outbound: Outbound, log: Logger): Promise<PreviewDriver> {
  return openProcessDriver({
    dataDir: config.dataDir,
    unsafeSameUser: config.unsafeSameUser,
    limits: { memoryMb: config.previewMemoryMb, processes: config.previewProcesses, diskMb: config.previewDiskMb },
    buildTimeoutMs: config.previewBuildTimeoutSeconds * 1_000,
    readyTimeoutMs: config.previewReadyTimeoutSeconds * 1_000,
    buildNetwork: config.previewBuildNetwork,
    outbound,
    log,
  });
}

/** A build on this machine takes all of it; of one on a cluster only the end is waited for. */
const CONCURRENCY: Readonly<Record<DriverName, number>> = { process: 4, kubernetes: 32 };

/** Two letters for a forge, in the names of its previews. */
export const tagOf = (forge: string): string => forgeById(forge)?.tag ?? 'pr';

/** Both drivers, each opened when it is first needed: where previews are made may have changed since the last start. */
function openDrivers(o: Pick<PreviewJobsOptions, 'config' | 'outbound' | 'keys' | 'store' | 'log'>) {
  const { config, outbound, keys, store, log } = o;
  const opened: { process?: Promise<PreviewDriver>; kubernetes?: { driver: PreviewDriver; end(): Promise<void> } } = {};
  const kubernetes = () => {
    if (opened.kubernetes !== undefined) return opened.kubernetes;
    const clusters = openPreviewClusters({ config, outbound, keys, store, log });
    const inventories = createInventories(log);
    const driver = createKubernetesDriver({ clusters, inventoryOf: inventories.of });
    const collector = startCollector({ store, clusters, inventoryOf: inventories.of, log, tagOf });
    opened.kubernetes = {
      driver,
      async end() {
        await collector.stop();
        await inventories.close();
        await clusters.close();
      },
    };
    return opened.kubernetes;
  };
  return {
    async open(name: DriverName): Promise<PreviewDriver> {
      if (name === 'kubernetes') return kubernetes().driver;
      opened.process ??= openPreviewDriver(config, outbound, log);
      return opened.process;
    },
    end: async () => opened.kubernetes?.end(),
  };
}

export interface PreviewJobsOptions {
  config: Config;
  outbound: Outbound;
  keys: MasterKeys;
  store: Store;
  locks: KeyLocks;
  metrics: Metrics;
  log: Logger;
  bridge: Bridge;
  pokes: Pokes;
  access: Access;
  /** Port of the server's preview listener. */
  previewPort: number;
}

export interface PreviewJobs {
  reconciler: Reconciler;
  /** How many are worked on at the same time. */
  concurrency: number;
  /** Ends every preview's processes; what was built stays, and the next start brings them up again. */
  stop(): Promise<void>;
}

/** The preview feature of a worker that runs on the server's machine. */
export async function startPreviewJobs(options: PreviewJobsOptions): Promise<PreviewJobs> {
  const { config, store, locks, metrics, log, bridge, pokes, previewPort, access } = options;
  const links = visitorLinks(options.keys);
  const vault = createVault(options.keys.versions);
  if (config.previewDriver === 'off') throw new Error('previews are off');
  const strangersDomain =
    config.previewDriver === 'kubernetes'
      ? checkedSettings(operatorSettings(config), 'PREVIEW_CLUSTER_SETTINGS').untrustedDomain
      : undefined;
  const drivers = openDrivers(options);
  const driver = await drivers.open(config.previewDriver);
  const reconciler = createPreviewReconciler({
    store,
    locks,
    metrics,
    log,
    pokes,
    driver,
    formerDriver: drivers.open,
    octokitFor: bridge.octokitFor,
    gitAccess: bridge.gitAccess,
    permissions: createPermissions({ clock: systemClock }),
    access,
    tagOf,
    addressOf: (preview, now) => {
      const domain = preview.stranger ? (strangersDomain ?? config.previewDomain) : config.previewDomain;
      const place = { domain, port: previewPort, publicUrl: config.previewPublicUrl };
      const address = previewAddress(place, preview.name);
      return preview.private ? `${address}/?${LINK_PARAMETER}=${links.tokenFor(preview.id, now)}` : address;
    },
    logPageOf: pagesOf(config, options.keys.root, 'preview'),
    limit: config.previewLimit,
    organizationLimit: config.previewOrganizationLimit,
    secretsOf: ({ organizationId, repositoryId }, names) =>
      readPreviewSecrets(store, vault, { organizationId, repositoryId, names }),
  });
  const monitor = startPreviewMonitor({
    store,
    isSigned: (url) => url.includes(`?${LINK_PARAMETER}=`),
    queue: pokes.preview,
    driver,
    log,
    metrics,
    sleepAfterMs: config.previewSleepMinutes * 60_000,
    removeAfterMs: config.previewRemoveHours * 3_600_000,
  });
  return {
    reconciler,
    concurrency: CONCURRENCY[config.previewDriver],
    async stop() {
      await monitor.stop();
      await monitor.stopAll();
      await drivers.end();
    },
  };
}
