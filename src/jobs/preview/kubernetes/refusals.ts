/** Pods that a cluster does not let begin, by a quota or a policy; it says so to whoever makes them and not to us. */
import type { CoreV1Event, V1Deployment, V1Pod } from '@kubernetes/client-node';
import type { Cluster, Stored } from '../../../effects/kubernetes/cluster.js';
import { type Diagnosis, eventOf, oneLine } from '../../../effects/kubernetes/pod-failure.js';
import { ForgewayError } from '../../../lib/errors.js';
import { redactText } from '../../../lib/redact.js';

/** There may be room again without anybody changing the preview. */
const NO_ROOM = /exceeded quota/i;
/** Copied to what makes the pods; no mark of ours by which an object is known. */
const ASKED_AGAIN = 'again.forgeway.dev/at';

/** As if the cluster had refused what the pods are made from: it is tried again by itself. */
export const refusalOf = ({ cause }: Diagnosis): ForgewayError =>
  new ForgewayError(NO_ROOM.test(cause) ? 'FORGEWAY_CLUSTER_QUOTA' : 'FORGEWAY_CLUSTER_ADMISSION', redactText(cause));

/** Of a StatefulSet none of whose pods is there; undefined: it is something else. */
export function refusedSet(o: {
  name: string;
  what: string;
  pods: readonly V1Pod[];
  events: readonly CoreV1Event[];
}): Diagnosis | undefined {
  const refused = o.pods.length > 0 ? undefined : eventOf(o.events, o.name, 'FailedCreate');
  return refused === undefined
    ? undefined
    : { cause: `The cluster does not let ${o.what} start: ${oneLine(refused)}`, refused: true };
}

/** Pods of a Deployment that were refused are tried again after up to a quarter of an hour, unless something of it changes. */
export async function askAgain(cluster: Cluster, { metadata }: Stored<V1Deployment>, signal: AbortSignal) {
  const { name, namespace, uid } = metadata;
  const annotations = { [ASKED_AGAIN]: new Date().toISOString() };
  const mark = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace, uid, annotations } };
  await cluster.apply(mark, { manager: 'forgeway-again', signal });
}
