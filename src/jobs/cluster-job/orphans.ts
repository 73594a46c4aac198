/**
 * Namespaces of jobs that are over, left behind by whoever was to remove them. Ours is only what says so by our label and by the
 * identity of a job that this installation has begun, under the very name that it was given; everything else is left alone.
 */
import type { V1Namespace } from '@kubernetes/client-node';
import type { Stored } from '../../effects/kubernetes/cluster.js';
import { isOfJob, jobOfIdentity } from '../../effects/kubernetes/job/manifests.js';
import { jobKinds } from '../../effects/kubernetes/job/records.js';
import { ANNOTATION } from '../../effects/kubernetes/marks.js';
import { startBackgroundLoop } from '../../lib/background-loop.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { clusterJobById } from '../../store/cluster-job.js';
import type { Store } from '../../store/database.js';
import { organizationIds } from '../preview/capacity.js';
import type { PreviewCluster, PreviewClusters } from '../preview/kubernetes/clusters.js';
import { listOurNamespaces, type Orphan, removeOrphan } from '../preview/kubernetes/collector.js';

/** What nobody has told to be over by then is over: longer than any job may take. */
const FORGOTTEN_MS = 14 * 86_400_000;
/** A row is written before its namespace is made, and told to be removed after it is gone. */
const YOUNG_MS = 10 * 60_000;
const EVERY_MS = 5 * 60_000;

async function whyOrphaned(
  store: Store,
  namespace: Stored<V1Namespace>,
  organizations: ReadonlySet<string>,
  now: Date,
): Promise<{ identity: string; because: string } | undefined> {
  const { name, annotations, creationTimestamp, deletionTimestamp } = namespace.metadata;
  const identity = annotations?.[ANNOTATION.identity] ?? '';
  const named = jobOfIdentity(identity);
  if (named === undefined || deletionTimestamp !== undefined || !organizations.has(named.organizationId))
    return undefined;
  const age = now.getTime() - new Date(String(creationTimestamp)).getTime();
  if (age < YOUNG_MS) return undefined;
  const row = await store.tenant(named.organizationId, (tx) => clusterJobById(tx, named.id));
  const kind = jobKinds.find((one) => one === row?.kind);
  if (row === undefined || kind === undefined || row.namespace !== name) return undefined;
  if (!isOfJob(namespace, { ...row, kind })) return undefined;
  if (row.removedAt !== null) return { identity, because: 'its job is over' };
  return age > FORGOTTEN_MS ? { identity, because: 'its job was begun two weeks ago' } : undefined;
}

/** What would be removed from one cluster. @param namespaces as the cluster has them */
export async function findJobOrphans(o: {
  store: Store;
  home: Pick<PreviewCluster, 'cluster'>;
  namespaces: readonly Stored<V1Namespace>[];
  now: Date;
}): Promise<Orphan[]> {
  const organizations = new Set(await organizationIds(o.store));
  const found: Orphan[] = [];
  for (const namespace of o.namespaces) {
    const why = await whyOrphaned(o.store, namespace, organizations, o.now);
    const { name, uid } = namespace.metadata;
    if (why !== undefined) found.push({ cluster: o.home.cluster.name, namespace: name, uid, ...why });
  }
  return found;
}

/** What is over for a month is known by nobody any more, and neither is its namespace. Answers how many. */
export async function forgetJobs(store: Store): Promise<number> {
  let forgotten = 0;
  for (const organizationId of await organizationIds(store)) {
    const { rowCount } = await store.tenant(organizationId, (tx) =>
      tx.query("DELETE FROM cluster_job WHERE removed_at < now() - interval '30 days'"),
    );
    forgotten += rowCount ?? 0;
  }
  return forgotten;
}

/** Looks now and then at the clusters that this process has opened for jobs. */
export function startJobCollector(o: {
  store: Store;
  clusters: Pick<PreviewClusters, 'opened'>;
  log: Logger;
  tickMs?: number;
}): { stop(): Promise<void> } {
  const { store, clusters, log } = o;
  return startBackgroundLoop({
    tickMs: o.tickMs ?? EVERY_MS,
    graceMs: 5_000,
    async round() {
      await forgetJobs(store);
      for (const home of clusters.opened()) {
        const namespaces = await listOurNamespaces(home.cluster);
        for (const orphan of await findJobOrphans({ store, home, namespaces, now: new Date() })) {
          log.warn(
            { namespace: orphan.namespace, because: orphan.because },
            'a namespace that nobody needs is removed',
          );
          await removeOrphan(home.cluster, orphan);
        }
      }
    },
    failed: (error) => log.warn({ err: messageOf(error) }, 'left-over namespaces of jobs could not be looked for'),
  });
}
