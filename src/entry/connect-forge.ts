/**
 * Connecting a forge by its address and a token: measure what the token may do, store it sealed, choose repositories,
 * create their webhooks, have the forge test one, and tell the apps. Each step may be repeated: what is there is kept.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  addHook,
  audit,
  type ConnectionPlace,
  type HookOfConnection,
  noteRemoteHook,
  saveConnection,
  targetOf,
} from '../accounts/connection-rows.js';
import type { OpenConnection } from '../accounts/connections.js';
import { createVault } from '../accounts/vault.js';
import type {
  ForgeAdministration,
  ForgeRepository,
  HookTarget,
  HookWish,
  TokenFacts,
} from '../forges/administration.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import { RouteFailure } from '../forges/kit/route.js';
import { insertSynthesised } from '../inbox/synthesised.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { formatId } from '../lib/ids.js';
import type { Store } from '../store/database.js';
import { FIRST_KEY_VERSION } from '../store/master-key-record.js';

export interface ConnectRequest {
  forge: ForgeDescriptor;
  /** Undefined: the forge's own cloud. */
  url: string | undefined;
  token: string;
  name: string | undefined;
  /** `owner/name`; empty together with `all`: none is chosen. */
  repositories: readonly string[];
  all: boolean;
  /** Where hooks are created: at each repository, at one organization, or once for the whole server. */
  level: 'repository' | 'organization' | 'system' | 'none';
  organization: string | undefined;
  confidential: boolean;
}

export interface ConnectOptions {
  store: Store;
  masterKey: Buffer;
  organizationId: string;
  /** Where the forge reaches us; without it no hook can be created. */
  publicUrl: string | undefined;
  nativeOf(connection: OpenConnection): NativeClient;
  /** Lines for a person. */
  progress(line: string): void;
}

export interface Connected {
  id: string;
  facts: TokenFacts;
  repositories: readonly ForgeRepository[];
  hooks: readonly { hook: HookOfConnection; arrived: boolean | undefined }[];
  problems: readonly string[];
}

const MOST_REPOSITORIES = 5_000;
const ARRIVAL_MS = 15_000;
const POLL_MS = 250;

const refused = (message: string) => new ForgewayError('FORGEWAY_CONNECTION_REFUSED', message);

export function administrationOf(forge: ForgeDescriptor): ForgeAdministration {
  if (forge.administration === undefined)
    throw refused(`${forge.label} is connected by installing its App, see the README; not by a token.`);
  return forge.administration;
}

/** @throws ForgewayError FORGEWAY_CONNECTION_REFUSED saying what to do */
async function probe(administration: ForgeAdministration, native: NativeClient, where: string): Promise<TokenFacts> {
  try {
    return await administration.probe(native);
  } catch (error) {
    if (!(error instanceof RouteFailure)) throw error;
    if (error.status === 401) throw refused(`${where} does not accept the token: it is wrong, expired or revoked.`);
    if (error.status === 403) throw refused(`The token may not read its own account on ${where}: ${error.message}`);
    if (error.status === 404) throw refused(`${where} does not answer like this kind of forge; check the address.`);
    throw refused(`${where} answered: ${error.message}`);
  }
}

async function choose(
  administration: ForgeAdministration,
  native: NativeClient,
  request: ConnectRequest,
): Promise<ForgeRepository[]> {
  const wanted = new Set(request.repositories.map((name) => name.toLowerCase()));
  const chosen: ForgeRepository[] = [];
  if (!request.all && wanted.size === 0 && request.organization === undefined) return chosen;
  for await (const repository of administration.repositories(native)) {
    const name = `${repository.owner}/${repository.name}`.toLowerCase();
    const inOrganization = request.organization !== undefined && repository.owner === request.organization;
    if (request.all || wanted.has(name) || inOrganization) chosen.push(repository);
    wanted.delete(name);
    if (chosen.length >= MOST_REPOSITORIES || (!request.all && wanted.size === 0 && request.organization === undefined))
      break;
  }
  if (wanted.size > 0) throw refused(`The token does not reach ${[...wanted].join(', ')}.`);
  return chosen;
}

function targetsOf(request: ConnectRequest, repositories: readonly ForgeRepository[]): HookTarget[] {
  if (request.level === 'none') return [];
  if (request.level === 'system') return [{ level: 'system' }];
  if (request.level === 'organization') {
    if (request.organization === undefined) throw refused('Name the organization whose hook is to be created.');
    return [{ level: 'organization', owner: request.organization }];
  }
  return repositories.map(({ owner, name }) => ({ level: 'repository', owner, name }));
}

export const hookUrl = (publicUrl: string, hook: { forge: string; id: string }): string =>
  `${publicUrl}/api/webhooks/${hook.forge}/${hook.id}`;

/** Creates the hook at the forge, or writes the one that is there anew. */
export async function writeHook(
  administration: ForgeAdministration,
  native: NativeClient,
  target: HookTarget,
  remoteHookId: string | null,
  wish: HookWish,
): Promise<{ hookId: string; secret: string }> {
  if (remoteHookId !== null) return administration.repairHook(native, target, remoteHookId, wish);
  const { hook, secret } = await administration.createHook(native, target, wish);
  return { hookId: hook.id, secret };
}

/** True when a delivery of the hook was stored after `since`; the forge sends its test within moments. */
export async function awaitDelivery(store: Store, hookId: string, since: Date): Promise<boolean> {
  const end = performance.now() + ARRIVAL_MS;
  while (performance.now() < end) {
    const { rowCount } = await store.pool.query(
      `SELECT FROM webhook_delivery WHERE hook_id = $1 AND source = 'webhook' AND received_at >= $2 LIMIT 1`,
      [hookId, since],
    );
    if (rowCount === 1) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** GitHub's `installation.created` and `ping`, which such a forge does not send. */
async function tellApps(
  o: ConnectOptions,
  connection: OpenConnection,
  hooks: readonly HookOfConnection[],
  repositories: readonly ForgeRepository[],
): Promise<void> {
  const [first] = hooks;
  if (first === undefined) return;
  const account = { id: formatId(connection.account.id), login: connection.account.login, type: 'User' };
  const listed = repositories.map((repository) => ({
    id: formatId(repository.id),
    name: repository.name,
    full_name: `${repository.owner}/${repository.name}`,
    private: repository.private,
    html_url: repository.url,
    default_branch: repository.defaultBranch,
  }));
  const now = new Date().toISOString();
  const installation = {
    account,
    repository_selection: 'selected',
    created_at: now,
    updated_at: now,
    permissions: {},
    events: [],
  };
  await insertSynthesised(o.store.pool, [
    {
      hook: first,
      key: `installation:${connection.id}:${now}`,
      name: 'installation',
      payload: { action: 'created', installation, repositories: listed, sender: account },
    },
    ...hooks.map((hook) => ({
      hook,
      key: `ping:${hook.id}`,
      name: 'ping',
      payload: { zen: 'Connected.', hook_id: 0, hook: { id: 0, type: hook.scope, active: true }, sender: account },
    })),
  ]);
}

/** @throws ForgewayError FORGEWAY_CONNECTION_REFUSED; what fails for single hooks is in `problems` */
export async function connectForge(o: ConnectOptions, request: ConnectRequest): Promise<Connected> {
  const { store, organizationId, progress } = o;
  const { forge, token } = request;
  const administration = administrationOf(forge);
  const url = request.url ?? forge.cloudUrl;
  if (url === undefined || !URL.canParse(url))
    throw refused(`${url ?? 'Nothing'} is no web address; write it with https://.`);
  const endpoint = forge.endpoint(url);
  const vault = createVault(new Map([[FIRST_KEY_VERSION, o.masterKey]]));
  const draft: OpenConnection = {
    id: 'new',
    organizationId,
    forge,
    host: endpoint.host,
    baseUrl: url,
    account: { id: 0n, login: '' },
    token,
    virtualId: 0n,
  };
  progress(`Asking ${endpoint.webUrl} who the token is …`);
  const native = o.nativeOf(draft);
  const facts = await probe(administration, native, endpoint.webUrl);
  progress(
    `${forge.label} ${facts.version} (${facts.edition}): ${facts.account.login} may ${facts.capabilities.join(', ')}.`,
  );
  for (const warning of facts.warnings) progress(`! ${warning}`);

  const place: ConnectionPlace = {
    organizationId,
    forge: forge.id,
    host: endpoint.host,
    instanceUrl: endpoint.webUrl === forge.cloudUrl ? null : endpoint.webUrl,
  };
  const repositories = await choose(administration, native, request);
  const saved = await saveConnection(store, vault, place, {
    name: request.name ?? `${facts.account.login} on ${endpoint.host}`,
    token,
    facts,
  });
  progress(`${saved.renewed ? 'Renewed' : 'Stored'} as connection ${saved.id}; the token is sealed.`);
  const connection: OpenConnection = { ...draft, id: saved.id, account: facts.account, virtualId: saved.virtualId };

  const problems: string[] = [];
  const targets = targetsOf(request, repositories);
  if (targets.length > 0 && o.publicUrl === undefined)
    throw refused('PUBLIC_URL is not set: the forge would not know where to send webhooks. Set it, or use --no-hooks.');
  const made: HookOfConnection[] = [];
  for (const [index, target] of targets.entries()) {
    const { hook, secret } = await addHook(store, vault, {
      ...place,
      connectionId: saved.id,
      target,
      confidential: request.confidential,
    });
    made.push(hook);
    const name = hook.target === '' ? endpoint.host : hook.target;
    try {
      const { confidential } = hook;
      const wish = { url: hookUrl(o.publicUrl ?? '', hook), secret, confidential };
      const real = await writeHook(administration, native, target, hook.remoteHookId, wish);
      const changed = real.secret === secret ? {} : { secret: real.secret };
      await noteRemoteHook(store, vault, organizationId, hook.id, { remoteHookId: real.hookId, ...changed });
      hook.remoteHookId = real.hookId;
      progress(`[${index + 1}/${targets.length}] webhook at ${name}`);
    } catch (error) {
      if (!(error instanceof RouteFailure) && !(error instanceof ForgewayError)) throw error;
      problems.push(`No webhook at ${name}: ${messageOf(error)}`);
      progress(`! ${problems.at(-1)}`);
    }
  }
  await tellApps(o, connection, made, repositories);
  await store.tenant(organizationId, (tx) =>
    audit(tx, organizationId, 'connection.added', saved.id, {
      forge: forge.id,
      host: endpoint.host,
      hooks: made.length,
    }),
  );
  const hooks = await test(o, administration, native, made);
  return { id: saved.id, facts, repositories, hooks, problems };
}

/** Has the forge test the first hook: they all reach the same server the same way. */
async function test(
  o: ConnectOptions,
  administration: ForgeAdministration,
  native: NativeClient,
  hooks: readonly HookOfConnection[],
): Promise<Connected['hooks']> {
  const results: { hook: HookOfConnection; arrived: boolean | undefined }[] = [];
  for (const hook of hooks) {
    const untested = results.every(({ arrived }) => arrived === undefined);
    let arrived: boolean | undefined;
    if (hook.remoteHookId !== null && untested) {
      const since = new Date(Date.now() - 1_000);
      const sent = await administration.testHook(native, targetOf(hook), hook.remoteHookId);
      if (sent) arrived = await awaitDelivery(o.store, hook.id, since);
      if (sent)
        o.progress(
          arrived
            ? 'The test delivery arrived.'
            : '! The test delivery did not arrive in 15 s. Is PUBLIC_URL reachable from the forge?',
        );
    }
    results.push({ hook, arrived });
  }
  return results;
}
