/** What the pretended API server keeps, and where objects of each kind live. */

export interface Fields {
  [key: string]: unknown;
}

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFields {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  time: string;
  fieldsType: 'FieldsV1';
  fieldsV1: Fields;
}

export interface Metadata extends Fields {
  name: string;
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFields[];
}

export interface ApiObject extends Fields {
  apiVersion: string;
  kind: string;
  metadata: Metadata;
  spec?: Fields;
  status?: Fields;
}

export interface Resource {
  group: string;
  version: string;
  plural: string;
  singular: string;
  kind: string;
  namespaced: boolean;
  short: string[];
  /** Whether a change of its specification is counted. */
  generations: boolean;
}

const of = (
  groupVersion: string,
  kind: string,
  plural: string,
  short: string[] = [],
  more: Partial<Resource> = {},
): Resource => {
  const [group, version] = groupVersion.includes('/') ? groupVersion.split('/') : ['', groupVersion];
  return {
    ...{ group: group ?? '', version: version ?? '', plural, singular: kind.toLowerCase(), kind, short },
    ...{ namespaced: true, generations: false },
    ...more,
  };
};

export const resources: readonly Resource[] = [
  of('v1', 'Namespace', 'namespaces', ['ns'], { namespaced: false }),
  of('v1', 'Pod', 'pods', ['po']),
  of('v1', 'Service', 'services', ['svc']),
  of('v1', 'Secret', 'secrets'),
  of('v1', 'ConfigMap', 'configmaps', ['cm']),
  of('v1', 'ServiceAccount', 'serviceaccounts', ['sa']),
  of('v1', 'ResourceQuota', 'resourcequotas', ['quota']),
  of('v1', 'LimitRange', 'limitranges', ['limits']),
  of('v1', 'PersistentVolumeClaim', 'persistentvolumeclaims', ['pvc']),
  of('v1', 'Event', 'events', ['ev']),
  of('apps/v1', 'Deployment', 'deployments', ['deploy'], { generations: true }),
  of('apps/v1', 'ReplicaSet', 'replicasets', ['rs'], { generations: true }),
  of('apps/v1', 'StatefulSet', 'statefulsets', ['sts'], { generations: true }),
  of('batch/v1', 'Job', 'jobs', [], { generations: true }),
  of('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies', ['netpol'], { generations: true }),
  of('networking.k8s.io/v1', 'Ingress', 'ingresses', ['ing'], { generations: true }),
  of('gateway.networking.k8s.io/v1', 'HTTPRoute', 'httproutes', [], { generations: true }),
];

export const groupVersionOf = ({ group, version }: Resource) => (group === '' ? version : `${group}/${version}`);
export const resourceOf = (kind: string): Resource => {
  const found = resources.find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`no such kind: ${kind}`);
  return found;
};

/** An answer that is no object: thrown, and sent as a Status. */
export class StatusError extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
    readonly details: Fields = {},
  ) {
    super(message);
  }
  toStatus(): Fields {
    return {
      ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure' },
      ...{ message: this.message, details: this.details, code: this.code },
      ...(this.reason !== '' && { reason: this.reason }),
    };
  }
}

/** What is said of a field. */
export interface Problem {
  reason: 'FieldValueInvalid' | 'FieldValueRequired' | 'FieldValueForbidden';
  field: string;
  message: string;
}
/** @param what `Deployment.apps "web"` */
export function invalid(what: string, problems: readonly Problem[]): StatusError {
  const said = [...new Set(problems.map(({ field, message }) => `${field}: ${message}`))];
  const all = said.length === 1 ? said[0] : `[${said.join(', ')}]`;
  return new StatusError(422, 'Invalid', `${what} is invalid: ${all}`, { causes: problems });
}
/** As refusals of an object name it. */
export const kindOf = (kind: string) => {
  const { group } = resourceOf(kind);
  // By the group in which it was first.
  return group === '' ? kind : `${kind}.${kind === 'NetworkPolicy' || kind === 'Ingress' ? 'extensions' : group}`;
};

export const qualified = ({ group, plural }: Resource) => (group === '' ? plural : `${plural}.${group}`);
export const notFound = (resource: Resource, name: string) =>
  new StatusError(404, 'NotFound', `${qualified(resource)} "${name}" not found`, {
    ...{ name, group: resource.group, kind: resource.plural },
  });
export const conflict = (resource: Resource, name: string, why: string, details: Fields = {}) =>
  new StatusError(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`, {
    ...{ name, group: resource.group, kind: resource.plural },
    ...details,
  });
