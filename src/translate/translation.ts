/** From the raw body of a delivery to the payload that one app sees: parsed, translated, with its installation, and marked when it is our own doing. */

import { VIRTUAL_API_PATH } from '../forges/endpoint.js';
import { eachOf, type ForgeDescriptor, type JsonObject, type TranslatePorts } from '../forges/forge.js';
import { type Written, writtenOf } from '../forges/kit/associations.js';
import { tellCloseReasons } from '../forges/kit/close-reasons.js';
import type { GitHubRequest } from '../forges/kit/route.js';
import type { DeliveryScope, DispatchAttempt } from '../lib/delivery-scope.js';
import { isOwn } from '../lib/delivery-source.js';
import { ForgewayError } from '../lib/errors.js';
import type { Connections } from './connections.js';
import type { Credential } from './credential.js';
import { type LoopTraces, tracesBy, tracesOfEvent } from './loop-traces.js';
import { refreshed } from './refresh.js';
import type { VirtualForges } from './virtual-fetch.js';

/** What the inbox hands over for one app and one event; see the inbox's DispatchRow. */
export interface DeliveredEvent {
  deliveryId: bigint;
  deliveryKey: string;
  hookId: string;
  forge: string;
  host: string;
  organizationId: string;
  eventType: string;
  /** See lib/delivery-source: events that we made ourselves are in GitHub's shape. */
  source: string;
  eventIndex: number;
  eventName: string;
  action: string | null;
  /** What changed, where the forge sends only the new state. */
  change: JsonObject | null;
  app: string;
  receivedAt: Date;
  /** Content type of the body, '' when the sender named none. */
  contentType: string;
  body: Buffer;
  /** The same, parsed already, and nobody else’s; absent: it is parsed here. */
  payload?: JsonObject;
  /** The run of the inbox that hands it over; without one its writes are not journaled. */
  attempt?: DispatchAttempt;
  /** See DeliveryScope. */
  writes?: DeliveryScope['writes'];
  /** What the event is about is read from the forge again, and told instead of what was stored. */
  refresh?: boolean;
  /** See DeliveryScope. */
  urgent?: boolean;
}

/** One payload, and how many writes of our own led to it. */
export interface TranslatedPayload {
  payload: JsonObject;
  loopDepth: number;
  /** See DeliveryScope. */
  headMoved: boolean;
}

export type Translated =
  | { kind: 'payloads'; payloads: readonly TranslatedPayload[]; instanceUrl: string | null }
  | { kind: 'ignored'; reason: string };

/** Why an event is ignored that only looked like one until it was translated. */
export const NO_SUCH_EVENT = 'Looked at closer, the delivery tells no such event.';

export interface TranslationOptions {
  forges: ReadonlyMap<string, ForgeDescriptor>;
  connections: Connections;
  virtual: VirtualForges;
  loops: LoopTraces;
  /** See {@link refreshed}. */
  askAs(payload: JsonObject): ReturnType<Parameters<typeof refreshed>[0]>;
}

/** A chain of our own writes and their events that is longer than this is cut. */
const MAX_LOOP_DEPTH = 3;
/** Apps that listen to one delivery run at about the same time; what the forge was asked is shared between them. */
const REMEMBERED = 64;

type Json = Record<string, unknown>;

interface Ports extends TranslatePorts {
  instanceUrl: string | null;
  associate?(written: readonly Written[]): Promise<void>;
}

/** What of an event somebody has written, whose relation to the repository it tells. */
const WRITTEN = ['issue', 'pull_request', 'comment', 'review'];

function objectAt(payload: JsonObject, key: string): Json | undefined {
  const value = payload[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** The payload with its sender, and what the sender wrote, as GitHub shows a bot. */
function asOurs(payload: JsonObject): JsonObject {
  const sender = objectAt(payload, 'sender');
  if (sender === undefined) return payload;
  const marked: Json = { ...payload, sender: { ...sender, type: 'Bot' } };
  for (const key of ['comment', 'review']) {
    const written = objectAt(payload, key);
    const author = written && objectAt(written, 'user');
    if (written !== undefined && author !== undefined && author.id === sender.id)
      marked[key] = { ...written, user: { ...author, type: 'Bot' } };
  }
  return marked;
}

/**
 * What tells that a write of ours led to this. Many traces say only what was touched, and a person may touch it again right
 * after us: of somebody whom the forge names it must be a write by that very account, whichever connection hears of it.
 */
function tracesLeft(name: string, payload: JsonObject): readonly string[] {
  const { id } = objectAt(payload, 'sender') ?? {};
  const traces = tracesOfEvent(name, payload);
  return (typeof id === 'number' || typeof id === 'string') && id !== 0 ? tracesBy(id, traces) : traces;
}

/** Owner and name of the payload's repository, as apps see them. */
function placeOf(payload: JsonObject): { owner: string; name: string } | undefined {
  const repository = objectAt(payload, 'repository');
  const owner = repository && objectAt(repository, 'owner')?.login;
  const name = repository?.name;
  return typeof owner === 'string' && typeof name === 'string' ? { owner, name } : undefined;
}

export function createTranslation(o: TranslationOptions) {
  const shared = new Map<string, Promise<readonly JsonObject[]>>();

  /**
   * Our own questions for a delivery. What is confidential is not there for them unless its hook asked for that: it may have
   * become so after the event, and our token sees it.
   */
  const askingFor = (
    credential: Credential,
    scope: DeliveryScope,
    place: { owner: string; name: string } | undefined,
  ): GitHubRequest | undefined => {
    const plain = o.virtual.requestFor(credential);
    const hide = credential.connection?.forge.poll?.withoutConfidential;
    if (plain === undefined || hide === undefined) return plain;
    let request: Promise<GitHubRequest> | undefined;
    return async (route, parameters) => {
      request ??= o.connections
        .tellsConfidential(scope, place)
        .then((tells) => (tells ? plain : (o.virtual.requestFor(credential, hide) ?? plain)));
      return (await request)(route, parameters);
    };
  };

  /** How a replayed event is read again. */
  const readingFor = async (payload: JsonObject, scope: DeliveryScope) => {
    const credential = await o.connections.ofHook(scope);
    const hides = credential?.connection?.forge.poll?.withoutConfidential !== undefined;
    const request = credential && hides ? askingFor(credential, scope, placeOf(payload)) : undefined;
    if (request === undefined) return o.askAs(payload);
    return async (route: string, parameters: Readonly<Record<string, unknown>>) => ({
      data: await request(route, parameters),
    });
  };

  const portsOf = async (
    descriptor: ForgeDescriptor,
    scope: DeliveryScope,
    wanted: ReadonlySet<string>,
  ): Promise<Ports> => {
    const credential = await o.connections.ofHook(scope);
    if (credential === undefined) {
      const { app } = o.connections;
      const isApps = app.endpoint.forge === scope.forge && app.endpoint.host === scope.host;
      const web = isApps ? app.endpoint.webUrl : `https://${scope.host}`;
      return { base: { api: `${web}${VIRTUAL_API_PATH}`, web }, wanted, instanceUrl: instanceOf(descriptor, web) };
    }
    // What the poller told, whose hook does not say it all, is not asked for here.
    const github = askingFor(credential, scope, undefined);
    const records = o.virtual.recordsFor(credential);
    const { webUrl } = credential.endpoint;
    return {
      base: { api: credential.baseUrl, web: webUrl },
      wanted,
      ...(github && { github }),
      ...(records && { records }),
      hookNumber: () => o.connections.hookNumberOf(scope),
      associate: (written) => o.virtual.associate(credential, written),
      instanceUrl: instanceOf(descriptor, webUrl),
    };
  };

  /** What no delivery and no single answer of the forge tells, and apps of this event read. */
  const filled = async (payload: JsonObject, ports: Ports): Promise<void> => {
    if (ports.records !== undefined) await tellCloseReasons(ports.records, payload.issue);
    const place = placeOf(payload);
    if (place === undefined || ports.associate === undefined) return;
    const names = WRITTEN.filter((name) => ports.wanted.has(`${name}.author_association`));
    await ports.associate(writtenOf(payload, { owner: place.owner, repo: place.name }, names));
  };

  const translated = async (
    event: DeliveredEvent,
    descriptor: ForgeDescriptor,
    ports: Ports,
  ): Promise<readonly JsonObject[]> => {
    if (isOwn(event.source)) return [event.payload ?? (JSON.parse(event.body.toString('utf8')) as JsonObject)];
    const parsed = event.payload ? { payload: event.payload } : descriptor.parse(event.contentType, event.body);
    if ('invalid' in parsed) throw new ForgewayError('FORGEWAY_PAYLOAD_INVALID', parsed.invalid);
    const { eventType, receivedAt, eventName: name, action, change } = event;
    const told = eachOf(
      await descriptor.payload(
        { eventType, payload: parsed.payload, receivedAt },
        { name, ...(action !== null && { action }), ...(change !== null && { change }) },
        ports,
      ),
    );
    for (const payload of told) await filled(payload, ports);
    return told;
  };

  /** Where translating asks the forge, apps share the answer; each gets a copy, since it may change it. */
  const once = async (event: DeliveredEvent, descriptor: ForgeDescriptor, ports: Ports) => {
    if (ports.github === undefined) return translated(event, descriptor, ports);
    const key = `${event.deliveryId}\n${event.eventIndex}\n${[...ports.wanted].sort()}`;
    const known = shared.get(key) ?? translated(event, descriptor, ports);
    shared.set(key, known);
    known.catch(() => shared.delete(key));
    const [oldest] = shared.keys();
    if (shared.size > REMEMBERED && oldest !== undefined) shared.delete(oldest);
    return structuredClone(await known);
  };

  /** One of the payloads as the app sees it, or why it does not. */
  const presented = async (
    event: DeliveredEvent,
    scope: DeliveryScope,
    told: JsonObject,
    { descriptor, ports }: { descriptor: ForgeDescriptor; ports: Ports },
  ): Promise<TranslatedPayload | { reason: string }> => {
    const payload = await o.connections.presented(scope, told);
    // A forge with Apps marks its bots itself.
    const traces = descriptor.routes === undefined ? [] : tracesLeft(event.eventName, payload);
    const cause = await o.loops.causeOf(scope, traces);
    if (cause !== undefined && cause.depth >= MAX_LOOP_DEPTH)
      return {
        reason: `a loop was cut: ${cause.depth} of our own writes, the last by ${cause.app}, led to this event`,
      };
    const found = event.refresh
      ? await refreshed(() => readingFor(payload, scope), event.eventName, payload)
      : ({ kind: 'payload', payload, headMoved: false } as const);
    if (found.kind === 'ignored') return found;
    // What was read again is as bare as it was the first time.
    if (event.refresh) await filled(found.payload, ports);
    const { headMoved } = found;
    return cause === undefined
      ? { payload: found.payload, loopDepth: 0, headMoved }
      : { payload: asOurs(found.payload), loopDepth: cause.depth, headMoved };
  };

  return {
    /**
     * @param o.asks false: with what was told alone, while the forge cannot be asked; what it did not tell is unknown
     * @throws ForgewayError, and what asking the forge throws
     */
    async translate(
      event: DeliveredEvent,
      scope: DeliveryScope,
      wanted: ReadonlySet<string>,
      { asks = true }: { asks?: boolean } = {},
    ): Promise<Translated> {
      const descriptor = o.forges.get(event.forge);
      if (descriptor === undefined) return { kind: 'ignored', reason: `There is no forge ${event.forge} any more.` };
      const { github, associate, ...own } = await portsOf(descriptor, scope, wanted);
      const ports = asks ? { ...own, ...(github && { github }), ...(associate && { associate }) } : own;
      // What apps share may have been asked for long ago.
      const told = event.refresh ? await translated(event, descriptor, ports) : await once(event, descriptor, ports);
      const payloads: TranslatedPayload[] = [];
      const reasons: string[] = [];
      for (const one of told) {
        const shown = await presented(event, scope, one, { descriptor, ports });
        if ('reason' in shown) reasons.push(shown.reason);
        else payloads.push(shown);
      }
      if (payloads.length === 0) return { kind: 'ignored', reason: reasons[0] ?? NO_SUCH_EVENT };
      return { kind: 'payloads', payloads, instanceUrl: ports.instanceUrl };
    },
  };
}

/** Null for a forge's own cloud, as the mirror stores it. */
function instanceOf(descriptor: ForgeDescriptor, webUrl: string): string | null {
  return webUrl === descriptor.cloudUrl ? null : webUrl;
}
