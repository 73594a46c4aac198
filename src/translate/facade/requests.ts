/**
 * GitHub Enterprise's `/api/v3` over the bridge, for an app that keeps a Probot of its own in its own process. It signs in
 * as an App does, gets a token of ours for an installation, and everything else goes the way of every app's requests.
 */
import { importSPKI, jwtVerify } from 'jose';
import type { Clock } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import { parseId } from '../../lib/ids.js';
import type { Bridge } from '../bridge.js';
import { rebase, rebaseLinks } from './rebase.js';
import type { FacadeTokens } from './tokens.js';

export interface FacadeOptions {
  /** What the app signs as. */
  appId: string;
  /** PEM of the other half of the key that the app has. */
  publicKey: string;
  tokens: FacadeTokens;
  requestsOf: Bridge['requestsOf'];
  /** Where the app reaches us, such as `http://127.0.0.1:3100`. */
  origin: string;
  /** The one installation there is for the app; absent: all. */
  only?: bigint;
  clock: Clock;
}

export interface FacadeRequest {
  method: string;
  /** With its query. */
  path: string;
  headers: Headers;
  body: Buffer;
}

type Speaker = { app: true } | { installation: bigint };

export const API_PATH = '/api/v3';
const GRAPHQL_PATH = '/api/graphql';
const PASSED_IN = [
  'accept',
  'content-type',
  'user-agent',
  'if-none-match',
  'if-modified-since',
  'x-github-api-version',
];
const PASSED_OUT = [
  'etag',
  'last-modified',
  'retry-after',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
];
const ACCESS_TOKENS = /^\/app\/installations\/(\d{1,19})\/access_tokens$/;
const INSTALLATION = /^\/app\/installations\/(\d{1,19})$/;
const CLOCK_TOLERANCE_S = 60;

const refusal = (status: number, message: string) => Response.json({ message, status: String(status) }, { status });

/** The API's address of a GraphQL request beside a REST base. */
const graphqlOf = (base: string): string =>
  base.endsWith(API_PATH) ? `${base.slice(0, -API_PATH.length)}${GRAPHQL_PATH}` : `${base}/graphql`;

const isJson = (contentType: string | null): boolean => contentType === null || /\bjson\b/.test(contentType);

/** Answers one request. Never rejects for what an app or a forge did. */
export async function createFacade(o: FacadeOptions): Promise<(request: FacadeRequest) => Promise<Response>> {
  const key = await importSPKI(o.publicKey, 'RS256');
  const base = `${o.origin}${API_PATH}`;

  const isApp = async (token: string): Promise<boolean> => {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['RS256'],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: o.clock.now(),
        requiredClaims: ['exp', 'iss'],
      });
      // Older libraries write the number as a number.
      return String(payload.iss) === o.appId;
    } catch {
      // Every way in which a signature can be wrong has the same answer.
      return false;
    }
  };

  const speakerOf = async (header: string | null): Promise<Speaker | undefined> => {
    const [, token] = /^(?:bearer|token)\s+(\S+)$/i.exec(header ?? '') ?? [];
    if (token === undefined) return undefined;
    const installation = o.tokens.open(token);
    if (installation !== undefined) return allowed(installation) ? { installation } : undefined;
    return (await isApp(token)) ? { app: true } : undefined;
  };
  const allowed = (installation: bigint) => o.only === undefined || installation === o.only;

  /** Sends it on, and moves the addresses in the answer to where the app knows them. */
  const pass = async (speaker: Speaker, request: FacadeRequest, path: string): Promise<Response> => {
    const { fetch, baseUrl } = await o.requestsOf('app' in speaker ? undefined : speaker.installation);
    const headers = new Headers();
    for (const name of PASSED_IN) {
      const value = request.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    const sent = isJson(request.headers.get('content-type'))
      ? request.body.toString('utf8')
      : new Uint8Array(request.body);
    const hasBody = request.body.length > 0 && request.method !== 'GET' && request.method !== 'HEAD';
    const url = path === GRAPHQL_PATH ? graphqlOf(baseUrl) : `${baseUrl}${path}`;
    const answer = await fetch(url, { method: request.method, headers, ...(hasBody && { body: sent }) });
    const out = new Headers();
    for (const name of PASSED_OUT) {
      const value = answer.headers.get(name);
      if (value !== null) out.set(name, value);
    }
    const link = answer.headers.get('link');
    if (link !== null) out.set('link', rebaseLinks(link, baseUrl, base));
    const contentType = answer.headers.get('content-type');
    if (contentType !== null) out.set('content-type', contentType);
    if (answer.status === 204 || answer.status === 205 || answer.status === 304)
      return new Response(null, { status: answer.status, headers: out });
    if (!/\bjson\b/.test(contentType ?? ''))
      return new Response(await answer.arrayBuffer(), { status: answer.status, headers: out });
    const text = await answer.text();
    const data = text === '' ? '' : JSON.stringify(rebase(JSON.parse(text), baseUrl, base));
    return new Response(data, { status: answer.status, headers: out });
  };

  const asApp = async (request: FacadeRequest, path: string): Promise<Response> => {
    const [plain = ''] = path.split('?', 1);
    const [, one] = INSTALLATION.exec(plain) ?? ACCESS_TOKENS.exec(plain) ?? [];
    if (one !== undefined && !allowed(parseId(one))) return refusal(404, 'Not Found');
    if (one !== undefined && ACCESS_TOKENS.test(plain) && request.method === 'POST') {
      // Only for what is there: the same question without a token in its answer.
      const there = await pass({ app: true }, { ...request, method: 'GET' }, `/app/installations/${one}`);
      if (!there.ok) return there;
      const { permissions, repository_selection: selection } = (await there.json()) as Record<string, unknown>;
      const { token, expiresAt } = o.tokens.mint(parseId(one));
      return Response.json(
        {
          token,
          expires_at: expiresAt.toISOString(),
          permissions: permissions ?? {},
          repository_selection: selection ?? 'selected',
        },
        { status: 201 },
      );
    }
    const answer = await pass({ app: true }, request, path);
    if (plain !== '/app/installations' || o.only === undefined || !answer.ok) return answer;
    const list = ((await answer.json()) as { id: number }[]).filter(({ id }) => BigInt(id) === o.only);
    const link = answer.headers.get('link');
    return Response.json(list, { headers: link === null ? {} : { link } });
  };

  return async (request) => {
    const isGraphql = request.path.split('?', 1)[0] === GRAPHQL_PATH;
    if (!isGraphql && !request.path.startsWith(`${API_PATH}/`)) return refusal(404, 'Not Found');
    const speaker = await speakerOf(request.headers.get('authorization'));
    if (speaker === undefined) return refusal(401, 'Bad credentials');
    const path = isGraphql ? GRAPHQL_PATH : request.path.slice(API_PATH.length);
    try {
      return await ('app' in speaker ? asApp(request, path) : pass(speaker, request, path));
    } catch (error) {
      if (error instanceof ForgewayError) return refusal(error.status, error.message);
      throw error;
    }
  };
}
