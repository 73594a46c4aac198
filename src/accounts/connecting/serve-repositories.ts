/** What a connection serves: which repositories, told to the apps, with webhooks that the forge has tested. Each step may be repeated. */
import type { ForgeRepository, HookTarget, TokenFacts } from '../../forges/administration.js';
import type { NativeClient } from '../../forges/kit/native-client.js';
import { ForgewayError } from '../../lib/errors.js';
import type { Store } from '../../store/database.js';
import { audit } from '../audit.js';
import { type HookOfConnection, listHooks } from '../connection-hooks.js';
import {
  type ConnectionPlace,
  claimedByOthers,
  coveredRepositories,
  listConnections,
  type SyncMode,
  setSyncMode,
} from '../connection-rows.js';
import type { ConnectionDirectory, OpenConnection } from '../connections.js';
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

export interface ServeWish {
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
}

export interface ServeOptions {
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

export interface Served {
  /** Those that were written now. `arrived` says what became of the test delivery, where there was one. */
  hooks: readonly { hook: HookOfConnection; arrived: boolean | undefined }[];
  /** What the connection has now, with what it had before. */
  total: { repositories: number; hooks: number };
}

const TOLD_MS = 15_000;

const hookLevel = ({ level, mode }: ServeWish) => (mode === 'poll' ? 'none' : level);

interface Wanted {
  target: HookTarget;
  /** Of a repository alone. */
  repositoryId?: bigint;
}

function targetsOf(request: ServeWish, repositories: readonly ForgeRepository[]): Wanted[] {
  if (hookLevel(request) === 'none') return [];
  if (request.level === 'system') return [{ target: { level: 'system' } }];
  if (request.level === 'organization')
    return [{ target: { level: 'organization', owner: (request.organization ?? '').replaceAll('/', '~') } }];
  return repositories.map(({ id, owner, name }) => ({
    target: { level: 'repository', owner, name },
    repositoryId: id,
  }));
}

/** What cannot work is refused before the forge is asked and anything is stored. */
export function checkServing(o: Pick<ServeOptions, 'publicUrl'>, request: ServeWish): void {
  if (request.level === 'organization' && !request.organization)
    throw refused('Name the organization whose webhook is to be created.');
  const wantsHooks =
    hookLevel(request) !== 'none' && (request.level !== 'repository' || request.all || request.repositories.length > 0);
  if (wantsHooks && o.publicUrl === undefined)
    throw refused(
      'PUBLIC_URL is not set, so the forge would not know where to send webhooks. Set it for `forgeway up` and for this command, or use --mode poll.',
    );
}

/** Of the repositories that are meant, those that no other organization has. @throws ForgewayError FORGEWAY_REPOSITORY_CLAIMED */
export async function chooseUnclaimed(
  { store, progress }: Pick<ServeOptions, 'store' | 'progress'>,
  { place, native, facts }: { place: ConnectionPlace; native: NativeClient; facts: TokenFacts },
  request: ServeWish & { forge: OpenConnection['forge'] },
  problem: (text: string) => void,
): Promise<ForgeRepository[]> {
  const administration = administrationOf(request.forge);
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
  return chosen.filter(({ id }) => !foreign.has(id));
}

/** A worker may be at it while an app of its own process is away. */
const notToldYet = (apps: readonly string[]): string =>
  apps.length === 0
    ? 'No worker has told the apps of it yet; that happens as soon as one runs (`forgeway up`).'
    : `Not told yet: ${apps.join(', ')}. That happens as soon as ${apps.length === 1 ? 'it answers' : 'they answer'}.`;

/** @param on.did what the record calls it */
export async function serveRepositories(
  o: ServeOptions,
  on: { connection: OpenConnection; place: ConnectionPlace; native: NativeClient; facts: TokenFacts; did: string },
  repositories: readonly ForgeRepository[],
  request: ServeWish,
  problem: (text: string) => void,
): Promise<Served> {
  const { store, vault, news, organizationId, progress } = o;
  const { connection, place, native, facts } = on;
  const { forge } = connection;
  const administration = administrationOf(forge);
  if (request.level === 'system' && repositories.length === 0)
    progress('Every repository of the server is served from its first event on.');

  // Before the hooks: the first delivery of a repository finds apps that know of it.
  const mayNot = request.level === 'repository' && !facts.capabilities.includes('hooks');
  const isPolledAlone = hookLevel(request) === 'none' || mayNot;
  const told = await news.covered(connection, repositories, isPolledAlone ? request.confidential : undefined);
  if (told !== undefined) {
    const outcome = await news.outcome(told, o.toldWithinMs ?? TOLD_MS);
    if (outcome === undefined) progress(`! ${notToldYet(await news.waitsFor(told))}`);
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
    for (const [index, wish] of targets.entries()) {
      const { target } = wish;
      const publicUrl = o.publicUrl ?? '';
      const wanted = { ...place, ...wish, connectionId: connection.id, confidential: request.confidential };
      const name = placeName(target) || place.host;
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
      on.did,
      connection.id,
      { forge: forge.id, host: place.host, repositories: repositories.length, hooks: written.length },
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
        if (arrived === false) problem(notArrived(o.publicUrl ?? '', administration));
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
      ...(await coveredRepositories(store, organizationId, connection.id)).map(({ id }) => id),
      ...repositories.map(({ id }) => id),
    ]).size,
    hooks: (await listHooks(store, organizationId, connection.id)).filter(({ remoteHookId }) => remoteHookId !== null)
      .length,
  };
  return { hooks: results, total };
}

/**
 * Has a connection that is there serve more repositories, or serve them in another way.
 * @throws ForgewayError FORGEWAY_CONNECTION_REFUSED, FORGEWAY_CONNECTION_UNUSABLE or FORGEWAY_REPOSITORY_CLAIMED, with nothing changed
 */
export async function serveMore(
  o: ServeOptions & { directory: Pick<ConnectionDirectory, 'open'> },
  connectionId: string,
  asked: ServeWish,
): Promise<Served & { repositories: readonly ForgeRepository[]; problems: readonly string[] }> {
  const known = (await listConnections(o.store, o.organizationId)).find(({ id }) => id === connectionId);
  const mode = asked.mode ?? known?.mode;
  const wish = { ...asked, ...(mode && { mode }) };
  checkServing(o, wish);
  const connection = await o.directory.open(o.organizationId, connectionId);
  const { forge, host, baseUrl } = connection;
  administrationOf(forge);
  const probed = await probeForge(connection, o.nativeOf);
  if (!probed.ok)
    throw new ForgewayError('FORGEWAY_CONNECTION_REFUSED', probed.reason, {
      details: { [UNREACHABLE]: probed.unreachable },
    });
  const { facts } = probed;
  const { webUrl } = forge.endpoint(baseUrl);
  const { organizationId } = o;
  const place = { organizationId, forge: forge.id, host, instanceUrl: webUrl === forge.cloudUrl ? null : webUrl };
  const native = o.nativeOf(connection);
  const problems: string[] = [];
  const problem = (text: string) => {
    problems.push(text);
    o.progress(`! ${text}`);
  };
  const repositories = await chooseUnclaimed(o, { place, native, facts }, { ...wish, forge }, problem);
  if (asked.mode !== undefined) await setSyncMode(o.store, organizationId, connectionId, asked.mode);
  const on = { connection, place, native, facts, did: 'connection.repositories_added' };
  return { repositories, problems, ...(await serveRepositories(o, on, repositories, wish, problem)) };
}
