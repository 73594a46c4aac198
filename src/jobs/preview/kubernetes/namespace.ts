/** The namespace of a preview: made once, checked for its owner before anything in it is written, and seen to be gone. */
import type { V1Namespace } from '@kubernetes/client-node';
import type { Cluster, Stored } from '../../../effects/kubernetes/cluster.js';
import { holdUp } from '../../../effects/kubernetes/hold-up.js';
import type { NamespaceManifest } from '../../../effects/kubernetes/manifest.js';
import { pause } from '../../../lib/clock.js';
import { ForgewayError } from '../../../lib/errors.js';
import type { PreviewIdentity } from '../name.js';
import { ANNOTATION, belongsTo, LABEL } from './manifests/marks.js';

type Namespace = Stored<V1Namespace>;

const foreign = (cluster: Cluster, name: string) =>
  new ForgewayError(
    'FORGEWAY_NAMESPACE_FOREIGN',
    `The namespace ${name} of cluster ${cluster.name} is not of this preview, so nothing in it was touched. ` +
      `Remove it, or let whoever made it rename it, then write \`/preview rebuild\`.`,
    { details: { namespace: name, annotation: ANNOTATION.identity } },
  );

const terminating = (cluster: Cluster, namespace: Namespace) => {
  const why = holdUp(namespace);
  return new ForgewayError(
    'FORGEWAY_NAMESPACE_TERMINATING',
    `The namespace ${namespace.metadata.name} of cluster ${cluster.name} is still being removed${why === '' ? '' : `: ${why}`}`,
    { details: { namespace: namespace.metadata.name } },
  );
};

/**
 * The preview's own namespace, undefined: there is none.
 * @throws ForgewayError FORGEWAY_NAMESPACE_FOREIGN, FORGEWAY_NAMESPACE_TERMINATING
 */
export async function findNamespace(
  cluster: Cluster,
  name: string,
  identity: PreviewIdentity,
  signal?: AbortSignal,
): Promise<Namespace | undefined> {
  const found = await cluster.get<V1Namespace>({ kind: 'Namespace', name }, signal);
  if (found === undefined) return undefined;
  if (!belongsTo(found, identity)) throw foreign(cluster, name);
  if (found.metadata.deletionTimestamp !== undefined) throw terminating(cluster, found);
  return found;
}

/** For whose code it is: trusted commits, or one approved commit of a stranger's. */
const meantFor = ({ labels, annotations }: Namespace['metadata'] | NamespaceManifest['metadata']) =>
  JSON.stringify([labels?.[LABEL.trust], annotations?.[ANNOTATION.approved]]);

/**
 * Makes it, or brings it to what it should be. Of two who make it at once, the one whose it is goes on. One that was made for other
 * code than the wanted one may meet goes first, with all that is left in it: a database and its password, which a stranger wrote, or
 * which are none of a stranger's business (ADR 46).
 * @throws ForgewayError FORGEWAY_NAMESPACE_FOREIGN, FORGEWAY_NAMESPACE_TERMINATING
 */
export async function ensureNamespace(
  cluster: Cluster,
  manifest: NamespaceManifest,
  identity: PreviewIdentity,
  o: { waitMs: number; pollMs?: number; signal?: AbortSignal },
): Promise<Namespace> {
  const { name } = manifest.metadata;
  const { signal } = o;
  let found = await findNamespace(cluster, name, identity, signal);
  if (found !== undefined && meantFor(found.metadata) !== meantFor(manifest.metadata)) {
    await removeNamespace(cluster, name, identity, o);
    found = undefined;
  }
  if (found === undefined && (await cluster.create(manifest, signal)) === undefined) {
    // Somebody was quicker; whose it is decides.
    const theirs = await findNamespace(cluster, name, identity, signal);
    if (theirs === undefined)
      throw new ForgewayError('FORGEWAY_CLUSTER_CONFLICT', `The namespace ${name} came and went meanwhile.`);
  }
  const uid = found?.metadata.uid;
  // With its uid: one that was made by somebody else in this very moment is not taken over.
  const metadata = uid === undefined ? manifest.metadata : { ...manifest.metadata, uid };
  return cluster.apply<V1Namespace>({ ...manifest, metadata }, { signal });
}

const POLL_MS = 500;

/**
 * Deletes the preview's namespace with everything in it and waits until it is gone. One that is another's is left alone.
 * @throws ForgewayError FORGEWAY_NAMESPACE_TERMINATING when it takes longer than `waitMs`: ask again
 */
export async function removeNamespace(
  cluster: Cluster,
  name: string,
  identity: PreviewIdentity,
  o: { waitMs: number; pollMs?: number },
): Promise<void> {
  const ref = { kind: 'Namespace' as const, name };
  const found = await cluster.get<V1Namespace>(ref);
  // What has our name and not our mark is nothing of ours.
  if (found === undefined || !belongsTo(found, identity)) return;
  const { uid } = found.metadata;
  if (found.metadata.deletionTimestamp === undefined) await cluster.delete(ref, { uid });
  const until = performance.now() + o.waitMs;
  for (;;) {
    const now = await cluster.get<V1Namespace>(ref);
    if (now === undefined || now.metadata.uid !== uid) return;
    if (performance.now() >= until) throw terminating(cluster, now);
    await pause(o.pollMs ?? POLL_MS);
  }
}
