/**
 * GitHub's API on a forge that has none: takes a request as Octokit sends it, runs the row of the forge's route table, and
 * answers as GitHub would. Everything that reaches the forge goes through the one way out below it.
 */

import type { OpenConnection } from '../accounts/connections.js';
import type { ForgeDescriptor, JsonObject } from '../forges/forge.js';
import { dotcomOrigins, onInstance } from '../forges/github/endpoint.js';
import { type Written, writtenIn } from '../forges/kit/associations.js';
import { keepCloseReason, tellCloseReasons } from '../forges/kit/close-reasons.js';
import type { GitObjects } from '../forges/kit/git-objects.js';
import type { InboxPort } from '../forges/kit/inbox-port.js';
import { parseJson } from '../forges/kit/json-body.js';
import type { NativeClient } from '../forges/kit/native-client.js';
import type { Records } from '../forges/kit/records.js';
import {
  type GitHubRequest,
  type MediaType,
  type RouteAnswer,
  type RouteContext,
  RouteFailure,
  type RouteTable,
} from '../forges/kit/route.js';
import {
  bodyOf,
  createRouter,
  expandRoute,
  failureResponse,
  type Match,
  mediaOf,
  type RoutedRequest,
  type Router,
  runRoute,
  toResponse,
} from '../forges/kit/router.js';
import { type Clock, systemClock } from '../lib/clock.js';
import { currentDelivery } from '../lib/delivery-scope.js';
import { ForgewayError } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import { createAssociations } from './associations.js';
import type { BridgeState } from './bridge-state.js';
import type { Credential } from './credential.js';
import type { Fetch } from './forge-fetch.js';
import { withGitHubHeaders } from './github-headers.js';
import { type InstallationContext, installationRoutes, notSupported } from './installation-routes.js';
import { watchMutation } from './journal/in-flight.js';
import type { JournalPorts, WriteJournal } from './journal/journal.js';
import { type OwnWrite, tracesBy, tracesOfEvent, tracesOfWrite } from './loop-traces.js';
import { checkNarrowed, runNarrowed, withinCurrent } from './narrowed.js';
import { createNativeClient } from './native-client.js';
import { inAskedForm, type Render, renderBy } from './rendered-text.js';
import { routeShape } from './route-shape.js';

export interface VirtualFetchOptions {
  state: Pick<BridgeState, 'journal' | 'loops' | 'recordsOf' | 'repositories'>;
  log: Logger;
  metrics: Metrics;
  clock?: Clock;
  /** The one way out to a forge. */
  fetchFor(credential: Credential): Fetch;
  /** Git objects of this connection's forge; undefined where git is not available. */
  gitFor?(credential: Credential): GitObjects | undefined;
  /** Our own inbox, as this connection may use it; absent where nothing is stored. */
  inboxFor?(connection: OpenConnection): InboxPort;
  /** Web address of our page about a check run; undefined without PUBLIC_URL. */
  checkRunUrl?(organizationId: string, recordId: number): string | undefined;
}

/** What one connection's requests run on. */
interface VirtualForge {
  descriptor: ForgeDescriptor;
  table: RouteTable;
  installation: InstallationContext;
  context: RouteContext;
}

/** A row that fits a request, ready to be run. */
interface Found {
  key: string;
  params: Readonly<Record<string, string>>;
  writes: boolean;
  takesFile: boolean;
  run(): Promise<RouteAnswer>;
}

/** Where apps keep their settings on GitHub. */
const GITHUB_FOLDER = '.github/';
const CONTENTS = 'GET /repos/{owner}/{repo}/contents/{path}';
const BEFORE_GRAPHQL = /\/api\/v3$/;

export interface VirtualForges {
  /** For Octokit. */
  fetchFor(credential: Credential): Fetch;
  /** Tells what the authors of things are to their repository; nothing is told for credentials of GitHub itself. */
  associate(credential: Credential, written: readonly Written[]): Promise<void>;
  /** What the forge cannot keep for us; undefined for credentials of GitHub itself. */
  recordsFor(credential: Credential): Records | undefined;
  /**
   * For our own questions in GitHub's language; undefined for credentials of GitHub itself. `around` may hold back what the
   * forge answers.
   */
  requestFor(credential: Credential, around?: (native: NativeClient) => NativeClient): GitHubRequest | undefined;
}

const TOO_LARGE: ReadonlySet<MediaType> = new Set(['diff', 'patch']);

/** What the caller is answered; undefined for what is no answer. Git itself has none of GitHub's words. */
function asFailure(error: unknown, headers: Headers): RouteFailure | undefined {
  if (error instanceof RouteFailure) return error;
  if (!(error instanceof ForgewayError)) return undefined;
  if (error.code === 'FORGEWAY_GIT_REFUSED') return new RouteFailure(422, error.message, { cause: error });
  const media = mediaOf(headers.get('accept'));
  // GitHub counts lines and files; an app that gets this goes on with the list of files.
  if (error.code === 'FORGEWAY_ANSWER_TOO_LARGE' && TOO_LARGE.has(media))
    return new RouteFailure(406, `Sorry, the diff exceeded the maximum size: ${error.message}`, {
      errors: [{ resource: 'PullRequest', field: media, code: 'too_large' }],
      cause: error,
    });
  return undefined;
}

export function createVirtualForges(o: VirtualFetchOptions): VirtualForges {
  const ownRouter = createRouter(installationRoutes);
  const associations = createAssociations(o.clock ?? systemClock);
  const routers = new Map<RouteTable, Router<RouteContext>>();
  const routerOf = (table: RouteTable): Router<RouteContext> => {
    const known = routers.get(table) ?? createRouter(table);
    routers.set(table, known);
    return known;
  };

  const open = (credential: Credential, around = (native: NativeClient) => native): VirtualForge | undefined => {
    const { connection, endpoint } = credential;
    const table = connection?.forge.routes;
    if (connection === undefined || table === undefined) return undefined;
    const base = { api: credential.baseUrl, web: endpoint.webUrl };
    const { organizationId, forge, host, account } = connection;
    const git = watchedGit(o.gitFor?.(credential));
    const context: RouteContext = {
      native: around(createNativeClient(o.fetchFor(credential), endpoint.apiUrl, forge.failureMessage)),
      base,
      records: o.state.recordsOf(connection),
      ...(git && { git }),
      ...(o.inboxFor && { inbox: noting(o.inboxFor(connection), connection) }),
      account,
      checkRunUrl: (id) => o.checkRunUrl?.(organizationId, id),
      clock: o.clock ?? systemClock,
      log: o.log.child({ forge: forge.id, host }),
      github: (route, parameters) => ask(virtual, route, parameters),
    };
    const virtual: VirtualForge = {
      descriptor: forge,
      table,
      installation: { connection, base, repositories: o.state.repositories },
      context,
    };
    return virtual;
  };

  /** What is told here may be heard before the write that caused it is answered: it is known as ours beforehand. */
  function noting(inbox: InboxPort, connection: OpenConnection): InboxPort {
    return {
      ...inbox,
      async tell(events) {
        const traces = events.flatMap(({ name, payload }) => tracesOfEvent(name, payload));
        await noteTraces(connection, traces);
        await inbox.tell(events);
      },
    };
  }

  const told = new Set<string>();
  const count = (forge: VirtualForge, route: string) => {
    const labels = { forge: forge.descriptor.id, app: currentDelivery()?.app ?? '', route };
    o.metrics.unsupportedRequests.inc(labels);
    const key = JSON.stringify(labels);
    if (told.has(key)) return;
    told.add(key);
    o.log.warn(labels, 'an app asked for a route that this forge does not have');
  };

  /** The row for a request, ours before the forge's. @throws RouteFailure 501 when there is none */
  const find = (forge: VirtualForge, request: RoutedRequest, options = { counted: true }): Found => {
    const { method, path } = request;
    const found = <C>(match: Match<C>, context: C): Found => ({
      key: match.key,
      params: match.params,
      writes: match.route.retry !== 'read',
      takesFile: match.route.takesFile === true,
      run: () => runRoute(match, request, context),
    });
    const ours = ownRouter.match(method, path);
    if (ours !== undefined) return found(ours, forge.installation);
    const theirs = routerOf(forge.table).match(method, path);
    if (theirs !== undefined) return found(theirs, forge.context);
    const [plain = path] = path.split('?', 1);
    if (options.counted) count(forge, `${method} ${routeShape(plain)}`);
    throw notSupported(method, plain, forge.descriptor.label);
  };

  async function ask(
    forge: VirtualForge,
    route: string,
    parameters: Readonly<Record<string, unknown>>,
  ): Promise<unknown> {
    const { method, path, body } = expandRoute(route, parameters);
    // Of our own, whatever led to it.
    return runNarrowed(undefined, async () => {
      const found = find(forge, { method, path, headers: new Headers(), body });
      const { data } = await found.run();
      await tellCloseReasons(forge.context.records, data);
      return data;
    });
  }

  /** Runs it; a file of `.github/` that is not there is looked for in the folders that the forge has for settings. */
  const withSettings = async (forge: VirtualForge, found: Found, request: RoutedRequest): Promise<RouteAnswer> => {
    const { configFolders = [] } = forge.descriptor;
    const path = found.key === CONTENTS ? found.params.path : undefined;
    if (path?.startsWith(GITHUB_FOLDER) !== true) return found.run();
    const { owner = '', repo = '' } = found.params;
    const [, query] = request.path.split('?', 2);
    const elsewhere = configFolders.map((folder) => {
      const file = `${folder}/${path.slice(GITHUB_FOLDER.length)}`;
      const { path: other } = expandRoute(CONTENTS, { owner, repo, path: file });
      return find(forge, { ...request, path: query === undefined ? other : `${other}?${query}` });
    });
    let missing: unknown;
    for (const one of [found, ...elsewhere])
      try {
        return await one.run();
      } catch (error) {
        if (!(error instanceof RouteFailure) || error.status !== 404) throw error;
        missing ??= error;
      }
    throw missing;
  };

  /** Remembers what a write will cause, so that its event is known as ours, also by another connection. */
  const noteTraces = ({ organizationId, forge, host, account }: OpenConnection, traces: readonly string[]) =>
    o.state.loops.note(
      { organizationId, forge: forge.id, host },
      [...traces, ...tracesBy(account.id, traces)],
      causeNow(),
    );

  const associate = async ({ descriptor, installation, context }: VirtualForge, written: readonly Written[]) => {
    const { associations: asking } = descriptor;
    if (asking === undefined || written.length === 0) return;
    await associations.fill(written, { ask: asking, context, connectionId: installation.connection.id });
  };

  /** Runs the row of a request, and notes what it will cause before anybody is told that it is done. @throws RouteFailure */
  const carryOut = async (
    forge: VirtualForge,
    request: RoutedRequest,
    options?: { counted: boolean },
  ): Promise<RouteAnswer> => {
    checkNarrowed(request.method, request.path);
    const found = find(forge, request, options);
    const answer = await withSettings(forge, found, request);
    const sent = found.writes && !found.takesFile ? bodyOf(request.body) : {};
    if (found.writes) await keepCloseReason(forge.context.records, found.key, sent, answer.data);
    await tellCloseReasons(forge.context.records, answer.data);
    const { owner, repo } = found.params;
    const place = owner !== undefined && repo !== undefined ? { owner, repo } : undefined;
    await associate(forge, writtenIn(answer.data, place));
    if (found.writes)
      await noteTraces(forge.installation.connection, tracesOfWrite(found.key, found.params, sent, answer.data));
    const context = place && `${place.owner}/${place.repo}`;
    const shown = await inAskedForm(answer, mediaOf(request.headers.get('accept')), rendererOf(forge, context));
    return { ...shown, data: withinCurrent(request.path, shown.data) };
  };

  /** Of texts that were written in the repository `context`. */
  const rendererOf = (forge: VirtualForge, context: string | undefined): Render =>
    renderBy((text) => {
      const { method, path, body } = expandRoute('POST /markdown', { text, mode: 'gfm', context });
      return find(forge, { method, path, headers: new Headers(), body }, { counted: false }).run();
    }, forge.context.log);

  /** The same for an app, whose writes are journaled. */
  const journaled = (
    forge: VirtualForge,
    credential: Credential,
    request: RoutedRequest,
    options?: { counted: boolean },
  ): Promise<Response> => {
    const url = new URL(`${credential.baseUrl}${request.path}`);
    const send = async () => {
      try {
        const known = request.headers.get('if-none-match');
        return toResponse(await carryOut(forge, request, options), url, request.method, known);
      } catch (error) {
        const failure = asFailure(error, request.headers);
        if (failure !== undefined) return failureResponse(failure, url);
        throw error;
      }
    };
    const { journal } = o.state;
    if (journal === undefined) return send();
    const ports: JournalPorts = {
      send,
      ask: fetchFor(credential),
      found: ({ route, params, sent }, answer) =>
        noteTraces(forge.installation.connection, tracesOfWrite(route, params, sent, answer)),
    };
    return journal.carryOut(credential, { method: request.method, url, body: request.body }, ports);
  };

  /** Each request of a query or mutation is counted, noted and refused like one of REST. */
  const graphql = async (
    forge: VirtualForge,
    credential: Credential,
    text: string | Buffer | undefined,
    url: URL,
  ): Promise<Response> => {
    const { createGraphql } = await import('./graphql/graphql.js');
    const { execute } = createGraphql({
      request: async (route, parameters) => {
        const { method, path, body } = expandRoute(route, parameters);
        const request: RoutedRequest = { method, path, headers: new Headers(), body };
        if (method === 'GET') return (await carryOut(forge, request, { counted: false })).data;
        return dataOf(await journaled(forge, credential, request, { counted: false }));
      },
      forgeLabel: forge.descriptor.label,
      unsupported: (name) => count(forge, `graphql ${name}`),
    });
    return toResponse(await execute(bodyOf(text)), url, 'POST');
  };

  const fetchFor = (credential: Credential): Fetch => {
    const send = o.fetchFor(credential);
    const forge = open(credential);
    if (forge === undefined) return journaledFetch(o.state.journal, credential, send);
    const base = new URL(credential.baseUrl);
    return async (input, init) => {
      const url = onVirtualBase(new URL(input), base);
      const below = url.origin === base.origin && url.pathname.startsWith(`${base.pathname}/`);
      const isGraphql = url.href === credential.baseUrl.replace(BEFORE_GRAPHQL, '/api/graphql');
      // An address of the forge's own API: signed and limited like every other request.
      if (!below && !isGraphql) return send(input, init);
      const method = (init?.method ?? 'GET').toUpperCase();
      const body = await sentBody(init?.body);
      const path = url.pathname.slice(base.pathname.length) + url.search;
      const answer = () => {
        if (isGraphql || path === '/graphql') return graphql(forge, credential, body, url);
        const request: RoutedRequest = { method, path, headers: new Headers(init?.headers), body };
        return journaled(forge, credential, request);
      };
      const headers = new Headers(init?.headers);
      const told = (response: Response) =>
        withGitHubHeaders(response, { path, accept: headers.get('accept'), now: forge.context.clock.now() });
      try {
        return told(await untilAborted(init?.signal, answer));
      } catch (error) {
        const failure = asFailure(error, headers);
        if (failure !== undefined) return told(failureResponse(failure, url));
        throw error;
      }
    };
  };

  return {
    async associate(credential, written) {
      const forge = open(credential);
      if (forge !== undefined) await associate(forge, written);
    },
    recordsFor: (credential) => open(credential)?.context.records,
    requestFor(credential, around) {
      const forge = open(credential, around);
      return forge && ((route, parameters) => ask(forge, route, parameters));
    },
    fetchFor,
  };
}

/** Who writes, and how many of our own writes led to it. */
function causeNow(): OwnWrite {
  const delivery = currentDelivery();
  return { app: delivery?.app ?? 'forgeway', depth: (delivery?.loopDepth ?? 0) + 1 };
}

/** Rejects as soon as the app gives up, as fetch does. What was begun goes on to its end: a write may be done by then. */
function untilAborted<T>(signal: AbortSignal | null | undefined, work: () => Promise<T>): Promise<T> {
  if (!signal) return work();
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason as Error);
    if (signal.aborted) return giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', giveUp));
  });
}

/** A body that can be read twice. */
async function sentBody(body: RequestInit['body']): Promise<string | Buffer | undefined> {
  if (body === undefined || body === null) return undefined;
  return typeof body === 'string' ? body : Buffer.from(await new Response(body).arrayBuffer());
}

/** Octokit uploads to GitHub by its name, and apps write such addresses: here the same is asked of the connection's forge. */
function onVirtualBase(url: URL, base: URL): URL {
  if (!dotcomOrigins.has(url.origin)) return url;
  return new URL(`${base.origin}${base.pathname}${url.pathname}${url.search}`);
}

/** For a forge that speaks GitHub's language itself. */
function journaledFetch(journal: WriteJournal | undefined, credential: Credential, send: Fetch): Fetch {
  return (input, init) => {
    const url = onInstance(credential.endpoint, new URL(input));
    if (journal === undefined) return send(url.href, init);
    const method = (init?.method ?? 'GET').toUpperCase();
    const ports = { send: () => send(url.href, init), ask: send };
    return journal.carryOut(credential, { method, url, body: init?.body }, ports);
  };
}

/** A push is a mutation that no request of ours carries. */
function watchedGit(git: GitObjects | undefined): GitObjects | undefined {
  return (
    git && {
      ...git,
      pushRef: (...of) => watchMutation(() => git.pushRef(...of)),
      merge: (...of) => watchMutation(() => git.merge(...of)),
    }
  );
}

/** What a response of ours holds. @throws RouteFailure */
async function dataOf(response: Response): Promise<unknown> {
  const text = await response.text();
  const data = text === '' ? undefined : parseJson(text);
  if (response.ok) return data;
  const { message, errors } = (data ?? {}) as { message?: string; errors?: readonly JsonObject[] };
  throw new RouteFailure(response.status, message ?? `It was answered ${response.status}.`, {
    ...(errors && { errors }),
    headers: Object.fromEntries(response.headers),
  });
}
