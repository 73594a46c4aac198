/** Rows of connections by token, whoever gave it. Every function runs as the connection's organization. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { TokenFacts } from '../forges/administration.js';
import { ForgewayError } from '../lib/errors.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import { isUniqueViolation } from '../store/unique.js';
import { audit } from './audit.js';
import { type ConnectionRoute, describeCertificates, type RouteRow, routeOf } from './connection-route.js';
import { adviceFor, type ConnectionState } from './connection-state.js';
import { ensureConnectionInstallation } from './connections.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf, sealedValues, sealSecrets } from './vault-columns.js';

export interface ConnectionPlace {
  organizationId: string;
  forge: string;
  host: string;
  /** Base URL of the instance; null for a forge's own cloud. */
  instanceUrl: string | null;
}

/** How events of a connection come: by webhook, by asking the forge, or both. */
export const syncModes = ['webhook', 'poll', 'both'] as const;
export type SyncMode = (typeof syncModes)[number];

export interface ConnectionSummary {
  id: string;
  name: string;
  kind: 'pat' | 'oauth' | 'github-app';
  forge: string;
  host: string;
  account: string;
  status: string;
  statusReason: string | null;
  statusSince: Date;
  /** What its owner has to do, in one sentence. */
  advice: string;
  /** Subject and fingerprint of each certificate that alone is trusted for it; empty: those of the system. */
  certificates: readonly string[];
  /** Without user name and password. */
  proxy: string | null;
  capabilities: readonly string[];
  warnings: readonly string[];
  version: string | null;
  /** What was chosen; a token that may not make webhooks is polled all the same. */
  mode: SyncMode;
  hooks: number;
  repositories: number;
  expiresAt: Date | null;
  checkedAt: Date | null;
  /** When its forge is asked again, for one that was never confirmed. */
  nextTryAt: Date | null;
}

/**
 * Stores a connection with its sealed token, or gives the one that is there a new token: the same account on the same
 * instance is the same connection. Answers the number under which handlers see it.
 * @throws ForgewayError FORGEWAY_CONFLICT when the account is connected by OAuth, or at this very moment, or was to be new
 */
export async function saveConnection(
  store: Store,
  vault: Vault,
  place: ConnectionPlace,
  o: {
    name: string | undefined;
    token: string;
    facts: TokenFacts;
    mode?: SyncMode;
    route?: ConnectionRoute;
    /** One that is there already is not renewed, but in the way. */
    isNew?: boolean;
  },
): Promise<{ id: string; virtualId: bigint; renewed: boolean; mode: SyncMode }> {
  const { organizationId, forge, host, instanceUrl } = place;
  const { facts } = o;
  const taken = (cause?: unknown) =>
    new ForgewayError('FORGEWAY_CONFLICT', `${facts.account.login} on ${host} is connected already.`, { cause });
  const saving = store.tenant(organizationId, async (tx) => {
    const found = await tx.query<SealedColumns<'connection'> & { id: string; name: string; kind: string }>(
      `SELECT id, name, kind, ${sealedColumnsOf('connection').join(', ')} FROM connection
       WHERE user_id IS NULL AND forge = $1 AND host = $2 AND app_id IS NULL AND provider_account_id = $3 FOR UPDATE`,
      [forge, host, facts.account.id.toString()],
    );
    const existing = found.rows[0];
    if (existing !== undefined && existing.kind !== 'pat')
      throw new ForgewayError(
        'FORGEWAY_CONFLICT',
        `${facts.account.login} on ${host} is connected by signing in already, as ${existing.id}, and its tokens are renewed. Take that connection away first if it is to use this token.`,
      );
    if (existing !== undefined && o.isNew) throw taken();
    const id = existing?.id ?? randomUUID();
    const columns = await sealSecrets(tx, vault, { table: 'connection', organizationId, rowId: id }, existing, {
      access_token: o.token,
      ...(o.route?.proxy !== undefined && { proxy_credentials: o.route.proxy?.credentials ?? null }),
    });
    const sealed = sealedValues('connection', columns);
    const plain: Record<string, unknown> = {
      name: o.name ?? existing?.name ?? `${facts.account.login} on ${host}`,
      // The same host may be reached in another way by now, such as by https.
      instance_url: instanceUrl,
      account_login: facts.account.login,
      account_type: facts.isPerson ? 'User' : 'Bot',
      scopes: facts.scopes.join(' '),
      access_token_expires_at: facts.expiresAt,
      status: 'active',
      status_reason: null,
      status_since: new Date(),
      ...(o.route?.ca !== undefined && { ca_certificate: o.route.ca }),
      ...(o.route?.proxy !== undefined && { proxy_url: o.route.proxy?.url ?? null }),
      ...(o.route !== undefined && { route_by: o.route.by ?? 'operator' }),
      capabilities: JSON.stringify(facts.capabilities),
      warnings: JSON.stringify(facts.warnings),
      server_version: facts.version,
      server_edition: facts.edition,
      is_person: facts.isPerson,
      checked_at: new Date(),
      ...(o.mode && { sync_mode: o.mode }),
    };
    const fixed: Record<string, unknown> = {
      id,
      organization_id: organizationId,
      kind: 'pat',
      forge,
      host,
      provider_account_id: facts.account.id.toString(),
    };
    const change = [...Object.keys(plain), ...sealed.names];
    const values = [...Object.values(fixed), ...Object.values(plain), ...sealed.values];
    const stored = await tx.query<{ mode: SyncMode }>(
      `INSERT INTO connection (${[...Object.keys(fixed), ...change].join(', ')})
       VALUES (${values.map((_, index) => `$${index + 1}`).join(', ')})
       ON CONFLICT (id) DO UPDATE SET updated_at = now(), revoked_at = NULL,
         ${change.map((name) => `${name} = excluded.${name}`).join(', ')}
       RETURNING sync_mode AS mode`,
      values,
    );
    const organization = await tx.query<{ slug: string }>('SELECT slug FROM organization WHERE id = $1', [
      organizationId,
    ]);
    const virtualId = await ensureConnectionInstallation(tx, {
      id,
      organizationId,
      organizationSlug: organization.rows[0]?.slug ?? '',
      forge,
      host,
      account: { ...facts.account, type: facts.isPerson ? 'User' : 'Bot' },
    });
    return { id, virtualId, renewed: existing !== undefined, mode: stored.rows[0]?.mode ?? 'both' };
  });
  return saving.catch((error: unknown) => {
    // Two at the same moment: the unique index lets one of them in.
    throw isUniqueViolation(error) ? taken(error) : error;
  });
}

/** How the operator said that the organization's connections to a host reach it; the newest counts. */
export async function routeOfHost(
  store: Store,
  vault: Vault,
  { organizationId, forge, host }: ConnectionPlace,
): Promise<OutboundRoute> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<RouteRow & SealedColumns<'connection'> & { id: string }>(
      `SELECT id, ca_certificate, proxy_url, ${sealedColumnsOf('connection').join(', ')} FROM connection
       WHERE user_id IS NULL AND forge = $1 AND host = $2 AND (ca_certificate IS NOT NULL OR proxy_url IS NOT NULL)
         AND route_by = 'operator'
       ORDER BY updated_at DESC LIMIT 1`,
      [forge, host],
    );
    const [row] = rows;
    if (row === undefined) return {};
    const secrets = openSecrets(vault, { table: 'connection', organizationId, rowId: row.id }, row);
    return routeOf(row, secrets.proxy_credentials) ?? {};
  });
}

/** Those of the organization: what people connected for themselves is nobody else's. */
export async function listConnections(store: Store, organizationId: string): Promise<ConnectionSummary[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<ConnectionSummary & { hooks: bigint; repositories: bigint; ca: string | null }>(
      `SELECT c.id, c.name, c.kind, c.forge, c.host, coalesce(c.account_login, '') AS account, c.status,
         c.status_reason AS "statusReason", c.status_since AS "statusSince", c.ca_certificate AS ca, c.proxy_url AS proxy, c.capabilities, c.warnings, c.server_version AS version, c.sync_mode AS mode,
         c.access_token_expires_at AS "expiresAt", c.checked_at AS "checkedAt",
         (SELECT due_at FROM connection_confirmation n WHERE n.connection_id = c.id AND c.status = 'unreachable') AS "nextTryAt",
         (SELECT count(*) FROM hook h WHERE h.connection_id = c.id AND h.remote_hook_id IS NOT NULL) AS hooks,
         (SELECT count(*) FROM repository r JOIN installation i ON i.id = r.installation_id
          WHERE i.connection_id = c.id AND r.status = 'active') AS repositories
       FROM connection c WHERE c.user_id IS NULL ORDER BY c.created_at`,
    );
    return rows.map(({ ca, ...row }) => ({
      ...row,
      advice: adviceFor(row.status),
      certificates: ca === null ? [] : describeCertificates(ca),
      hooks: Number(row.hooks),
      repositories: Number(row.repositories),
    }));
  });
}

/** False when there is no such connection of the organization, and for an App, whose own webhook tells of everything. */
export async function setSyncMode(
  store: Store,
  organizationId: string,
  connectionId: string,
  mode: SyncMode,
): Promise<boolean> {
  return store.tenant(organizationId, async (tx) => {
    const { rowCount } = await tx.query(
      `UPDATE connection SET sync_mode = $2, updated_at = now() WHERE id::text = $1 AND kind IN ('pat', 'oauth') AND user_id IS NULL`,
      [connectionId, mode],
    );
    if (rowCount === 1) await audit(tx, organizationId, 'connection.mode', connectionId, { mode });
    return rowCount === 1;
  });
}

/** What the last test of a connection found: its facts, or why it cannot be used. */
export async function noteCheck(
  store: Store,
  organizationId: string,
  connectionId: string,
  found: TokenFacts | { status: Exclude<ConnectionState, 'active'>; reason: string },
): Promise<void> {
  await store.tenant(organizationId, (tx) =>
    'status' in found
      ? tx.query(
          // A token that was refused is not better for a forge that is away.
          `UPDATE connection SET status_since = CASE WHEN status = $2 THEN status_since ELSE now() END,
             status = CASE WHEN $2 = 'unreachable' AND status IN ('expired', 'revoked') THEN status ELSE $2 END,
             status_reason = $3,
             checked_at = now(), updated_at = now() WHERE id = $1`,
          [connectionId, found.status, found.reason],
        )
      : tx.query(
          `UPDATE connection SET status_since = CASE WHEN status = 'active' THEN status_since ELSE now() END,
             status = 'active', status_reason = NULL, capabilities = $2, warnings = $3,
             server_version = $4, server_edition = $5,
             -- Of tokens that are renewed both were said when they were given.
             scopes = CASE WHEN kind = 'oauth' THEN scopes ELSE $6 END,
             access_token_expires_at = CASE WHEN kind = 'oauth' THEN access_token_expires_at ELSE $7 END,
             checked_at = now(), updated_at = now() WHERE id = $1`,
          [
            connectionId,
            JSON.stringify(found.capabilities),
            JSON.stringify(found.warnings),
            found.version,
            found.edition,
            found.scopes.join(' '),
            found.expiresAt,
          ],
        ),
  );
}

/**
 * Its hooks, snapshots and installation go with it; repositories stay for the record and start nothing any more, unless
 * `beforehand` deletes them in the same transaction.
 */
export async function removeConnection(
  store: Store,
  organizationId: string,
  connectionId: string,
  o: { beforehand?(tx: pg.PoolClient): Promise<Readonly<Record<string, number>>>; by?: string } = {},
): Promise<void> {
  await store.tenant(organizationId, async (tx) => {
    const deleted = await o.beforehand?.(tx);
    await tx.query(
      `UPDATE repository SET status = 'removed', updated_at = now()
       WHERE installation_id IN (SELECT id FROM installation WHERE connection_id = $1)`,
      [connectionId],
    );
    await tx.query('DELETE FROM connection WHERE id = $1', [connectionId]);
    await audit(tx, organizationId, 'connection.removed', connectionId, deleted === undefined ? {} : { deleted }, o.by);
  });
}

/** Repositories among these, by the forge's ids, that another organization owns: the first verified claim does. */
export async function claimedByOthers(
  store: Store,
  place: Pick<ConnectionPlace, 'organizationId' | 'forge' | 'host'>,
  remoteIds: readonly bigint[],
): Promise<Set<bigint>> {
  const { rows } = await store.pool.query<{ remote_id: bigint }>(
    `SELECT remote_id FROM repository_claim
     WHERE forge = $1 AND host = $2 AND remote_id = ANY($3::bigint[]) AND organization_id <> $4`,
    [place.forge, place.host, remoteIds, place.organizationId],
  );
  return new Set(rows.map((row) => row.remote_id));
}

export interface CoveredRepository {
  id: bigint;
  owner: string;
  name: string;
  private: boolean;
  url: string;
  defaultBranch: string | null;
}

/** Repositories that are served through the connection, as the mirror knows them. */
/** Whether it has an installation, under which apps see it. */
export async function isSeenByApps(store: Store, organizationId: string, connectionId: string): Promise<boolean> {
  return store.tenant(organizationId, async (tx) => {
    const { rowCount } = await tx.query('SELECT FROM installation WHERE connection_id = $1', [connectionId]);
    return (rowCount ?? 0) > 0;
  });
}

export async function coveredRepositories(
  store: Store,
  organizationId: string,
  connectionId: string,
): Promise<CoveredRepository[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<CoveredRepository>(
      `SELECT r.remote_id AS id, r.remote_owner AS owner, r.remote_name AS name, r.private, r.remote_url AS url,
         r.default_branch AS "defaultBranch"
       FROM repository r JOIN installation i ON i.id = r.installation_id
       WHERE i.connection_id = $1 AND r.status <> 'removed' ORDER BY r.remote_owner, r.remote_name`,
      [connectionId],
    );
    return rows;
  });
}
