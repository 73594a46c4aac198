/**
 * Finds namespaces of ours that no preview has any more and removes them. Ours is only what says so three times over: our
 * label, an organization that exists here, and the identity and name of a preview that this installation knows or has known in
 * that organization. Everything else is left alone, and so is what was made in the last minutes.
 */
import type { V1Namespace } from '@kubernetes/client-node';
import type { Cluster, Stored } from '../../../effects/kubernetes/cluster.js';
import { pause } from '../../../lib/clock.js';
import { messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/logger.js';
import type { Store } from '../../../store/database.js';
import { organizationIds } from '../capacity.js';
import { identityKey, nameCandidates, type PreviewIdentity } from '../name.js';
import { UNNAMED } from '../preview-record.js';
import type { PreviewCluster, PreviewClusters } from './clusters.js';
import { type Inventory, OURS } from './inventory.js';
import { ANNOTATION, LABEL, labelValue, MANAGER } from './manifests/marks.js';

export interface Orphan {
  cluster: string;
  namespace: string;
  uid: string;
  identity: string;
  /** Why nobody needs it. */
  because: string;
}

/** A preview as a row has it: what may be in a cluster, and whether it should be. */
interface Known {
  organizationId: string;
  name: string;
  identity: PreviewIdentity;
  cluster: string | null;
  phase: string;
  /** False: something is wanted that was not reached yet, and may need what is there. */
  settled: boolean;
}

interface Row {
  name: string;
  cluster: string | null;
  phase: string;
  settled: boolean;
  number: number | null;
  branch: string | null;
  forge: string;
  host: string;
  remote_id: string;
  remote_owner: string;
  remote_name: string;
}

/** A row is written before its namespace is; what is younger than this may be told of in a moment. */
const YOUNG_MS = 10 * 60_000;

/** Every preview, and every pull request that has none, of repositories that we serve. */
async function knownPreviews(store: Store, tagOf: (forge: string) => string): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  for (const organizationId of await organizationIds(store)) {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<Row>(
        `SELECT coalesce(p.name, '') AS name, p.cluster, coalesce(p.phase, 'none') AS phase,
           coalesce(p.observed_version = p.desired_version, true) AS settled, q.number, p.branch, r.forge,
           r.host, r.remote_id::text, r.remote_owner, r.remote_name
         FROM preview p FULL JOIN pull_request q ON q.id = p.pull_request_id
           JOIN repository r ON r.id = coalesce(p.repository_id, q.repository_id)`,
      ),
    );
    for (const row of rows) {
      const identity: PreviewIdentity = {
        ...{ organizationId, forge: row.forge, host: row.host, repositoryRemoteId: BigInt(row.remote_id) },
        subject:
          row.branch === null
            ? { kind: 'pull-request', number: row.number ?? 0 }
            : { kind: 'branch', branch: row.branch },
        ...{ owner: row.remote_owner, repository: row.remote_name, tag: tagOf(row.forge) },
      };
      known.set(identityKey(identity), {
        organizationId,
        identity,
        name: row.name,
        cluster: row.cluster,
        phase: row.phase,
        settled: row.settled,
      });
    }
  }
  return known;
}

/** Whether all three say that it is ours and that nobody needs it. Undefined: it is not touched. */
function orphaned(
  namespace: Stored<V1Namespace>,
  home: Pick<PreviewCluster, 'id'>,
  known: ReadonlyMap<string, Known>,
  now: Date,
): string | undefined {
  const { name, labels = {}, annotations = {}, creationTimestamp, deletionTimestamp } = namespace.metadata;
  if (labels[LABEL.managedBy] !== MANAGER || deletionTimestamp !== undefined) return undefined;
  const preview = known.get(annotations[ANNOTATION.identity] ?? '');
  if (preview === undefined) return undefined;
  if (labels[LABEL.organization] !== labelValue(preview.organizationId) || labels[LABEL.preview] !== name)
    return undefined;
  if (preview.name !== name && !nameCandidates(preview.identity).includes(name)) return undefined;
  if (now.getTime() - new Date(String(creationTimestamp)).getTime() < YOUNG_MS) return undefined;
  // One that is brought back goes on with what it finds; what it does not need is found when it has settled.
  if (!preview.settled) return undefined;
  if (preview.phase === 'none' || preview.name.startsWith(UNNAMED)) return 'it has no preview any more';
  if (preview.name !== name) return `its preview is called ${preview.name}`;
  if (preview.cluster !== null && preview.cluster !== home.id) return 'its preview lives on another cluster';
  return preview.phase === 'gone' ? 'its preview was removed' : undefined;
}

/** What would be removed from one cluster. @param namespaces as the cluster has them */
export async function findOrphans(o: {
  store: Store;
  home: Pick<PreviewCluster, 'id' | 'cluster'>;
  namespaces: readonly Stored<V1Namespace>[];
  now: Date;
  tagOf?: (forge: string) => string;
}): Promise<Orphan[]> {
  const known = await knownPreviews(o.store, o.tagOf ?? (() => 'pr'));
  return o.namespaces.flatMap((namespace) => {
    const because = orphaned(namespace, o.home, known, o.now);
    const { name, uid, annotations } = namespace.metadata;
    const identity = annotations?.[ANNOTATION.identity] ?? '';
    return because === undefined ? [] : [{ cluster: o.home.cluster.name, namespace: name, uid, identity, because }];
  });
}

/** Removes it if it is still the very one that was found. */
export async function removeOrphan(cluster: Cluster, { namespace, uid }: Orphan): Promise<void> {
  await cluster.delete({ kind: 'Namespace', name: namespace }, { uid });
}

/** Namespaces that carry our label, as the cluster has them now. */
export async function listOurNamespaces(cluster: Cluster): Promise<Stored<V1Namespace>[]> {
  return (await cluster.list<V1Namespace>('Namespace', { labels: OURS })).items;
}

const EVERY_MS = 5 * 60_000;

/** Looks now and then, at what is known of the clusters anyway. */
export function startCollector(o: {
  store: Store;
  clusters: PreviewClusters;
  inventoryOf: (home: PreviewCluster) => Inventory;
  log: Logger;
  tagOf?: (forge: string) => string;
  everyMs?: number;
}): { look(): Promise<void>; stop(): Promise<void> } {
  const { store, clusters, inventoryOf, log, everyMs = EVERY_MS } = o;
  const stopped = new AbortController();

  async function look(): Promise<void> {
    for (const home of clusters.opened()) {
      const inventory = inventoryOf(home);
      if (!inventory.isComplete()) continue;
      try {
        const namespaces = inventory.all('Namespace') as Stored<V1Namespace>[];
        for (const orphan of await findOrphans({ store, home, namespaces, now: new Date(), tagOf: o.tagOf })) {
          log.warn(
            { cluster: orphan.cluster, namespace: orphan.namespace, because: orphan.because },
            'a namespace that nobody needs is removed',
          );
          await removeOrphan(home.cluster, orphan);
        }
      } catch (error) {
        log.warn(
          { cluster: home.cluster.name, error: messageOf(error) },
          'left-over namespaces could not be looked for; tried again',
        );
      }
    }
  }

  const loop = (async () => {
    while (!stopped.signal.aborted) {
      await pause(everyMs, stopped.signal);
      if (!stopped.signal.aborted) await look();
    }
  })();
  return {
    look,
    async stop() {
      stopped.abort();
      await loop;
    },
  };
}
