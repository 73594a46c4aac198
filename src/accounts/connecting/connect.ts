/**
 * Connecting a forge by its address and a token: measure what the token may do, store it sealed, choose repositories, tell
 * the apps, create webhooks, and have the forge test one. Each step may be repeated: what is there is kept.
 */

import type { ForgeRepository, TokenFacts } from '../../forges/administration.js';
import type { ForgeEndpoint } from '../../forges/endpoint.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { forges } from '../../forges/registry.js';
import { ForgewayError } from '../../lib/errors.js';
import type { OutboundRoute } from '../../lib/outbound/outbound.js';
import { saveOwnToken } from '../connection-kinds.js';
import type { ConnectionRoute, RouteBy } from '../connection-route.js';
import { type ConnectionPlace, routeOfHost, saveConnection } from '../connection-rows.js';
import { fixedToken, type OpenConnection } from '../connections.js';
import { administrationOf, probeForge, refused, UNREACHABLE } from './probe.js';
import {
  checkServing,
  chooseUnclaimed,
  type Served,
  type ServeOptions,
  type ServeWish,
  serveRepositories,
} from './serve-repositories.js';

export interface ConnectRequest extends ServeWish {
  forge: ForgeDescriptor;
  /** Undefined: the forge's own cloud. */
  url: string | undefined;
  token: string;
  /** For people; undefined: as it is, and made of account and host when it is new. */
  name: string | undefined;
  /** How the host is reached; what is undefined of it stays as it is. */
  route?: ConnectionRoute;
  /** Of this person alone: no app sees it, it serves no repository and has no webhook. */
  userId?: string;
  /** An account that is connected already is refused, and not given this token. */
  isNew?: boolean;
}

export type ConnectOptions = ServeOptions;

export interface Connected extends Served {
  id: string;
  /** The account was connected before: its token is the new one now. */
  renewed: boolean;
  facts: TokenFacts;
  /** Those that were chosen now. */
  repositories: readonly ForgeRepository[];
  /** What is not as it was asked for, each with what to do. */
  problems: readonly string[];
}

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** @throws ForgewayError FORGEWAY_CONNECTION_REFUSED when it is no address */
export function endpointOf({
  forge,
  url: given,
}: Pick<ConnectRequest, 'forge' | 'url'>): ForgeEndpoint & { url: string } {
  const url = given ?? forge.cloudUrl ?? '';
  if (!URL.canParse(url) || !/^https?:/i.test(url))
    throw refused(`"${url}" is no web address: write it whole, as in https://git.example.com.`);
  const { username, password } = new URL(url);
  if (username !== '' || password !== '')
    throw refused('Leave user name and password out of the address; the token is given apart from it.');
  return { ...forge.endpoint(url), url };
}

/** As asked for; what was not is what the operator said for another connection of this organization to the same host. */
async function routeFor(
  { store, vault }: Pick<ConnectOptions, 'store' | 'vault'>,
  place: ConnectionPlace,
  { route }: ConnectRequest,
): Promise<{ route?: OutboundRoute }> {
  const isWhole = route?.ca !== undefined && route.proxy !== undefined;
  const kept = isWhole ? {} : await routeOfHost(store, vault, place);
  const ca = route?.ca === undefined ? kept.ca : (route.ca ?? undefined);
  const proxy = route?.proxy === undefined ? kept.proxy : (route.proxy ?? undefined);
  if (ca === undefined && proxy === undefined) return {};
  return { route: { ...(ca !== undefined && { ca }), ...(proxy && { proxy }) } };
}

/** The owner's where anything of it is; so that nothing that an owner said becomes the rule for others. */
const setterOf = ({ route }: ConnectRequest): RouteBy =>
  route?.by === 'owner' && (route.ca || route.proxy) ? 'owner' : 'operator';

/** @throws ForgewayError FORGEWAY_CONNECTION_REFUSED, FORGEWAY_REPOSITORY_CLAIMED or FORGEWAY_CONFLICT, with nothing changed */
export async function connectForge(o: ConnectOptions, request: ConnectRequest): Promise<Connected> {
  const { store, vault, organizationId, progress } = o;
  const { forge, token } = request;
  administrationOf(forge);
  const endpoint = endpointOf(request);
  checkServing(o, request);
  const place: ConnectionPlace = {
    organizationId,
    forge: forge.id,
    host: endpoint.host,
    instanceUrl: endpoint.webUrl === forge.cloudUrl ? null : endpoint.webUrl,
  };
  const { route } = await routeFor(o, place, request);
  const draft: OpenConnection = {
    id: 'new',
    organizationId,
    forge,
    host: endpoint.host,
    baseUrl: endpoint.url,
    account: { id: 0n, login: '' },
    ...fixedToken(token),
    virtualId: 0n,
    ...(route && { route }),
  };
  progress(`Asking ${endpoint.webUrl} who the token is …`);
  const native = o.nativeOf(draft);
  const probed = await probeForge(draft, o.nativeOf);
  if (!probed.ok)
    throw new ForgewayError('FORGEWAY_CONNECTION_REFUSED', probed.reason, {
      details: { [UNREACHABLE]: probed.unreachable },
    });
  const { facts } = probed;
  // Kin that answer alike: connected under both names, every app would run twice.
  const kin = forges.get(facts.edition);
  if (kin !== undefined && kin.id !== forge.id)
    throw refused(`${endpoint.webUrl} is ${kin.label}, not ${forge.label}: use --forge ${kin.id}.`);
  progress(
    `${[forge.label, facts.version].filter(Boolean).join(' ')} (${facts.edition}): ${facts.account.login} may ${facts.capabilities.join(', ')}.`,
  );
  for (const warning of facts.warnings) progress(`! ${warning}`);
  const soon = facts.expiresAt !== null && facts.expiresAt.getTime() - Date.now() < SOON_DAYS * DAY_MS;
  if (facts.expiresAt !== null && soon)
    progress(
      `! The token expires on ${facts.expiresAt.toISOString().slice(0, 10)}: run this again with a new one before.`,
    );

  if (request.userId !== undefined) {
    const own = { ...request, userId: request.userId, facts, ...(o.by !== undefined && { by: o.by }) };
    const { id, renewed } = await saveOwnToken(store, vault, place, own);
    return { id, renewed, facts, repositories: [], hooks: [], total: { repositories: 0, hooks: 0 }, problems: [] };
  }

  const problems: string[] = [];
  const problem = (text: string) => {
    problems.push(text);
    progress(`! ${text}`);
  };
  const repositories = await chooseUnclaimed(o, { place, native, facts }, request, problem);

  const saved = await saveConnection(store, vault, place, {
    name: request.name,
    token,
    facts,
    mode: request.mode,
    route: { ca: route?.ca ?? null, proxy: route?.proxy ?? null, by: setterOf(request) },
    ...(request.isNew && { isNew: true }),
  });
  progress(`${saved.renewed ? 'Renewed' : 'Stored'} as connection ${saved.id}; the token is sealed.`);
  const connection: OpenConnection = { ...draft, id: saved.id, account: facts.account, virtualId: saved.virtualId };
  const did = saved.renewed ? 'connection.renewed' : 'connection.added';
  const on = { connection, place, native, facts, did };
  // A new token alone does not have what is polled make webhooks.
  const served = await serveRepositories(o, on, repositories, { ...request, mode: saved.mode }, problem);
  return { id: saved.id, renewed: saved.renewed, facts, repositories, ...served, problems };
}
