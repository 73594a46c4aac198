/** The clusters of previews, as the environment says. */
import { existsSync } from 'node:fs';
import { parse } from 'yaml';
import { createVault } from '../accounts/vault.js';
import type { Config } from '../config/config.js';
import type { ClusterSource } from '../effects/kubernetes/connection.js';
import type { PreviewClusters } from '../jobs/preview/kubernetes/clusters.js';
import {
  checkedSettings,
  createPreviewClusters,
  DEFAULT_CLUSTER,
  readBuildkitTls,
  readFileOf,
  readRegistries,
} from '../jobs/preview/kubernetes/open-clusters.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import { sharesCookies } from '../lib/sites.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';

/** Where Kubernetes puts the token of a pod's service account. */
const POD_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

export type ClusterConfig = Pick<
  Config,
  | 'previewCluster'
  | 'kubeconfig'
  | 'previewClusterContext'
  | 'previewClusterSettings'
  | 'previewRegistryConfig'
  | 'previewBuildkitTls'
  | 'previewDomain'
  | 'publicUrl'
>;

export function clusterSource(config: ClusterConfig): Exclude<ClusterSource, { kind: 'given' }> {
  const { previewCluster: chosen, kubeconfig, previewClusterContext: context } = config;
  const isInside = chosen === 'in-cluster' || (chosen === 'auto' && kubeconfig === undefined && existsSync(POD_TOKEN));
  return isInside ? { kind: 'in-cluster' } : { kind: 'file', path: kubeconfig, context };
}

/** Whether this process runs in the cluster of this id, and knows its names. */
export const isInside = (config: ClusterConfig, clusterId: string): boolean =>
  clusterId === DEFAULT_CLUSTER && clusterSource(config).kind === 'in-cluster';

/**
 * What the operator says of every cluster; of one that says nothing, that Forgeway's own pods lead visitors in.
 * @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE
 */
export function operatorSettings(config: ClusterConfig): Record<string, unknown> {
  const base = {
    domain: config.previewDomain,
    route: { kind: 'gateway', from: { namespace: 'forgeway', labels: { 'app.kubernetes.io/name': 'forgeway' } } },
  };
  if (config.previewClusterSettings === undefined) return base;
  const name = 'PREVIEW_CLUSTER_SETTINGS';
  let said: unknown;
  try {
    said = parse(readFileOf(name, config.previewClusterSettings), { maxAliasCount: 0, schema: 'core' }) ?? {};
  } catch (error) {
    if (error instanceof ForgewayError) throw error;
    throw new ForgewayError('FORGEWAY_CLUSTER_UNUSABLE', `${name} is no YAML: ${messageOf(error).split('\n')[0]}.`);
  }
  if (typeof said !== 'object' || said === null || Array.isArray(said))
    throw new ForgewayError('FORGEWAY_CLUSTER_UNUSABLE', `${name} must be a list of names and what they mean.`);
  const { domain, untrustedDomain } = said as { domain?: unknown; untrustedDomain?: unknown };
  if (domain !== undefined && domain !== base.domain)
    throw new ForgewayError(
      'FORGEWAY_CLUSTER_UNUSABLE',
      `${name} says another domain than PREVIEW_DOMAIN, which is ${base.domain}: leave it out, or say the same.`,
    );
  const host = config.publicUrl === undefined ? undefined : new URL(config.publicUrl).hostname;
  if (host !== undefined && typeof untrustedDomain === 'string' && sharesCookies(host, untrustedDomain))
    throw new ForgewayError(
      'FORGEWAY_CLUSTER_UNUSABLE',
      `${name}: strangers’ code at ${untrustedDomain} would share cookies with PUBLIC_URL: name another domain (untrustedDomain).`,
    );
  return { ...base, ...said };
}

/** Opens nothing yet. @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE for files that cannot be used */
export function openPreviewClusters(o: {
  config: ClusterConfig;
  outbound: Pick<Outbound, 'pin'>;
  keys: Pick<MasterKeys, 'versions'>;
  store: Store;
  log: Logger;
}): PreviewClusters {
  const { config, outbound, keys, store, log } = o;
  const settings = operatorSettings(config);
  // A mistake is told at the start and not with the first preview.
  checkedSettings(settings, 'PREVIEW_CLUSTER_SETTINGS');
  const { previewRegistryConfig, previewBuildkitTls } = config;
  return createPreviewClusters({
    ...{ store, outbound, log, settings, vault: createVault(keys.versions), source: clusterSource(config) },
    registries: previewRegistryConfig === undefined ? {} : readRegistries(previewRegistryConfig),
    ...(previewBuildkitTls !== undefined && { buildkitTls: readBuildkitTls(previewBuildkitTls) }),
  });
}
