/** Manifests against Kubernetes' published schemas: `kubernetes-models` for what is missing or of a wrong type, and the
 *  client's own generated tables (of a newer Kubernetes) for fields that do not exist. */
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { Job } from 'kubernetes-models/batch/v1';
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import {
  LimitRange,
  Namespace,
  PersistentVolumeClaim,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from 'kubernetes-models/v1';
import { unknownFields } from '../../support/kubernetes-api/schema.js';
import type { Found } from './pod-security.js';

// biome-ignore lint/suspicious/noExplicitAny: each takes its own shape, and is there to say whether this is one
const models: Record<string, new (data: any) => { validate(): void }> = {
  ...{ Deployment, StatefulSet, Job, Ingress, NetworkPolicy, LimitRange, Namespace, ResourceQuota, Secret, Service },
  ...{ ServiceAccount, PersistentVolumeClaim, ClusterRole, ClusterRoleBinding, Role, RoleBinding },
};

/** Every way in which it is not what an API server takes. HTTPRoute is of another API, and checked where it is made. */
export function wireProblems(found: Found): string[] {
  // As it goes over the wire: what is undefined is not there.
  const data = JSON.parse(JSON.stringify(found)) as Found;
  if (data.kind === 'HTTPRoute') return [];
  const Model = models[data.kind];
  // Younger than the models; the client's tables know it.
  if (data.kind.startsWith('ValidatingAdmissionPolicy')) return unknownFields(data, `V1${data.kind}`, data.kind);
  if (Model === undefined) return [`no schema for ${data.kind}`];
  const problems = unknownFields(data, `V1${data.kind}`, data.kind);
  try {
    new Model(data).validate();
  } catch (error) {
    problems.push(String(error));
  }
  return problems;
}
