/**
 * What the App's installations mean for our rows: which are active, which repositories they cover, and whether the
 * install banner shows. Every function runs in its caller's transaction, as that organization. All of them may run
 * again, late or out of order: a version older than the one stored changes nothing, and a deleted installation stays
 * deleted (a forge gives a new installation a new number, or at least a later creation time).
 */
import type pg from 'pg';
import { isConnectionApp } from './connections.js';
import type { InstallationFacts, InstallationSource } from './installation-facts.js';
import { type InstallationRow, isGone, isOlder, lockOrCreateRow, storeFacts } from './installation-row.js';

/** What became of an event: `stale` means that a newer state was known already. */
export type InstallationChange = 'applied' | 'stale';

async function audit(
  tx: pg.PoolClient,
  source: InstallationSource,
  row: InstallationRow,
  action: string,
  detail: Record<string, unknown>,
): Promise<void> {
  await tx.query(
    'INSERT INTO audit_entry (organization_id, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)',
    [
      source.organizationId,
      `${source.forge}:${source.host}`,
      action,
      `installation ${row.installation_id}`,
      JSON.stringify(detail),
    ],
  );
}

async function linkRepositories(
  tx: pg.PoolClient,
  source: InstallationSource,
  row: InstallationRow,
  remoteIds: readonly bigint[],
  status: 'active' | 'paused',
): Promise<void> {
  if (remoteIds.length === 0) return;
  await tx.query(
    `UPDATE repository SET installation_id = $1, status = $5, updated_at = now()
     WHERE forge = $2 AND host = $3 AND remote_id = ANY($4::bigint[])`,
    [row.id, source.forge, source.host, remoteIds, status],
  );
}

async function unlinkRepositories(
  tx: pg.PoolClient,
  source: InstallationSource,
  remoteIds: readonly bigint[],
): Promise<void> {
  await tx.query(
    `UPDATE repository SET status = 'removed', installation_id = NULL, updated_at = now()
     WHERE forge = $1 AND host = $2 AND remote_id = ANY($3::bigint[])`,
    [source.forge, source.host, remoteIds],
  );
}

/**
 * `installation.created` and `installation.new_permissions_accepted`: the installation is active, covers the
 * repositories named, and the install banner goes.
 */
export async function installationActive(
  tx: pg.PoolClient,
  source: InstallationSource,
  action: 'created' | 'new_permissions_accepted',
  facts: InstallationFacts,
  repositoryIds: readonly bigint[],
): Promise<InstallationChange> {
  const row = await lockOrCreateRow(tx, source, facts);
  if (isGone(row, facts) || isOlder(row, facts)) return 'stale';
  const suspended = row.status === 'suspended';
  await storeFacts(tx, row, facts, suspended ? 'suspended' : 'active', source.receivedAt);
  await linkRepositories(tx, source, row, repositoryIds, suspended ? 'paused' : 'active');
  await tx.query('UPDATE organization SET install_banner_since = NULL WHERE id = $1', [source.organizationId]);
  await audit(tx, source, row, `installation.${action}`, {
    account: facts.accountLogin,
    repositories: repositoryIds.length,
  });
  return 'applied';
}

/** `installation.suspend`: its repositories pause. */
export async function installationSuspended(
  tx: pg.PoolClient,
  source: InstallationSource,
  facts: InstallationFacts,
): Promise<InstallationChange> {
  const row = await lockOrCreateRow(tx, source, facts);
  if (isGone(row, facts) || isOlder(row, facts)) return 'stale';
  await storeFacts(tx, row, facts, 'suspended', source.receivedAt);
  await tx.query(
    `UPDATE repository SET status = 'paused', updated_at = now() WHERE installation_id = $1 AND status = 'active'`,
    [row.id],
  );
  await audit(tx, source, row, 'installation.suspend', { account: facts.accountLogin });
  return 'applied';
}

/** `installation.unsuspend`: its paused repositories go on. */
export async function installationResumed(
  tx: pg.PoolClient,
  source: InstallationSource,
  facts: InstallationFacts,
): Promise<InstallationChange> {
  const row = await lockOrCreateRow(tx, source, facts);
  if (isGone(row, facts) || isOlder(row, facts)) return 'stale';
  await storeFacts(tx, row, facts, 'active', source.receivedAt);
  await tx.query(
    `UPDATE repository SET status = 'active', updated_at = now() WHERE installation_id = $1 AND status = 'paused'`,
    [row.id],
  );
  await audit(tx, source, row, 'installation.unsuspend', { account: facts.accountLogin });
  return 'applied';
}

/**
 * `installation.deleted`: its repositories are removed, every connection that used it, whoever's it is, forgets it,
 * and the install banner shows for the organizations that lost it.
 */
export async function installationDeleted(
  tx: pg.PoolClient,
  source: InstallationSource,
  facts: InstallationFacts,
): Promise<InstallationChange> {
  const row = await lockOrCreateRow(tx, source, facts);
  if (row.status === 'deleted') return 'stale';
  await storeFacts(tx, row, facts, 'deleted', source.receivedAt);
  await tx.query(
    `UPDATE repository SET status = 'removed', installation_id = NULL, updated_at = now() WHERE installation_id = $1`,
    [row.id],
  );
  const cleared = await forgetInConnections(tx, source, row);
  await audit(tx, source, row, 'installation.deleted', { account: facts.accountLogin, connections: cleared });
  return 'applied';
}

/**
 * Connections of any organization may name this installation, and row level security shows one organization at a time:
 * so the transaction visits each in turn and ends where it began. Rare enough to afford.
 */
async function forgetInConnections(
  tx: pg.PoolClient,
  source: InstallationSource,
  row: InstallationRow,
): Promise<number> {
  const become = (organizationId: string) =>
    tx.query(`SELECT set_config('app.organization_id', $1, true)`, [organizationId]);
  const showBanner = (organizationId: string) =>
    tx.query('UPDATE organization SET install_banner_since = coalesce(install_banner_since, $2) WHERE id = $1', [
      organizationId,
      source.receivedAt,
    ]);
  // A connection by token that was removed is no App that was uninstalled.
  if (isConnectionApp(row.app_id)) return 0;
  let cleared = 0;
  const organizations = await tx.query<{ id: string }>('SELECT id FROM organization ORDER BY id');
  for (const { id: organizationId } of organizations.rows) {
    await become(organizationId);
    const changed = await tx.query(
      `UPDATE connection SET installation_id = NULL, updated_at = now()
       WHERE forge = $1 AND host = $2 AND installation_id = $3 AND coalesce(app_id, $4) = $4`,
      [source.forge, source.host, row.installation_id, row.app_id],
    );
    cleared += changed.rowCount ?? 0;
    if ((changed.rowCount ?? 0) > 0 || organizationId === source.organizationId) await showBanner(organizationId);
  }
  await become(source.organizationId);
  return cleared;
}

/**
 * `installation_repositories.added` and `.removed`. Those added become active under this installation if they are
 * mirrored; those removed may no longer be looked at, and what is mirrored stays for the record. An event that is older
 * than the installation's last one still counts, since it speaks of its repositories and the later one did not.
 */
export async function installationRepositoriesChanged(
  tx: pg.PoolClient,
  source: InstallationSource,
  facts: InstallationFacts,
  action: 'added' | 'removed',
  repositories: readonly { id: bigint; fullName: string }[],
): Promise<InstallationChange> {
  const row = await lockOrCreateRow(tx, source, facts);
  if (isGone(row, facts)) return 'stale';
  const status = row.status === 'suspended' ? 'suspended' : 'active';
  if (!isOlder(row, facts)) await storeFacts(tx, row, facts, status, source.receivedAt);
  const remoteIds = repositories.map((repository) => repository.id);
  if (action === 'added')
    await linkRepositories(tx, source, row, remoteIds, status === 'suspended' ? 'paused' : 'active');
  else await unlinkRepositories(tx, source, remoteIds);
  await audit(tx, source, row, `installation_repositories.${action}`, {
    repositories: repositories.map((repository) => repository.fullName),
  });
  return 'applied';
}

/** Whether the dashboard shows the install banner, and since when. */
export async function installBannerState(
  tx: pg.PoolClient,
  organizationId: string,
): Promise<{ shown: false } | { shown: true; since: Date }> {
  const found = await tx.query<{ install_banner_since: Date | null }>(
    'SELECT install_banner_since FROM organization WHERE id = $1',
    [organizationId],
  );
  const since = found.rows[0]?.install_banner_since ?? null;
  return since === null ? { shown: false } : { shown: true, since };
}
