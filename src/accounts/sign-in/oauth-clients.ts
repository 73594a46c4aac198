/**
 * What administrators registered on forges so that people can sign in with them: one OAuth client per instance, any number of
 * instances of one forge. They belong to the installation of Forgeway and to no organization.
 */
import { createHash, randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { ForgeEndpoint } from '../../forges/endpoint.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import type { ForgeOAuth, OAuthClient } from '../../forges/oauth.js';
import { forgeById, forges } from '../../forges/registry.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Outbound, OutboundRoute } from '../../lib/outbound/outbound.js';
import { type ConnectionRoute, describeCertificates, type RouteRow, routeOf } from '../connection-route.js';
import type { Vault } from '../vault.js';
import {
  openSecrets,
  PLATFORM,
  type SealedColumns,
  type SecretRow,
  sealedColumnsOf,
  sealedValues,
  sealSecrets,
} from '../vault-columns.js';

export interface SignInClient {
  /** Last part of the callback's address. */
  providerId: string;
  forge: ForgeDescriptor;
  oauth: ForgeOAuth;
  endpoint: ForgeEndpoint;
  /** What the button says. */
  label: string;
  clientId: string;
  enabled: boolean;
  /** How the instance is reached, for people: its own certificates, and the proxy without its password. */
  reached: { certificates: readonly string[]; proxy: string | null };
}

/** What is secret of a client, and how its instance is reached. */
export interface OAuthClientAccess {
  /** Absent for a public client. */
  secret?: string;
  route?: OutboundRoute;
}

export interface NewOAuthClient {
  forge: string;
  /** Address of the instance's start page; default: the forge's own cloud. */
  baseUrl?: string;
  clientId: string;
  /** Absent for a public client. */
  clientSecret?: string;
  /** Default: the forge's name and the host. */
  label?: string;
  /** Certificates and proxy of the instance; what is undefined of it stays as it is. */
  route?: ConnectionRoute;
}

interface ClientRow extends SealedColumns<'oauth_client'>, RouteRow {
  id: string;
  provider_id: string;
  forge: string;
  base_url: string;
  label: string;
  client_id: string;
  enabled: boolean;
}

const COLUMNS = `id, provider_id, forge, base_url, label, client_id, enabled, ca_certificate, proxy_url, ${sealedColumnsOf('oauth_client').join(', ')}`;

const refused = (message: string) => new ForgewayError('FORGEWAY_SIGN_IN_CLIENT_REFUSED', message);

const placeOf = (id: string): SecretRow<'oauth_client'> => ({
  table: 'oauth_client',
  organizationId: PLATFORM,
  rowId: id,
});

/**
 * The name of an instance in addresses: readable, and the same whenever a client is registered for it again, so that people
 * stay who they are. Hosts with a port or a path get a hash, since two of them may read alike.
 */
export function providerIdOf(forge: string, host: string): string {
  const readable = `${forge}-${host}`;
  if (/^[a-z0-9.-]+$/.test(readable)) return readable;
  const hash = createHash('sha256').update(readable).digest('hex').slice(0, 8);
  return `${readable.toLowerCase().replaceAll(/[^a-z0-9.-]+/g, '-')}-${hash}`;
}

/** @throws ForgewayError FORGEWAY_SIGN_IN_CLIENT_REFUSED when there is no such forge, or that is no address of one */
export function providerIdAt(forge: string, baseUrl: string | undefined): string {
  return providerIdOf(forge, endpointOf(forgeOf(forge), baseUrl?.trim() || undefined).endpoint.host);
}

/** Ids of forges that people can sign in with. */
export const forgesWithSignIn = (): string[] =>
  [...forges.values()].filter(({ oauth }) => oauth !== undefined).map(({ id }) => id);

function forgeOf(id: string): ForgeDescriptor & { oauth: ForgeOAuth } {
  const forge = forgeById(id);
  if (forge?.oauth === undefined)
    throw refused(`Forges that people can sign in with: ${forgesWithSignIn().join(', ')}.`);
  return { ...forge, oauth: forge.oauth };
}

function endpointOf(forge: ForgeDescriptor, baseUrl: string | undefined): { endpoint: ForgeEndpoint; baseUrl: string } {
  const given = baseUrl ?? forge.cloudUrl;
  if (given === undefined) throw refused(`${forge.label} has no server of its own: say which one is meant.`);
  try {
    const endpoint = forge.endpoint(given);
    return { endpoint, baseUrl: endpoint.webUrl };
  } catch (cause) {
    throw new ForgewayError('FORGEWAY_SIGN_IN_CLIENT_REFUSED', `${given} is not the address of a server.`, { cause });
  }
}

function readRow(row: ClientRow): SignInClient {
  const forge = forgeOf(row.forge);
  return {
    providerId: row.provider_id,
    forge,
    oauth: forge.oauth,
    endpoint: forge.endpoint(row.base_url),
    label: row.label,
    clientId: row.client_id,
    enabled: row.enabled,
    reached: {
      certificates: row.ca_certificate === null ? [] : describeCertificates(row.ca_certificate),
      proxy: row.proxy_url,
    },
  };
}

function accessOf(vault: Vault, row: ClientRow): OAuthClientAccess {
  const { client_secret: secret, proxy_credentials } = openSecrets(vault, placeOf(row.id), row);
  const route = routeOf(row, proxy_credentials);
  return { ...(secret !== undefined && { secret }), ...(route && { route }) };
}

/** All clients of forges that this version knows, sorted as the buttons are. @param pool of the role of the API */
export async function listOAuthClients(pool: pg.Pool): Promise<SignInClient[]> {
  const { rows } = await pool.query<ClientRow>(`SELECT ${COLUMNS} FROM oauth_client ORDER BY label, provider_id`);
  return rows.filter(({ forge }) => forgesWithSignIn().includes(forge)).map(readRow);
}

/** The client's secret and the way to its instance; empty for one that is not there. @throws ForgewayError FORGEWAY_SECRET_UNREADABLE */
export async function accessOfClient(pool: pg.Pool, vault: Vault, providerId: string): Promise<OAuthClientAccess> {
  const { rows } = await pool.query<ClientRow>(`SELECT ${COLUMNS} FROM oauth_client WHERE provider_id = $1`, [
    providerId,
  ]);
  const [row] = rows;
  return row === undefined ? {} : accessOf(vault, row);
}

/**
 * The client with which tokens of one instance are renewed; undefined where none is registered, or was for another address
 * than the one that is asked: its secret goes nowhere else, such as to the same host without TLS. It travels by the
 * administrator's way and not by that of the connection, whose proxy and certificates a tenant chooses.
 * @param pool of the role of the worker or the API
 * @throws ForgewayError FORGEWAY_SECRET_UNREADABLE
 */
export async function oauthClientOf(
  pool: Pick<pg.Pool, 'query'>,
  vault: Vault,
  instance: { forge: string; host: string; webUrl: string },
): Promise<(OAuthClient & { route?: OutboundRoute }) | undefined> {
  const columns = [
    'id',
    'base_url',
    'client_id',
    'ca_certificate',
    'proxy_url',
    ...sealedColumnsOf('oauth_client'),
  ].join(', ');
  const { rows } = await pool.query<ClientRow>(
    `SELECT ${columns} FROM oauth_client WHERE forge = $1 AND host = $2 AND enabled`,
    [instance.forge, instance.host],
  );
  const [row] = rows;
  if (row === undefined || forgeOf(instance.forge).endpoint(row.base_url).webUrl !== instance.webUrl) return undefined;
  return { id: row.client_id, ...accessOf(vault, row) };
}

/**
 * Registers a client, or replaces the one of the same instance; it can be used at once.
 * @param outbound the guarded way out, which looks at the addresses before anything is stored
 * @throws ForgewayError FORGEWAY_SIGN_IN_CLIENT_REFUSED, FORGEWAY_ADDRESS_REFUSED
 */
export async function putOAuthClient(
  { pool, vault, outbound }: { pool: pg.Pool; vault: Vault; outbound: Pick<Outbound, 'check'> },
  client: NewOAuthClient,
): Promise<SignInClient> {
  const forge = forgeOf(client.forge);
  const { endpoint, baseUrl } = endpointOf(forge, client.baseUrl?.trim() || undefined);
  const { ca, proxy } = client.route ?? {};
  for (const url of [forge.oauth.tokenUrl(endpoint), endpoint.apiUrl, ...(proxy ? [proxy.url] : [])])
    outbound.check(url);
  const clientId = client.clientId.trim();
  const secret = client.clientSecret?.trim() || undefined;
  if (!/^[\x21-\x7e]{1,255}$/.test(clientId)) throw refused('The client id is one word, as the forge shows it.');
  if (secret !== undefined && !/^[\x21-\x7e]{8,512}$/.test(secret))
    throw refused('The client secret is one word, as the forge showed it.');
  const label =
    client.label?.trim() || (baseUrl === forge.cloudUrl ? forge.label : `${forge.label} (${endpoint.host})`);
  if (label.length > 80) throw refused('The label has more than 80 characters.');
  const row = { provider_id: providerIdOf(forge.id, endpoint.host), forge: forge.id, host: endpoint.host };
  const connection = await pool.connect();
  try {
    await connection.query('BEGIN');
    const found = await connection.query<ClientRow>(
      `SELECT ${COLUMNS} FROM oauth_client WHERE forge = $1 AND host = $2 FOR UPDATE`,
      [row.forge, row.host],
    );
    const id = found.rows[0]?.id ?? randomUUID();
    const sealed = await sealSecrets(connection, vault, placeOf(id), found.rows[0], {
      client_secret: secret ?? null,
      ...(proxy !== undefined && { proxy_credentials: proxy?.credentials ?? null }),
    });
    const { names, values } = sealedValues('oauth_client', sealed);
    const all = [
      ['provider_id', row.provider_id],
      ['forge', row.forge],
      ['host', row.host],
      ['base_url', baseUrl],
      ['label', label],
      ['client_id', clientId],
      ...(ca === undefined ? [] : [['ca_certificate', ca] as const]),
      ...(proxy === undefined ? [] : [['proxy_url', proxy?.url ?? null] as const]),
      ...names.map((name, at) => [name, values[at]] as const),
    ] as const;
    const written = await connection.query<ClientRow>(
      `INSERT INTO oauth_client (id, ${all.map(([name]) => name).join(', ')})
       VALUES ($1, ${all.map((_, at) => `$${at + 2}`).join(', ')})
       ON CONFLICT (id) DO UPDATE SET ${all.map(([name]) => `${name} = excluded.${name}`).join(', ')},
         enabled = true, updated_at = clock_timestamp()
       RETURNING ${COLUMNS}`,
      [id, ...all.map(([, value]) => value)],
    );
    await connection.query('COMMIT');
    return readRow(written.rows[0] as ClientRow);
  } catch (error) {
    await connection.query('ROLLBACK');
    throw error;
  } finally {
    connection.release();
  }
}

/** Nobody can sign in through it any more; who did stays signed in, and stays who they are when it is registered again. */
export async function removeOAuthClient(pool: pg.Pool, providerId: string): Promise<boolean> {
  const { rowCount } = await pool.query('DELETE FROM oauth_client WHERE provider_id = $1', [providerId]);
  return rowCount === 1;
}

/** Changes whenever a client is added, changed or removed, by whichever process. */
export async function clientsVersion(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ version: string }>(
    `SELECT coalesce(string_agg(concat_ws(' ', id, secret_version, enabled, updated_at), ',' ORDER BY id), '') AS version
     FROM oauth_client`,
  );
  return rows[0]?.version ?? '';
}
