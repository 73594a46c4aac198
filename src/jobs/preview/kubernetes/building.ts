/** Builds the images of a place: a Job for each service that is built, watched to its end. */
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { Cluster } from '../../../effects/kubernetes/cluster.js';
import { isImmutable } from '../../../effects/kubernetes/failures.js';
import { refOf } from '../../../effects/kubernetes/kinds.js';
import type { JobManifest } from '../../../effects/kubernetes/manifest.js';
import { pause } from '../../../lib/clock.js';
import type { PlaceFailure } from '../driver.js';
import { jobResult } from './diagnosis.js';
import { isPassing } from './passing.js';
import { refusalOf } from './refusals.js';
import { tellFailure } from './tell-failure.js';

export interface JobWait {
  cluster: Cluster;
  /** How it is called where it failed: `The build of web`. */
  what: string;
  pollMs: number;
  signal: AbortSignal;
}

/**
 * What the job's last container said at its end, or why it failed.
 * @throws ForgewayError FORGEWAY_CLUSTER_QUOTA, FORGEWAY_CLUSTER_ADMISSION while the cluster lets no pod of it begin
 */
export async function runJob(
  manifest: JobManifest,
  o: JobWait,
): Promise<{ message: string } | { failure: PlaceFailure }> {
  const { cluster, what, pollMs, signal } = o;
  const ref = refOf(manifest);
  const namespace = ref.namespace ?? '';
  await begin(cluster, manifest, signal);
  for (;;) {
    const job = await cluster.get<V1Job>(ref, signal);
    // Somebody deleted it: it is begun again, as a new one.
    if (job === undefined) await begin(cluster, manifest, signal);
    else {
      const pods = await cluster.list<V1Pod>('Pod', {
        ...{ namespace, signal },
        // Its newer name, `batch.kubernetes.io/job-name`, stands beside it only from Kubernetes 1.27 on.
        labels: `job-name=${ref.name}`,
      });
      const stuck = pods.items.length === 0 || pods.items.some(({ status }) => status?.phase === 'Pending');
      const ended = (job.status?.conditions ?? []).length > 0;
      const events = stuck || ended ? await cluster.events(namespace, signal) : [];
      const result = jobResult({ what, job, pods: pods.items, events });
      if (result?.done) return { message: result.message };
      if (result?.refused) {
        // Its controller would try it again in its own time, and its deadline runs: the next one is let in at once, or is not.
        await cluster.delete(ref, { uid: job.metadata.uid, signal });
        throw refusalOf(result);
      }
      if (result !== undefined) {
        const failure = await tellFailure(cluster, namespace, result);
        return { failure: isPassing(result, failure.log) ? { ...failure, passing: true } : failure };
      }
    }
    await pause(pollMs, signal);
    signal.throwIfAborted();
  }
}

/** What a job runs cannot be changed once it is there: one of before the settings changed makes room first. */
async function begin(cluster: Cluster, manifest: JobManifest, signal: AbortSignal): Promise<void> {
  try {
    await cluster.apply(manifest, { signal });
  } catch (error) {
    if (!isImmutable(error)) throw error;
    await cluster.delete(refOf(manifest), { propagation: 'Foreground', signal });
  }
}
