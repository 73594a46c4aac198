/**
 * From a stored delivery to a Probot app and back: translates the body into GitHub's shape, runs the app on it, and
 * gives it an Octokit that speaks for the right installation. Each app has a Probot of its own, so that one that fails
 * touches no other.
 */
import { randomBytes } from 'node:crypto';
import { Probot, type ProbotOctokit } from 'probot';
import { forgeById } from '../forges/registry.js';
import { type Clock, systemClock } from '../lib/clock.js';
import { type DeliveryScope, runInDelivery } from '../lib/delivery-scope.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Store } from '../store/database.js';
import { type Connections, createConnections, type DefaultApp } from './connections.js';
import { isPermanent, unwrap } from './failures.js';
import { createForgeFetch, type Fetch } from './forge-fetch.js';
import { createForgeOctokit, type ForgeOctokit } from './forge-octokit.js';
import { createInstallationLookup } from './installation-lookup.js';
import { appLog } from './probot-log.js';
import { createRequestLimits } from './request-limits.js';
import { createSubscriptions, type Subscriptions } from './subscriptions.js';

export interface App {
  /** Stable: dispatch rows are kept under it. */
  name: string;
  load: (app: Probot) => void | Promise<void>;
}

export interface BridgeOptions {
  /** Absent in setup mode: apps load, and no request is made. */
  github?: DefaultApp;
  apps: readonly App[];
  /** Opened as the worker. */
  store: Store;
  log: Logger;
  metrics: Metrics;
  /** What sends requests in the end; global fetch unless a test says otherwise. */
  fetch?: Fetch;
  clock?: Clock;
  /** Longest time one request to a forge may take. */
  requestTimeoutMs?: number;
}

/** What the inbox hands over for one app and one event; see the inbox's DispatchRow. */
export interface DeliveredEvent {
  deliveryId: bigint;
  deliveryKey: string;
  hookId: string;
  forge: string;
  host: string;
  organizationId: string;
  eventType: string;
  eventIndex: number;
  eventName: string;
  app: string;
  receivedAt: Date;
  /** Content type of the body, '' when the sender named none. */
  contentType: string;
  body: Buffer;
}

export interface GitAccess {
  /** Web address of the repository as git clones it, without credentials. */
  url: string;
  username: string;
  /** Reaches this repository alone, and reads only. Ends within the hour. */
  password: string;
  /** The only origin the password may be sent to. */
  origin: string;
}

export interface Bridge {
  /** Names of the apps that listen to this event. */
  subscribers(eventName: string, action: string | undefined): readonly string[];
  /** Runs one app on one event. Rejects with what the app threw. */
  run(event: DeliveredEvent, signal: AbortSignal): Promise<{ kind: 'done' } | { kind: 'ignored'; reason: string }>;
  /** True for errors of `run` that repeat whatever we do. */
  isPermanent(error: unknown): boolean;
  /**
   * An Octokit for one repository, by our id of it. Its token reaches no other.
   * @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN when no active installation covers it
   */
  octokitFor(organizationId: string, repositoryId: string): Promise<ForgeOctokit>;
  /** How git reads one repository. @throws ForgewayError FORGEWAY_INSTALLATION_UNKNOWN */
  gitAccess(organizationId: string, repositoryId: string): Promise<GitAccess>;
}

interface LoadedApp {
  probot: Probot;
  subscriptions: Subscriptions;
}

/** Owner and name as the forge allows them; they become part of a URL that a password is sent to. */
const REPOSITORY_NAME = /^(?!\.{1,2}$)[\w.-]+$/;

async function loadApp(app: App, Octokit: typeof ProbotOctokit, log: Logger): Promise<LoadedApp> {
  const ownLog = appLog(log, app.name);
  // Probot asks for these three, and uses none: our Octokit signs, and deliveries are verified before they get here.
  const identity = { appId: 1, privateKey: 'not used', secret: randomBytes(32).toString('hex') };
  const probot = new Probot({ ...identity, Octokit, log: ownLog });
  const subscriptions = createSubscriptions();
  try {
    await probot.load((original) => app.load(subscriptions.recording(original)), {
      cwd: process.cwd(),
      addHandler: () => ownLog.warn('the app adds HTTP routes, which are not served'),
    });
  } catch (error) {
    throw new ForgewayError('FORGEWAY_APP_UNUSABLE', `The app ${app.name} did not load: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return { probot, subscriptions };
}

async function deliver(loaded: LoadedApp, scope: DeliveryScope, event: DeliveredEvent, connections: Connections) {
  const descriptor = forgeById(event.forge);
  if (descriptor === undefined)
    return { kind: 'ignored', reason: `There is no forge ${event.forge} any more.` } as const;
  const parsed = descriptor.parse(event.contentType, event.body);
  if ('invalid' in parsed) throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', parsed.invalid);
  const payload = descriptor.payload(event.eventType, parsed.payload, event.eventIndex);
  const presented = await connections.presented(scope, payload);
  try {
    // Names come from forges that may be newer than the list this type was made from.
    await loaded.probot.receive({ id: event.deliveryKey, name: event.eventName, payload: presented } as never);
  } catch (error) {
    throw unwrap(error);
  }
  return { kind: 'done' } as const;
}

/** @throws ForgewayError FORGEWAY_APP_UNUSABLE naming the app that did not load */
export async function createBridge(o: BridgeOptions): Promise<Bridge> {
  const clock = o.clock ?? systemClock;
  const { log, metrics } = o;
  const fetchFor = createForgeFetch({
    send: o.fetch ?? ((url, init) => fetch(url, init)),
    limits: createRequestLimits(clock),
    log,
    metrics,
    clock,
    timeoutMs: o.requestTimeoutMs,
  });
  const connections = createConnections({
    github: o.github,
    lookup: createInstallationLookup(o.store),
    clock,
    fetchFor,
  });
  const { Octokit, instance } = createForgeOctokit({ ...connections, fetchFor, log });

  const apps = new Map<string, LoadedApp>();
  for (const app of o.apps) apps.set(app.name, await loadApp(app, Octokit, log));

  return {
    subscribers: (eventName, action) =>
      [...apps].filter(([, { subscriptions }]) => subscriptions.has(eventName, action)).map(([name]) => name),

    async run(event, signal) {
      const loaded = apps.get(event.app);
      if (loaded === undefined) return { kind: 'ignored', reason: `There is no app ${event.app} any more.` };
      const { organizationId, forge, host, hookId, deliveryId, deliveryKey, eventName, eventIndex, app } = event;
      const scope: DeliveryScope = {
        organizationId,
        forge,
        host,
        hookId,
        deliveryId,
        deliveryKey,
        eventName,
        eventIndex,
        app,
        receivedAt: event.receivedAt,
        signal,
      };
      return runInDelivery(scope, () => deliver(loaded, scope, event, connections));
    },

    isPermanent,

    async octokitFor(organizationId, repositoryId) {
      const { credential } = await connections.ofRepository(organizationId, repositoryId);
      return instance(credential);
    },

    async gitAccess(organizationId, repositoryId) {
      const { credential, repository } = await connections.ofRepository(organizationId, repositoryId, {
        contents: 'read',
      });
      const { owner, name } = repository;
      const { installation, endpoint } = credential;
      if (installation === undefined || !REPOSITORY_NAME.test(owner) || !REPOSITORY_NAME.test(name))
        throw new ForgewayError('FORGEWAY_INSTALLATION_UNKNOWN', 'This repository cannot be read with git.');
      const { token } = await installation.app.installationToken(installation.scope);
      return {
        url: `${endpoint.webUrl}/${owner}/${name}.git`,
        username: 'x-access-token',
        password: token,
        origin: new URL(endpoint.webUrl).origin,
      };
    },
  };
}
