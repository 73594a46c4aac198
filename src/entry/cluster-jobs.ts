/** Jobs on clusters, as the environment says: for whatever runs there, opened when the first of it needs them. */
import { createBlobs } from '../accounts/blobs.js';
import { createSignedLinks } from '../accounts/signed-links.js';
import { createVault } from '../accounts/vault.js';
import type { Config } from '../config/config.js';
import { type ClusterJobs, createClusterJobs } from '../effects/kubernetes/job/cluster-jobs.js';
import { startJobCollector } from '../jobs/cluster-job/orphans.js';
import { createJobRecords } from '../jobs/cluster-job/records.js';
import type { Logger } from '../lib/logger.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { openPreviewClusters } from './preview-clusters.js';

export interface ClusterJobsFromConfig {
  config: Config;
  outbound: Pick<Outbound, 'pin'>;
  keys: MasterKeys;
  store: Store;
  log: Logger;
}

export interface LazyClusterJobs {
  /** @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE */
  open(): ClusterJobs;
  close(): Promise<void>;
}

export function lazyClusterJobs({ config, outbound, keys, store, log }: ClusterJobsFromConfig): LazyClusterJobs {
  let opened: { jobs: ClusterJobs; end(): Promise<void> } | undefined;

  function openNow() {
    const clusters = openPreviewClusters({ config, outbound, keys, store, log });
    const blobs = createBlobs({ store, vault: createVault(keys.versions) });
    const records = createJobRecords({ store, blobs, links: createSignedLinks(keys.root) });
    const jobs = createClusterJobs({ records, clusters, url: config.publicUrl });
    const collector = startJobCollector({ store, clusters, log });
    return {
      jobs,
      async end() {
        await collector.stop();
        await clusters.close();
      },
    };
  }

  return {
    open() {
      opened ??= openNow();
      return opened.jobs;
    },
    close: async () => opened?.end(),
  };
}
