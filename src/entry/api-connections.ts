/** What the API has done to connections: the same that `forgeway connections` does, as the role that may. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ConfirmationOutcome, ConfirmationPorts, ConfirmationWish } from '../accounts/connecting/confirmations.js';
import { connectForge } from '../accounts/connecting/connect.js';
import {
  changeDeclared,
  declareConnection,
  keepRequest,
  keyTrouble,
  openDeclared,
} from '../accounts/connecting/declared.js';
import { disconnectForge } from '../accounts/connecting/disconnect.js';
import { exportConnection } from '../accounts/connecting/held-data.js';
import {
  isForgeFailure,
  isUnreachable,
  type NativeOf,
  type Probed,
  probeForge,
  stateFor,
  type Unusable,
} from '../accounts/connecting/probe.js';
import { type EndedConnection, endToken, type RevocationPorts } from '../accounts/connecting/revocations.js';
import { serveMore } from '../accounts/connecting/serve-repositories.js';
import { testConnection } from '../accounts/connecting/test-connection.js';
import { saveOAuthConnection } from '../accounts/connection-kinds.js';
import { type RouteBy, type RouteRow, routeOf } from '../accounts/connection-route.js';
import { removeConnection, routeOfHost } from '../accounts/connection-rows.js';
import { fixedToken, type OpenConnection } from '../accounts/connections.js';
import { createVault } from '../accounts/vault.js';
import type { Secrets } from '../accounts/vault-columns.js';
import type { AppKey, Asked, ConnectionWork, InstallationFacts } from '../api/procedures/services.js';
import type { TokenFacts } from '../forges/administration.js';
import type { ForgeDescriptor } from '../forges/forge.js';
import { RouteFailure } from '../forges/kit/route.js';
import { forges } from '../forges/registry.js';
import { connectionNews } from '../inbox/tell-apps.js';
import { systemClock } from '../lib/clock.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Outbound, OutboundRoute } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { openAppAccess } from '../translate/app-access.js';
import { openNativeAccess } from '../translate/native-access.js';
import { tellOfApp } from './app-connection-news.js';
import { openConnectionDirectory } from './connection-directory.js';

/** A caller waits for the answer: a forge that is silent for so long counts as unreachable. */
const PATIENCE_MS = 10_000;
/** Before webhooks are made; see connectForge. */
const TOLD_MS = 5_000;

const BRIEFLY_MS = 2_000;

const BY_TEST = 'connection test';
const BY_ITSELF = 'forgeway';

const installationSchema = z.object({
  account: z.object({ id: z.number().int(), login: z.string(), type: z.string().default('Organization') }),
  suspended_at: z.string().nullish(),
});

export interface ApiConnectionsOptions {
  /** Opened as the worker. */
  store: Store;
  keys: MasterKeys;
  /** The guarded way out. */
  outbound: Pick<Outbound, 'fetch'>;
  publicUrl: string | undefined;
  log: Logger;
  /** How long the apps may take to hear of an end that nobody waits for; default 2 s. */
  brieflyMs?: number;
}

const silent = (where: string) => ({
  ok: false as const,
  unreachable: true,
  reason: `${where} has not answered in ${PATIENCE_MS / 1_000} s. It is asked again by itself.`,
});

async function patiently<T>(where: string, asking: Promise<Asked<T>>): Promise<Asked<T>> {
  const over = new AbortController();
  try {
    const late = sleep(PATIENCE_MS, silent(where), { signal: over.signal }).catch(() => silent(where));
    return await Promise.race([asking, late]);
  } finally {
    over.abort();
  }
}

function draftOf(forge: ForgeDescriptor, url: string, token: string, route?: OutboundRoute): OpenConnection {
  const { host } = forge.endpoint(url);
  return {
    id: 'new',
    organizationId: '',
    forge,
    host,
    baseUrl: url,
    account: { id: 0n, login: '' },
    ...fixedToken(token),
    virtualId: 0n,
    ...(route && { route }),
  };
}

/** What a refusal of an App's signature, or of its installation, means. */
function appReason(failure: RouteFailure, app: AppKey, where: string): string {
  if (failure.status === 401)
    return `${where} does not accept the signature of App ${app.appId}: the App ID and the private key do not belong together, or this machine’s clock is wrong.`;
  if (failure.status === 404) return `App ${app.appId} has no installation ${app.installationId} on ${where}.`;
  return `${where} answered: ${failure.message}`;
}

export interface ApiConnections extends ConnectionWork {
  /** One attempt for a connection that waits for its forge; see `ConfirmationPorts`. */
  confirm: ConfirmationPorts['confirm'];
  /** For the tokens of those that are gone; see `startRevocations`. */
  revocations: RevocationPorts;
}

export function createApiConnections(o: ApiConnectionsOptions): ApiConnections {
  const { store, keys, outbound, publicUrl, log, brieflyMs = BRIEFLY_MS } = o;
  const vault = createVault(keys.versions);
  const nativeOf: NativeOf = openNativeAccess({ log, fetch: outbound.fetch });
  const asApp = openAppAccess({ log, fetch: outbound.fetch });
  const news = connectionNews(store);
  const directory = openConnectionDirectory({ store, keys, outbound, log });
  const revocations: RevocationPorts = { store, vault, fetch: outbound.fetch, clock: systemClock, log };
  const appNews = { store, directory, news, nativeOf, asApp, log };

  const probe = async (
    forge: ForgeDescriptor,
    url: string,
    token: string,
    route?: OutboundRoute,
  ): Promise<Asked<TokenFacts>> =>
    patiently(forge.endpoint(url).webUrl, probeForge(draftOf(forge, url, token, route), nativeOf));

  const installation = async (app: AppKey): Promise<Asked<InstallationFacts>> => {
    const endpoint = app.forge.endpoint(app.url);
    const ask = async (): Promise<Asked<InstallationFacts>> => {
      try {
        const native = asApp(endpoint, app.appId, app.privateKey, app.route);
        const { account, suspended_at: at } = installationSchema.parse(
          await native.get(`/app/installations/${app.installationId}`),
        );
        const { id, login, type } = account;
        const suspended = at !== null && at !== undefined;
        return { ok: true, facts: { accountId: BigInt(id), accountLogin: login, accountType: type, suspended } };
      } catch (error) {
        if (error instanceof z.ZodError)
          return {
            ok: false,
            unreachable: false,
            reason: `${endpoint.webUrl} does not answer like ${app.forge.label}.`,
          };
        if (!isForgeFailure(error)) throw error;
        if (error instanceof RouteFailure && error.status < 500)
          return { ok: false, unreachable: false, reason: appReason(error, app, endpoint.webUrl) };
        return { ok: false, unreachable: true, reason: `${endpoint.webUrl} cannot be reached (${messageOf(error)}).` };
      }
    };
    return patiently(endpoint.webUrl, ask());
  };

  const change: ConnectionWork['change'] = async (organizationId, connectionId, wanted, by) => {
    const virtualId = await changeDeclared(store, vault, organizationId, connectionId, wanted, by);
    directory.forget(connectionId);
    if (virtualId !== undefined) await news.covered(await directory.openInAnyState(organizationId, connectionId), []);
    if (wanted.app?.accountId !== undefined) await tellOfApp(appNews, organizationId, connectionId);
  };

  interface Stored extends RouteRow {
    kind: string;
    route_by: RouteBy;
    forge: string;
    host: string;
    instance_url: string | null;
    app_id: string | null;
    installation_id: bigint | null;
    account_login: string | null;
    account_type: string | null;
    complete: boolean;
  }
  const stored = (organizationId: string, connectionId: string) =>
    store.tenant(organizationId, async (tx) => {
      const { rows } = await tx.query<Stored>(
        `SELECT kind, forge, host, instance_url, app_id, installation_id, account_login, account_type, ca_certificate,
           proxy_url, route_by, (c.user_id IS NOT NULL OR EXISTS (SELECT FROM installation i WHERE i.connection_id = c.id)) AS complete
         FROM connection c WHERE c.id = $1`,
        [connectionId],
      );
      return rows[0];
    });

  const test: ConnectionWork['test'] = async (organizationId, connectionId) => {
    const row = await stored(organizationId, connectionId);
    if (row?.kind === 'oauth' || (row?.kind === 'pat' && row.complete)) {
      const tested = await testConnection({ store, directory, nativeOf }, organizationId, connectionId);
      directory.forget(connectionId);
      return tested;
    }
    const forge = row && forges.get(row.forge);
    const url = row?.instance_url ?? forge?.cloudUrl;
    if (row === undefined || forge === undefined || url === undefined)
      return { ok: false, expired: false, unreachable: false, reason: 'The forge of the connection is not known.' };
    const secrets = await openDeclared(store, vault, organizationId, connectionId);
    if (row.kind === 'pat') {
      const asked = await probe(forge, url, secrets.access_token ?? '', routeOf(row, secrets.proxy_credentials));
      if (!asked.ok) {
        const unusable: Unusable = { expired: !asked.unreachable && !asked.forbidden, ...asked };
        const state = { status: stateFor(unusable, 'expired'), reason: asked.reason };
        await change(organizationId, connectionId, { state }, BY_TEST);
        return { ...unusable, ok: false, reason: asked.reason };
      }
      const { facts } = asked;
      await change(organizationId, connectionId, { facts, state: { status: 'active', reason: null } }, BY_TEST);
      return { ok: true, facts };
    }
    return testApp(organizationId, connectionId, row, forge, url, secrets);
  };

  /** What was wished, now that the forge has said whose token it is. */
  async function makeWished(
    organizationId: string,
    connectionId: string,
    wish: ConfirmationWish,
    by: RouteBy,
  ): Promise<ConfirmationOutcome> {
    const opened = await directory.openInAnyState(organizationId, connectionId);
    // The attempt before may have ended after the row was written, and before apps were told.
    await news.covered(opened, []);
    if (Object.keys(wish).length === 0) return { kind: 'done', problems: [] };
    const { access_token: token = '' } = await openDeclared(store, vault, organizationId, connectionId);
    const { forge, baseUrl: url, route: kept } = opened;
    const route = { ca: kept?.ca ?? null, proxy: kept?.proxy ?? null, by };
    const { repositories = [], all = false, level = 'none', organization, confidential, mode } = wish;
    const progress = (line: string) => log.debug({ connection: connectionId }, line);
    const options = { store, vault, news, organizationId, publicUrl, nativeOf, progress, by: BY_ITSELF };
    try {
      const { problems } = await connectForge(
        { ...options, toldWithinMs: TOLD_MS },
        {
          ...{ forge, url, token, name: undefined, repositories, all, level, organization, confidential, route },
          ...(mode && { mode }),
        },
      );
      return { kind: 'done', problems };
    } catch (error) {
      if (isUnreachable(error)) return { kind: 'unreachable' };
      // The connection is there; what is wrong with the rest is for its owner.
      if (error instanceof ForgewayError) return { kind: 'done', problems: [error.message] };
      throw error;
    }
  }

  return {
    test,
    revocations,
    async confirm(organizationId, connectionId, wish) {
      const row = await stored(organizationId, connectionId);
      if (row === undefined) return { kind: 'done', problems: [] };
      let tested: Probed;
      try {
        tested = await test(organizationId, connectionId);
      } catch (error) {
        const isTaken =
          error instanceof ForgewayError &&
          (error.code === 'FORGEWAY_CONFLICT' || error.code === 'FORGEWAY_CONNECTION_REFUSED');
        if (!isTaken) throw error;
        // Somebody connected the same account meanwhile.
        const state = { status: 'revoked' as const, reason: error.message };
        await change(organizationId, connectionId, { state }, BY_ITSELF);
        return { kind: 'refused' };
      }
      if (!tested.ok) return { kind: tested.unreachable ? 'unreachable' : 'refused' };
      return row.kind === 'pat'
        ? makeWished(organizationId, connectionId, wish, row.route_by)
        : { kind: 'done', problems: [] };
    },

    async connect(organizationId, request, by) {
      const notes: string[] = [];
      const progress = (line: string) => void notes.push(line);
      const options = { store, vault, news, organizationId, publicUrl, nativeOf, progress, by };
      const toldWithinMs = request.repositories.length > 0 || request.all ? TOLD_MS : 0;
      const { id, problems } = await connectForge({ ...options, toldWithinMs }, request);
      directory.forget(id);
      return { id, notes, problems };
    },

    async connectOAuth(place, account) {
      const { organizationId } = place;
      const { id } = await saveOAuthConnection(store, vault, place, account);
      directory.forget(id);
      await news.covered(await directory.openInAnyState(organizationId, id), []);
      // It is connected, whatever the forge says or does not say to this.
      const measured = test(organizationId, id).catch((error: unknown) =>
        log.warn({ connection: id, err: messageOf(error) }, 'what a connection may do could not be measured'),
      );
      const over = new AbortController();
      await Promise.race([measured, sleep(PATIENCE_MS, undefined, { signal: over.signal }).catch(() => undefined)]);
      over.abort();
      return { id };
    },

    async serve(organizationId, connectionId, wish, by) {
      const notes: string[] = [];
      const progress = (line: string) => void notes.push(line);
      const options = { store, vault, news, organizationId, publicUrl, nativeOf, directory, progress, by };
      const { problems } = await serveMore({ ...options, toldWithinMs: TOLD_MS }, connectionId, wish);
      return { notes, problems };
    },

    keep: (organizationId, request, reason, by) => keepRequest({ store, vault, organizationId, by }, request, reason),

    async disconnect(organizationId, connectionId, { keepHooks, wait, by, withData = false, own }) {
      if (own) {
        await removeConnection(store, organizationId, connectionId, { by });
        directory.forget(connectionId);
        const left = await endToken(revocations, { organizationId, connectionId });
        return { problems: left === undefined ? [] : [left] };
      }
      const options = {
        ...{ store, news, organizationId, directory, nativeOf, progress: () => undefined, by },
        endToken: (ended: EndedConnection) => endToken(revocations, ended),
      };
      const done = await disconnectForge(
        { ...options, ...(!wait && { toldWithinMs: brieflyMs, removesAnyway: true }) },
        { connectionId, repositories: [], keepHooks, withData },
      );
      directory.forget(connectionId);
      return done;
    },

    export: (...asked) => exportConnection(store, ...asked),
    probe,
    operatorsRoute: (place) => routeOfHost(store, vault, place),
    installation,
    async declare(place, o) {
      const id = await declareConnection(store, vault, place, o);
      if (o.app?.accountId !== undefined) await tellOfApp(appNews, place.organizationId, id);
      return id;
    },
    change,
    secretsOf: (organizationId, connectionId) => openDeclared(store, vault, organizationId, connectionId),
  };

  async function testApp(
    organizationId: string,
    connectionId: string,
    row: Stored,
    forge: ForgeDescriptor,
    url: string,
    { private_key: privateKey = '', proxy_credentials: credentials }: Secrets<'connection'>,
  ): ReturnType<ConnectionWork['test']> {
    const route = routeOf(row, credentials);
    const app = {
      ...{ forge, url, appId: row.app_id ?? '', installationId: row.installation_id ?? 0n, privateKey },
      ...(route && { route }),
    };
    const trouble = keyTrouble(privateKey);
    const asked =
      trouble === null ? await installation(app) : { ok: false as const, unreachable: false, reason: trouble };
    if (!asked.ok) {
      const status = asked.unreachable ? ('unreachable' as const) : ('revoked' as const);
      await change(organizationId, connectionId, { state: { status, reason: asked.reason } }, BY_TEST);
      return { ok: false, expired: false, unreachable: asked.unreachable, reason: asked.reason };
    }
    const { accountId, accountLogin, accountType, suspended } = asked.facts;
    const state = suspended
      ? { status: 'revoked' as const, reason: 'The installation is suspended on the forge.' }
      : { status: 'active' as const, reason: null };
    const { appId, installationId } = app;
    const verified = { appId, installationId, accountLogin, accountType, ...(!suspended && { accountId }) };
    await change(organizationId, connectionId, { state, app: verified }, BY_TEST);
    return {
      ok: true,
      facts: {
        version: '',
        edition: forge.id,
        account: { id: accountId, login: accountLogin },
        isPerson: false,
        scopes: [],
        capabilities: [],
        warnings: [],
        expiresAt: null,
      },
    };
  }
}
