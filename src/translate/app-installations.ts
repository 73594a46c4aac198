/**
 * What an app sees that asks as itself and not as an installation (`probot.auth()` without an id): GitHub's answer, and
 * beside its installations the virtual ones, one for each connection by token. Apps that work through all their
 * installations by the clock so reach the repositories of every forge. Without an App on GitHub there are only ours.
 */
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
  /** For GitHub and for the virtual forges alike. */
  fetchFor(credential: Credential): Fetch;
  log: Logger;
}

const ONE = /^\/app\/installations\/(\d+)(\/.*)?$/;
const OF_REPOSITORY = /^\/repos\/[^/]+\/[^/]+\/installation$/;
/** Of GitHub.com, and below the address of an Enterprise. */
const GRAPHQL = /^(?:\/api)?\/graphql$/;
/** GitHub's words to whoever is no installation and nobody. */
const GRAPHQL_AS_APP = {
  message: 'This endpoint requires you to be authenticated.',
  documentation_url: 'https://docs.github.com/graphql/guides/forming-calls-with-graphql#authenticating-with-graphql',
  status: '401',
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

/** The fetch of an Octokit that speaks as the App. */
export function createAppInstallations(o: AppInstallationsOptions): Fetch {
  const send = o.fetchFor(o.app);
  const base = new URL(o.app.baseUrl).pathname.replace(/\/$/, '');

  /** The same question to one connection; undefined when it cannot be used just now. */
  const ask = async (id: bigint, path: string, init?: RequestInit): Promise<Response | undefined> => {
    try {
      const credential = await o.ofInstallation(id);
      if (credential.connection === undefined) return undefined;
      return await o.fetchFor(credential)(`${credential.baseUrl}${path}`, init);
    } catch (error) {
      if (!(error instanceof ForgewayError)) throw error;
      o.log.warn(
        { installation: id.toString(), err: messageOf(error) },
        'a connection is left out of the installations',
      );
      return undefined;
    }
  };

  const ours = async (): Promise<unknown[]> => {
    const lists = await Promise.all(
      (await o.lookup.connected()).map(async (id) => {
        const answer = await ask(id, '/app/installations');
        return answer?.ok ? ((await answer.json()) as unknown[]) : [];
      }),
    );
    return lists.flat();
  };

  /** The one connection that answers; undefined when none does, or several, which is never guessed. */
  const only = async (path: string): Promise<Response | undefined> => {
    const answers = await Promise.all((await o.lookup.connected()).map((id) => ask(id, path)));
    const found = answers.filter((answer) => answer?.ok === true);
    return found.length === 1 ? found[0] : undefined;
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
    if (o.hasApp) {
      const answer = await send(input, init);
      return answer.status === 404 && OF_REPOSITORY.test(path) ? ((await only(path)) ?? answer) : answer;
    }
    // Who the App is, is the same for every connection.
    const [first] = path === '/app' ? await o.lookup.connected() : [];
    const answer = first === undefined ? undefined : await ask(first, path, init);
    return answer ?? (OF_REPOSITORY.test(path) ? await only(path) : undefined) ?? send(input, init);
  };

  return async (input, init) => {
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
}
