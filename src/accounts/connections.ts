/** Connections by token: finding them, opening their sealed token, and the installation under which handlers see them. */
import type pg from 'pg';
import type { ForgeDescriptor } from '../forges/forge.js';
import type { Clock } from '../lib/clock.js';
import { ForgewayError } from '../lib/errors.js';
import type { Store } from '../store/database.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf } from './vault-columns.js';
import { virtualInstallationId } from './virtual-installation.js';

export interface OpenConnection {
  id: string;
  organizationId: string;
  forge: ForgeDescriptor;
  host: string;
  /** Base URL of the instance as people see it. */
  baseUrl: string;
  account: { id: bigint; login: string };
  token: string;
  /** The number under which handlers see it. */
  virtualId: bigint;
}

interface ConnectionRow extends SealedColumns<'connection'> {
  id: string;
  forge: string;
  host: string;
  instance_url: string | null;
  provider_account_id: string;
  account_login: string | null;
  status: string;
  status_reason: string | null;
  virtual_id: bigint | null;
}

const COLUMNS = `c.id, c.forge, c.host, c.instance_url, c.provider_account_id, c.account_login, c.status, c.status_reason,
  (SELECT i.virtual_id FROM installation i WHERE i.connection_id = c.id) AS virtual_id,
  ${sealedColumnsOf('connection')
    .map((column) => `c.${column}`)
    .join(', ')}`;

/** A changed token, or a removed connection, takes effect within this time in every process. */
const CACHE_MS = 10_000;

export interface ConnectionDirectory {
  /** @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE saying what its owner has to do */
  open(organizationId: string, connectionId: string): Promise<OpenConnection>;
  /** The same for one whose token may have expired: to try it again, and to tell of its end. Read anew each time. */
  openInAnyState(organizationId: string, connectionId: string): Promise<OpenConnection>;
  /** Forgets what is cached of it: its token was refused, or it was changed by this process. */
  forget(connectionId: string): void;
}

const unusable = (message: string, details: Record<string, unknown> = {}) =>
  new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', message, { details });

/** Its owner took it away: what still arrives for it is no failure. */
export const isRemoved = (error: unknown): boolean =>
  error instanceof ForgewayError && error.code === 'FORGEWAY_CONNECTION_UNUSABLE' && error.details.removed === true;

export function createConnectionDirectory(o: {
  store: Store;
  vault: Vault;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  clock: Clock;
}): ConnectionDirectory {
  const cache = new Map<string, { at: number; opening: Promise<OpenConnection> }>();

  const load = async (organizationId: string, connectionId: string, inAnyState = false): Promise<OpenConnection> => {
    const row = await o.store.tenant(organizationId, async (tx) => {
      const found = await tx.query<ConnectionRow>(`SELECT ${COLUMNS} FROM connection c WHERE c.id = $1`, [
        connectionId,
      ]);
      return found.rows[0];
    });
    if (row === undefined) throw unusable('The connection was removed.', { removed: true });
    const forge = o.forges.get(row.forge);
    const baseUrl = row.instance_url ?? forge?.cloudUrl;
    if (forge === undefined || baseUrl === undefined) throw unusable(`There is no forge ${row.forge} any more.`);
    if (row.status !== 'active' && !inAnyState) throw unusable(row.status_reason ?? `The connection is ${row.status}.`);
    const secrets = openSecrets(o.vault, { table: 'connection', organizationId, rowId: row.id }, row);
    if (secrets.access_token === undefined || row.virtual_id === null)
      throw unusable('The connection has no token. Connect it again.');
    return {
      id: row.id,
      organizationId,
      forge,
      host: row.host,
      baseUrl,
      account: { id: BigInt(row.provider_account_id), login: row.account_login ?? '' },
      token: secrets.access_token,
      virtualId: row.virtual_id,
    };
  };

  return {
    open(organizationId, connectionId) {
      const now = o.clock.now().getTime();
      const known = cache.get(connectionId);
      if (known !== undefined && now >= known.at && now - known.at < CACHE_MS) return known.opening;
      const opening = load(organizationId, connectionId);
      cache.set(connectionId, { at: now, opening });
      opening.catch(() => cache.delete(connectionId));
      return opening;
    },
    openInAnyState: (organizationId, connectionId) => load(organizationId, connectionId, true),
    forget: (connectionId) => void cache.delete(connectionId),
  };
}

/** Stands in place of an App's id in the installation of a connection, before the organization's name. */
const CONNECTION_APP = 'token:';
export const isConnectionApp = (appId: string): boolean => appId.startsWith(CONNECTION_APP);

/**
 * The installation of a connection, made when it is not there. Its number is computed from the organization's name and the
 * token's account, so that apps which keep it as a key find it again after the database was set up anew.
 */
export async function ensureConnectionInstallation(
  tx: pg.PoolClient,
  connection: {
    id: string;
    organizationId: string;
    organizationSlug: string;
    forge: string;
    host: string;
    account: { id: bigint; login: string; type: string };
  },
): Promise<bigint> {
  const { id, organizationId, forge, host, account } = connection;
  const appId = `${CONNECTION_APP}${connection.organizationSlug}`;
  const virtualId = virtualInstallationId({ forge, host, appId, installationId: account.id });
  const { rows } = await tx.query<{ virtual_id: bigint }>(
    `INSERT INTO installation (forge, host, app_id, installation_id, organization_id, virtual_id, connection_id,
       account_id, account_login, account_type, repository_selection)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $4, $8, $9, 'selected')
     ON CONFLICT (forge, host, app_id, installation_id) DO UPDATE SET
       connection_id = excluded.connection_id, account_login = excluded.account_login, status = 'active',
       deleted_at = NULL, updated_at = now()
     RETURNING virtual_id`,
    [forge, host, appId, account.id, organizationId, virtualId, id, account.login, account.type],
  );
  return rows[0]?.virtual_id ?? virtualId;
}
