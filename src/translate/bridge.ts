/**
 * From a stored delivery to a Probot app and back: translates the body into GitHub's shape, runs the app on it, and
 * gives it an Octokit that speaks for the right installation. Each app has a Probot of its own, so that one that fails
 * touches no other.
 */
import { type ConnectionDirectory, isRemoved, type OpenConnection } from '../accounts/connections.js';
import type { AppPlace } from '../accounts/forge-apps/directory.js';
import type { ForgeDescriptor, JsonObject } from '../forges/forge.js';
import type { GitObjects } from '../forges/kit/git-objects.js';
import type { InboxPort } from '../forges/kit/inbox-port.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import type { GitHubRequest } from '../forges/kit/route.js';
import type { ShapeBase } from '../forges/kit/shapes/base.js';
import { forges as everyForge } from '../forges/registry.js';
import { type Clock, pause, systemClock } from '../lib/clock.js';
import { type DeliveryScope, isHeldBack, type Outage, runInDelivery } from '../lib/delivery-scope.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { parseId } from '../lib/ids.js';
import { LeftBehind } from '../lib/left-behind.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import { createOutbound } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import { Ahead } from './ahead.js';
import { createAppInstallations } from './app-installations.js';
import { type AppPages, createAppPages } from './app-pages.js';
import { type BridgeState, databaseState } from './bridge-state.js';
import type { Circuits } from './circuits.js';
import { createConnectionWatch, createRefusalCheck } from './connection-watch.js';
import { createConnections, type DefaultApp, type Narrowed } from './connections.js';
import { type Credential, connectionCredential } from './credential.js';
import { isPermanent, notServed, unwrap, wholeRun } from './failures.js';
import { createForgeFetch, type Fetch, type Send } from './forge-fetch.js';
import { createForgeOctokit, type ForgeOctokit } from './forge-octokit.js';
import { type GitAccess, gitAccessOf } from './git-access.js';
import { type App, type LoadedApp, loadApp } from './loaded-app.js';
import { createNativeClient } from './native-client.js';
import { createPaces } from './paces.js';
import { createRequestLimits } from './request-limits.js';
import { createTokenRenewal, type FindOAuthClient, registeredClients } from './token-renewal.js';
import { createTranslation, type DeliveredEvent, type Translated } from './translation.js';
import { createVirtualForges } from './virtual-fetch.js';

export type { GitAccess } from './git-access.js';
export type { App } from './loaded-app.js';
export type { DeliveredEvent } from './translation.js';

type Payloads = Extract<Translated, { kind: 'payloads' }>;

interface BridgeParts {
  /** Absent in setup mode: apps load, and no request is made. */
  github?: DefaultApp;
  apps: readonly App[];
  /** Every forge that is served; those of the registry unless a test or an embedder says otherwise. */
  forges?: ReadonlyMap<string, ForgeDescriptor>;
  /** Opens the sealed tokens of connections. Without it only the App of the environment can be spoken for. */
  keys?: Pick<MasterKeys, 'versions'>;
  /** The clients with which tokens of OAuth are renewed, instead of those that are registered in the store. */
  oauthClientOf?: FindOAuthClient;
  /** Where objects that a forge's API cannot write are kept until they are pushed. */
  gitFor?(credential: Credential): GitObjects | undefined;
  /** Where events go that a forge does not send, and what is known of what arrived; see the inbox's `inboxForRoutes`. */
  inboxFor?(connection: OpenConnection): InboxPort;
  /** Web address of our page about a check run. */
  checkRunUrl?(organizationId: string, recordId: number): string | undefined;
  log: Logger;
  metrics: Metrics;
  /** Wraps what apps send their requests with, in GitHub's language; for rehearsals, which note them and hold writes back. */
  around?(send: Fetch, credential: Credential): Fetch;
  /** What sends requests in the end, see `lib/outbound`; without it public addresses only are reached. */
  fetch?: Send;
  clock?: Clock;
  /** What is known of hosts that do not answer; its own unless a test says otherwise. */
  circuits?: Circuits;
  /** Keeps to what a forge allows beforehand, see paces.ts. Off unless somebody says so: tests wait for nobody. */
  paced?: boolean;
  /** Largest archive of a repository that is read. */
  archiveBytes?: number;
  /** Longest time one request to a forge may take. */
  requestTimeoutMs?: number;
}

/** What it remembers is in the database, opened as the worker; or wherever the caller says. */
export type BridgeOptions = BridgeParts & ({ store: Store; settleMs?: number } | { state: BridgeState });

/** For questions of our own. */
export interface ForgeAccess {
  forge: ForgeDescriptor;
  native: NativeClient;
  github: GitHubRequest;
  base: ShapeBase;
}

export interface Requests {
  fetch: Fetch;
  baseUrl: string;
  /** Answered by our own route tables. */
  virtual: boolean;
  /** The forge gives tokens that reach less than the whole. */
  narrows: boolean;
  /** Below what addresses in answers may stand: of the App itself, also those of the connections that it is told of. */
  bases(): Promise<readonly string[]>;
}

export interface Bridge {
  /** Connections by token, with what this process knows of them; undefined without a master key. */
  readonly directory: ConnectionDirectory | undefined;
  /**
   * An Octokit that speaks for a connection, of whichever kind.
   * @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE saying what its owner has to do
   */
  octokitOf(organizationId: string, connectionId: string): Promise<ForgeOctokit>;
  /** The credential of a connection, and how to ask its forge natively. @throws ForgewayError */
  nativeOf(organizationId: string, connectionId: string): Promise<{ native: NativeClient; connection: OpenConnection }>;
  /** HTTP routes of the apps; undefined when they have none. */
  readonly pages: AppPages | undefined;
  /**
   * How an App's own requests are sent, such as the one for its webhook's deliveries. Without a place the default App's;
   * undefined when there is none, or its key is not stored here. With a number, those of its installation, known or not.
   */
  nativeOfApp(place?: AppPlace, installationId?: bigint): Promise<NativeClient | undefined>;
  /** Names of the apps that listen to this event. */
  subscribers(eventName: string, action: string | undefined): readonly string[];
  /** Translates an event that one app is about to be run on, see {@link Ahead}. */
  prepare(event: DeliveredEvent): void;
  /** Runs one app on one event. Rejects with what the app threw. */
  run(event: DeliveredEvent, signal: AbortSignal): Promise<{ kind: 'done' } | { kind: 'ignored'; reason: string }>;
  /** What no pause holds up, see the inbox's Dispatcher. */
  urgent(app: string, eventName: string, action: string | null): ((received: string) => boolean) | undefined;
  /** True for errors of `run` that repeat whatever we do. */
  isPermanent(error: unknown): boolean;
  /**
   * An Octokit for one repository, by our id of it. Its token reaches no other.
   * @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN when no active installation covers it
   */
  octokitFor(organizationId: string, repositoryId: string): Promise<ForgeOctokit>;
  /**
   * How GitHub's requests are sent in the name of an installation, by the number apps know; without one, of the App itself. With
   * `narrowed` by a token that reaches less.
   * @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN, also where its forge gives no narrower token
   */
  requestsOf(installationId: bigint | undefined, narrowed?: Narrowed): Promise<Requests>;
  /**
   * How an installation's forge is asked, in its own language and in GitHub's, by the number apps know.
   * @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN, or FORGEWAY_CONNECTION_UNUSABLE
   */
  askAs(installationId: bigint, o: { confidential: boolean }): Promise<ForgeAccess>;
  /**
   * How git reads one repository, or with `write` also pushes to it.
   * @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN
   */
  gitAccess(organizationId: string, repositoryId: string, o?: { write?: boolean }): Promise<GitAccess>;
}

/** @throws ForgewayError FORGEWAY_APP_UNUSABLE naming the app that did not load */
export async function createBridge(o: BridgeOptions): Promise<Bridge> {
  const clock = o.clock ?? systemClock;
  const { log, metrics } = o;
  const forges = o.forges ?? everyForge;
  const send: Send = o.fetch ?? createOutbound({ allowed: [] }).fetch;
  const registered =
    'store' in o && o.keys !== undefined ? registeredClients({ store: o.store, keys: o.keys }) : undefined;
  const clientOf = o.oauthClientOf ?? registered;
  const renew = clientOf && createTokenRenewal({ send, clock, clientOf });
  const state = 'state' in o ? o.state : databaseState({ ...o, forges, clock, renew });
  const { directory, lookup, loops, forgeApps } = state;
  const isRefused = createRefusalCheck({ log, clock, fetch: send });
  const outFor = createForgeFetch({
    send,
    watch:
      'store' in o
        ? createConnectionWatch({ store: o.store, log, clock, isRefused, forget: (id) => directory?.forget(id) })
        : undefined,
    limits: createRequestLimits(clock),
    log,
    metrics,
    clock,
    circuits: o.circuits,
    ...(o.paced && { paces: createPaces({ now: () => performance.now(), sleep: pause }) }),
    timeoutMs: o.requestTimeoutMs,
    archiveBytes: o.archiveBytes,
  });
  const virtual = createVirtualForges({
    state,
    log,
    metrics,
    clock,
    fetchFor: outFor,
    gitFor: o.gitFor,
    inboxFor: o.inboxFor,
    checkRunUrl: o.checkRunUrl,
  });
  const { fetchFor } = virtual;
  const connections = createConnections({ github: o.github, lookup, directory, forgeApps, clock, fetchFor });
  const asApp = createAppInstallations({ ...connections, hasApp: o.github !== undefined, lookup, fetchFor, log });
  const appsFetch = (credential: Credential): Fetch => {
    const send = credential === connections.app ? asApp.fetch : fetchFor(credential);
    return o.around?.(send, credential) ?? send;
  };
  const { Octokit, instance } = createForgeOctokit({
    ...connections,
    hasApp: o.github !== undefined,
    fetchFor: appsFetch,
    log,
  });
  const { translate } = createTranslation({
    ...{ forges, connections, virtual, loops },
    async askAs(payload) {
      if (payload.installation === undefined) return undefined;
      const octokit = instance(await connections.ofDelivery(payload));
      return (route, parameters) => octokit.request(route, parameters);
    },
  });

  const apps = new Map<string, LoadedApp>();
  for (const app of o.apps) apps.set(app.name, await loadApp(app, Octokit, log));

  /** The app that is to run on an event, or why it does not, whatever is in it. */
  const appFor = (event: DeliveredEvent): { loaded: LoadedApp } | { reason: string } => {
    const loaded = apps.get(event.app);
    if (loaded === undefined) return { reason: `There is no app ${event.app} any more.` };
    if (loaded.forges?.has(event.forge) === false) return { reason: `${event.app} was started for other forges only.` };
    return loaded.apart && isHeldBack(event)
      ? { reason: `${event.app} runs in a process of its own, whose writes cannot be held back.` }
      : { loaded };
  };

  /** What of an event an app is told. */
  const shown = async (event: DeliveredEvent, signal: AbortSignal, { wanted }: LoadedApp): Promise<Translated> => {
    const outage: Outage = {};
    const scope = { ...scopeOf(event, signal), outage };
    try {
      return await runInDelivery(scope, () => translate(event, scope, wanted));
    } catch (error) {
      if (isRemoved(error)) return { kind: 'ignored', reason: 'Its connection was removed.' };
      throw notServed(error, outage) ?? error;
    }
  };
  const ahead = new Ahead<Translated>();

  async function receive(
    event: DeliveredEvent,
    { probot }: LoadedApp,
    scope: DeliveryScope,
    { payloads, instanceUrl }: Payloads,
  ): Promise<void> {
    const { attempt, writes, urgent = false, deliveryKey: id, eventName: name } = event;
    for (const { payload, loopDepth, headMoved } of payloads) {
      const more = {
        instanceUrl,
        loopDepth,
        headMoved,
        urgent,
        ...(attempt && { attempt }),
        ...(writes && { writes }),
      };
      // Names come from forges that may be newer than the list this type was made from.
      await runInDelivery({ ...scope, ...more }, () => probot.receive({ id, name, payload } as never));
    }
  }

  /**
   * Does what in an event cannot wait with what was told alone, when the forge cannot be asked for the rest. All of it is run
   * when the forge answers again.
   */
  async function urgently(event: DeliveredEvent, signal: AbortSignal, loaded: LoadedApp): Promise<void> {
    if (!urgencyOf(loaded, event)?.(event.body.toString('utf8'))) return;
    const scope = scopeOf(event, signal);
    try {
      const told = await runInDelivery(scope, () => translate(event, scope, loaded.wanted, { asks: false }));
      if (told.kind === 'payloads') await receive({ ...event, urgent: true }, loaded, scope, told);
    } catch (error) {
      log.warn(
        { app: event.app, delivery: event.deliveryKey, err: messageOf(unwrap(error)) },
        'not all that is urgent was done',
      );
    }
  }

  const pages = [...apps].flatMap(([app, { handlers }]) => handlers.map((handler) => ({ app, handler })));

  return {
    directory,
    octokitOf: async (organizationId, connectionId) =>
      instance(await connections.ofConnection(organizationId, connectionId)),
    pages: pages.length > 0 ? createAppPages(pages, log) : undefined,
    subscribers: (eventName, action) =>
      [...apps].filter(([, { subscriptions }]) => subscriptions.has(eventName, action)).map(([name]) => name),

    prepare(event) {
      const found = appFor(event);
      if ('loaded' in found) ahead.begin(keyOf(event), (signal) => shown(event, signal, found.loaded));
    },

    async run(event, signal) {
      const found = appFor(event);
      if ('reason' in found) return { kind: 'ignored', ...found };
      const { loaded } = found;
      const begun = event.refresh ? undefined : ahead.take(keyOf(event), signal);
      const translated = await (begun ?? shown(event, signal, loaded)).catch(async (error: unknown) => {
        await urgently(event, signal, loaded);
        throw error;
      });
      if (translated.kind === 'ignored') return translated;
      const { payloads } = translated;
      // All of one delivery are of one repository.
      const remoteId = loaded.optional && payloads[0] ? repositoryIdOf(payloads[0].payload) : undefined;
      const outage: Outage = {};
      const leftBehind = loaded.optional ? new LeftBehind() : undefined;
      const scope: DeliveryScope = { ...scopeOf(event, signal), outage, ...(leftBehind && { leftBehind }) };
      if (remoteId !== undefined && !(await lookup.isEnabled(scope, remoteId)))
        return { kind: 'ignored', reason: `${event.app} is switched off for this repository.` };
      try {
        await wholeRun(receive(event, loaded, scope, translated), leftBehind);
      } catch (error) {
        const thrown = unwrap(error);
        throw notServed(thrown, outage) ?? thrown;
      }
      return { kind: 'done' };
    },

    urgent: (app, eventName, action) => {
      const loaded = apps.get(app);
      return loaded && urgencyOf(loaded, { eventName, action });
    },

    isPermanent,

    async octokitFor(organizationId, repositoryId) {
      const { credential } = await connections.ofRepository(organizationId, repositoryId);
      return instance(credential);
    },

    async nativeOf(organizationId, connectionId) {
      if (directory === undefined)
        throw new ForgewayError('FORGEWAY_KEY_MISSING', 'Connections cannot be opened here.');
      const connection = await directory.open(organizationId, connectionId);
      const credential = connectionCredential(connection);
      return {
        connection,
        native: createNativeClient(outFor(credential), credential.endpoint.apiUrl, connection.forge.failureMessage),
      };
    },

    async nativeOfApp(place, installationId) {
      const own = o.github && connections.app;
      const credential = place === undefined ? own : await connections.ofApp(place, installationId);
      return credential && createNativeClient(outFor(credential), credential.endpoint.apiUrl);
    },

    async requestsOf(installationId, narrowed) {
      const credential =
        installationId === undefined ? connections.app : await connections.ofInstallation(installationId, narrowed);
      const narrows = credential.installation !== undefined;
      if (narrowed !== undefined && !narrows)
        throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', 'Its forge gives no token that reaches less.');
      const virtual = credential.connection?.forge.routes !== undefined;
      return {
        fetch: appsFetch(credential),
        baseUrl: credential.baseUrl,
        virtual,
        narrows,
        bases: async () => [credential.baseUrl, ...(credential === connections.app ? await asApp.bases() : [])],
      };
    },

    async askAs(installationId, { confidential }) {
      const credential = await connections.ofInstallation(installationId);
      const { endpoint } = credential;
      const forge = credential.connection?.forge ?? forges.get(endpoint.forge);
      if (forge === undefined)
        throw new ForgewayError('FORGEWAY_CONNECTION_UNUSABLE', `There is no forge ${endpoint.forge} any more.`);
      const octokit = instance(credential);
      const around = confidential ? undefined : forge.poll?.withoutConfidential;
      const native = createNativeClient(outFor(credential), endpoint.apiUrl, forge.failureMessage);
      return {
        forge,
        native: around?.(native) ?? native,
        github:
          virtual.requestFor(credential, around) ??
          (async (route, parameters) => (await octokit.request(route, { ...parameters })).data as unknown),
        base: { api: credential.baseUrl, web: endpoint.webUrl },
      };
    },

    async gitAccess(organizationId, repositoryId, { write = false } = {}) {
      const { credential, repository } = await connections.ofRepository(organizationId, repositoryId, {
        contents: write ? 'write' : 'read',
      });
      return gitAccessOf(credential, repository);
    },
  };
}

const keyOf = ({ deliveryId, eventIndex, app }: DeliveredEvent): string => `${deliveryId} ${eventIndex} ${app}`;

function scopeOf(event: DeliveredEvent, signal: AbortSignal): DeliveryScope {
  const {
    organizationId,
    forge,
    host,
    hookId,
    deliveryId,
    deliveryKey,
    eventName,
    eventIndex,
    app,
    receivedAt,
    source,
  } = event;
  return {
    ...{ organizationId, forge, host, hookId, deliveryId, deliveryKey, eventName, eventIndex, app, receivedAt, source },
    instanceUrl: null,
    loopDepth: 0,
    signal,
  };
}

const urgencyOf = ({ urgent }: LoadedApp, { eventName, action }: Pick<DeliveredEvent, 'eventName' | 'action'>) =>
  urgent?.events.includes(`${eventName}.${action}`) ? urgent.isIn : undefined;

function repositoryIdOf(payload: JsonObject): bigint | undefined {
  const { repository } = payload;
  if (typeof repository !== 'object' || repository === null || !('id' in repository)) return undefined;
  return parseId(repository.id as number | string);
}
