/**
 * What apps are told of a connection in GitHub's words, since a forge without Apps tells nobody: that it was made, which
 * repositories came and went, that it ended, and that a hook was made. The events enter the inbox through the
 * connection's own hook, one after the other.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionNews, Told, ToldOutcome } from '../accounts/connecting/connection-news.js';
import { ensureOwnHook, type HookOfConnection } from '../accounts/connection-hooks.js';
import { type CoveredRepository, coveredRepositories } from '../accounts/connection-rows.js';
import type { OpenApp, OpenConnection } from '../accounts/connections.js';
import { VIRTUAL_API_PATH } from '../forges/endpoint.js';
import type { JsonObject } from '../forges/forge.js';
import { user } from '../forges/kit/shapes/account.js';
import type { ShapeBase } from '../forges/kit/shapes/base.js';
import { coveredRepository, installation } from '../forges/kit/shapes/installation.js';
import type { Store } from '../store/database.js';
import { insertSynthesised, synthesisedOutcome, synthesisedUnfinished, synthesisedWaitsFor } from './synthesised.js';

const POLL_MS = 100;

type Speaker = OpenConnection | OpenApp;

function speaker(connection: Speaker) {
  const { webUrl, apiUrl } = connection.forge.endpoint(connection.baseUrl);
  const api = connection.forge.routes === undefined ? apiUrl : `${webUrl}${VIRTUAL_API_PATH}`;
  const base: ShapeBase = { api, web: webUrl };
  const account = { id: connection.account.id.toString(), login: connection.account.login };
  return { base, account, sender: user(base, account) };
}

function about(connection: Speaker, now: string): { installation: JsonObject; sender: JsonObject } {
  const { base, account, sender } = speaker(connection);
  const id = connection.virtualId.toString();
  const shown = installation(base, { id, account, createdAt: now, updatedAt: now });
  // Apps compare it with their own number.
  const app = 'app' in connection && { app_id: Number(connection.app.id) };
  return { installation: { ...shown, ...app }, sender };
}

const listed = (repositories: readonly CoveredRepository[]) =>
  repositories.map(({ id, url, ...rest }) => coveredRepository({ ...rest, id: id.toString(), htmlUrl: url }));

/** `installation_repositories`, one of whose lists is empty. */
const listsOf = (action: 'added' | 'removed', repositories: readonly CoveredRepository[]) => ({
  action,
  repository_selection: 'selected',
  repositories_added: action === 'added' ? listed(repositories) : [],
  repositories_removed: action === 'removed' ? listed(repositories) : [],
  requester: null,
});

const ownHook = ({ id, forge, host }: Speaker) => ({ id, forge: forge.id, host });

/** Ids in events of the connection that no worker has dealt with yet: such repositories were told of already. */
async function underWay(store: Store, connectionId: string): Promise<Set<string>> {
  const ids = (await synthesisedUnfinished(store.pool, connectionId)).flatMap(({ payload }) =>
    [payload.repositories, payload.repositories_added].flatMap((list) =>
      Array.isArray(list) ? list.map((one: JsonObject) => String(one.id)) : [],
    ),
  );
  return new Set(ids);
}

/**
 * `installation.created` the first time, then `installation_repositories.added` for those that were not covered before.
 * Answers undefined when there is nothing to tell. `confidential` is what the poller goes by, see {@link ensureOwnHook}.
 */
async function tellCovered(
  store: Store,
  connection: Speaker,
  repositories: readonly CoveredRepository[],
  confidential?: boolean,
): Promise<Told | undefined> {
  const { organizationId } = connection;
  const known = new Set((await coveredRepositories(store, organizationId, connection.id)).map(({ id }) => String(id)));
  const coming = await underWay(store, connection.id);
  const fresh = repositories.filter(({ id }) => !known.has(String(id)) && !coming.has(String(id)));
  const now = new Date().toISOString();
  const hook = ownHook(connection);
  return store.tenant(organizationId, async (tx) => {
    const isNew = await ensureOwnHook(tx, { ...hook, organizationId, confidential });
    if (isNew) {
      const payload = { action: 'created', repositories: listed(repositories) };
      await insertSynthesised(tx, [
        { hook, key: 'created', name: 'installation', payload: { ...payload, ...about(connection, now) } },
      ]);
      return { hookId: hook.id, key: 'created' };
    }
    if (fresh.length === 0) return undefined;
    const key = `added:${now}`;
    const payload = { ...listsOf('added', fresh), ...about(connection, now) };
    await insertSynthesised(tx, [{ hook, key, name: 'installation_repositories', payload }]);
    return { hookId: hook.id, key };
  });
}

/** `installation_repositories.removed`, or `installation.deleted` when none are named. */
async function tellRemoved(
  store: Store,
  connection: Speaker,
  repositories: readonly CoveredRepository[] | 'all',
): Promise<Told> {
  const now = new Date().toISOString();
  const { organizationId } = connection;
  const hook = ownHook(connection);
  const waiting = (await synthesisedUnfinished(store.pool, connection.id)).find(
    ({ name, payload }) => repositories === 'all' && name === 'installation' && payload.action === 'deleted',
  );
  if (waiting !== undefined) return { hookId: hook.id, key: waiting.key };
  const covered =
    repositories === 'all' ? await coveredRepositories(store, organizationId, connection.id) : repositories;
  const event =
    repositories === 'all'
      ? {
          name: 'installation',
          key: `deleted:${now}`,
          payload: { action: 'deleted', repositories: listed(covered), requester: null },
        }
      : { name: 'installation_repositories', key: `removed:${now}`, payload: listsOf('removed', covered) };
  await store.tenant(organizationId, async (tx) => {
    await ensureOwnHook(tx, { ...hook, organizationId });
    await insertSynthesised(tx, [
      { hook, name: event.name, key: event.key, payload: { ...event.payload, ...about(connection, now) } },
    ]);
  });
  return { hookId: hook.id, key: event.key };
}

const HOOK_TYPES = { repository: 'Repository', organization: 'Organization', system: 'App' } as const;

/**
 * Addresses of a hook, as far as they are answered: of one of the whole server none is, and no organization's can be tried. A
 * repository's has all that GitHub's schema asks for.
 */
function hookAddresses(connection: OpenConnection, api: string, hook: HookOfConnection, id: number): JsonObject {
  if (hook.scope === 'system') return {};
  const ofRepository = hook.scope === 'repository';
  const self = `${api}${ofRepository ? `/repos/${hook.target}` : `/orgs/${hook.target}`}/hooks/${id}`;
  const lists = ofRepository || connection.forge.administration?.deliveries !== undefined;
  return {
    url: self,
    ...(ofRepository && { ping_url: `${self}/pings` }),
    ...(lists && { deliveries_url: `${self}/deliveries` }),
  };
}

/** `ping` for a hook that was made, with the address that GitHub's API has for it. */
async function tellPing(store: Store, connection: OpenConnection, hook: HookOfConnection, url: string): Promise<void> {
  const { base, sender } = speaker(connection);
  const remoteId = Number(hook.remoteHookId);
  const id = Number.isSafeInteger(remoteId) ? remoteId : 0;
  const now = new Date().toISOString();
  const payload = {
    zen: 'It arrives, or somebody hears of it.',
    hook_id: id,
    hook: {
      type: HOOK_TYPES[hook.scope],
      id,
      name: 'web',
      active: true,
      events: ['*'],
      config: { content_type: 'json', url, insecure_ssl: '0' },
      updated_at: now,
      created_at: now,
      ...hookAddresses(connection, base.api, hook, id),
    },
    sender,
  };
  await insertSynthesised(store.pool, [{ hook, key: 'ping', name: 'ping', payload }]);
}

/** What became of an event; undefined when no worker has finished with it in time. */
async function awaitTold(store: Store, told: Told, ms: number): Promise<ToldOutcome | undefined> {
  const end = performance.now() + ms;
  for (;;) {
    const outcome = await synthesisedOutcome(store.pool, told.hookId, told.key);
    if (outcome !== undefined || performance.now() >= end) return outcome;
    await sleep(POLL_MS);
  }
}

/** News of connections, by way of the inbox. */
export const connectionNews = (store: Store): ConnectionNews => ({
  covered: (connection, repositories, confidential) => tellCovered(store, connection, repositories, confidential),
  removed: (connection, repositories) => tellRemoved(store, connection, repositories),
  ping: (connection, hook, url) => tellPing(store, connection, hook, url),
  outcome: (told, ms) => awaitTold(store, told, ms),
  waitsFor: (told) => synthesisedWaitsFor(store.pool, told.hookId, told.key),
});
