/**
 * Says of the pods of a real API server how they fare, where no kubelet does: a test decides, as it does in memory. Nothing is run and
 * nothing printed; a pod is never on a node, so whoever deletes it is rid of it at once. Pods of other namespaces than those that this
 * very run made are another Forgeway's, and are not told anything.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import type { ApiObject } from './objects.js';
import { type Fate, lifeOf, type PodOrder } from './pod-life.js';
import type { Call } from './scenarios.js';

const LOOK_MS = 100;

function ownerOf({ metadata }: V1Pod): PodOrder['owner'] | undefined {
  const [owner] = metadata?.ownerReferences ?? [];
  const namespace = metadata?.namespace ?? '';
  if (owner?.kind === 'Job') return { kind: 'Job', name: owner.name, namespace };
  // A set is called as its Deployment, a dash, and what its template hashes to.
  if (owner?.kind === 'ReplicaSet') return { kind: 'Deployment', name: owner.name.replace(/-[^-]+$/, ''), namespace };
  return undefined;
}

export function startPretendedKubelet(
  call: Call,
  o: { fate: (order: PodOrder) => Fate; labels: string; isOurs: (namespace: string) => boolean },
): { stop(): Promise<void> } {
  const told = new Set<string>();
  let running = true;

  async function tell(pod: V1Pod, owner: PodOrder['owner']): Promise<void> {
    const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
    const order: PodOrder = { pod, owner, image: pod.spec?.containers[0]?.image ?? '' };
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const { status, events = [] } = lifeOf(order, o.fate(order), now);
    // Its conditions take the place of all others: a merge patch knows no keys of lists.
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    const answer = await call('PATCH', path, { body: { status }, type: 'application/merge-patch+json' });
    if (answer.status >= 300 && answer.status !== 404) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    for (const [at, { reason, message }] of events.entries()) {
      const involvedObject = { apiVersion: 'v1', kind: 'Pod', name, namespace, uid };
      const body = {
        ...{ apiVersion: 'v1', kind: 'Event', metadata: { name: `${name}.${at}`, namespace } },
        ...{ involvedObject, type: 'Warning', reason, message, count: 1, firstTimestamp: now, lastTimestamp: now },
      };
      await call('POST', `/api/v1/namespaces/${namespace}/events`, { body });
    }
  }

  const loop = (async () => {
    while (running) {
      const { body } = await call('GET', '/api/v1/pods', { query: { labelSelector: o.labels } });
      for (const item of (body.items ?? []) as ApiObject[]) {
        const pod = item as unknown as V1Pod;
        const owner = ownerOf(pod);
        if (owner === undefined || !o.isOurs(owner.namespace)) continue;
        if (told.has(item.metadata.uid) || pod.status?.phase !== 'Pending') continue;
        told.add(item.metadata.uid);
        await tell(pod, owner);
      }
      await sleep(LOOK_MS);
    }
  })();
  return {
    async stop() {
      running = false;
      await loop;
    },
  };
}
