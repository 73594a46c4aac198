/**
 * What an app sees that asks as itself and not as an installation (`probot.auth()` without an id): GitHub's answer, and
 * beside its installations the virtual ones, one for each connection by token. Apps that work through all their
 * installations by the clock so reach the repositories of every forge. Without an App on GitHub there are only ours.
 */
import { currentDelivery, type DeliveryScope } from '../lib/delivery-scope.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { parseId } from '../lib/ids.js';
import type { Logger } from '../lib/logger.js';
import type { Credential } from './credential.js';
import type { Fetch } from './forge-fetch.js';
import type { InstallationLookup } from './installation-lookup.js';

export interface AppInstallationsOptions {
  /** Speaks as the App itself. */
  app: Credential;
  /** False in setup mode, when there is nobody to ask but ourselves. */
  hasApp: boolean;
  lookup: Pick<InstallationLookup, 'connected'>;
  ofInstallation(id: bigint): Promise<Credential>;
  /** The connection whose hook brought a delivery; undefined where it has none. */
  ofHook(scope: DeliveryScope): Promise<Credential | undefined>;
  /** For GitHub and for the virtual forges alike. */
  fetchFor(credential: Credential): Fetch;
  log: Logger;
}

const ONE = /^\/app\/installations\/(\d+)(\/.*)?$/;
/** Which installation covers a repository or an account. */
const OF_PLACE = /^\/(?:repos\/[^/]+\/[^/]+|orgs\/[^/]+|users\/[^/]+)\/installation$/;
/** The same for every connection. */
const OF_ALL = /^\/(?:app|apps\/[^/]+|rate_limit|meta)$/;
/** Of GitHub.com, and below the address of an Enterprise. */
const GRAPHQL = /^(?:\/api)?\/graphql$/;
/** GitHub's words to whoever is no installation and nobody. */
const GRAPHQL_AS_APP = {
  message: 'This endpoint requires you to be authenticated.',
  documentation_url: 'https://docs.github.com/graphql/guides/forming-calls-with-graphql#authenticating-with-graphql',
  status: '401',
};
const NOT_FOUND = { message: 'Not Found', documentation_url: 'https://docs.github.com/rest', status: '404' };
const SEVERAL = {
  ...NOT_FOUND,
  message: 'Several installations have a place of this name. Take the number of one of them, as events bring it.',
};
const HAS_NEXT = /;\s*rel="?next"?/;

function jsonAnswer(data: unknown, url: string, like?: Pick<Response, 'status'> & Partial<Response>): Response {
  const headers = new Headers(like?.headers);
  // The body is another one, and not compressed any more.
  for (const name of ['content-length', 'content-encoding', 'etag']) headers.delete(name);
  headers.set('content-type', 'application/json; charset=utf-8');
  const response = new Response(JSON.stringify(data), { status: like?.status ?? 200, headers });
  Object.defineProperty(response, 'url', { value: url });
  return response;
}

export interface AppInstallations {
  /** Of an Octokit that speaks as the App. */
  fetch: Fetch;
  /** Below what the connections have their addresses, which stand in what is answered here. */
  bases(): Promise<readonly string[]>;
}

export function createAppInstallations(o: AppInstallationsOptions): AppInstallations {
  const send = o.fetchFor(o.app);
  const base = new URL(o.app.baseUrl).pathname.replace(/\/$/, '');

  /** Undefined when its forge speaks GitHub's language itself, or `work` cannot be done with it just now. */
  const usable = async <T>(id: bigint, work: (credential: Credential) => Promise<T>): Promise<T | undefined> => {
    try {
      const credential = await o.ofInstallation(id);
      return credential.connection === undefined ? undefined : await work(credential);
    } catch (error) {
      if (!(error instanceof ForgewayError)) throw error;
      o.log.warn(
        { installation: id.toString(), err: messageOf(error) },
        'a connection is left out of the installations',
      );
      return undefined;
    }
  };
  const open = (id: bigint) => usable(id, async (credential) => credential);

  /** The same question to one connection. */
  const ask = (id: bigint, path: string, init?: RequestInit): Promise<Response | undefined> =>
    usable(id, (credential) => o.fetchFor(credential)(`${credential.baseUrl}${path}`, init));

  const ours = async (): Promise<unknown[]> => {
    const lists = await Promise.all(
      (await o.lookup.connected()).map(async (id) => {
        const answer = await ask(id, '/app/installations');
        return answer?.ok ? ((await answer.json()) as unknown[]) : [];
      }),
    );
    return lists.flat();
  };

  /** What the connection answers that told of the event an app runs on: the same name elsewhere is another place. */
  const fromDelivery = async (path: string): Promise<Response | undefined> => {
    const scope = currentDelivery();
    const told = scope && (await o.ofHook(scope));
    const answer = told?.connection && (await ask(told.connection.virtualId, path));
    return answer?.ok ? answer : undefined;
  };

  /** The one connection that answers. Undefined when none does; when several do, that is said, since it is never guessed. */
  const only = async (path: string, input: string): Promise<Response | undefined> => {
    const answers = await Promise.all((await o.lookup.connected()).map((id) => ask(id, path)));
    const found = answers.filter((answer) => answer?.ok === true);
    return found.length > 1 ? jsonAnswer(SEVERAL, input, { status: 404 }) : found[0];
  };

  const list: Fetch = async (input, init) => {
    if (!o.hasApp) {
      const page = Number(new URL(input).searchParams.get('page') ?? 1);
      return jsonAnswer(page > 1 ? [] : await ours(), input);
    }
    const answer = await send(input, init);
    // Ours come after the last of theirs.
    if (!answer.ok || HAS_NEXT.test(answer.headers.get('link') ?? '')) return answer;
    const theirs = (await answer.clone().json()) as unknown;
    return Array.isArray(theirs) ? jsonAnswer([...theirs, ...(await ours())], input, answer) : answer;
  };

  const others = async (path: string, input: string, init: RequestInit | undefined): Promise<Response> => {
    const told = OF_PLACE.test(path) ? await fromDelivery(path) : undefined;
    if (told !== undefined) return told;
    if (o.hasApp) {
      const answer = await send(input, init);
      return answer.status === 404 && OF_PLACE.test(path) ? ((await only(path, input)) ?? answer) : answer;
    }
    const connected = await o.lookup.connected();
    const [first] = OF_ALL.test(path) ? connected : [];
    const answer = first === undefined ? undefined : await ask(first, path, init);
    if (answer !== undefined) return answer;
    if (!OF_PLACE.test(path)) return send(input, init);
    const found = await only(path, input);
    return found ?? (connected.length > 0 ? jsonAnswer(NOT_FOUND, input, { status: 404 }) : send(input, init));
  };

  const fetch: Fetch = async (input, init) => {
    const url = new URL(input);
    const path = url.pathname.startsWith(`${base}/`) ? url.pathname.slice(base.length) : url.pathname;
    // An App has nothing to ask there; without one on GitHub there is nobody else to say so.
    if (!o.hasApp && GRAPHQL.test(path)) return jsonAnswer(GRAPHQL_AS_APP, input, { status: 401 });
    const isGet = (init?.method ?? 'GET').toUpperCase() === 'GET';
    if (isGet && path === '/app/installations') return list(input, init);
    const [, number] = ONE.exec(path) ?? [];
    if (number !== undefined) {
      const id = parseId(number);
      const isOurs = (await o.lookup.connected()).includes(id);
      const answer = isOurs ? await ask(id, `${path}${url.search}`, init) : undefined;
      return answer ?? send(input, init);
    }
    return isGet ? others(path, input, init) : send(input, init);
  };

  const bases = async (): Promise<readonly string[]> => {
    const opened = await Promise.all((await o.lookup.connected()).map(open));
    return [...new Set(opened.flatMap((credential) => (credential ? [credential.baseUrl] : [])))];
  };

  return { fetch, bases };
}
