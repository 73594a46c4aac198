/** The clusters that previews live on, and which of them an organization's are made on. */
import type { Cluster } from '../../../effects/kubernetes/cluster.js';
import type { RegistryCredentials } from './manifests/input.js';
import type { ClusterSettings } from './manifests/settings.js';

export interface PreviewCluster {
  /** As rows of previews name it. */
  id: string;
  cluster: Cluster;
  settings: ClusterSettings;
  /** By host: what images are pushed and pulled with. */
  registries: RegistryCredentials;
  buildkitTls?: { ca: string; certificate: string; key: string };
}

export interface PreviewClusters {
  /** Where previews of an organization are made now. */
  homeOf(organizationId: string): Promise<string>;
  /**
   * A cluster that is or was the home of an organization's previews.
   * @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE when it is known no longer
   */
  open(id: string, organizationId: string): Promise<PreviewCluster>;
  /** Those that are open in this process. */
  opened(): readonly PreviewCluster[];
  close(): Promise<void>;
}
