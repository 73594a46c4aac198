/** Stores connections of the kinds that a forge gives: by OAuth, and as an installation of a GitHub App with its own key. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { TokenFacts } from '../forges/administration.js';
import type { ForgeIdentity, GrantedTokens } from '../forges/oauth.js';
import { ForgewayError } from '../lib/errors.js';
import type { OutboundRoute } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import { isUniqueViolation } from '../store/unique.js';
import { audit } from './audit.js';
import { ensureOwnHook } from './connection-hooks.js';
import type { ConnectionPlace } from './connection-rows.js';
import { ensureConnectionInstallation } from './connections.js';
import type { Vault } from './vault.js';
import {
  openSecrets,
  type SealedColumns,
  type SecretChange,
  sealedColumnsOf,
  sealedValues,
  sealSecrets,
} from './vault-columns.js';
import { virtualInstallationId } from './virtual-installation.js';

type Plain = Readonly<Record<string, unknown>>;

const taken = (login: string, { host }: ConnectionPlace, cause: unknown) =>
  new ForgewayError('FORGEWAY_CONFLICT', `${login} on ${host} is connected already.`, { cause });

/** The token that a new one takes the place of is ended at the forge like that of a connection that goes. */
async function endBefore(
  tx: pg.PoolClient,
  vault: Vault,
  { organizationId, forge, host, instanceUrl }: ConnectionPlace,
  existing: SealedColumns<'connection'> & { id: string },
  next: SecretChange<'connection'>,
): Promise<void> {
  const place = { table: 'connection', organizationId, rowId: existing.id } as const;
  const { access_token, refresh_token } = openSecrets(vault, place, existing);
  if (access_token === undefined || access_token === next.access_token) return;
  const rowId = randomUUID();
  const { names, values } = sealedValues(
    'token_revocation',
    await sealSecrets(tx, vault, { table: 'token_revocation', organizationId, rowId }, undefined, {
      access_token,
      refresh_token: refresh_token === next.refresh_token ? null : (refresh_token ?? null),
    }),
  );
  const plain = { id: rowId, organization_id: organizationId, forge, host, instance_url: instanceUrl };
  const all = [...Object.values(plain), ...values];
  await tx.query(
    `INSERT INTO token_revocation (${[...Object.keys(plain), ...names].join(', ')}, due_at)
     VALUES (${all.map((_, index) => `$${index + 1}`).join(', ')}, now())`,
    all,
  );
}

/** Writes the row with this identity, with its secrets sealed anew; a row that is there becomes of this kind. */
async function write(
  tx: pg.PoolClient,
  vault: Vault,
  place: ConnectionPlace,
  o: {
    userId: string | null;
    accountId: string;
    appId: string | null;
    secrets: SecretChange<'connection'>;
    plain: Plain;
    /** Who asked for it; absent: whoever runs the machine. */
    by?: string;
    /** A row that is there and of another kind is in the way. */
    keepsKind?: boolean;
  },
): Promise<{ id: string; renewed: boolean }> {
  const { organizationId, forge, host, instanceUrl } = place;
  if (o.userId !== null) {
    // Held until it is written, so that whoever is removed meanwhile leaves nothing behind.
    const member = await tx.query('SELECT FROM member WHERE organization_id = $1 AND user_id = $2 FOR KEY SHARE', [
      organizationId,
      o.userId,
    ]);
    if (member.rowCount === 0)
      throw new ForgewayError(
        'FORGEWAY_FORBIDDEN',
        'Only those who belong to the organization connect accounts in it.',
      );
  }
  const found = await tx.query<SealedColumns<'connection'> & { id: string; kind: string }>(
    `SELECT id, kind, ${sealedColumnsOf('connection').join(', ')} FROM connection
     WHERE forge = $1 AND host = $2 AND provider_account_id = $3 AND user_id IS NOT DISTINCT FROM $4
       AND app_id IS NOT DISTINCT FROM $5 FOR UPDATE`,
    [forge, host, o.accountId, o.userId, o.appId],
  );
  const existing = found.rows[0];
  if (existing !== undefined && o.keepsKind && existing.kind !== o.plain.kind)
    throw new ForgewayError(
      'FORGEWAY_CONFLICT',
      `The account is connected already, as ${existing.id} by ${existing.kind}. Take that connection away first.`,
    );
  const id = existing?.id ?? randomUUID();
  if (existing?.kind === 'oauth') await endBefore(tx, vault, place, existing, o.secrets);
  const none = { access_token: null, refresh_token: null, private_key: null };
  const sealed = sealedValues(
    'connection',
    await sealSecrets(tx, vault, { table: 'connection', organizationId, rowId: id }, existing, {
      ...none,
      ...o.secrets,
    }),
  );
  const fixed: Plain = {
    id,
    organization_id: organizationId,
    user_id: o.userId,
    forge,
    host,
    provider_account_id: o.accountId,
    app_id: o.appId,
  };
  const plain: Plain = {
    instance_url: instanceUrl,
    status: 'active',
    status_reason: null,
    status_since: new Date(),
    revoked_at: null,
    token_granted_at: new Date(),
    token_failures: 0,
    token_failed_at: null,
    ...o.plain,
  };
  const change = [...Object.keys(plain), ...sealed.names];
  const values = [...Object.values(fixed), ...Object.values(plain), ...sealed.values];
  await tx.query(
    `INSERT INTO connection (${[...Object.keys(fixed), ...change].join(', ')})
     VALUES (${values.map((_, index) => `$${index + 1}`).join(', ')})
     ON CONFLICT (id) DO UPDATE SET updated_at = now(), ${change.map((name) => `${name} = excluded.${name}`).join(', ')}`,
    values,
  );
  const facts = { forge, host, kind: o.plain.kind };
  const did = existing === undefined ? 'connection.added' : 'connection.renewed';
  await audit(tx, organizationId, did, id, facts, o.by);
  return { id, renewed: existing !== undefined };
}

/**
 * A person's own connection by a token, or a new token for the one that is there. Apps do not see it.
 * @throws ForgewayError FORGEWAY_CONFLICT when the account is connected by signing in, or at this very moment
 */
export async function saveOwnToken(
  store: Store,
  vault: Vault,
  place: ConnectionPlace,
  o: { userId: string; name: string | undefined; token: string; facts: TokenFacts; by?: string },
): Promise<{ id: string; renewed: boolean }> {
  const { facts } = o;
  const saving = store.tenant(place.organizationId, (tx) =>
    write(tx, vault, place, {
      userId: o.userId,
      accountId: facts.account.id.toString(),
      appId: null,
      keepsKind: true,
      secrets: { access_token: o.token },
      ...(o.by !== undefined && { by: o.by }),
      plain: {
        kind: 'pat',
        name: o.name ?? `${facts.account.login} on ${place.host}`,
        account_login: facts.account.login,
        account_type: facts.isPerson ? 'User' : 'Bot',
        is_person: facts.isPerson,
        scopes: facts.scopes.join(' '),
        access_token_expires_at: facts.expiresAt,
        capabilities: JSON.stringify(facts.capabilities),
        warnings: JSON.stringify(facts.warnings),
        server_version: facts.version,
        server_edition: facts.edition,
        checked_at: new Date(),
      },
    }),
  );
  return saving.catch((error: unknown) => {
    throw isUniqueViolation(error) ? taken(facts.account.login, place, error) : error;
  });
}

/** An account whose person agreed on the forge that it is connected. */
export interface ConsentedAccount {
  name?: string;
  identity: ForgeIdentity;
  tokens: GrantedTokens;
  /** Who asked for it; absent: whoever runs the machine. */
  by?: string;
  /** How its client reaches the instance, which the connection does alike; without it: as it is. */
  route?: OutboundRoute;
}

/**
 * A connection with tokens that the forge gave by OAuth, of a person when `userId` is given, else of the organization, and
 * then apps see it as an installation. The same account on the same instance is the same connection.
 * @throws ForgewayError FORGEWAY_CONFLICT when the organization has the account by a token, or it is connected at this very
 *   moment; FORGEWAY_FORBIDDEN when the person does not belong to the organization
 */
export async function saveOAuthConnection(
  store: Store,
  vault: Vault,
  place: ConnectionPlace,
  o: ConsentedAccount & { userId?: string },
): Promise<{ id: string }> {
  const { identity, tokens } = o;
  const saving = store.tenant(place.organizationId, async (tx) => {
    const { id } = await write(tx, vault, place, {
      userId: o.userId ?? null,
      // What the token may do, and the webhooks that it made, are not for another one to lose unnoticed.
      keepsKind: o.userId === undefined,
      accountId: identity.id.toString(),
      appId: null,
      secrets: {
        access_token: tokens.accessToken,
        refresh_token: tokens.refreshToken,
        ...(o.route && { proxy_credentials: o.route.proxy?.credentials ?? null }),
      },
      ...(o.by !== undefined && { by: o.by }),
      plain: {
        kind: 'oauth',
        name: o.name ?? `${identity.login} on ${place.host}`,
        account_login: identity.login,
        account_type: 'User',
        is_person: true,
        scopes: tokens.scopes?.join(' ') ?? null,
        access_token_expires_at: tokens.expiresAt ?? null,
        refresh_token_expires_at: tokens.refreshTokenExpiresAt ?? null,
        ...(o.route && { ca_certificate: o.route.ca ?? null, proxy_url: o.route.proxy?.url ?? null }),
      },
    });
    if (o.userId === undefined) {
      const { rows } = await tx.query<{ slug: string }>('SELECT slug FROM organization WHERE id = $1', [
        place.organizationId,
      ]);
      await ensureConnectionInstallation(tx, {
        ...place,
        id,
        organizationSlug: rows[0]?.slug ?? '',
        account: { ...identity, type: 'User' },
      });
    }
    return { id };
  });
  return saving.catch((error: unknown) => {
    throw isUniqueViolation(error) ? taken(identity.login, place, error) : error;
  });
}

export interface InstalledApp {
  appId: string;
  installationId: bigint;
  account: { id: bigint; login: string; type: string };
}

/**
 * The row by which apps see an installation of an App whose key a connection holds. Answers its number.
 * @throws ForgewayError FORGEWAY_CONNECTION_REFUSED when another organization has this installation
 */
export async function ensureAppInstallation(
  tx: pg.PoolClient,
  place: Pick<ConnectionPlace, 'organizationId' | 'forge' | 'host'> & { connectionId: string },
  { appId, installationId, account }: InstalledApp,
): Promise<bigint> {
  const key = { forge: place.forge, host: place.host, appId, installationId };
  // The forge has told of it, by the webhook of its App: then its own hook stands for that news.
  const known = await tx.query(
    `SELECT FROM installation WHERE forge = $1 AND host = $2 AND app_id = $3 AND installation_id = $4
       AND organization_id = $5 AND status <> 'deleted' AND connection_id IS NULL FOR UPDATE`,
    [...Object.values(key), place.organizationId],
  );
  if (known.rowCount === 1) await ensureOwnHook(tx, { ...place, id: place.connectionId });
  const { rows } = await tx.query<{ virtual_id: bigint }>(
    `INSERT INTO installation (forge, host, app_id, installation_id, organization_id, virtual_id, connection_id,
       account_id, account_login, account_type)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (forge, host, app_id, installation_id) DO UPDATE SET
       connection_id = excluded.connection_id, account_id = excluded.account_id,
       account_login = excluded.account_login, status = 'active', deleted_at = NULL, updated_at = now()
     WHERE installation.organization_id = excluded.organization_id
     RETURNING virtual_id`,
    [
      ...Object.values(key),
      place.organizationId,
      virtualInstallationId(key),
      place.connectionId,
      account.id,
      account.login,
      account.type,
    ],
  );
  const virtualId = rows[0]?.virtual_id;
  if (virtualId === undefined)
    throw new ForgewayError(
      'FORGEWAY_CONNECTION_REFUSED',
      `Installation ${installationId} of App ${appId} on ${place.host} belongs to another organization on this server.`,
    );
  return virtualId;
}

export interface AppInstallation extends InstalledApp {
  /** PEM. */
  privateKey: string;
  name?: string;
}

/**
 * A connection that is one installation of a GitHub App, with the App's key. Answers the number under which apps see it.
 * @throws ForgewayError FORGEWAY_CONNECTION_REFUSED when another organization or connection has this installation
 */
export async function saveAppConnection(
  store: Store,
  vault: Vault,
  place: ConnectionPlace,
  o: AppInstallation,
): Promise<{ id: string; virtualId: bigint }> {
  const { organizationId, host } = place;
  return store.tenant(organizationId, async (tx) => {
    const { id } = await write(tx, vault, place, {
      userId: null,
      accountId: o.account.id.toString(),
      appId: o.appId,
      secrets: { private_key: o.privateKey },
      plain: {
        kind: 'github-app',
        name: o.name ?? `${o.account.login} on ${host}`,
        account_login: o.account.login,
        account_type: o.account.type,
        installation_id: o.installationId,
      },
    });
    const virtualId = await ensureAppInstallation(tx, { ...place, connectionId: id }, o);
    return { id, virtualId };
  });
}
