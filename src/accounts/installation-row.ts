/** The row of an installation: found, made, compared with an event, and written. */
import type pg from 'pg';
import { ForgewayError } from '../lib/errors.js';
import type { InstallationFacts, InstallationSource } from './installation-facts.js';
import { type InstallationKey, isVirtualInstallationId } from './virtual-installation.js';

export interface InstallationRow {
  id: string;
  app_id: string;
  installation_id: bigint;
  status: 'active' | 'suspended' | 'deleted';
  deleted_at: Date | null;
  remote_updated_at: Date | null;
}

/** The row, locked, so that two events of one installation do not interleave. */
async function lockRow(tx: pg.PoolClient, source: InstallationSource, virtualId: bigint) {
  const found = await tx.query<InstallationRow>(
    `SELECT id, app_id, installation_id, status, deleted_at, remote_updated_at FROM installation
     WHERE organization_id = $1 AND forge = $2 AND host = $3 AND virtual_id = $4 FOR UPDATE`,
    [source.organizationId, source.forge, source.host, virtualId],
  );
  return found.rows[0];
}

/**
 * Makes the row of an installation when an event is the first that is heard of it: the App may have been installed
 * before Forgeway was. Whatever is known already stays. Returns the number that handlers see.
 */
export async function ensureInstallation(
  tx: pg.PoolClient,
  organizationId: string,
  installation: InstallationKey,
  virtualId: bigint,
): Promise<bigint> {
  const key = [installation.forge, installation.host, installation.appId, installation.installationId];
  await tx.query(
    `INSERT INTO installation (forge, host, app_id, installation_id, organization_id, virtual_id)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
    [...key, organizationId, virtualId],
  );
  const found = await tx.query<{ virtual_id: bigint }>(
    'SELECT virtual_id FROM installation WHERE forge = $1 AND host = $2 AND app_id = $3 AND installation_id = $4',
    key,
  );
  const known = found.rows[0]?.virtual_id;
  if (known === undefined)
    throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', `Number ${virtualId} belongs to another installation.`);
  return known;
}

/** The row to change. A virtual number has its row before any handler sees it; a real one is the default App's. */
export async function lockOrCreateRow(tx: pg.PoolClient, source: InstallationSource, facts: InstallationFacts) {
  const existing = await lockRow(tx, source, facts.id);
  if (existing !== undefined) return existing;
  const hook = await tx.query<{ app_id: string | null }>('SELECT app_id FROM hook WHERE id = $1', [source.hookId]);
  const appId = hook.rows[0]?.app_id;
  if (appId && !isVirtualInstallationId(facts.id)) {
    const { forge, host, organizationId } = source;
    await ensureInstallation(tx, organizationId, { forge, host, appId, installationId: facts.id }, facts.id);
  }
  const made = await lockRow(tx, source, facts.id);
  if (made === undefined)
    throw new ForgewayError(
      'FORGEWAY_INSTALLATION_UNKNOWN',
      'The installation cannot be recorded: it belongs to another organization, or its hook is not an App’s.',
    );
  return made;
}

/** True when the installation is deleted, and these facts are not of one that was made afterwards. */
export function isGone(row: InstallationRow, facts: InstallationFacts): boolean {
  if (row.status !== 'deleted') return false;
  return facts.createdAt === null || row.deleted_at === null || facts.createdAt <= row.deleted_at;
}

export function isOlder(row: InstallationRow, facts: InstallationFacts): boolean {
  return row.remote_updated_at !== null && facts.updatedAt !== null && facts.updatedAt < row.remote_updated_at;
}

/** Stores the facts and the status. GitHub's events carry the whole installation each time. */
export async function storeFacts(
  tx: pg.PoolClient,
  row: InstallationRow,
  facts: InstallationFacts,
  status: InstallationRow['status'],
  at: Date,
): Promise<void> {
  await tx.query(
    `UPDATE installation SET
       account_id = coalesce($2, account_id), account_login = coalesce($3, account_login),
       account_type = coalesce($4, account_type), repository_selection = coalesce($5, repository_selection),
       permissions = CASE WHEN $6::jsonb = '{}' THEN permissions ELSE $6::jsonb END,
       status = $7,
       suspended_at = CASE WHEN $7 = 'suspended' THEN coalesce(suspended_at, $8) END,
       deleted_at = CASE WHEN $7 = 'deleted' THEN coalesce(deleted_at, $8) END,
       remote_updated_at = coalesce($9, remote_updated_at), updated_at = now()
     WHERE id = $1`,
    [
      row.id,
      facts.accountId,
      facts.accountLogin,
      facts.accountType,
      facts.repositorySelection,
      JSON.stringify(facts.permissions),
      status,
      at,
      facts.updatedAt,
    ],
  );
}

/** Where an App is installed, as a person names it. */
export interface AppInstallation {
  id: string;
  /** As handlers see it. */
  virtualId: bigint;
  /** The account it is installed at, or its number where no event has named that yet. */
  account: string;
  host: string;
}

/** Installations of Apps that were not removed, of the transaction's organization. */
export async function appInstallations(tx: Pick<pg.PoolClient, 'query'>): Promise<AppInstallation[]> {
  const { rows } = await tx.query<AppInstallation>(
    `SELECT id, virtual_id AS "virtualId", coalesce(account_login, installation_id::text) AS account, host FROM installation
     WHERE connection_id IS NULL AND status <> 'deleted' AND organization_id = current_organization()
     ORDER BY account, host, id`,
  );
  return rows;
}
