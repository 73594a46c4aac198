/**
 * GitHub Enterprise's `/api/v3` over the bridge, for an app that keeps a Probot of its own in its own process. It signs in
 * as an App does, gets a token of ours for an installation, and everything else goes the way of every app's requests.
 */
import { importSPKI, jwtVerify } from 'jose';
import { z } from 'zod';
import { DOTCOM_UPLOADS } from '../../forges/github/endpoint.js';
import { invalid, RouteFailure, unprocessable } from '../../forges/kit/route.js';
import { failureBody } from '../../forges/kit/router.js';
import type { Clock } from '../../lib/clock.js';
import { ForgewayError } from '../../lib/errors.js';
import { parseId } from '../../lib/ids.js';
import type { Bridge } from '../bridge.js';
import { refusalOf, repositoryMark, runNarrowed, withinNarrowing } from '../narrowed.js';
import { API_PATH, GRAPHQL_PATH, graphqlOf, movesTo, reached, UPLOADS_PATH, understood } from './addresses.js';
import { rebase, rebaseAddress, rebaseLinks } from './rebase.js';
import type { FacadeTokens, TokenLimits } from './tokens.js';

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

type Speaker = { app: true } | ({ installation: bigint } & TokenLimits);
/** Nobody, and why in GitHub's words. */
interface Stranger {
  refused: string;
}

/** Below which of the API's addresses a path stands. */
type Below = 'api' | 'graphql' | 'uploads';

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
  'x-github-media-type',
  'x-github-request-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-ratelimit-resource',
  'x-ratelimit-used',
];
const ACCESS_TOKENS = /^\/app\/installations\/(\d{1,19})\/access_tokens$/i;
const INSTALLATION = /^\/app\/installations\/(\d{1,19})(?:\/|$)/i;
/** Which installation covers a place. */
const INSTALLATION_OF = /^\/(?:repos\/[^/]+\/[^/]+|orgs\/[^/]+|users\/[^/]+)\/installation$/i;
const OWN_TOKEN = /^\/installation\/token$/i;
const ASSETS = /^\/repos\/[^/]+\/[^/]+\/releases\/\d+\/assets$/i;
const CLOCK_TOLERANCE_S = 60;
/** GitHub lets an App's own token live no longer. */
const LONGEST_JWT_S = 600;
const TOO_FAR = "'Expiration time' claim ('exp') is too far in the future";

const STRANGER: Stranger = { refused: 'Bad credentials' };

const refusal = (status: number, message: string) =>
  Response.json({ message, documentation_url: 'https://docs.github.com/rest', status: String(status) }, { status });

/** Of what stands in an `authorization` header. GitHub takes a token as a password too, and without one as the name. */
function tokenIn(header: string | null): string | undefined {
  const [, plain] = /^(?:bearer|token)\s+(\S+)$/i.exec(header ?? '') ?? [];
  if (plain !== undefined) return plain;
  const [, encoded] = /^basic\s+([\w+/=-]+)$/i.exec(header ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const [, name, password] = /^([^:]*):?(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
  return password || name || undefined;
}

interface Repository {
  id: number | string;
  name: string;
  full_name: string;
}

const PER_PAGE = 100;
const MOST_REPOSITORIES = 10_000;
const NOT_ACCESSIBLE =
  'There is at least one repository that does not exist or is not accessible to the parent installation.';

/** GitHub takes 500 repositories at most. */
const wish = z.looseObject({
  repositories: z.array(z.string().min(1)).min(1).max(500).optional(),
  repository_ids: z
    .array(z.union([z.number(), z.string()]))
    .min(1)
    .max(500)
    .optional(),
  permissions: z.record(z.string().max(64), z.enum(['read', 'write', 'admin'])).optional(),
});

function parsedBody(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new RouteFailure(400, 'Problems parsing JSON');
  }
}

function markOf(fullName: string): string {
  const [owner = '', name = ''] = fullName.split('/');
  return repositoryMark(owner, name);
}

/** Undefined for what is none. */
function readJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

const isJson = (contentType: string | null): boolean => contentType === null || /\bjson\b/.test(contentType);

/** Answers one request. Never rejects for what an app or a forge did. */
export async function createFacade(o: FacadeOptions): Promise<(request: FacadeRequest) => Promise<Response>> {
  const key = await importSPKI(o.publicKey, 'RS256');
  const appOf = async (token: string): Promise<Speaker | Stranger> => {
    const now = o.clock.now();
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['RS256'],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: now,
        requiredClaims: ['exp', 'iss'],
      });
      // Older libraries write the number as a number.
      if (String(payload.iss) !== o.appId) return STRANGER;
      return Number(payload.exp) > Math.ceil(now.getTime() / 1_000) + LONGEST_JWT_S
        ? { refused: TOO_FAR }
        : { app: true };
    } catch {
      // Every way in which a signature can be wrong has the same answer.
      return STRANGER;
    }
  };

  const speakerOf = async (header: string | null): Promise<Speaker | Stranger> => {
    const token = tokenIn(header);
    if (token === undefined) return STRANGER;
    const opened = o.tokens.open(token);
    if (opened !== undefined) return allowed(opened.installation) ? opened : STRANGER;
    return appOf(token);
  };
  const allowed = (installation: bigint) => o.only === undefined || installation === o.only;

  const baseFor = (url: string, below: Below): string => {
    if (below === 'graphql') return graphqlOf(url);
    // The bridge takes it to the instance's own.
    return below === 'uploads' ? DOTCOM_UPLOADS : url;
  };

  /** Sends it on, and moves the addresses in the answer to where the app knows them. */
  const pass = async (
    speaker: Speaker,
    request: FacadeRequest,
    asked: string,
    below: Below = 'api',
  ): Promise<Response> => {
    const { narrowing, atForge } = 'app' in speaker ? {} : speaker;
    const { fetch, baseUrl, virtual, bases } = await o.requestsOf(
      'app' in speaker ? undefined : speaker.installation,
      atForge,
    );
    const headers = new Headers();
    for (const name of PASSED_IN) {
      const value = request.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    const sent = isJson(request.headers.get('content-type'))
      ? request.body.toString('utf8')
      : new Uint8Array(request.body);
    const hasBody = request.body.length > 0 && request.method !== 'GET' && request.method !== 'HEAD';
    // Nothing climbs out of the API.
    const path = reached(asked);
    const url = `${baseFor(baseUrl, below)}${below === 'graphql' ? '' : path}`;
    const send = () => fetch(url, { method: request.method, headers, ...(hasBody && { body: sent }) });
    // GraphQL is held against it by its requests, where it is ours; another's cannot be looked into.
    if (narrowing !== undefined && atForge === undefined && !virtual && below === 'graphql')
      return refusal(403, 'A token that reaches less than its installation cannot ask GraphQL of this forge here.');
    const refused =
      narrowing && below !== 'graphql'
        ? refusalOf(narrowing, request.method, path.replaceAll(/\/{2,}/g, '/'))
        : undefined;
    if (refused !== undefined) return refusal(refused.status, refused.message);
    const answer = await runNarrowed(narrowing, send);
    const moves = movesTo(o.origin, ...(await bases()));
    const out = new Headers();
    for (const name of PASSED_OUT) {
      const value = answer.headers.get(name);
      if (value !== null) out.set(name, value);
    }
    const link = answer.headers.get('link');
    if (link !== null) out.set('link', rebaseLinks(link, moves));
    const location = answer.headers.get('location');
    if (location !== null) out.set('location', rebaseAddress(location, moves));
    const contentType = answer.headers.get('content-type');
    if (contentType !== null) out.set('content-type', contentType);
    if (answer.status === 204 || answer.status === 205 || answer.status === 304)
      return new Response(null, { status: answer.status, headers: out });
    if (!/\bjson\b/.test(contentType ?? ''))
      return new Response(await answer.arrayBuffer(), { status: answer.status, headers: out });
    const text = await answer.text();
    if (text === '') return new Response('', { status: answer.status, headers: out });
    const told = readJson(text);
    if (told === undefined) return refusal(502, 'The forge’s answer is no JSON, though it says so.');
    const data = answer.ok ? withinNarrowing(narrowing, path, told.value) : told.value;
    return new Response(JSON.stringify(rebase(data, moves)), { status: answer.status, headers: out });
  };

  /** Every repository of an installation. */
  const repositoriesOf = async (installation: bigint, request: FacadeRequest): Promise<Repository[]> => {
    const found: Repository[] = [];
    for (let page = 1; ; page += 1) {
      const path = `/installation/repositories?per_page=${PER_PAGE}&page=${page}`;
      const answer = await pass({ installation }, { ...request, method: 'GET', body: Buffer.alloc(0) }, path);
      if (!answer.ok) throw new RouteFailure(answer.status, 'The repositories of the installation were not told.');
      const { repositories } = (await answer.json()) as { repositories: Repository[] };
      found.push(...repositories);
      if (repositories.length < PER_PAGE || found.length >= MOST_REPOSITORIES) return found;
    }
  };

  /** What the token is asked for. @throws RouteFailure 422 in GitHub's words */
  const limitsOf = async (installation: bigint, request: FacadeRequest) => {
    const parsed = wish.safeParse(request.body.length === 0 ? {} : parsedBody(request.body));
    if (!parsed.success) throw invalid('AccessToken', String(parsed.error.issues[0]?.path[0] ?? 'body'), 'invalid');
    const { repositories: names, repository_ids: ids, permissions: asked = {} } = parsed.data;
    const permissions = Object.keys(asked).length === 0 ? undefined : asked;
    if (names === undefined && ids === undefined && permissions === undefined) return undefined;
    const { narrows } = await o.requestsOf(installation);
    const limits = (repositories?: readonly Repository[]): TokenLimits => {
      const rights = permissions && { permissions };
      return narrows
        ? {
            atForge: { ...(repositories && { repositoryIds: repositories.map(({ id }) => BigInt(id)) }), ...rights },
            ...(rights && { narrowing: rights }),
          }
        : {
            narrowing: {
              ...(repositories && { repositories: new Set(repositories.map(({ full_name: full }) => markOf(full))) }),
              ...rights,
            },
          };
    };
    if (names === undefined && ids === undefined) return { limits: limits(), permissions };
    const all = await repositoriesOf(installation, request);
    const wanted = [
      ...(names ?? []).map((name) => all.find((one) => one.name.toLowerCase() === name.toLowerCase())),
      ...(ids ?? []).map((id) => all.find((one) => String(one.id) === String(id))),
    ];
    const repositories = wanted.filter((one) => one !== undefined);
    if (repositories.length < wanted.length) throw unprocessable(NOT_ACCESSIBLE);
    return { limits: limits(repositories), permissions, repositories };
  };

  /** @param plain as the forge would understand it, however it is written: its answer could be a token of its own */
  const asApp = async (request: FacadeRequest, path: string, plain: string): Promise<Response> => {
    const [, one] = INSTALLATION.exec(plain) ?? [];
    if (one !== undefined && !allowed(parseId(one))) return refusal(404, 'Not Found');
    if (one !== undefined && ACCESS_TOKENS.test(plain)) {
      if (request.method !== 'POST') return refusal(404, 'Not Found');
      // Only for what is there: the same question without a token in its answer.
      const there = await pass({ app: true }, { ...request, method: 'GET' }, `/app/installations/${one}`);
      if (!there.ok) return there;
      const { permissions, repository_selection: selection } = (await there.json()) as Record<string, unknown>;
      const less = await limitsOf(parseId(one), request);
      if (less?.limits.atForge !== undefined) {
        // The forge says now what it does not grant, and not to each request.
        const look = { ...request, method: 'GET', body: Buffer.alloc(0) };
        const speaker = { installation: parseId(one), ...less.limits };
        const granted = await pass(speaker, look, '/installation/repositories?per_page=1');
        if (!granted.ok) return granted;
      }
      const { token, expiresAt } = o.tokens.mint(parseId(one), less?.limits);
      return Response.json(
        {
          token,
          expires_at: expiresAt.toISOString(),
          permissions: less?.permissions ?? permissions ?? {},
          repository_selection: less?.repositories ? 'selected' : (selection ?? 'selected'),
          ...(less?.repositories && { repositories: less.repositories }),
        },
        { status: 201 },
      );
    }
    // Among all installations there may be several places of a name.
    const isPlace = INSTALLATION_OF.test(plain);
    const asked: Speaker = isPlace && o.only !== undefined ? { installation: o.only } : { app: true };
    const answer = await pass(asked, request, path);
    if (o.only === undefined || !answer.ok) return answer;
    if (isPlace) {
      const found = (await answer.clone().json()) as { id: number };
      return allowed(parseId(found.id)) ? answer : refusal(404, 'Not Found');
    }
    if (plain !== '/app/installations') return answer;
    const list = ((await answer.json()) as { id: number }[]).filter(({ id }) => allowed(parseId(id)));
    const link = answer.headers.get('link');
    return Response.json(list, { headers: link === null ? {} : { link } });
  };

  /** Where a request is for; undefined for what a GitHub Enterprise has not. */
  const placeOf = (whole: string): { below: Below; path: string } | undefined => {
    const [plain = ''] = whole.split('?', 1);
    if (plain === GRAPHQL_PATH) return { below: 'graphql', path: '/graphql' };
    if (plain.startsWith(`${UPLOADS_PATH}/`)) return { below: 'uploads', path: whole.slice(UPLOADS_PATH.length) };
    if (!plain.startsWith(`${API_PATH}/`)) return undefined;
    const path = whole.slice(API_PATH.length);
    // GitHub.com has it there.
    return understood(path) === '/graphql' ? { below: 'graphql', path } : { below: 'api', path };
  };

  return async (request) => {
    const place = placeOf(request.path);
    if (place === undefined) return refusal(404, 'Not Found');
    const speaker = await speakerOf(request.headers.get('authorization'));
    if ('refused' in speaker) return refusal(401, speaker.refused);
    const { below, path } = place;
    const plain = understood(path);
    if (plain === undefined) return refusal(400, 'The address cannot be understood.');
    if (below === 'uploads' && (request.method !== 'POST' || !ASSETS.test(plain))) return refusal(404, 'Not Found');
    // The App's own requests want the App's own key: an installation does not make tokens for itself.
    if (!('app' in speaker) && /^\/app(?:\/|$)/i.test(plain))
      return refusal(401, 'A JSON web token could not be decoded');
    if (!('app' in speaker) && request.method === 'DELETE' && OWN_TOKEN.test(plain)) {
      // The one that the app was given, and not the forge's: that one serves others too.
      o.tokens.revoke(tokenIn(request.headers.get('authorization')) ?? '');
      return new Response(null, { status: 204 });
    }
    try {
      if ('app' in speaker && below === 'api') return await asApp(request, path, plain);
      return await pass(speaker, request, path, below);
    } catch (error) {
      if (error instanceof ForgewayError) return refusal(error.status, error.message);
      if (error instanceof RouteFailure) return Response.json(failureBody(error), { status: error.status });
      throw error;
    }
  };
}
