/**
 * What runs beside an API server: jobs, deployments, replica sets, garbage collection, namespaces. There is no kubelet; how
 * a pod fares is said by the test.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { V1Deployment, V1Job, V1Pod, V1ReplicaSet } from '@kubernetes/client-node';
import { type ApiObject, type Fields, qualified, resourceOf, StatusError } from './objects.js';
import { type Fate, lifeOf, type PodOrder } from './pod-life.js';
import type { ClusterStore } from './store.js';

export interface ControllerOptions {
  fate: (order: PodOrder) => Fate;
  /** What a pod printed. */
  log: (order: PodOrder) => string;
}

const as = <T>(object: ApiObject): T => object as unknown as T;
const plain = (value: object): ApiObject => value as unknown as ApiObject;
const time = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

export class Controllers {
  running = true;
  /** Namespaces whose content is removed, but that stay. */
  readonly held = new Set<string>();
  /** How long a quota that was changed is counted by as before. */
  quotaLagMs = 0;
  /** By namespace and pod. */
  readonly logs = new Map<string, string>();
  /** Really runs the pods of jobs that succeed; undefined: how they fare is only told. */
  kubelet: { run(pod: ApiObject): void } | undefined;
  #dirty = new Set<string>();
  #counter = 0;

  constructor(
    readonly store: ClusterStore,
    readonly options: ControllerOptions,
  ) {
    store.onChange = (object) => {
      this.schedule(object.metadata.namespace ?? object.metadata.name);
    };
  }

  /** Looks at a namespace soon. */
  schedule(namespace: string): void {
    if (this.#dirty.size === 0) setImmediate(() => this.step());
    this.#dirty.add(namespace);
  }

  /** One pass over every namespace in which something changed; changes of its own lead to another. */
  step(): void {
    if (!this.running) return;
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    for (const name of dirty) {
      this.#removeOrphans(name);
      for (const { metadata, spec, status } of this.store.list('ResourceQuota', name))
        if (!isDeepStrictEqual(status?.hard, spec?.hard)) {
          const count = () =>
            this.store.change('ResourceQuota', name, metadata.name, (object) => {
              object.status = { hard: object.spec?.hard, used: {} };
            });
          if (this.quotaLagMs === 0) count();
          else setTimeout(count, this.quotaLagMs).unref();
        }
      for (const job of this.store.list('Job', name)) this.#job(as<V1Job>(job));
      for (const deployment of this.store.list('Deployment', name)) this.#deployment(as<V1Deployment>(deployment));
      const namespace = this.store.get('Namespace', undefined, name);
      if (namespace !== undefined) this.#namespace(namespace);
    }
  }

  stop(): void {
    this.running = false;
  }
  go(): void {
    this.running = true;
    this.step();
  }

  event(about: ApiObject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { namespace = '', name, uid } = about.metadata;
    const known = this.store
      .list('Event', namespace)
      .find(
        (event) => event.reason === reason && event.message === message && (event.involvedObject as Fields).uid === uid,
      );
    if (known !== undefined) return;
    this.#counter += 1;
    this.store.create(
      resourceOf('Event'),
      namespace,
      plain({
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${name}.${this.#counter.toString(16).padStart(8, '0')}`, namespace },
        involvedObject: { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid },
        ...{ type, reason, message, count: 1, firstTimestamp: time(), lastTimestamp: time() },
        source: { component: 'kubelet' },
      }),
      'kubelet',
    );
  }

  #removeOrphans(namespace: string): void {
    const all = this.store.inNamespace(namespace);
    const uids = new Set(all.map(({ metadata }) => metadata.uid));
    for (const object of all) {
      const owners = object.metadata.ownerReferences ?? [];
      if (owners.length === 0 || owners.some(({ uid }) => uids.has(uid))) continue;
      if (object.metadata.deletionTimestamp === undefined) this.#delete(object);
    }
    for (const object of all) {
      if (!object.metadata.finalizers?.includes('foregroundDeletion')) continue;
      const owns = ({ metadata }: ApiObject) =>
        metadata.ownerReferences?.some(({ uid }) => uid === object.metadata.uid);
      const dependents = this.store.inNamespace(namespace).filter(owns);
      for (const one of dependents) if (one.metadata.deletionTimestamp === undefined) this.#delete(one);
      if (dependents.length === 0)
        this.store.change(object.kind, namespace, object.metadata.name, ({ metadata }) => {
          metadata.finalizers = metadata.finalizers?.filter((one) => one !== 'foregroundDeletion');
        });
    }
  }

  #delete(object: ApiObject): void {
    this.store.delete(resourceOf(object.kind), object.metadata.namespace, object.metadata.name);
  }

  #namespace(namespace: ApiObject): void {
    if (namespace.metadata.deletionTimestamp === undefined) return;
    const { name } = namespace.metadata;
    for (const object of this.store.inNamespace(name))
      if (object.metadata.deletionTimestamp === undefined) this.#delete(object);
    const left = this.store.inNamespace(name);
    if (left.length === 0 && !this.held.has(name)) {
      this.store.purge(name);
      return;
    }
    const finalizers = [...new Set(left.flatMap(({ metadata }) => metadata.finalizers ?? []))];
    const holding = (finalizer: string) =>
      left.filter(({ metadata }) => metadata.finalizers?.includes(finalizer)).length;
    const told = (kind: string) =>
      `${qualified(resourceOf(kind))}. has ${left.filter((one) => one.kind === kind).length} resource instances`;
    const kinds = [...new Set(left.map(({ kind }) => kind))].map(told);
    const fine = (type: string, reason: string, message: string) => ({ type, status: 'False', reason, message });
    const conditions = [
      fine('NamespaceDeletionDiscoveryFailure', 'ResourcesDiscovered', 'All resources successfully discovered'),
      fine(
        'NamespaceDeletionGroupVersionParsingFailure',
        'ParsedGroupVersions',
        'All legacy kube types successfully parsed',
      ),
      fine(
        'NamespaceDeletionContentFailure',
        'ContentDeleted',
        'All content successfully deleted, may be waiting on finalization',
      ),
      {
        type: 'NamespaceContentRemaining',
        status: left.length > 0 ? 'True' : 'False',
        reason: 'SomeResourcesRemain',
        message: `Some resources are remaining: ${kinds.join(', ')}`,
      },
      {
        type: 'NamespaceFinalizersRemaining',
        status: finalizers.length > 0 ? 'True' : 'False',
        reason: 'SomeFinalizersRemain',
        message: `Some content in the namespace has finalizers remaining: ${finalizers.map((one) => `${one} in ${holding(one)} resource instances`).join(', ')}`,
      },
    ];
    this.store.change('Namespace', undefined, name, (object) => {
      object.status = { ...object.status, phase: 'Terminating', conditions };
    });
  }

  #pod(
    owner: ApiObject,
    top: PodOrder['owner'],
    template: V1ReplicaSet['spec'] | V1Job['spec'],
  ): ApiObject | undefined {
    this.#counter += 1;
    const { namespace = '', name } = owner.metadata;
    const labels = {
      ...template?.template?.metadata?.labels,
      ...(owner.kind === 'Job'
        ? {
            'batch.kubernetes.io/controller-uid': owner.metadata.uid,
            'batch.kubernetes.io/job-name': name,
            'job-name': name,
          }
        : {}),
    };
    const pod = plain({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${name}-${this.#counter.toString(36).padStart(5, '0')}`,
        namespace,
        labels,
        annotations: template?.template?.metadata?.annotations,
        ownerReferences: [
          {
            apiVersion: owner.apiVersion,
            kind: owner.kind,
            name,
            uid: owner.metadata.uid,
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: structuredClone(template?.template?.spec ?? {}),
      status: { phase: 'Pending' },
    });
    const made = this.store.create(
      resourceOf('Pod'),
      namespace,
      JSON.parse(JSON.stringify(pod)),
      'kube-controller-manager',
    );
    this.#live(made, top);
    return made;
  }

  /** A pod's whole life, at once. */
  #live(pod: ApiObject, owner: PodOrder['owner']): void {
    const typed = as<V1Pod>(pod);
    const order: PodOrder = { pod: typed, owner, image: typed.spec?.containers[0]?.image ?? '' };
    const fate = this.options.fate(order);
    if (this.kubelet !== undefined && owner.kind === 'Job' && fate === 'succeeds') {
      this.kubelet.run(pod);
      return;
    }
    const { status, prints, events = [] } = lifeOf(order, fate, time());
    const { namespace = '', name } = pod.metadata;
    if (prints) this.logs.set(`${namespace}/${name}`, this.options.log(order));
    this.store.change('Pod', namespace, name, (object) => {
      object.status = status;
    });
    for (const { reason, message } of events) this.event(pod, 'Warning', reason, message);
  }

  #ownedBy(uid: string, kind: string, namespace: string): ApiObject[] {
    return this.store
      .list(kind, namespace)
      .filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid));
  }

  #job(job: V1Job): void {
    const { namespace = '', name = '', uid = '' } = job.metadata ?? {};
    if (job.metadata?.deletionTimestamp !== undefined || (job.status?.conditions ?? []).length > 0) return;
    const pods = this.#ownedBy(uid, 'Pod', namespace);
    if (pods.length === 0 && job.spec?.backoffLimit === 0 && (job.status?.active ?? 0) > 0) {
      // A pod that was deleted has failed, and no other one is made.
      const message = 'Job has reached the specified backoff limit';
      const failed = { type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message };
      this.store.change('Job', namespace, name, (object) => {
        object.status = { failed: 1, conditions: [{ ...failed, lastTransitionTime: time() }] };
      });
      return;
    }
    if (pods.length === 0) {
      try {
        this.#pod(plain(job), { kind: 'Job', name, namespace }, job.spec);
        this.store.change('Job', namespace, name, (object) => {
          object.status = { ...object.status, active: 1 };
        });
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        this.event(plain(job), 'Warning', 'FailedCreate', `Error creating: ${error.message}`);
      }
      return;
    }
    const phases = pods.map((pod) => pod.status?.phase);
    const finish = (type: string, reason: string, message: string) => {
      this.store.change('Job', namespace, name, (object) => {
        object.status = {
          [type === 'Complete' ? 'succeeded' : 'failed']: 1,
          startTime: time(),
          conditions: [{ type, status: 'True', reason, message, lastTransitionTime: time() }],
        };
      });
    };
    if (phases.includes('Succeeded'))
      finish('Complete', 'CompletionsReached', 'Reached expected number of succeeded pods');
    else if (phases.includes('Failed'))
      finish('Failed', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }

  #deployment(deployment: V1Deployment): void {
    const { namespace = '', name = '', uid = '', generation } = deployment.metadata ?? {};
    if (deployment.metadata?.deletionTimestamp !== undefined) return;
    const hash = createHash('sha256').update(JSON.stringify(deployment.spec?.template)).digest('hex').slice(0, 9);
    const wanted = deployment.spec?.replicas ?? 1;
    const sets = this.#ownedBy(uid, 'ReplicaSet', namespace);
    let refusal: string | undefined;
    for (const set of sets) {
      const keep = set.metadata.name === `${name}-${hash}` ? wanted : 0;
      const pods = this.#ownedBy(set.metadata.uid, 'Pod', namespace);
      for (const pod of pods.slice(keep)) this.#delete(pod);
      try {
        for (let missing = keep - pods.length; missing > 0; missing -= 1)
          this.#pod(set, { kind: 'Deployment', name, namespace }, as<V1ReplicaSet>(set).spec);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        refusal = error.message;
        this.event(set, 'Warning', 'FailedCreate', `Error creating: ${error.message}`);
      }
    }
    if (!sets.some((set) => set.metadata.name === `${name}-${hash}`) && wanted > 0) {
      this.store.create(
        resourceOf('ReplicaSet'),
        namespace,
        JSON.parse(
          JSON.stringify({
            ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet' },
            metadata: {
              ...{ name: `${name}-${hash}`, namespace, labels: deployment.spec?.template.metadata?.labels },
              ownerReferences: [
                { apiVersion: 'apps/v1', kind: 'Deployment', name, uid, controller: true, blockOwnerDeletion: true },
              ],
            },
            spec: { replicas: wanted, selector: deployment.spec?.selector, template: deployment.spec?.template },
          }),
        ),
        'kube-controller-manager',
      );
      return;
    }
    const current = sets.find((set) => set.metadata.name === `${name}-${hash}`);
    const pods = current === undefined ? [] : this.#ownedBy(current.metadata.uid, 'Pod', namespace);
    const ready = pods.filter((pod) =>
      as<V1Pod>(pod).status?.containerStatuses?.every((container) => container.ready),
    ).length;
    const conditions = [
      {
        type: 'Available',
        status: ready >= wanted ? 'True' : 'False',
        reason: ready >= wanted ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
      },
      ...(refusal === undefined
        ? []
        : [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: refusal }]),
    ];
    this.store.change('Deployment', namespace, name, (object) => {
      object.status = {
        observedGeneration: generation,
        replicas: pods.length,
        updatedReplicas: pods.length,
        ...(ready > 0 ? { readyReplicas: ready, availableReplicas: ready } : { unavailableReplicas: wanted }),
        conditions,
      };
    });
  }
}
