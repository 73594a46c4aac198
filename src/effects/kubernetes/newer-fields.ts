/**
 * Fields that we would have and can do without, where an API server is older than they are: it refuses an object with a field that
 * it does not know, and says which. Each has what is said in its place.
 */
import type { KubernetesObject } from '@kubernetes/client-node';
import type { KindName } from './kinds.js';

interface NewerField {
  kind: KindName;
  /** Of the specification. */
  field: string;
  /** Since which version of Kubernetes it does something without being switched on. */
  since: string;
  instead?: Readonly<Record<string, unknown>>;
}

export const NEWER_FIELDS: readonly NewerField[] = [
  // Without it every pod that ends badly would be tried again, whoever ended it: a build that fails fails once.
  { kind: 'Job', field: 'podFailurePolicy', since: '1.26', instead: { backoffLimit: 0 } },
  // Without it volumes stay when their set goes, and go with the namespace.
  { kind: 'StatefulSet', field: 'persistentVolumeClaimRetentionPolicy', since: '1.27' },
];

/** Which fields of an object that was sent a refusal names, if we can do without all of them; else undefined. */
export function dispensable(sent: KubernetesObject, undeclared: readonly string[]): NewerField[] | undefined {
  const { spec } = sent as { spec?: Record<string, unknown> };
  const found = undeclared.map((path) =>
    NEWER_FIELDS.find(
      // One that was left out already would be left out without end.
      ({ kind, field }) => kind === sent.kind && path === `.spec.${field}` && spec?.[field] !== undefined,
    ),
  );
  const known = found.filter((one) => one !== undefined);
  return known.length > 0 && known.length === found.length ? known : undefined;
}

/** The object as a server takes it that does not know these fields. */
export function without<T extends KubernetesObject>(object: T, fields: Iterable<NewerField>): T {
  const { spec } = object as { spec?: Record<string, unknown> };
  const left = [...fields].filter(({ kind, field }) => kind === object.kind && spec?.[field] !== undefined);
  if (left.length === 0) return object;
  const rest = Object.entries(spec ?? {}).filter(([key]) => !left.some(({ field }) => field === key));
  return { ...object, spec: Object.assign(Object.fromEntries(rest), ...left.map(({ instead }) => instead ?? {})) };
}
