/**
 * Drives one forge's route table against a fake of that forge, in one process: what the bridge does, without its journal,
 * limiter and HTTP. It knows no forge.
 */

import type { JsonObject } from '../../src/forges/forge.js';
import { queryOf } from '../../src/forges/kit/fake/request-check.js';
import type { GitObjects } from '../../src/forges/kit/git-objects.js';
import type { InboxPort, OwnEvent } from '../../src/forges/kit/inbox-port.js';
import type { SentFile } from '../../src/forges/kit/multipart.js';
import type { NativeClient } from '../../src/forges/kit/native-client.js';
import type { ForgeRecord, Records } from '../../src/forges/kit/records.js';
import { type MediaType, type RouteContext, RouteFailure, type RouteTable } from '../../src/forges/kit/route.js';
import { failureBody } from '../../src/forges/kit/router.js';
import type { Clock } from '../../src/lib/clock.js';
import { createLogger } from '../../src/lib/logger.js';
import { createNativeClient } from '../../src/translate/native-client.js';
import { addressesIn, createAddressCheck } from '../conformance/forge/address.js';
import { createNativeExamples, type ForgeNames, type NativeExamples, type SentRequest } from './native-examples.js';

/** One call that a route made, with what it sent. */
export type NativeCall = SentRequest;

export interface RigAnswer {
  status: number;
  /** JSON of the answer or of the failure; text or Buffer for a body that is no JSON. Typed by whoever asks. */
  data: unknown;
  headers: Readonly<Record<string, string>>;
  pages: { next: boolean; last?: number } | undefined;
}

export interface RouteRigOptions {
  descriptorLike: {
    routes: RouteTable /** Base of the native API, such as `https://forge.test/api/v4`. */;
    apiUrl: string;
  };
  /** The fake: answers what the native client sends. */
  handle(request: Request): Promise<Response>;
  /** Sent as `Authorization: Bearer`. */
  token: string;
  records?: Records;
  git?: GitObjects;
  /** Default: one that keeps what it is told, and knows no webhook. */
  inbox?: InboxPort;
  account?: { id: bigint; login: string };
  clock?: Clock;
  /** Names for the examples of what rows send. */
  names?: ForgeNames;
}

export interface RouteRig {
  /**
   * Asks as Octokit does: parameters that the route names fill the path, the others are the query of a GET or else the body.
   * A failure is an answer too; only a fault of the code rejects.
   */
  request(
    route: string,
    parameters?: Readonly<Record<string, unknown>>,
    options?: { media?: MediaType; file?: SentFile },
  ): Promise<RigAnswer>;
  /** Every native call since the rig was made or since {@link forget}. */
  readonly calls: readonly NativeCall[];
  forget(): void;
  readonly records: Records;
  /** Events that rows told. */
  readonly told: readonly OwnEvent[];
  /** Routes that were asked and answered with success, and those that answered with a failure. */
  readonly succeeded: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
  /** What rows that succeeded sent. */
  readonly examples: NativeExamples;
  /** Addresses in answers that no row serves, by GitHub's route, each with a row that answers one. */
  readonly nowhere: ReadonlyMap<string, string>;
}

/** Records as the database keeps them, in memory. */
export function createMemoryRecords(clock: Clock = { now: () => new Date() }): Records {
  const kept = new Map<string, ForgeRecord>();
  const place = (kind: string, key: string) => `${kind}\n${key}`;
  const records: Records = {
    get: async (kind, key) => kept.get(place(kind, key)),
    byId: async (kind, id) => [...kept.values()].find((record) => record.kind === kind && record.id === id),
    async put(kind, key, data) {
      const before = kept.get(place(kind, key));
      const now = clock.now();
      const id =
        before?.id ??
        7_000_000_001 + Math.max(-1, ...[...kept.values()].map((record) => record.id - 7_000_000_001)) + 1;
      const record = {
        id,
        kind,
        key,
        data: structuredClone(data),
        createdAt: before?.createdAt ?? now,
        updatedAt: now,
      };
      kept.set(place(kind, key), record);
      return record;
    },
    async add(kind, key, data) {
      const before = kept.get(place(kind, key));
      return before === undefined
        ? { record: await records.put(kind, key, data), added: true }
        : { record: before, added: false };
    },
    async putAll(kind, entries) {
      for (const { key, data } of entries) await records.put(kind, key, data);
    },
    list: async (kind, prefix) =>
      [...kept.values()]
        .filter((record) => record.kind === kind && record.key.startsWith(prefix))
        .sort((a, b) => a.id - b.id)
        .slice(0, 1000),
    async delete(kind, key) {
      kept.delete(place(kind, key));
    },
  };
  return records;
}

/** `started` hears of every call before it is made. */
function createClient(
  options: RouteRigOptions,
  calls: NativeCall[],
  started: (call: SentRequest) => void,
): NativeClient {
  const { apiUrl } = options.descriptorLike;
  return createNativeClient(async (input, init) => {
    const url = new URL(input);
    const headers = new Headers(init?.headers);
    headers.set('authorization', `Bearer ${options.token}`);
    const json: unknown = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined;
    const path = input.slice(apiUrl.length).replace(/\?.*$/s, '');
    const call = { method: init?.method ?? 'GET', path, query: queryOf(url.searchParams), json, status: 0 };
    started(call);
    const response = await options.handle(new Request(url, { ...init, headers }));
    call.status = response.status;
    calls.push(call);
    return response;
  }, apiUrl);
}

/** Parameters of a route by where they go. */
function place(route: string, parameters: Readonly<Record<string, unknown>>) {
  const named = new Set([...route.matchAll(/\{\+?([a-z_]+)\}/g)].map((match) => match[1]));
  const isRead = /^(GET|HEAD) /.test(route);
  const params: Record<string, string> = {};
  const query: Record<string, string> = {};
  const body: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    if (named.has(name)) params[name] = String(value);
    else if (isRead) query[name] = String(value);
    else body[name] = value;
  }
  const missing = [...named].find((name) => name !== undefined && !(name in params));
  if (missing !== undefined) throw new Error(`${route} needs ${missing}`);
  return { params, query, body: body as JsonObject };
}

/** The same port, telling of every operation; what repository it is in says the request. */
const watched = (git: GitObjects, started: (call: SentRequest) => void): GitObjects =>
  new Proxy(git, {
    get:
      (target, operation: keyof GitObjects) =>
      (repository: never, ...given: unknown[]) => {
        const json = given.map((one) => (Buffer.isBuffer(one) ? one.toString('base64') : one));
        started({ method: 'git', path: operation, query: {}, json, status: 0 });
        return (target[operation] as (...all: unknown[]) => Promise<never>)(repository, ...given);
      },
  });

export function createRouteRig(options: RouteRigOptions): RouteRig {
  const calls: NativeCall[] = [];
  const succeeded = new Set<string>();
  const failed = new Set<string>();
  const clock = options.clock ?? { now: () => new Date() };
  const nowhere = new Map<string, string>();
  const lacking = createAddressCheck(options.descriptorLike.routes);
  const examples = createNativeExamples(options.names ?? {});
  const records = options.records ?? createMemoryRecords(clock);
  const told: OwnEvent[] = [];
  const inbox: InboxPort = options.inbox ?? {
    tell: async (events) => {
      for (const event of events) if (!told.some(({ key }) => key === event.key)) told.push(event);
    },
    deliveriesOf: async () => undefined,
  };
  const { routes, apiUrl } = options.descriptorLike;
  const web = new URL(apiUrl).origin;

  async function run(
    route: string,
    parameters: Readonly<Record<string, unknown>>,
    media: MediaType,
    context: RouteContext,
    file?: SentFile,
  ) {
    const row = Object.hasOwn(routes, route) ? routes[route] : undefined;
    if (row === undefined) throw new Error(`no such row: ${route}`);
    const { params, query, body } = place(route, parameters);
    const { page, per_page: perPage, ...rest } = query;
    const pages = { page: Number(page ?? 1), perPage: Math.min(100, Number(perPage ?? 30)) };
    // What goes with a file stands in the query.
    if (row.takesFile) return row.run({ params, query: body as never, body: {}, file, media, ...pages }, context);
    return row.run({ params, query: rest, body, media, ...pages }, context);
  }

  /** One for each request, so that what it sends is told apart from what others send. */
  function contextOf(sent: SentRequest[]): RouteContext {
    const started = (call: SentRequest) => void sent.push(call);
    const context: RouteContext = {
      native: createClient(options, calls, started),
      base: { api: `${web}/api/v3`, web },
      records,
      git: options.git && watched(options.git, started),
      inbox,
      account: options.account ?? { id: 1n, login: 'forgeway-bot' },
      checkRunUrl: (id) => `https://forgeway.test/checks/${id}`,
      clock,
      log: createLogger({ level: 'silent', format: 'json' }),
      github: async (route, parameters) => (await run(route, parameters, 'json', context)).data,
    };
    return context;
  }

  return {
    calls,
    forget: () => void calls.splice(0),
    records,
    told,
    succeeded,
    failed,
    examples,
    nowhere,
    async request(route, parameters = {}, { media = 'json', file } = {}) {
      const sent: SentRequest[] = [];
      // A test may go on with what it gave.
      const asked = { route, parameters: structuredClone(parameters), media };
      try {
        const answer = await run(route, parameters, media, contextOf(sent), file);
        succeeded.add(route);
        examples.add(asked, sent);
        // Through JSON, as an app gets it: an undefined field, a Date or a BigInt shows here.
        const data: unknown =
          answer.body?.bytes ??
          (answer.data === undefined ? undefined : (JSON.parse(JSON.stringify(answer.data)) as unknown));
        for (const { value, at } of addressesIn(data, route)) {
          const lacked = value.startsWith(`${web}/api/v3/`) ? lacking(`${web}/api/v3`, value) : undefined;
          if (lacked !== undefined) nowhere.set(lacked, at);
        }
        const headers = { ...(answer.body && { 'content-type': answer.body.contentType }), ...answer.headers };
        return { status: answer.status ?? 200, data, headers, pages: answer.pages };
      } catch (error) {
        if (!(error instanceof RouteFailure)) throw error;
        failed.add(route);
        const { status: _status, documentation_url: _page, ...data } = failureBody(error);
        return { status: error.status, data, headers: error.headers, pages: undefined };
      }
    },
  };
}
