/** The objects of a pretended cluster: versions, changes that can be watched, removal with finalizers, admission. */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { applied, type FieldConflict, spokenPath, updated } from './fields.js';
import {
  type ApiObject,
  conflict,
  type Fields,
  groupVersionOf,
  invalid,
  kindOf,
  notFound,
  type Problem,
  qualified,
  type Resource,
  resourceOf,
  StatusError,
} from './objects.js';
import { undeclared } from './schema.js';
import { validate } from './validation.js';

export interface Change {
  version: number;
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: ApiObject;
}

/** Refuses an object by throwing a StatusError. @param before as it was, of one that is changed */
export type Admission = (
  verb: 'create' | 'update' | 'delete',
  object: ApiObject,
  store: ClusterStore,
  before?: ApiObject,
) => void;

const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export class ClusterStore {
  /** By kind, then namespace, then name. */
  #objects = new Map<string, Map<string, Map<string, ApiObject>>>();
  #version = 1000;
  #changes: Change[] = [];
  /** Changes up to this version cannot be watched any more. */
  #compacted = 1000;
  #listeners = new Set<() => void>();
  readonly admissions: Admission[] = [];
  /** Fields that this server is too old for, as `Job.spec.podFailurePolicy`. */
  lacks: readonly string[] = [];
  /** Called after every change. */
  onChange: (object: ApiObject) => void = () => undefined;

  get version(): number {
    return this.#version;
  }
  get compacted(): number {
    return this.#compacted;
  }

  /** As etcd forgets: watches and pages that go on from before are told that they expired. */
  compact(): void {
    this.#compacted = this.#version;
    this.#changes = [];
    for (const listener of this.#listeners) listener();
  }

  /** As a copy of etcd's files that somebody keeps. */
  backup(): { objects: ApiObject[]; version: number } {
    const objects = [...this.#objects.values()].flatMap((all) => [...all.values()].flatMap((one) => [...one.values()]));
    return { objects: structuredClone(objects), version: this.#version };
  }

  /**
   * As etcd that is started from such a copy: everything made since is gone, what was removed is back, and versions are counted from
   * where they were. A watch from a version that is not come to yet is told nothing until it is.
   */
  restore({ objects, version }: ReturnType<ClusterStore['backup']>): void {
    this.#objects = new Map();
    for (const object of structuredClone(objects)) {
      const ofKind = this.#objects.get(object.kind) ?? new Map<string, Map<string, ApiObject>>();
      const place = object.kind === 'Namespace' ? '' : (object.metadata.namespace ?? '');
      const ofNamespace = ofKind.get(place) ?? new Map<string, ApiObject>();
      this.#objects.set(object.kind, ofKind.set(place, ofNamespace.set(object.metadata.name, object)));
    }
    this.#version = version;
    this.#compacted = version;
    this.#changes = [];
  }

  changesAfter(version: number): readonly Change[] {
    const [oldest] = this.#changes;
    // Every change has the version after the one before it.
    return oldest === undefined ? [] : this.#changes.slice(Math.max(0, version + 1 - oldest.version));
  }
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get(kind: string, namespace: string | undefined, name: string): ApiObject | undefined {
    return this.#objects
      .get(kind)
      ?.get(namespace ?? '')
      ?.get(name);
  }
  /** By namespace and name. */
  list(kind: string, namespace?: string): ApiObject[] {
    const all = this.#objects.get(kind);
    const places = namespace === undefined ? [...(all?.keys() ?? [])].sort() : [namespace];
    return places.flatMap((place) =>
      [...(all?.get(place)?.entries() ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object),
    );
  }
  /** Every object of a namespace. */
  inNamespace(namespace: string): ApiObject[] {
    return [...this.#objects.values()].flatMap((all) => [...(all.get(namespace)?.values() ?? [])]);
  }

  #record(type: Change['type'], object: ApiObject): ApiObject {
    this.#version += 1;
    object.metadata.resourceVersion = String(this.#version);
    const { kind, metadata } = object;
    const ofKind = this.#objects.get(kind) ?? new Map<string, Map<string, ApiObject>>();
    const place = kind === 'Namespace' ? '' : (metadata.namespace ?? '');
    const ofNamespace = ofKind.get(place) ?? new Map<string, ApiObject>();
    this.#objects.set(kind, ofKind.set(place, ofNamespace));
    if (type === 'DELETED') ofNamespace.delete(metadata.name);
    else ofNamespace.set(metadata.name, object);
    this.#changes.push({ version: this.#version, type, object });
    if (this.#changes.length > 20_000) {
      const dropped = this.#changes.splice(0, 10_000);
      this.#compacted = dropped.at(-1)?.version ?? this.#compacted;
    }
    for (const listener of this.#listeners) listener();
    this.onChange(object);
    return object;
  }

  /** As the quota admission does for numbers of objects. What pods ask for is not added up. */
  #count(object: ApiObject): void {
    const { namespace } = object.metadata;
    const { plural, group } = resourceOf(object.kind);
    const names = group === '' ? [plural, `count/${plural}`] : [`count/${plural}.${group}`];
    for (const quota of this.list('ResourceQuota', namespace)) {
      const { hard: wanted = {} } = (quota.spec ?? {}) as { hard?: Record<string, string> };
      const name = names.find((one) => wanted[one] !== undefined);
      if (name === undefined) continue;
      // What counts is what its controller has taken over, not what was written since.
      const hard = (quota.status as { hard?: Record<string, string> } | undefined)?.hard ?? {};
      const refused = (why: string) =>
        new StatusError(
          403,
          'Forbidden',
          `${qualified(resourceOf(object.kind))} "${object.metadata.name}" is forbidden: ${why}`,
        );
      if ((quota.status as { hard?: object } | undefined)?.hard === undefined)
        throw refused(`status unknown for quota: ${quota.metadata.name}, resources: ${name}`);
      const used = this.list(object.kind, namespace).length;
      if (used >= Number(hard[name]))
        throw refused(
          `exceeded quota: ${quota.metadata.name}, requested: ${name}=1, used: ${name}=${used}, limited: ${name}=${hard[name]}`,
        );
    }
  }

  #admit(verb: 'create' | 'update' | 'delete', object: ApiObject, before?: ApiObject): void {
    for (const admission of this.admissions) admission(verb, object, this, before);
  }

  #born(object: ApiObject): ApiObject {
    const resource = resourceOf(object.kind);
    const { namespace, name } = object.metadata;
    const pattern = object.kind === 'Namespace' ? NAMESPACE : NAME;
    if (!pattern.test(name ?? ''))
      throw invalid(`${kindOf(object.kind)} "${name}"`, [
        { reason: 'FieldValueInvalid', field: 'metadata.name', message: `Invalid value: "${name}"` },
      ]);
    if (resource.namespaced) {
      const holder = this.get('Namespace', undefined, namespace ?? '');
      if (holder === undefined) throw notFound(resourceOf('Namespace'), namespace ?? '');
      if (holder.metadata.deletionTimestamp !== undefined)
        throw new StatusError(
          403,
          'Forbidden',
          `${qualified(resource)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
          {
            causes: [
              {
                reason: 'NamespaceTerminating',
                message: `namespace ${namespace} is being terminated`,
                field: 'metadata.namespace',
              },
            ],
          },
        );
    }
    validate(object);
    this.#count(object);
    this.#admit('create', object);
    object.metadata.uid = randomUUID();
    object.metadata.creationTimestamp = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    if (resource.generations) object.metadata.generation = 1;
    if (object.kind === 'Job')
      (object.spec as Fields).selector ??= {
        matchLabels: { 'batch.kubernetes.io/controller-uid': object.metadata.uid },
      };
    defaulted(object);
    return this.#record('ADDED', object);
  }

  /** @param body as it was sent */
  create(resource: Resource, namespace: string | undefined, body: ApiObject, manager: string): ApiObject {
    const object = structuredClone(body);
    object.metadata = { ...object.metadata, ...(resource.namespaced ? { namespace: namespace ?? 'default' } : {}) };
    if (object.metadata.name === undefined && typeof object.metadata.generateName === 'string')
      object.metadata.name = `${object.metadata.generateName}${randomUUID().slice(0, 5)}`;
    const { name } = object.metadata;
    if (this.get(resource.kind, object.metadata.namespace, name) !== undefined)
      throw new StatusError(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, {
        ...{ name, group: resource.group, kind: resource.plural },
      });
    updated(undefined, object, { manager, now: now() });
    return this.#born(object);
  }

  /** Server-side apply. */
  apply(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    body: ApiObject,
    o: { manager: string; force: boolean },
  ): { object: ApiObject; created: boolean } {
    if (body.kind !== resource.kind || body.apiVersion !== groupVersionOf(resource))
      throw new StatusError(400, 'BadRequest', 'the object and its address are of two kinds');
    if (body.metadata.managedFields !== undefined)
      throw new StatusError(400, 'BadRequest', 'metadata.managedFields must be nil');
    const [field] = undeclared(body, this.lacks);
    if (field !== undefined)
      throw new StatusError(500, '', `failed to create typed patch object: ${field}: field not declared in schema`);
    const live = this.get(resource.kind, namespace, name);
    const { uid, resourceVersion } = body.metadata as Partial<ApiObject['metadata']>;
    if (uid !== undefined && live === undefined)
      throw conflict(
        resource,
        name,
        `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`,
      );
    if (uid !== undefined && uid !== live?.metadata.uid) {
      const message = `Invalid value: "${uid}": field is immutable`;
      const problem = { reason: 'FieldValueInvalid', field: 'metadata.uid', message } as const;
      // Told twice, as it is looked at twice.
      throw invalid(`${kindOf(resource.kind)} "${name}"`, [problem, problem]);
    }
    if (resourceVersion !== undefined && live !== undefined && resourceVersion !== live.metadata.resourceVersion)
      throw conflict(
        resource,
        name,
        'the object has been modified; please apply your changes to the latest version and try again',
      );
    const wanted = structuredClone(body);
    wanted.metadata = { ...wanted.metadata, name, ...(resource.namespaced ? { namespace } : {}) };
    const result = applied(live, wanted, { ...o, now: now() });
    if ('conflicts' in result) {
      const { conflicts } = result;
      // Who applies is called by name, who writes otherwise also by the version that they wrote.
      const spoken = ({ manager, operation }: FieldConflict) =>
        `"${manager}"${operation === 'Update' ? ` using ${groupVersionOf(resource)}` : ''}`;
      const causes = conflicts.map((one) => ({
        ...{ reason: 'FieldManagerConflict', message: `conflict with ${spoken(one)}`, field: spokenPath(one.path) },
      }));
      const who = [...new Set(conflicts.map(spoken))];
      const [only] = conflicts;
      const said =
        conflicts.length === 1 && only !== undefined
          ? `1 conflict: conflict with ${spoken(only)}: ${spokenPath(only.path)}`
          : `${conflicts.length} conflicts: ${who
              .map((one) => {
                const fields = conflicts.filter((conflict) => spoken(conflict) === one);
                return `conflicts with ${one}:\n${fields.map(({ path }) => `- ${spokenPath(path)}`).join('\n')}`;
              })
              .join('\n')}`;
      throw new StatusError(409, 'Conflict', `Apply failed with ${said}`, { causes });
    }
    if (live === undefined) return { object: this.#born(result.object), created: true };
    return { object: this.replace(result.object), created: false };
  }

  /** Writes an object that was there, unless nothing of it is new. */
  replace(object: ApiObject, admit = true): ApiObject {
    const { kind, metadata } = object;
    const live = this.get(kind, metadata.namespace, metadata.name);
    if (live === undefined) throw notFound(resourceOf(kind), metadata.name);
    const isEmptied = defaulted(object);
    if (isDeepStrictEqual(live, object) && !isEmptied) return live;
    if (kind === 'Job' && !isDeepStrictEqual(live.spec?.template, object.spec?.template))
      throw invalid(`Job.batch "${metadata.name}"`, [fixed('spec.template', 'core.PodTemplateSpec')]);
    if (kind === 'StatefulSet' && !isDeepStrictEqual(fixedOf(live.spec), fixedOf(object.spec)))
      throw invalid(`StatefulSet.apps "${metadata.name}"`, [
        {
          reason: 'FieldValueForbidden',
          field: 'spec',
          message: `Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden`,
        },
      ]);
    if (kind === 'Deployment' && !isDeepStrictEqual(live.spec?.selector, object.spec?.selector))
      throw invalid(`Deployment.apps "${metadata.name}"`, [fixed('spec.selector', 'v1.LabelSelector')]);
    if (admit) validate(object);
    if (admit) this.#admit('update', object, live);
    if (resourceOf(kind).generations && (isEmptied || !isDeepStrictEqual(live.spec, object.spec)))
      metadata.generation = (live.metadata.generation ?? 0) + 1;
    if (metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).length === 0 && kind !== 'Namespace')
      return this.#record('DELETED', object);
    return this.#record('MODIFIED', object);
  }

  /** Changes an object in place, as its controllers do. */
  change(kind: string, namespace: string | undefined, name: string, change: (object: ApiObject) => void): void {
    const live = this.get(kind, namespace, name);
    if (live === undefined) return;
    const object = structuredClone(live);
    change(object);
    this.replace(object, false);
  }

  /** As somebody who changes an object by hand. */
  edit(
    kind: string,
    namespace: string | undefined,
    name: string,
    manager: string,
    change: (object: ApiObject) => void,
  ): void {
    const live = this.get(kind, namespace, name);
    if (live === undefined) throw notFound(resourceOf(kind), name);
    const object = structuredClone(live);
    change(object);
    updated(live, object, { manager, now: now() });
    this.replace(object);
  }

  delete(
    resource: Resource,
    namespace: string | undefined,
    name: string,
    options: { uid?: string; resourceVersion?: string; propagation?: string } = {},
  ): ApiObject {
    const live = this.get(resource.kind, namespace, name);
    if (live === undefined) throw notFound(resource, name);
    const { uid, resourceVersion } = options;
    if (uid !== undefined && uid !== live.metadata.uid)
      throw anotherOne(
        live,
        `the UID in the precondition (${uid}) does not match the UID in record (${live.metadata.uid}). The object might have been deleted and then recreated`,
      );
    if (resourceVersion !== undefined && resourceVersion !== live.metadata.resourceVersion)
      throw anotherOne(
        live,
        `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${live.metadata.resourceVersion}). The object might have been modified`,
      );
    if (live.metadata.deletionTimestamp !== undefined) {
      return live;
    }
    this.#admit('delete', live);
    const object = structuredClone(live);
    if (options.propagation === 'Foreground')
      object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), 'foregroundDeletion'])];
    if (resource.kind !== 'Namespace' && (object.metadata.finalizers ?? []).length === 0)
      return this.#record('DELETED', object);
    object.metadata.deletionTimestamp = now();
    if (resource.kind === 'Namespace') object.status = { ...object.status, phase: 'Terminating' };
    return this.#record('MODIFIED', object);
  }

  /** Takes a namespace away once nothing is in it; what the namespace controller does last. */
  purge(name: string): void {
    const live = this.get('Namespace', undefined, name);
    if (live !== undefined) this.#record('DELETED', structuredClone(live));
  }
}

/** As a server shows a value in a message: all of it, in the words of its language, however long. */
const writtenOut = (type: string) =>
  `${type}{ObjectMeta:v1.ObjectMeta{Name:"", Labels:map[string]string{${'"a":"b", '.repeat(100)}}}, Spec:core.PodSpec{Volumes:[]core.Volume(nil)}}`;

/** Of a removal; here it is called by its kind. */
const anotherOne = ({ kind, metadata }: ApiObject, why: string) =>
  new StatusError(409, 'Conflict', `Operation cannot be fulfilled on ${kind} "${metadata.name}": ${why}`);

const fixed = (field: string, type: string): Problem => ({
  ...{ reason: 'FieldValueInvalid', field, message: `Invalid value: ${writtenOut(type)}: field is immutable` },
});

/** What of a StatefulSet cannot be changed. */
function fixedOf(spec: Fields = {}): Fields {
  const free = ['replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'minReadySeconds'];
  const isFixed = (key: string) => !free.includes(key) && key !== 'persistentVolumeClaimRetentionPolicy';
  return Object.fromEntries(Object.entries(spec).filter(([key]) => isFixed(key)));
}

const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

/**
 * A few of the defaults that a real API server fills in, those that make a difference to an apply.
 * @returns whether it said something that is not kept, which a real one takes for a change each time: a policy's list of nothing
 */
function defaulted(object: ApiObject): boolean {
  const spec = (object.spec ?? {}) as {
    replicas?: number;
    ports?: Fields[];
    template?: { spec?: { containers?: Fields[] } };
    type?: string;
    finalizers?: string[];
  };
  if (object.kind === 'Namespace') {
    object.spec = { ...object.spec, finalizers: ['kubernetes'] };
    object.status ??= { phase: 'Active' };
  }
  if (object.kind === 'Deployment') spec.replicas ??= 1;
  if (object.kind === 'Service') {
    spec.type ??= 'ClusterIP';
    for (const port of spec.ports ?? []) port.protocol ??= 'TCP';
  }
  for (const container of spec.template?.spec?.containers ?? []) {
    container.imagePullPolicy ??= 'IfNotPresent';
    for (const port of (container.ports ?? []) as Fields[]) port.protocol ??= 'TCP';
  }
  const text = object as { stringData?: Record<string, string>; data?: Record<string, string> };
  if (object.kind === 'Secret' && text.stringData !== undefined) {
    const encoded = Object.entries(text.stringData).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    text.data = { ...text.data, ...Object.fromEntries(encoded) };
    delete text.stringData;
  }
  if (object.kind !== 'NetworkPolicy') return false;
  const empty = ['ingress', 'egress'].filter((key) => isDeepStrictEqual((object.spec as Fields)[key], []));
  for (const key of empty) delete (object.spec as Fields)[key];
  return empty.length > 0;
}
