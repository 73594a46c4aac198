/**
 * Connecting a forge by its address and a token: measure what the token may do, store it sealed, choose repositories, tell
 * the apps, create webhooks, and have the forge test one. Each step may be repeated: what is there is kept.
 */

import type { ForgeRepository, HookTarget, TokenFacts } from '../../forges/administration.js';
import type { ForgeEndpoint } from '../../forges/endpoint.js';
import type { ForgeDescriptor } from '../../forges/forge.js';
import { forges } from '../../forges/registry.js';
import { ForgewayError } from '../../lib/errors.js';
import type { OutboundRoute } from '../../lib/outbound/outbound.js';
import type { Store } from '../../store/database.js';
import { audit } from '../audit.js';
import { type HookOfConnection, listHooks } from '../connection-hooks.js';
import { saveOwnToken } from '../connection-kinds.js';
import type { ConnectionRoute } from '../connection-route.js';
import {
  type ConnectionPlace,
  claimedByOthers,
  coveredRepositories,
  routeOfHost,
  type SyncMode,
  saveConnection,
} from '../connection-rows.js';
import { fixedToken, type OpenConnection } from '../connections.js';
import type { Vault } from '../vault.js';
import { chooseRepositories } from './choose-repositories.js';
import type { ConnectionNews } from './connection-news.js';
import {
  administrationOf,
  hookRefusal,
  isForgeFailure,
  type NativeOf,
  probeForge,
  refused,
  UNREACHABLE,
} from './probe.js';
import { hookUrl, notArrived, placeName, testHook, writeHook } from './write-hook.js';

export interface ConnectRequest {
  forge: ForgeDescriptor;
  /** Undefined: the forge's own cloud. */
  url: string | undefined;
  token: string;
  /** For people; undefined: as it is, and made of account and host when it is new. */
  name: string | undefined;
  /** `owner/name` as people write it; empty without `all` and `organization`: none is chosen. */
  repositories: readonly string[];
  all: boolean;
  /** Where hooks are created: at each repository, at one organization, or once for the whole server. */
  level: 'repository' | 'organization' | 'system' | 'none';
  /** As people write it, such as `group/sub`. */
  organization: string | undefined;
  /** Undefined: as it is, and not confidential where it is new. */
  confidential: boolean | undefined;
  /** Undefined: as it is, and both where it is new. With `poll` no webhook is made. */
  mode?: SyncMode;
  /** How the host is reached; what is undefined of it stays as it is. */
  route?: ConnectionRoute;
  /** Of this person alone: no app sees it, it serves no repository and has no webhook. */
  userId?: string;
  /** An account that is connected already is refused, and not given this token. */
  isNew?: boolean;
}

export interface ConnectOptions {
  store: Store;
  vault: Vault;
  news: ConnectionNews;
  organizationId: string;
  /** Where the forge reaches us; without it no hook can be created. */
  publicUrl: string | undefined;
  nativeOf: NativeOf;
  /** Lines for a person. */
  progress(line: string): void;
  /** Who asked for it, for the audit trail; absent: whoever runs the machine. */
  by?: string;
  /** How long the apps may take to hear of it before the hooks are made all the same; default 15 s. */
  toldWithinMs?: number;
}

export interface Connected {
  id: string;
  /** The account was connected before: its token is the new one now. */
  renewed: boolean;
  facts: TokenFacts;
  /** Those that were chosen now. */
  repositories: readonly ForgeRepository[];
  /** Those that were written now. `arrived` says what became of the test delivery, where there was one. */
  hooks: readonly { hook: HookOfConnection; arrived: boolean | undefined }[];
  /** What the connection has now, with what it had before. */
  total: { repositories: number; hooks: number };
  /** What is not as it was asked for, each with what to do. */
  problems: readonly string[];
}

const TOLD_MS = 15_000;
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

const hookLevel = ({ level, mode }: ConnectRequest) => (mode === 'poll' ? 'none' : level);

function targetsOf(request: ConnectRequest, repositories: readonly ForgeRepository[]): HookTarget[] {
  if (hookLevel(request) === 'none') return [];
  if (request.level === 'system') return [{ level: 'system' }];
  if (request.level === 'organization')
    return [{ level: 'organization', owner: (request.organization ?? '').replaceAll('/', '~') }];
  return repositories.map(({ owner, name }) => ({ level: 'repository', owner, name }));
}

/** What cannot work is refused before the forge is asked and anything is stored. */
function check(o: ConnectOptions, request: ConnectRequest): void {
  if (request.level === 'organization' && !request.organization)
    throw refused('Name the organization whose webhook is to be created.');
  const wantsHooks =
    hookLevel(request) !== 'none' && (request.level !== 'repository' || request.all || request.repositories.length > 0);
  if (wantsHooks && o.publicUrl === undefined)
    throw refused(
      'PUBLIC_URL is not set, so the forge would not know where to send webhooks. Set it for `forgeway up` and for this command, or use --mode poll.',
    );
}

/** As asked for; what was not is what another connection of this organization to the same host has. */
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

/** @throws ForgewayError FORGEWAY_CONNECTION_REFUSED, FORGEWAY_REPOSITORY_CLAIMED or FORGEWAY_CONFLICT, with nothing changed */
export async function connectForge(o: ConnectOptions, request: ConnectRequest): Promise<Connected> {
  const { store, vault, news, organizationId, progress } = o;
  const { forge, token } = request;
  const administration = administrationOf(forge);
  const endpoint = endpointOf(request);
  check(o, request);
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
    `${forge.label} ${facts.version} (${facts.edition}): ${facts.account.login} may ${facts.capabilities.join(', ')}.`,
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
  const chosen = await chooseRepositories(administration.repositories(native), request, facts, progress);
  const foreign = await claimedByOthers(
    store,
    place,
    chosen.map(({ id }) => id),
  );
  const taken = chosen.filter(({ id }) => foreign.has(id)).map(({ owner, name }) => `${owner}/${name}`);
  if (taken.length > 0 && request.repositories.length > 0)
    throw new ForgewayError(
      'FORGEWAY_REPOSITORY_CLAIMED',
      `${taken.join(', ')} ${taken.length === 1 ? 'belongs' : 'belong'} to another organization on this server. Nothing was changed.`,
    );
  if (taken.length > 0) problem(`Left out, since another organization on this server has them: ${taken.join(', ')}.`);
  const repositories = chosen.filter(({ id }) => !foreign.has(id));

  const saved = await saveConnection(store, vault, place, {
    name: request.name,
    token,
    facts,
    mode: request.mode,
    route: { ca: route?.ca ?? null, proxy: route?.proxy ?? null },
    ...(request.isNew && { isNew: true }),
  });
  progress(`${saved.renewed ? 'Renewed' : 'Stored'} as connection ${saved.id}; the token is sealed.`);
  const connection: OpenConnection = { ...draft, id: saved.id, account: facts.account, virtualId: saved.virtualId };

  if (request.level === 'system' && repositories.length === 0)
    progress('Every repository of the server is served from its first event on.');

  // Before the hooks: the first delivery of a repository finds apps that know of it.
  const mayNot = request.level === 'repository' && !facts.capabilities.includes('hooks');
  const isPolledAlone = hookLevel(request) === 'none' || mayNot;
  const told = await news.covered(connection, repositories, isPolledAlone ? request.confidential : undefined);
  if (told !== undefined) {
    const outcome = await news.outcome(told, o.toldWithinMs ?? TOLD_MS);
    if (outcome === undefined)
      progress('! No worker has told the apps of it yet; that happens as soon as one runs (`forgeway up`).');
    else if (outcome.status === 'dead')
      problem(
        `An app failed when it was told of the repositories: ${outcome.reason ?? 'see'} \`forgeway deliveries dead\`.`,
      );
  }

  const targets = targetsOf(request, repositories);
  if (request.mode === 'poll') progress('The forge is asked for changes every minute; it sends no webhooks.');
  const written: HookOfConnection[] = [];
  if (mayNot && targets.length > 0)
    problem(
      'No webhook was created, since the token may not do that, see above: the forge is asked for changes instead.',
    );
  else
    for (const [index, target] of targets.entries()) {
      const publicUrl = o.publicUrl ?? '';
      const wanted = { ...place, connectionId: saved.id, target, confidential: request.confidential };
      const name = placeName(target) || endpoint.host;
      try {
        const { hook } = await writeHook({ store, vault, publicUrl, administration, native }, wanted);
        written.push(hook);
        progress(`[${index + 1}/${targets.length}] webhook at ${name}`);
        await news.ping(connection, hook, hookUrl(publicUrl, hook));
      } catch (error) {
        if (!isForgeFailure(error)) throw error;
        problem(`No webhook at ${name}: ${hookRefusal(administration, error, target)}`);
      }
    }
  await store.tenant(organizationId, (tx) =>
    audit(
      tx,
      organizationId,
      saved.renewed ? 'connection.renewed' : 'connection.added',
      saved.id,
      { forge: forge.id, host: endpoint.host, repositories: repositories.length, hooks: written.length },
      o.by,
    ),
  );

  // One is enough: they all reach the same server in the same way.
  const results: { hook: HookOfConnection; arrived: boolean | undefined }[] = [];
  for (const hook of written) {
    let arrived: boolean | undefined;
    if (results.every((result) => result.arrived === undefined)) {
      try {
        arrived = await testHook(store, administration, native, hook);
        if (arrived === true) progress('The test delivery arrived.');
        if (arrived === false) problem(notArrived(o.publicUrl ?? ''));
      } catch (error) {
        if (!isForgeFailure(error)) throw error;
        progress(`! ${forge.label} did not send a test delivery: ${error.message}`);
      }
    }
    results.push({ hook, arrived });
  }
  if (written.length > 0 && results.every(({ arrived }) => arrived === undefined))
    progress('! Not tested: the forge has no test for such a webhook. Its first event will show that it arrives.');
  const total = {
    repositories: new Set([
      ...(await coveredRepositories(store, organizationId, saved.id)).map(({ id }) => id),
      ...repositories.map(({ id }) => id),
    ]).size,
    hooks: (await listHooks(store, organizationId, saved.id)).filter(({ remoteHookId }) => remoteHookId !== null)
      .length,
  };
  return { id: saved.id, renewed: saved.renewed, facts, repositories, hooks: results, total, problems };
}
