/** The kinds of object that we handle, and where a cluster keeps them. */
import type { KubernetesObject } from '@kubernetes/client-node';

export interface Kind {
  apiVersion: string;
  kind: string;
  plural: string;
  namespaced: boolean;
}

const row = (apiVersion: string, kind: string, plural: string, namespaced = true): Kind => ({
  apiVersion,
  kind,
  plural,
  namespaced,
});

export const kinds = {
  Namespace: row('v1', 'Namespace', 'namespaces', false),
  ResourceQuota: row('v1', 'ResourceQuota', 'resourcequotas'),
  LimitRange: row('v1', 'LimitRange', 'limitranges'),
  ServiceAccount: row('v1', 'ServiceAccount', 'serviceaccounts'),
  Secret: row('v1', 'Secret', 'secrets'),
  ConfigMap: row('v1', 'ConfigMap', 'configmaps'),
  Service: row('v1', 'Service', 'services'),
  PersistentVolumeClaim: row('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims'),
  Pod: row('v1', 'Pod', 'pods'),
  Event: row('v1', 'Event', 'events'),
  Deployment: row('apps/v1', 'Deployment', 'deployments'),
  ReplicaSet: row('apps/v1', 'ReplicaSet', 'replicasets'),
  StatefulSet: row('apps/v1', 'StatefulSet', 'statefulsets'),
  Job: row('batch/v1', 'Job', 'jobs'),
  NetworkPolicy: row('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'),
  Ingress: row('networking.k8s.io/v1', 'Ingress', 'ingresses'),
  HTTPRoute: row('gateway.networking.k8s.io/v1', 'HTTPRoute', 'httproutes'),
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof kinds;

/** Which object: its kind, its name and, unless it belongs to the whole cluster, its namespace. */
export interface ObjectRef {
  kind: KindName;
  namespace?: string | undefined;
  name: string;
}

/** A kind's address: all of it, of one namespace, or one object. */
export function pathOf(kind: KindName, namespace?: string, name?: string): string {
  const { apiVersion, plural, namespaced } = kinds[kind];
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${within}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}

export const isKindName = (kind: string): kind is KindName => Object.hasOwn(kinds, kind);

/** @throws TypeError for an object of a kind that is not in the table, or without a name */
export function refOf(object: KubernetesObject): ObjectRef {
  const { kind = '', metadata } = object;
  if (!isKindName(kind) || kinds[kind].apiVersion !== object.apiVersion || !metadata?.name)
    throw new TypeError(`not an object that we handle: ${object.apiVersion} ${kind} ${metadata?.name}`);
  return { kind, namespace: metadata.namespace, name: metadata.name };
}

/** `Deployment web in acme-web-gh-pr-12`, for people. */
export function described({ kind, namespace, name }: ObjectRef): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${name} in ${namespace}`;
}
