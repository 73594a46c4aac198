/** Makes room for a database that the one that is there cannot become: of another engine or major version, or on another volume. */
import type { V1PersistentVolumeClaim, V1StatefulSet } from '@kubernetes/client-node';
import type { Cluster } from '../../../effects/kubernetes/cluster.js';
import { refOf } from '../../../effects/kubernetes/kinds.js';
import type { Manifest } from '../../../effects/kubernetes/manifest.js';
import { pause } from '../../../lib/clock.js';
import { ForgewayError } from '../../../lib/errors.js';
import { ANNOTATION } from './manifests/marks.js';
import { DATABASE_SECRET } from './manifests/secrets.js';

/** As StatefulSets call the claim of their first pod. */
const CLAIM = 'data-database-0';
const WAIT_MS = 60_000;

/**
 * Nothing is done where the wanted one can be applied. Else what is there goes, with its data and its password; a preview's database
 * holds nothing that its seed does not make again.
 * @throws ForgewayError FORGEWAY_CLUSTER_FAILED while it takes its time, FORGEWAY_CLUSTER_INVALID where its volume stays
 */
export async function makeRoomForDatabase(
  cluster: Cluster,
  manifests: readonly Manifest[],
  { pollMs, waitMs = WAIT_MS, signal }: { pollMs: number; waitMs?: number; signal?: AbortSignal },
): Promise<void> {
  const wanted = manifests.find(({ kind }) => kind === 'StatefulSet');
  if (wanted === undefined) return;
  const ref = refOf(wanted);
  const claim = { kind: 'PersistentVolumeClaim' as const, namespace: ref.namespace, name: CLAIM };
  const live = await cluster.get<V1StatefulSet>(ref, signal);
  const data = live?.metadata.annotations?.[ANNOTATION.database];
  // One that does not say what it is was made before they did.
  if (live === undefined || data === undefined || data === wanted.metadata.annotations?.[ANNOTATION.database]) return;
  // The Secret first: as long as the set is there, it says by itself that this was begun.
  await cluster.delete({ kind: 'Secret', namespace: ref.namespace, name: DATABASE_SECRET }, { signal });
  await cluster.delete(ref, { uid: live.metadata.uid, propagation: 'Foreground', signal });
  const until = performance.now() + waitMs;
  for (;;) {
    const set = await cluster.get<V1StatefulSet>(ref, signal);
    const volume = set === undefined ? await cluster.get<V1PersistentVolumeClaim>(claim, signal) : undefined;
    if (set === undefined && volume === undefined) return;
    if (performance.now() >= until) throw left(cluster, String(ref.namespace), volume);
    await pause(pollMs, signal);
    signal?.throwIfAborted();
  }
}

function left(cluster: Cluster, namespace: string, volume: V1PersistentVolumeClaim | undefined): ForgewayError {
  const what = `Cluster ${cluster.name}: the database of before in ${namespace} is still being removed.`;
  if (volume === undefined || volume.metadata?.deletionTimestamp !== undefined)
    return new ForgewayError('FORGEWAY_CLUSTER_FAILED', what);
  return new ForgewayError(
    'FORGEWAY_CLUSTER_INVALID',
    `Cluster ${cluster.name} keeps the volume ${CLAIM} of the database of before in ${namespace}, as clusters older than 1.27 do. ` +
      'Write `/preview delete` and then `/preview`: the next one begins anew.',
  );
}
