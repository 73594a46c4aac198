/** What a cluster lets Forgeway do: whether it is enough to make previews, and whether it is more than they take. */
import type { Cluster } from '../../../effects/kubernetes/cluster.js';
import { ForgewayError } from '../../../lib/errors.js';
import { seemsSameSite } from '../../../lib/sites.js';
import { LABEL, MANAGER, neededAccess } from './manifests/manifests.js';
import type { ClusterSettings } from './manifests/settings.js';

export interface ClusterCheck {
  version: string;
  /** Each with what to do about it. */
  warnings: string[];
}

const apply = (outside: boolean) => `\`forgeway clusters access${outside ? ' --outside' : ''} | kubectl apply -f -\``;
const ELSEWHERE = 'default';

/** Reads `patch deployments.apps`. */
const spoken = (verb: string, resource: string, group: string) =>
  `${verb} ${resource}${group === '' ? '' : `.${group}`}`;

async function missing(cluster: Cluster, settings: ClusterSettings, outside: boolean): Promise<string[]> {
  const { kind } = settings.route;
  const isUnused = (resource: string) =>
    (resource === 'httproutes' && kind !== 'http-route') || (resource === 'ingresses' && kind !== 'ingress');
  const asked = neededAccess(outside).filter(({ resource }) => !isUnused(resource));
  const answers = await Promise.all(asked.map(async (one) => ({ ...one, may: await cluster.may(one) })));
  return answers.flatMap(({ verb, resource, group, may }) => (may ? [] : [spoken(verb, resource, group)]));
}

/** Whether anything keeps us from writing in a namespace that is not ours. Nothing is written: the server only says what it would do. */
async function writesElsewhere(cluster: Cluster): Promise<boolean> {
  const metadata = { name: 'forgeway-check', namespace: ELSEWHERE };
  // With its protocol: an older server has no default for what names a port in a list.
  const spec = { ports: [{ port: 80, protocol: 'TCP' }] };
  const service = { apiVersion: 'v1', kind: 'Service', metadata, spec };
  try {
    await cluster.apply(service, { dryRun: true });
    return true;
  } catch (error) {
    const refused = ['FORGEWAY_CLUSTER_ADMISSION', 'FORGEWAY_CLUSTER_FORBIDDEN'];
    if (error instanceof ForgewayError && refused.includes(error.code)) return false;
    throw error;
  }
}

/** What a cluster does not do that is older than this version of Kubernetes 1. */
const LATER: readonly (readonly [number, string])[] = [
  [25, 'Pod Security is not enforced, and what pods may do is limited by what Forgeway writes alone'],
  [26, 'a build that a node ended is begun again by Forgeway, and not by the cluster'],
  [27, 'the volume of a database that was exchanged stays until its preview is removed'],
];

/** One warning for all of them; none for a version that cannot be read. */
function tooOldFor(version: string): string[] {
  const minor = Number(/^v?1\.(\d+)/.exec(version)?.[1] ?? Number.POSITIVE_INFINITY);
  const lacking = LATER.filter(([since]) => minor < since);
  if (lacking.length === 0) return [];
  const told = lacking.map(([since, what]) => `${what} (Kubernetes 1.${since})`);
  return [`The cluster is older than what Forgeway is made for: ${told.join('; ')}.`];
}

/**
 * @param outside whether we run outside of it, and lead visitors in through its API server
 * @throws ForgewayError when it does not answer, or does not even let us list namespaces
 */
export async function checkCluster(
  cluster: Cluster,
  settings: ClusterSettings,
  outside: boolean,
): Promise<ClusterCheck> {
  const APPLY = apply(outside);
  const version = await cluster.version();
  await cluster.list('Namespace', { labels: `${LABEL.managedBy}=${MANAGER}` });
  const warnings = tooOldFor(version);
  const lacking = await missing(cluster, settings, outside);
  if (lacking.length > 0) warnings.push(`Forgeway may not ${lacking.join(', ')}: ${APPLY}.`);
  const secrets = { group: '', resource: 'secrets' };
  const reads = await Promise.all(['get', 'list', 'watch'].map((verb) => cluster.may({ verb, ...secrets })));
  if (reads.includes(true))
    warnings.push(
      `Forgeway’s account may read Secrets of every namespace, which it never does. Give it only the role of ${APPLY}.`,
    );
  const { domain, untrustedDomain } = settings;
  if (untrustedDomain !== undefined && seemsSameSite(domain, untrustedDomain))
    warnings.push(
      `${domain} and ${untrustedDomain} seem to be one registered domain, so strangers’ previews can set cookies that others are sent: ` +
        'name one of its own for them (untrustedDomain).',
    );
  if (await writesElsewhere(cluster))
    warnings.push(
      `Nothing keeps Forgeway’s account from writing in namespaces that are not its own: the admission policy is not there, or not ` +
        `for this account. ${APPLY} has it, for Kubernetes 1.30 and later. On an older cluster, and until then, give Forgeway a cluster of its own.`,
    );
  return { version, warnings };
}
