/** Connections of an organization as the API shows them. None of these columns is, or holds, a secret. */
import type { Actor } from '../../accounts/access/actor.js';
import { describeCertificates, type RouteBy } from '../../accounts/connection-route.js';
import type { SyncMode } from '../../accounts/connection-rows.js';
import { adviceFor, type ConnectionState, connectionStates } from '../../accounts/connection-state.js';
import type { Queryable } from '../../inbox/list.js';
import { afterPlace, microsecondsOf, type Place } from './fields.js';

export const connectionStatuses = Object.keys(connectionStates) as ConnectionState[];

export interface ListedConnection {
  id: string;
  name: string;
  kind: 'github-app' | 'oauth' | 'pat';
  forge: string;
  host: string;
  instanceUrl: string | null;
  /** The forge's number of the account; for an App, or while nobody could be asked, something else. */
  accountId: string;
  account: string | null;
  accountType: string | null;
  appId: string | null;
  installationId: bigint | null;
  status: string;
  statusReason: string | null;
  capabilities: string[];
  warnings: string[];
  serverVersion: string | null;
  syncMode: SyncMode;
  hooks: number;
  repositories: number;
  /** PEM of the certificates that alone are trusted for its host. */
  ca: string | null;
  /** Without user name and password. */
  proxy: string | null;
  routeBy: RouteBy;
  /** Whether a secret of its kind is stored. */
  sealed: boolean;
  expiresAt: Date | null;
  checkedAt: Date | null;
  /** When its forge is asked again, for one that was never confirmed. */
  nextTryAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
  /** First part of its place in lists. */
  place: string;
}

const SELECT = `SELECT c.id, c.name, c.kind, c.forge, c.host, c.instance_url AS "instanceUrl", c.provider_account_id AS "accountId", c.account_login AS account,
    c.account_type AS "accountType", c.app_id AS "appId", c.installation_id AS "installationId", c.status,
    c.status_reason AS "statusReason", c.capabilities, c.warnings, c.server_version AS "serverVersion",
    c.sync_mode AS "syncMode", c.ca_certificate AS ca, c.proxy_url AS proxy, c.route_by AS "routeBy", c.access_token_expires_at AS "expiresAt", c.checked_at AS "checkedAt",
    (SELECT due_at FROM connection_confirmation n WHERE n.connection_id = c.id AND c.status = 'unreachable') AS "nextTryAt",
    c.created_at AS "createdAt", c.updated_at AS "updatedAt",
    (c.access_token_ciphertext IS NOT NULL OR c.private_key_ciphertext IS NOT NULL) AS sealed,
    (SELECT count(*)::int FROM hook h WHERE h.connection_id = c.id AND h.remote_hook_id IS NOT NULL) AS hooks,
    (SELECT count(*)::int FROM repository r JOIN installation i ON i.id = r.installation_id
     WHERE i.connection_id = c.id AND r.status = 'active') AS repositories,
    ${microsecondsOf('c.created_at')} AS place
  FROM connection c`;

export interface Shown {
  advice: string;
  /** Subject and fingerprint of each certificate that alone is trusted for its host; empty: those of the system. */
  certificates: string[];
}

/** Who runs this server may know what its network is like. */
export const isAdministrator = (actor: Actor): boolean => actor.kind === 'user' && actor.platformAdmin;

/** As the caller may see it: why a forge cannot be reached would tell others what there is in the network. */
export const shownTo =
  (actor: Actor) =>
  <T extends Pick<ListedConnection, 'status' | 'statusReason' | 'ca' | 'proxy' | 'routeBy'>>(row: T): T & Shown => ({
    ...row,
    certificates: row.ca === null ? [] : describeCertificates(row.ca),
    proxy: row.routeBy === 'operator' && !isAdministrator(actor) ? null : row.proxy,
    statusReason: row.status === 'unreachable' && !isAdministrator(actor) ? null : row.statusReason,
    advice: adviceFor(row.status),
  });

export interface ConnectionFilter {
  forge?: string | undefined;
  status?: string | undefined;
  kind?: string | undefined;
  /** The person whose own they are; null: the organization's. */
  ownerId: string | null;
  limit: number;
}

/** Newest first, and one more than the limit. */
export async function listConnections(
  tx: Queryable,
  { forge, status, kind, ownerId, limit }: ConnectionFilter,
  place: Place | [null, null],
): Promise<ListedConnection[]> {
  const { rows } = await tx.query<ListedConnection>(
    `${SELECT} WHERE c.user_id IS NOT DISTINCT FROM $7 AND ($1::text IS NULL OR c.forge = $1) AND ($2::text IS NULL OR c.status = $2)
       AND ($3::text IS NULL OR c.kind = $3) AND ${afterPlace('c.created_at', 'c.id', 4)}
     ORDER BY c.created_at DESC, c.id DESC LIMIT $6`,
    [forge ?? null, status ?? null, kind ?? null, ...place, limit + 1, ownerId],
  );
  return rows;
}

/** @param ownerId the person whose own it is; null: the organization's */
export async function getConnection(
  tx: Queryable,
  id: string,
  ownerId: string | null = null,
): Promise<ListedConnection | undefined> {
  const { rows } = await tx.query<ListedConnection>(`${SELECT} WHERE c.id = $1 AND c.user_id IS NOT DISTINCT FROM $2`, [
    id,
    ownerId,
  ]);
  return rows[0];
}

/** By numbers of pages, oldest first, so that a page keeps its rows when connections are added. */
export async function numberedConnections(
  tx: Queryable,
  filter: { name: string | undefined; forge: string | undefined; status: string | undefined },
  { offset, limit }: { offset: number; limit: number },
): Promise<{ rows: ListedConnection[]; total: number }> {
  const wanted = [filter.name ?? null, filter.forge ?? null, filter.status ?? null];
  const matches = `($1::text IS NULL OR c.name = $1) AND ($2::text IS NULL OR c.forge = $2)
    AND ($3::text IS NULL OR c.status = $3)`;
  const counted = await tx.query<{ total: number }>(
    `SELECT count(*)::int AS total FROM connection c WHERE c.user_id IS NULL AND ${matches}`,
    wanted,
  );
  const { rows } = await tx.query<ListedConnection>(
    `${SELECT} WHERE c.user_id IS NULL AND ${matches} ORDER BY c.created_at, c.id OFFSET $4 LIMIT $5`,
    [...wanted, offset, limit],
  );
  return { rows, total: counted.rows[0]?.total ?? 0 };
}
