/** Opens the clusters of this installation and of its organizations, each once in a process. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Vault } from '../../../accounts/vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf } from '../../../accounts/vault-columns.js';
import { openCluster } from '../../../effects/kubernetes/cluster.js';
import type { ClusterSource } from '../../../effects/kubernetes/connection.js';
import { ForgewayError, messageOf } from '../../../lib/errors.js';
import { keepSecret } from '../../../lib/known-secrets.js';
import type { Logger } from '../../../lib/logger.js';
import type { Outbound } from '../../../lib/outbound/outbound.js';
import type { Store } from '../../../store/database.js';
import { organizationIds } from '../capacity.js';
import type { PreviewCluster, PreviewClusters } from './clusters.js';
import type { RegistryCredentials } from './manifests/input.js';
import { type ClusterSettings, clusterSettings } from './manifests/settings.js';

export interface OpenClustersOptions {
  /** As a role that may read the rows of an organization. */
  store: Store;
  vault: Vault;
  /** Where previews are made for organizations that have chosen nothing. */
  source: Exclude<ClusterSource, { kind: 'given' }>;
  /** Of the operator; an organization's own are laid over them. See {@link checkedSettings}. */
  settings: Record<string, unknown>;
  registries: RegistryCredentials;
  buildkitTls?: PreviewCluster['buildkitTls'];
  outbound: Pick<Outbound, 'pin'>;
  log: Logger;
  /** See `openCluster`. */
  timeoutMs?: number;
}

/** Of the environment, for every organization that has chosen none. */
export const DEFAULT_CLUSTER = 'default';

interface Row extends SealedColumns<'preview_cluster'> {
  id: string;
  name: string;
  context: string | null;
  settings: unknown;
}

const unusable = (problem: string) => new ForgewayError('FORGEWAY_CLUSTER_UNUSABLE', problem);

/** @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE that names every mistake */
export function checkedSettings(given: Record<string, unknown>, whose: string): ClusterSettings {
  const parsed = clusterSettings.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'they'}: ${message}`);
  throw unusable(`The settings of ${whose} have mistakes: ${problems.slice(0, 10).join('; ')}.`);
}

export function createPreviewClusters(options: OpenClustersOptions): PreviewClusters {
  const { store, vault, outbound, log } = options;
  const open = new Map<string, PreviewCluster>();

  async function opened(
    key: string,
    o: { id: string; name: string; source: ClusterSource; settings: Record<string, unknown> },
  ) {
    // It loads the cluster's client, which is half of all that a server loads: whoever has no cluster does not wait for it.
    const { openConnection } = await import('../../../effects/kubernetes/connection.js');
    const known = open.get(key);
    if (known !== undefined) return known;
    const { id, name, source } = o;
    const settings = checkedSettings({ ...options.settings, ...o.settings }, `cluster ${name}`);
    const { timeoutMs, registries, buildkitTls } = options;
    const cluster = openCluster({
      name,
      connection: openConnection(source),
      outbound,
      log,
      ...(timeoutMs && { timeoutMs }),
    });
    const made: PreviewCluster = { id, cluster, settings, registries, ...(buildkitTls && { buildkitTls }) };
    open.set(key, made);
    return made;
  }

  const ofContext = (context: string): ClusterSource => {
    if (options.source.kind !== 'file') throw unusable(`The context ${context} needs KUBECONFIG on this server.`);
    return { ...options.source, context };
  };

  return {
    async homeOf(organizationId) {
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<{ id: string }>('SELECT id FROM preview_cluster WHERE chosen'),
      );
      return rows[0]?.id ?? DEFAULT_CLUSTER;
    },

    async open(id, organizationId) {
      if (id === DEFAULT_CLUSTER) return opened(id, { id, name: id, source: options.source, settings: {} });
      const names = sealedColumnsOf('preview_cluster').map((name) => `"${name}"`);
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<Row>(
          `SELECT id, name, context, settings, ${names.join(', ')} FROM preview_cluster WHERE id::text = $1`,
          [id],
        ),
      );
      const [row] = rows;
      if (row === undefined) throw unusable('The cluster that this preview was made on is not known here any more.');
      const { name, context } = row;
      const settings = z.record(z.string(), z.unknown()).parse(row.settings);
      // A changed kubeconfig or changed settings are another connection.
      const key = JSON.stringify([id, row.secret_version, context, settings]);
      if (open.has(key)) return opened(key, { id, name, source: options.source, settings });
      const secrets = openSecrets(vault, { table: 'preview_cluster', organizationId, rowId: row.id }, row);
      const source: ClusterSource =
        context === null ? { kind: 'given', kubeconfig: secrets.kubeconfig ?? '' } : ofContext(context);
      return opened(key, { id, name, source, settings });
    },

    opened: () => [...open.values()],

    async close() {
      for (const { cluster } of open.values()) cluster.close();
      open.clear();
    },
  };
}

const dockerConfigSchema = z.looseObject({
  auths: z
    .record(
      z.string(),
      z.looseObject({ auth: z.string().optional(), username: z.string().optional(), password: z.string().optional() }),
    )
    .default({}),
});

/** The host that a key of such a file means. */
const hostOf = (key: string) => {
  const host = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return host === 'index.docker.io' ? 'docker.io' : host;
};

/**
 * Registry credentials from a file as `docker login` writes it.
 * @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE
 */
export function readRegistries(path: string): RegistryCredentials {
  const file = readFileOf('PREVIEW_REGISTRY_CONFIG', path);
  let value: unknown;
  try {
    value = JSON.parse(file);
  } catch {
    throw unusable('PREVIEW_REGISTRY_CONFIG is no JSON, as `docker login` writes it.');
  }
  const parsed = dockerConfigSchema.safeParse(value);
  if (!parsed.success) throw unusable('PREVIEW_REGISTRY_CONFIG has no `auths` with user names and passwords.');
  const entries = Object.entries(parsed.data.auths).flatMap(([key, { auth, username, password }]) => {
    const plain = auth === undefined ? undefined : Buffer.from(auth, 'base64').toString('utf8');
    const colon = plain?.indexOf(':') ?? -1;
    const given =
      plain !== undefined && colon > 0 ? [plain.slice(0, colon), plain.slice(colon + 1)] : [username, password];
    const [name, secret] = given;
    if (name === undefined || secret === undefined) return [];
    keepSecret(secret);
    return [[hostOf(key), { username: name, password: secret }] as const];
  });
  return Object.fromEntries(entries);
}

/** @throws ForgewayError FORGEWAY_CLUSTER_UNUSABLE */
export function readBuildkitTls(directory: string): NonNullable<PreviewCluster['buildkitTls']> {
  const read = (name: string) => readFileOf('PREVIEW_BUILDKIT_TLS', join(directory, name));
  return { ca: read('ca.pem'), certificate: read('cert.pem'), key: read('key.pem') };
}

export function readFileOf(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw unusable(`${variable} cannot be read: ${messageOf(error)}.`);
  }
}

/**
 * Every cluster that previews are or were made on, once. `organizationId`: one that may open it.
 * @param isDefault whether that of the environment is one of them even if nothing was made there
 */
export async function clustersInUse(
  store: Store,
  isDefault: boolean,
): Promise<{ id: string; organizationId: string }[]> {
  const found = new Map<string, string>();
  for (const organizationId of await organizationIds(store)) {
    const { rows } = await store.tenant(organizationId, (tx) =>
      tx.query<{ id: string }>(
        `SELECT id::text FROM preview_cluster UNION SELECT cluster FROM preview WHERE cluster IS NOT NULL
           UNION SELECT cluster FROM cluster_job ORDER BY 1`,
      ),
    );
    for (const { id } of [...(isDefault ? [{ id: DEFAULT_CLUSTER }] : []), ...rows])
      if (!found.has(id)) found.set(id, organizationId);
  }
  return [...found].map(([id, organizationId]) => ({ id, organizationId }));
}
