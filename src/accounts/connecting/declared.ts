/**
 * Connections as somebody declared them, such as a Terraform provider: stored also while their forge cannot be asked, with a
 * state that says so, and completed when it answers. Every function runs as the connection's organization.
 */
import { createHash, createPrivateKey, randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { TokenFacts } from '../../forges/administration.js';
import type { ForgeEndpoint } from '../../forges/endpoint.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { ForgewayError } from '../../lib/errors.js';
import type { OutboundRoute } from '../../lib/outbound/outbound.js';
import type { Store } from '../../store/database.js';
import { isUniqueViolation } from '../../store/unique.js';
import { audit } from '../audit.js';
import { ensureAppInstallation } from '../connection-kinds.js';
import type { ConnectionRoute, RouteBy } from '../connection-route.js';
import type { ConnectionState } from '../connection-state.js';
import { ensureConnectionInstallation } from '../connections.js';
import type { Vault } from '../vault.js';
import {
  openSecrets,
  type SealedColumns,
  type Secrets,
  sealedColumnsOf,
  sealedValues,
  sealSecrets,
} from '../vault-columns.js';
import { awaitConfirmation, type ConfirmationWish, confirmationAnswered } from './confirmations.js';
import { type ConnectRequest, endpointOf } from './connect.js';

/** What the last question to the forge, or a look at the key, found. */
export interface DeclaredState {
  status: ConnectionState;
  reason: string | null;
}

export interface DeclaredPlace {
  organizationId: string;
  forge: ForgeDescriptor;
  endpoint: ForgeEndpoint;
}

export interface DeclaredApp {
  appId: string;
  installationId: bigint;
  accountLogin: string | null;
  accountType: string | null;
  /** Where the forge has said whose installation it is: apps see it from then on. */
  accountId?: bigint;
}

/** In place of an account's id while no forge has named it: the same token is the same account, whoever that is. */
const unnamed = (token: string): string =>
  `unverified:${createHash('sha256').update(`forgeway/unverified/${token}`).digest('hex').slice(0, 32)}`;

/** Until the forge has named the account. The same App at the same installation is the same connection. */
const appIdentity = ({ accountId, appId, installationId }: DeclaredApp): string =>
  accountId?.toString() ?? `app:${appId}:${installationId}`;

const instanceOf = ({ forge, endpoint }: DeclaredPlace): string | null =>
  forge.cloudUrl !== undefined && forge.endpoint(forge.cloudUrl).host === endpoint.host ? null : endpoint.webUrl;

/** Null for a PEM that holds a usable private key, else what is wrong with it; never a word of the key. */
export function keyTrouble(pem: string): string | null {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === 'rsa' ? null : 'The private key is not an RSA key, which Apps sign with.';
  } catch {
    return 'The private key cannot be read: download a new one on the App’s settings page, and change this connection.';
  }
}

const columnsFor = (app: DeclaredApp | undefined): Record<string, unknown> =>
  app === undefined
    ? { kind: 'pat' }
    : {
        kind: 'github-app',
        app_id: app.appId,
        installation_id: app.installationId,
        account_login: app.accountLogin,
        account_type: app.accountType,
      };

/** Nothing for one that was not verified. @throws ForgewayError as {@link ensureAppInstallation} */
async function showApp(
  tx: pg.PoolClient,
  place: Parameters<typeof ensureAppInstallation>[1],
  { appId, installationId, accountId, accountLogin, accountType }: DeclaredApp,
): Promise<void> {
  if (accountId === undefined) return;
  const account = { id: accountId, login: accountLogin ?? '', type: accountType ?? 'Organization' };
  await ensureAppInstallation(tx, place, { appId, installationId, account });
}

/**
 * @throws ForgewayError FORGEWAY_CONFLICT when the same App's installation, or the same token, is connected already,
 * FORGEWAY_CONNECTION_REFUSED when another organization has it
 */
export async function declareConnection(
  store: Store,
  vault: Vault,
  place: DeclaredPlace,
  o: {
    name: string;
    app?: DeclaredApp;
    secrets: Secrets<'connection'>;
    state: DeclaredState;
    /** How its host is reached, where that is not as usual. */
    route?: OutboundRoute & { by?: RouteBy | undefined };
    /** What is done once the forge has answered. */
    wish?: ConfirmationWish;
    by: string;
  },
): Promise<string> {
  const { organizationId, forge, endpoint } = place;
  const id = randomUUID();
  const row: Record<string, unknown> = {
    id,
    organization_id: organizationId,
    forge: forge.id,
    host: endpoint.host,
    instance_url: instanceOf(place),
    provider_account_id: o.app === undefined ? unnamed(o.secrets.access_token ?? id) : appIdentity(o.app),
    name: o.name,
    status: o.state.status,
    status_reason: o.state.reason,
    checked_at: new Date(),
    ca_certificate: o.route?.ca ?? null,
    proxy_url: o.route?.proxy?.url ?? null,
    route_by: o.route?.by ?? 'operator',
    ...columnsFor(o.app),
  };
  try {
    await store.tenant(organizationId, async (tx) => {
      const columns = await sealSecrets(tx, vault, { table: 'connection', organizationId, rowId: id }, undefined, {
        ...o.secrets,
        proxy_credentials: o.route?.proxy?.credentials ?? null,
      });
      const sealed = sealedValues('connection', columns);
      const names = [...Object.keys(row), ...sealed.names];
      await tx.query(
        `INSERT INTO connection (${names.join(', ')}) VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
        [...Object.values(row), ...sealed.values],
      );
      if (o.app !== undefined)
        await showApp(tx, { organizationId, forge: forge.id, host: endpoint.host, connectionId: id }, o.app);
      if (o.state.status === 'unreachable')
        await awaitConfirmation(tx, { organizationId, connectionId: id }, { now: new Date(), wish: o.wish ?? {} });
      await audit(tx, organizationId, 'connection.declared', id, { forge: forge.id, host: endpoint.host }, o.by);
    });
  } catch (error) {
    if (isUniqueViolation(error))
      throw new ForgewayError('FORGEWAY_CONFLICT', 'It is connected already.', { cause: error });
    throw error;
  }
  return id;
}

type SealedRow = SealedColumns<'connection'> & { organization_id: string };

async function lockRow(tx: pg.PoolClient, id: string): Promise<SealedRow | undefined> {
  const { rows } = await tx.query<SealedRow>(
    `SELECT organization_id, ${sealedColumnsOf('connection').join(', ')} FROM connection WHERE id = $1 FOR UPDATE`,
    [id],
  );
  return rows[0];
}

/** Its secrets, to ask the forge with. @throws ForgewayError FORGEWAY_SECRET_UNREADABLE, FORGEWAY_NOT_FOUND */
export async function openDeclared(
  store: Store,
  vault: Vault,
  organizationId: string,
  id: string,
): Promise<Secrets<'connection'>> {
  return store.tenant(organizationId, async (tx) => {
    const row = await lockRow(tx, id);
    if (row === undefined) throw new ForgewayError('FORGEWAY_NOT_FOUND', 'There is nothing here.');
    return openSecrets(vault, { table: 'connection', organizationId, rowId: id }, row);
  });
}

/** One that was never confirmed waits for its forge; whatever the forge says ends that. */
async function noteAnswer(
  tx: pg.PoolClient,
  place: { organizationId: string; connectionId: string },
  { secrets, facts, app }: DeclaredChange,
  { status }: DeclaredState,
): Promise<void> {
  if (status !== 'unreachable')
    return confirmationAnswered(tx, place.connectionId, facts !== undefined || app?.accountId !== undefined);
  const confirmed = await tx.query('SELECT FROM installation WHERE connection_id = $1', [place.connectionId]);
  if (confirmed.rowCount === 0) await awaitConfirmation(tx, place, { now: new Date(), anew: secrets !== undefined });
}

export interface DeclaredChange {
  name?: string | undefined;
  secrets?: Secrets<'connection'>;
  app?: DeclaredApp;
  state?: DeclaredState;
  /** How its host is reached from now on. With a secret given anew alone: the one that is there was given for another way. */
  route?: ConnectionRoute | undefined;
  /** What the forge said of the token: the connection is complete then, and apps can be told of it. */
  facts?: TokenFacts;
}

function changedColumns({ name, state, facts, app, route }: DeclaredChange): Record<string, unknown> {
  return {
    ...(name !== undefined && { name }),
    ...(route?.ca !== undefined && { ca_certificate: route.ca }),
    ...(route?.proxy !== undefined && { proxy_url: route.proxy?.url ?? null }),
    ...(route && { route_by: route.by ?? 'operator' }),
    ...(app && {
      account_login: app.accountLogin,
      account_type: app.accountType,
      ...(app.accountId !== undefined && { provider_account_id: appIdentity(app) }),
    }),
    ...(state && { status: state.status, status_reason: state.reason, checked_at: new Date() }),
    ...(facts && {
      provider_account_id: facts.account.id.toString(),
      account_login: facts.account.login,
      account_type: facts.isPerson ? 'User' : 'Bot',
      scopes: facts.scopes.join(' '),
      access_token_expires_at: facts.expiresAt,
      capabilities: JSON.stringify(facts.capabilities),
      warnings: JSON.stringify(facts.warnings),
      server_version: facts.version,
      server_edition: facts.edition,
      is_person: facts.isPerson,
    }),
  };
}

/**
 * Writes a change in one transaction. Answers the number under which apps see it, where it is a token's that was verified.
 * @throws ForgewayError FORGEWAY_NOT_FOUND, FORGEWAY_CONFLICT when the account is connected already,
 * FORGEWAY_CONNECTION_REFUSED when another organization has the App's installation
 */
export async function changeDeclared(
  store: Store,
  vault: Vault,
  organizationId: string,
  id: string,
  change: DeclaredChange,
  by: string,
): Promise<bigint | undefined> {
  try {
    return await store.tenant(organizationId, async (tx) => {
      const row = await lockRow(tx, id);
      if (row === undefined) throw new ForgewayError('FORGEWAY_NOT_FOUND', 'There is nothing here.');
      const sealed =
        change.secrets === undefined
          ? { names: [], values: [] }
          : sealedValues(
              'connection',
              await sealSecrets(tx, vault, { table: 'connection', organizationId, rowId: id }, row, {
                ...change.secrets,
                ...(change.route?.proxy !== undefined && {
                  proxy_credentials: change.route.proxy?.credentials ?? null,
                }),
              }),
            );
      const plain = changedColumns(change);
      const names = [...Object.keys(plain), ...sealed.names];
      const set = names.map((column, index) => `, ${column} = $${index + 2}`).join('');
      const { rows } = await tx.query<{ forge: string; host: string; slug: string }>(
        `UPDATE connection c SET updated_at = now()${set} FROM organization o
         WHERE c.id = $1 AND o.id = c.organization_id RETURNING c.forge, c.host, o.slug`,
        [id, ...Object.values(plain), ...sealed.values],
      );
      const token = change.secrets?.access_token;
      if (change.facts === undefined && token)
        await tx.query(
          `UPDATE connection SET provider_account_id = $2 WHERE id = $1 AND provider_account_id LIKE 'unverified:%'`,
          [id, unnamed(token)],
        );
      await audit(
        tx,
        organizationId,
        'connection.changed',
        id,
        { fields: Object.keys(plain).length, secret: sealed.names.length > 0 },
        by,
      );
      const [place] = rows;
      const { facts, app, state } = change;
      if (place === undefined) return undefined;
      if (state !== undefined) await noteAnswer(tx, { organizationId, connectionId: id }, change, state);
      if (app !== undefined) await showApp(tx, { ...place, organizationId, connectionId: id }, app);
      if (facts === undefined) return undefined;
      return ensureConnectionInstallation(tx, {
        id,
        organizationId,
        organizationSlug: place.slug,
        forge: place.forge,
        host: place.host,
        account: { ...facts.account, type: facts.isPerson ? 'User' : 'Bot' },
      });
    });
  } catch (error) {
    if (isUniqueViolation(error))
      throw new ForgewayError('FORGEWAY_CONFLICT', 'The account is connected already.', { cause: error });
    throw error;
  }
}

/**
 * Keeps what was asked of {@link connectForge} while the forge cannot be reached. Answers the id of the connection, which is
 * confirmed, and gets its webhooks, by itself.
 * @param reason that it cannot be reached, for its owner
 * @throws ForgewayError FORGEWAY_CONNECTION_REFUSED where the address is none
 */
export async function keepRequest(
  o: { store: Store; vault: Vault; organizationId: string; by: string },
  request: ConnectRequest,
  reason: string,
): Promise<string> {
  const { forge, token, repositories, all, level, organization, confidential, mode } = request;
  const { url, ...endpoint } = endpointOf(request);
  const place = { organizationId: o.organizationId, forge, endpoint };
  const { ca, proxy, by } = request.route ?? {};
  return declareConnection(o.store, o.vault, place, {
    name: request.name ?? new URL(url).host,
    secrets: { access_token: token },
    state: { status: 'unreachable', reason },
    wish: { repositories, all, level, organization, confidential, ...(mode && { mode }) },
    ...((ca || proxy) && { route: { ...(ca && { ca }), ...(proxy && { proxy }), by } }),
    by: o.by,
  });
}
