/**
 * Apps without server, inbox and database: one instance of a forge, one token or App, deliveries handed in one by one. What the
 * inbox would do to a delivery is done at once and in memory. For trying an app on one payload, for the conformance kit of
 * authors, and for embedding in tests.
 */
import { randomUUID } from 'node:crypto';
import { fixedToken } from '../accounts/connections.js';
import { virtualInstallationId } from '../accounts/virtual-installation.js';
import { eachOf, type ForgeDescriptor, type JsonObject } from '../forges/forge.js';
import type { OwnEvent } from '../forges/kit/inbox-port.js';
import { type Clock, systemClock } from '../lib/clock.js';
import { SYNTHESISED } from '../lib/delivery-source.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { parseId } from '../lib/ids.js';
import type { Logger } from '../lib/logger.js';
import { createMetrics } from '../lib/metrics.js';
import { createOutbound } from '../lib/outbound/outbound.js';
import { type Bridge, type BridgeOptions, createBridge } from './bridge.js';
import type { ServedRepository } from './connection-repositories.js';
import type { Send } from './forge-fetch.js';
import type { App } from './loaded-app.js';
import { memoryOfApp, memoryState } from './memory-state.js';
import { type DeliveredEvent, NO_SUCH_EVENT } from './translation.js';

interface RehearsalParts {
  apps: readonly App[];
  forge: ForgeDescriptor;
  /** Base URL of the instance as people see it. */
  url: string;
  log: Logger;
  clock?: Clock;
  /** What sends requests to the forge; unless said otherwise it reaches public addresses and the host of `url`. */
  send?: Send;
  around?: BridgeOptions['around'];
  gitFor?: BridgeOptions['gitFor'];
  /** How long one handler is waited for; default {@link HANDLER_TIMEOUT_MS}. */
  handlerTimeoutMs?: number;
}

/** As long as workers wait when nobody has said otherwise. */
export const HANDLER_TIMEOUT_MS = 60_000;

/** Who the apps are on the forge. */
export type RehearsedAs =
  | {
      token: string;
      /** Whom the token speaks for; what it writes is known as the app's own. */
      account: { id: bigint; login: string };
    }
  /** On a forge that has Apps: one of its installations, with tokens that the App's signature gets. */
  | { app: { id: number | string; privateKey: string; installationId: number | bigint } };

export type RehearsalOptions = RehearsalParts & RehearsedAs;

export interface Run {
  app: string;
  /** GitHub's name, with its action where it has one. */
  event: string;
  outcome: 'done' | 'ignored' | 'failed';
  /** Why it was ignored, or what the app threw, in one line. */
  reason?: string;
  error?: unknown;
}

export type Rehearsed = { ignored: string } | { runs: readonly Run[] };

/** A delivery as the forge sent it; its signature is nobody's business here. */
export interface RehearsalDelivery {
  /** The native name, as the descriptor's `eventType` reads it from the headers. */
  eventType: string;
  contentType: string;
  body: Buffer;
}

export interface Rehearsal {
  bridge: Bridge;
  /** The number under which apps see the instance. */
  installationId: number;
  /** Makes a repository one of the installation's; those of deliveries are by themselves. */
  serve(repository: ServedRepository): void;
  /** @throws nothing of the apps: what they throw is in the answer */
  deliver(delivery: RehearsalDelivery): Promise<Rehearsed>;
  /** An event that is in GitHub's shape already. */
  deliverEvent(name: string, payload: JsonObject): Promise<Rehearsed>;
}

const ORGANIZATION = 'rehearsal';

function servedBy(payload: JsonObject): ServedRepository | undefined {
  const { repository } = payload;
  if (typeof repository !== 'object' || repository === null) return undefined;
  const {
    id,
    name,
    owner,
    html_url: url,
    private: isPrivate,
    archived,
    default_branch: branch,
  } = repository as JsonObject;
  const { login } = (owner ?? {}) as JsonObject;
  if ((typeof id !== 'number' && typeof id !== 'string') || typeof name !== 'string' || typeof login !== 'string')
    return undefined;
  return {
    remoteId: parseId(id),
    owner: login,
    name,
    url: String(url ?? ''),
    private: isPrivate === true,
    archived: archived === true,
    defaultBranch: typeof branch === 'string' ? branch : 'main',
  };
}

/** @throws ForgewayError FORGEWAY_HANDLER_TIMEOUT when it is not over by then; it goes on, and its signal has aborted */
function inTime<T>(timeoutMs: number, what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    // It keeps the process alive: an app may wait for what never comes.
    const timer = setTimeout(() => {
      const error = new ForgewayError('FORGEWAY_HANDLER_TIMEOUT', `${what} within ${timeoutMs / 1_000} s`);
      controller.abort(error);
      reject(error);
    }, timeoutMs);
    work(controller.signal)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

/** @throws ForgewayError FORGEWAY_APP_UNUSABLE naming the app that did not load */
export async function createRehearsal(o: RehearsalOptions): Promise<Rehearsal> {
  const clock = o.clock ?? systemClock;
  const endpoint = o.forge.endpoint(o.url);
  const serve = (repository: ServedRepository | undefined) => {
    if (repository !== undefined) state.add(repository);
  };
  const forge: ForgeDescriptor = {
    ...o.forge,
    async payload(...of) {
      const told = await o.forge.payload(...of);
      for (const payload of eachOf(told)) serve(servedBy(payload));
      return told;
    },
  };
  const place = { forge: forge.id, host: endpoint.host };
  const { state, installationId, github } = 'app' in o ? asApp(o.app) : asAccount(o);

  function asApp({ id, privateKey, installationId: number }: Extract<RehearsedAs, { app: unknown }>['app']) {
    const installation = { ...place, appId: String(id), installationId: BigInt(number) };
    return {
      state: memoryOfApp({ ...installation, organizationId: ORGANIZATION, connectionId: null }, clock),
      installationId: installation.installationId,
      github: { appId: id, privateKey, apiUrl: endpoint.apiUrl, webUrl: endpoint.webUrl, host: endpoint.host },
    };
  }
  function asAccount({ token, account }: Extract<RehearsedAs, { token: string }>) {
    const virtualId = virtualInstallationId({ ...place, appId: ORGANIZATION, installationId: account.id });
    const connection = {
      id: ORGANIZATION,
      organizationId: ORGANIZATION,
      forge,
      host: endpoint.host,
      baseUrl: o.url,
      account,
      ...fixedToken(token),
      virtualId,
    };
    return { state: memoryState(connection, clock), installationId: virtualId, github: undefined };
  }

  const timeoutMs = o.handlerTimeoutMs ?? HANDLER_TIMEOUT_MS;
  /** Events that apps have caused by what they wrote, and that nobody was run on yet. */
  const caused: OwnEvent[] = [];
  const bridge = await createBridge({
    apps: o.apps,
    ...(github && { github }),
    forges: new Map([[forge.id, forge]]),
    state,
    log: o.log,
    metrics: createMetrics(),
    clock,
    // Whoever rehearses named the host, and nobody else can.
    fetch: o.send ?? createOutbound({ allowed: [new URL(o.url).hostname.replace(/^\[|\]$/g, '')] }).fetch,
    around: o.around,
    gitFor: o.gitFor,
    inboxFor: () => ({
      tell: async (events) => void caused.push(...events),
      // Nothing arrives at a webhook of ours here.
      deliveriesOf: async () => undefined,
    }),
  });
  const snapshots = new Map<string, JsonObject>();
  const count = { deliveries: 0n };

  /** Every app that listens, one after another as rows of one delivery are. */
  const runAll = async (event: Omit<DeliveredEvent, 'app'>): Promise<Run[]> => {
    const action = event.action ?? undefined;
    const name = action === undefined ? event.eventName : `${event.eventName}.${action}`;
    const runs: Run[] = [];
    for (const app of bridge.subscribers(event.eventName, action)) {
      try {
        const result = await inTime(timeoutMs, `${app} did not finish ${name}`, (signal) =>
          bridge.run({ ...event, app }, signal),
        );
        // Whoever tries an app is told of what happened, and this did not.
        if (result.kind === 'ignored' && result.reason === NO_SUCH_EVENT) continue;
        const reason = result.kind === 'ignored' ? { reason: result.reason } : {};
        runs.push({ app, event: name, outcome: result.kind, ...reason });
      } catch (error) {
        runs.push({ app, event: name, outcome: 'failed', reason: messageOf(error), error });
      }
    }
    return runs;
  };
  const basics = () => {
    count.deliveries += 1n;
    return {
      ...place,
      deliveryId: count.deliveries,
      deliveryKey: randomUUID(),
      hookId: ORGANIZATION,
      organizationId: ORGANIZATION,
      receivedAt: clock.now(),
    };
  };

  /** On an event in GitHub's shape, as those that we make ourselves. */
  const runOn = (name: string, payload: JsonObject): Promise<Run[]> => {
    const { action } = payload;
    return runAll({
      ...basics(),
      eventType: name,
      source: SYNTHESISED,
      eventIndex: 0,
      eventName: name,
      action: typeof action === 'string' ? action : null,
      change: null,
      contentType: 'application/json',
      body: Buffer.from(JSON.stringify(payload)),
    });
  };
  /** They cause others in their turn, and a loop of them is cut like any other. */
  const runOnCaused = async (): Promise<Run[]> => {
    const runs: Run[] = [];
    for (let next = caused.shift(); next !== undefined; next = caused.shift())
      runs.push(...(await runOn(next.name, next.payload)));
    return runs;
  };

  return {
    bridge,
    installationId: Number(installationId),
    serve,

    async deliver({ eventType, contentType, body }) {
      const parsed = forge.parse(contentType, body);
      if ('invalid' in parsed) return { ignored: parsed.invalid };
      const snapshot = forge.snapshot?.(eventType, parsed.payload);
      const key = snapshot && `${snapshot.repositoryId} ${snapshot.kind} ${snapshot.number}`;
      const previous = key === undefined ? undefined : snapshots.get(key);
      const found = forge.classify(eventType, parsed.payload, { previous });
      if (snapshot !== undefined && key !== undefined) snapshots.set(key, snapshot.state);
      if (found.kind === 'ignored') return { ignored: found.reason };
      const delivery = basics();
      const runs: Run[] = [];
      for (const [eventIndex, event] of found.events.entries())
        runs.push(
          ...(await runAll({
            ...delivery,
            eventType,
            source: 'webhook',
            eventIndex,
            eventName: event.name,
            action: event.action ?? null,
            change: event.change ?? null,
            contentType,
            body,
          })),
        );
      return { runs: [...runs, ...(await runOnCaused())] };
    },

    async deliverEvent(name, payload) {
      serve(servedBy(payload));
      // A payload that was recorded elsewhere names another one.
      const told = 'app' in o ? { ...payload, installation: { id: Number(installationId) } } : payload;
      return { runs: [...(await runOn(name, told)), ...(await runOnCaused())] };
    },
  };
}
