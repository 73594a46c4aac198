/** What an API server is sent: plain data under the names of the wire, typed by the client's own types. */
import type {
  V1Deployment,
  V1Ingress,
  V1Job,
  V1LimitRange,
  V1LimitRangeItem,
  V1Namespace,
  V1NetworkPolicy,
  V1NetworkPolicyPeer,
  V1NetworkPolicyPort,
  V1NetworkPolicySpec,
  V1ObjectMeta,
  V1ResourceQuota,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V1StatefulSet,
} from '@kubernetes/client-node';

type Named = V1ObjectMeta & { name: string; labels: Record<string, string> };
/** The client's types leave everything optional; what is applied always says what it is and how it is called. */
type Complete<T, Kind extends string, Version extends string> = Omit<T, 'apiVersion' | 'kind' | 'metadata'> & {
  apiVersion: Version;
  kind: Kind;
  metadata: Named;
};

/** The client calls `from` and `default` by other names than the wire does. */
type WirePolicySpec = Omit<V1NetworkPolicySpec, 'ingress'> & {
  ingress?: { from?: V1NetworkPolicyPeer[]; ports?: V1NetworkPolicyPort[] }[];
};

export type NamespaceManifest = Complete<V1Namespace, 'Namespace', 'v1'>;
export type QuotaManifest = Complete<V1ResourceQuota, 'ResourceQuota', 'v1'>;
export type LimitRangeManifest = Omit<Complete<V1LimitRange, 'LimitRange', 'v1'>, 'spec'> & {
  spec: { limits: (Omit<V1LimitRangeItem, '_default'> & { default?: Record<string, string> })[] };
};
export type NetworkPolicyManifest = Omit<Complete<V1NetworkPolicy, 'NetworkPolicy', 'networking.k8s.io/v1'>, 'spec'> & {
  spec: WirePolicySpec;
};
export type ServiceAccountManifest = Complete<V1ServiceAccount, 'ServiceAccount', 'v1'>;
export type SecretManifest = Complete<V1Secret, 'Secret', 'v1'>;
export type ServiceManifest = Complete<V1Service, 'Service', 'v1'>;
export type JobManifest = Complete<V1Job, 'Job', 'batch/v1'>;
export type DeploymentManifest = Complete<V1Deployment, 'Deployment', 'apps/v1'>;
export type StatefulSetManifest = Complete<V1StatefulSet, 'StatefulSet', 'apps/v1'>;
export type IngressManifest = Complete<V1Ingress, 'Ingress', 'networking.k8s.io/v1'>;

/** Of the Gateway API, which the client has no types for; as much of it as is written here. */
export interface HttpRouteManifest {
  apiVersion: 'gateway.networking.k8s.io/v1';
  kind: 'HTTPRoute';
  metadata: Named;
  spec: {
    parentRefs: { name: string; namespace: string; sectionName?: string }[];
    hostnames: string[];
    rules: { backendRefs: { name: string; port: number }[] }[];
  };
}

export type Manifest =
  | NamespaceManifest
  | QuotaManifest
  | LimitRangeManifest
  | NetworkPolicyManifest
  | ServiceAccountManifest
  | SecretManifest
  | ServiceManifest
  | JobManifest
  | DeploymentManifest
  | StatefulSetManifest
  | IngressManifest
  | HttpRouteManifest;
