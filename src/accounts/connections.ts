/** Connections: finding them, opening what is sealed, and the installation under which handlers see them. */
import type pg from 'pg';
import type { ForgeDescriptor } from '../forges/forge.js';
import type { Clock } from '../lib/clock.js';
import { ForgewayError } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import { type RouteRow, routeOf } from './connection-route.js';
import { adviceFor, USELESS } from './connection-state.js';
import { createTokenKeeper, EXPIRED, type RefreshOutcome } from './tokens/keeper.js';
import { createStoredTokens, tokenKey } from './tokens/stored-tokens.js';
import type { Vault } from './vault.js';
import { openSecrets, type SealedColumns, sealedColumnsOf } from './vault-columns.js';
import { virtualInstallationId } from './virtual-installation.js';

interface OpenedConnection {
  id: string;
  organizationId: string;
  forge: ForgeDescriptor;
  host: string;
  /** Base URL of the instance as people see it. */
  baseUrl: string;
  account: { id: bigint; login: string };
  /** See connection-state.ts; absent for one that is not stored. */
  status?: string;
  /** When the token ends, where the forge told. */
  expiresAt?: Date;
  /** Its own certificates and proxy, where it has any. */
  route?: OutboundRoute;
  /** The number under which handlers see it. */
  virtualId: bigint;
}

/** One that speaks with a token: a personal one, or one that was given by OAuth. */
export interface OpenConnection extends OpenedConnection {
  /** The token as it is now, renewed when it is about to end. @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE */
  token(): Promise<string>;
  /** The forge answered 401 to this token. True when the next one is another. */
  refused(token: string): Promise<boolean>;
}

/** One that speaks as the installation of an App whose key it holds. */
export interface OpenApp extends OpenedConnection {
  /** `keyVersion` changes with the key. */
  app: { id: string; privateKey: string; keyVersion: number; installationId: bigint };
}

/** For a connection whose token never changes, such as one that is not stored. */
export const fixedToken = (token: string): Pick<OpenConnection, 'token' | 'refused'> => ({
  token: async () => token,
  refused: async () => false,
});

/** How a token is renewed; see {@link RefreshOutcome}. */
export type RenewToken = (
  place: { organizationId: string; connectionId: string; forge: ForgeDescriptor; baseUrl: string },
  refreshToken: string,
) => Promise<RefreshOutcome>;

interface ConnectionRow extends SealedColumns<'connection'>, RouteRow {
  id: string;
  kind: string;
  forge: string;
  host: string;
  instance_url: string | null;
  provider_account_id: string;
  account_login: string | null;
  app_id: string | null;
  installation_id: bigint | null;
  access_token_expires_at: Date | null;
  status: string;
  status_reason: string | null;
  virtual_id: bigint | null;
}

const COLUMNS = `c.id, c.kind, c.app_id, c.installation_id, c.access_token_expires_at, c.forge, c.host, c.instance_url,
  c.provider_account_id, c.account_login, c.status, c.status_reason, c.ca_certificate, c.proxy_url,
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
  /** The same for every kind. */
  speaker(
    organizationId: string,
    connectionId: string,
    options?: { inAnyState: boolean },
  ): Promise<OpenConnection | OpenApp>;
  /** The App of that number on that host, as any connection of the organization holds it. */
  app(organizationId: string, place: { forge: string; host: string; appId: string }): Promise<OpenApp | undefined>;
  /** Forgets what is cached of it: it was changed by this process. */
  forget(connectionId: string): void;
}

const unusable = (message: string, details: Record<string, unknown> = {}) =>
  new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', message, { details });

/** Its owner took it away: what still arrives for it is no failure. */
export const isRemoved = (error: unknown): boolean =>
  error instanceof ForgewayError && error.code === 'FORGEWAY_CONNECTION_UNUSABLE' && error.details.removed === true;

const isApp = (opened: OpenConnection | OpenApp): opened is OpenApp => 'app' in opened;

export function createConnectionDirectory(o: {
  store: Store;
  vault: Vault;
  forges: ReadonlyMap<string, ForgeDescriptor>;
  clock: Clock;
  log?: Logger;
  /** Without it a token that was given by OAuth is used until it ends. */
  renew?: RenewToken;
  /** See StoredTokensOptions. */
  leaseMs?: number;
}): ConnectionDirectory {
  type Opened = OpenConnection | OpenApp;
  const cache = new Map<string, { at: number; opening: Promise<Opened> }>();
  /** Where to ask for a new token; what is here was opened by this process. */
  const places = new Map<string, Parameters<RenewToken>[0]>();
  const keeper = createTokenKeeper({
    ...createStoredTokens(o),
    clock: o.clock,
    log: o.log,
    async refresh(key, refreshToken) {
      const place = places.get(key);
      if (o.renew === undefined || place === undefined)
        return { kind: 'failed', reason: 'this process cannot renew tokens.' };
      return o.renew(place, refreshToken);
    },
  });

  const tokenOf = (row: ConnectionRow, place: Parameters<RenewToken>[0], stored: string, inAnyState: boolean) => {
    const { organizationId } = place;
    if (row.kind !== 'oauth')
      return {
        async token() {
          const { access_token_expires_at: ends } = row;
          const hasEnded = ends !== null && ends.getTime() <= o.clock.now().getTime();
          if (hasEnded && !inAnyState) throw unusable(EXPIRED, { reconnect: true });
          return stored;
        },
        // A new one is read from the row by the next caller; this one has none.
        async refused() {
          cache.delete(row.id);
          return false;
        },
      };
    const key = tokenKey(organizationId, row.id);
    places.set(key, place);
    return {
      token: () => keeper.token(key),
      async refused(token: string) {
        cache.delete(row.id);
        return keeper.refused(key, token);
      },
    };
  };

  const opened = (organizationId: string, row: ConnectionRow, inAnyState: boolean): Opened => {
    const forge = o.forges.get(row.forge);
    const baseUrl = row.instance_url ?? forge?.cloudUrl;
    if (forge === undefined || baseUrl === undefined) throw unusable(`There is no forge ${row.forge} any more.`);
    if (USELESS.has(row.status) && !inAnyState)
      throw unusable(`${row.status_reason ?? ''} ${adviceFor(row.status)}`.trim(), {
        status: row.status,
        reconnect: true,
      });
    if (!/^\d+$/.test(row.provider_account_id))
      throw unusable('No forge has said yet whose connection this is: test it, or change what it was made with.');
    const secrets = openSecrets(o.vault, { table: 'connection', organizationId, rowId: row.id }, row);
    const route = routeOf(row, secrets.proxy_credentials);
    const basics = {
      id: row.id,
      organizationId,
      forge,
      host: row.host,
      baseUrl,
      account: { id: BigInt(row.provider_account_id), login: row.account_login ?? '' },
      // Those of a person alone have no installation: nothing arrives for them, and the number leads nowhere.
      virtualId: row.virtual_id ?? virtualInstallationId({ ...row, appId: `none:${row.id}`, installationId: 0n }),
      status: row.status,
      ...(row.access_token_expires_at && { expiresAt: row.access_token_expires_at }),
      ...(route && { route }),
    };
    if (row.kind === 'github-app') {
      if (row.app_id === null || row.installation_id === null || secrets.private_key === undefined)
        throw unusable('The connection lacks the id, the installation or the private key of its App.');
      const { app_id: id, installation_id: installationId, secret_version: keyVersion } = row;
      return { ...basics, app: { id, privateKey: secrets.private_key, keyVersion, installationId } };
    }
    if (secrets.access_token === undefined)
      throw unusable('The connection has no token. Connect it again.', { reconnect: true });
    const place = { organizationId, connectionId: row.id, forge, baseUrl };
    return { ...basics, ...tokenOf(row, place, secrets.access_token, inAnyState) };
  };

  const find = (organizationId: string, where: string, values: readonly unknown[]) =>
    o.store.tenant(organizationId, async (tx) => {
      const sql = `SELECT ${COLUMNS} FROM connection c WHERE ${where} ORDER BY c.created_at LIMIT 1`;
      return (await tx.query<ConnectionRow>(sql, [...values])).rows[0];
    });

  const load = async (organizationId: string, connectionId: string, inAnyState: boolean): Promise<Opened> => {
    const row = await find(organizationId, 'c.id = $1', [connectionId]);
    if (row === undefined) throw unusable('The connection was removed.', { removed: true });
    return opened(organizationId, row, inAnyState);
  };

  const speaker = (organizationId: string, connectionId: string): Promise<Opened> => {
    const now = o.clock.now().getTime();
    const known = cache.get(connectionId);
    if (known !== undefined && now >= known.at && now - known.at < CACHE_MS) return known.opening;
    const opening = load(organizationId, connectionId, false);
    cache.set(connectionId, { at: now, opening });
    opening.catch(() => cache.delete(connectionId));
    return opening;
  };

  const withToken = async (opening: Promise<Opened>): Promise<OpenConnection> => {
    const one = await opening;
    if (isApp(one)) throw unusable('The connection speaks as a GitHub App and has no token of its own.');
    return one;
  };

  return {
    open: (organizationId, connectionId) => withToken(speaker(organizationId, connectionId)),
    openInAnyState: (organizationId, connectionId) => withToken(load(organizationId, connectionId, true)),
    speaker: (organizationId, connectionId, options) =>
      options?.inAnyState ? load(organizationId, connectionId, true) : speaker(organizationId, connectionId),
    async app(organizationId, { forge, host, appId }) {
      const where = `c.kind = 'github-app' AND c.status = 'active' AND c.forge = $1 AND c.host = $2 AND c.app_id = $3`;
      const row = await find(organizationId, where, [forge, host, appId]);
      const one = row && opened(organizationId, row, false);
      return one !== undefined && isApp(one) ? one : undefined;
    },
    forget(connectionId) {
      cache.delete(connectionId);
      for (const [key, place] of places) if (place.connectionId === connectionId) keeper.forget(key);
    },
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
