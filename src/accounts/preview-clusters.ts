/** Clusters that an organization's previews are made on, in place of the one that the environment names. */
import { randomUUID } from 'node:crypto';
import { ForgewayError } from '../lib/errors.js';
import { keepSecret } from '../lib/known-secrets.js';
import type { Store } from '../store/database.js';
import { audit } from './audit.js';
import type { Vault } from './vault.js';
import { sealedValues, sealSecrets } from './vault-columns.js';

export interface ListedCluster {
  id: string;
  name: string;
  /** Of the server's kubeconfig; null: the organization gave a kubeconfig. */
  context: string | null;
  /** New previews are made there. */
  chosen: boolean;
  /** Previews that live there. */
  previews: number;
  createdAt: Date;
}

export interface ClusterWish {
  name: string;
  /** Where it is: a context of the server's own kubeconfig, or a kubeconfig that is sealed. */
  at: { context: string } | { kubeconfig: string };
  /** What the operator's settings say differently there. */
  settings: Record<string, unknown>;
  by: string;
}

const TABLE = 'preview_cluster';

/** Adds it and makes new previews there. The caller has tried it. @throws ForgewayError FORGEWAY_CONFLICT when the name is taken */
export async function addPreviewCluster(
  store: Store,
  vault: Vault,
  organizationId: string,
  wish: ClusterWish,
): Promise<string> {
  if ('kubeconfig' in wish.at) keepSecret(wish.at.kubeconfig);
  const rowId = randomUUID();
  await store.tenant(organizationId, async (tx) => {
    const taken = await tx.query(`SELECT FROM ${TABLE} WHERE name = $1`, [wish.name]);
    if (taken.rowCount !== 0)
      throw new ForgewayError(
        'FORGEWAY_CONFLICT',
        `There is a cluster ${wish.name} already. Remove it first, or choose another name.`,
      );
    const secret = 'kubeconfig' in wish.at ? { kubeconfig: wish.at.kubeconfig } : {};
    const columns = await sealSecrets(tx, vault, { table: TABLE, organizationId, rowId }, undefined, secret);
    const { names, values } = sealedValues(TABLE, columns);
    await tx.query(`UPDATE ${TABLE} SET chosen = false WHERE chosen`);
    await tx.query(
      `INSERT INTO ${TABLE} (id, organization_id, name, context, settings, created_by, ${names.join(', ')})
         VALUES ($1, $2, $3, $4, $5, $6, ${names.map((_, index) => `$${index + 7}`).join(', ')})`,
      [
        ...[rowId, organizationId, wish.name, 'context' in wish.at ? wish.at.context : null],
        ...[JSON.stringify(wish.settings), wish.by, ...values],
      ],
    );
    await audit(tx, organizationId, 'preview_cluster.added', wish.name, {}, wish.by);
  });
  return rowId;
}

export async function listPreviewClusters(store: Store, organizationId: string): Promise<ListedCluster[]> {
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<ListedCluster>(
      `SELECT c.id, c.name, c.context, c.chosen, c.created_at AS "createdAt",
         (SELECT count(*)::int FROM preview p WHERE p.cluster = c.id::text AND p.phase <> 'gone') AS previews
       FROM ${TABLE} c ORDER BY c.name`,
    ),
  );
  return rows;
}

/** New previews are made there; null: on the one that the environment names. Each that lives elsewhere moves when it is next built. */
export async function choosePreviewCluster(
  store: Store,
  organizationId: string,
  name: string | null,
  by: string,
): Promise<void> {
  await store.tenant(organizationId, async (tx) => {
    await tx.query(`UPDATE ${TABLE} SET chosen = false, updated_at = now() WHERE chosen`);
    const { rowCount } = await tx.query(`UPDATE ${TABLE} SET chosen = true, updated_at = now() WHERE name = $1`, [
      name,
    ]);
    if (name !== null && rowCount === 0)
      throw new ForgewayError(
        'FORGEWAY_NOT_FOUND',
        `There is no cluster ${name}. \`forgeway clusters list\` shows all.`,
      );
    await audit(tx, organizationId, 'preview_cluster.chosen', name ?? 'default', {}, by);
  });
}

/** @throws ForgewayError FORGEWAY_CONFLICT while previews live there, since nobody else could remove them then */
export async function removePreviewCluster(
  store: Store,
  organizationId: string,
  name: string,
  by: string,
): Promise<void> {
  await store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ id: string; previews: number }>(
      `SELECT id, (SELECT count(*)::int FROM preview p WHERE p.cluster = c.id::text AND p.phase <> 'gone') AS previews
       FROM ${TABLE} c WHERE name = $1 FOR UPDATE`,
      [name],
    );
    const [found] = rows;
    if (found === undefined)
      throw new ForgewayError(
        'FORGEWAY_NOT_FOUND',
        `There is no cluster ${name}. \`forgeway clusters list\` shows all.`,
      );
    if (found.previews > 0)
      throw new ForgewayError(
        'FORGEWAY_CONFLICT',
        `${found.previews} previews live on ${name}. Choose another cluster, and remove them with \`forgeway previews delete\` first.`,
      );
    await tx.query(`DELETE FROM ${TABLE} WHERE id = $1`, [found.id]);
    await audit(tx, organizationId, 'preview_cluster.removed', name, {}, by);
  });
}
