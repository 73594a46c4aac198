/** Finds the row of a route table for a request as Octokit sends it, runs it, and answers as GitHub would. */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../forge.js';
import { formerRoutes } from './former-routes.js';
import { parseJson } from './json-body.js';
import { withUtcTimes } from './moments.js';
import { reservedRoutes } from './reserved-routes.js';
import { type MediaType, type Route, type RouteAnswer, RouteFailure, type RouteTable } from './route.js';

export interface RoutedRequest {
  method: string;
  /** Below the virtual base, encoded, with its query. */
  path: string;
  headers: Headers;
  /** As sent; undefined or '' when there is none. */
  body: string | Buffer | undefined;
}

export interface Match<C> {
  /** GitHub's route string. */
  key: string;
  route: Route<C>;
  params: Readonly<Record<string, string>>;
}

interface Pattern<R> {
  key: string;
  method: string;
  segments: readonly string[];
  row: R;
}

/** These hold slashes, which apps that write paths by hand do not encode. They take the rest of a path they end. */
const GREEDY: ReadonlySet<string> = new Set(['{path}', '{ref}', '{basehead}', '{branch}', '{tag}', '{name}']);
const DEFAULT_PER_PAGE = 30;
const MOST_PER_PAGE = 100;
const DOCUMENTATION = 'https://docs.github.com/rest';

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new RouteFailure(400, 'The path is not encoded well.');
  }
}

/** The parameters when the pattern fits, else undefined. */
function bind(
  pattern: { segments: readonly string[] },
  segments: readonly string[],
): Record<string, string> | undefined {
  const { length } = pattern.segments;
  const greedy = segments.length > length && GREEDY.has(pattern.segments[length - 1] ?? '');
  // `contents` without a path is the root folder.
  const root = segments.length === length - 1 && pattern.segments[length - 1] === '{path}';
  if (segments.length !== length && !greedy && !root) return undefined;
  const params: Record<string, string> = {};
  for (const [at, wanted] of pattern.segments.entries()) {
    const given = segments[at] ?? '';
    if (!wanted.startsWith('{')) {
      if (wanted !== given) return undefined;
    } else {
      const rest = greedy && at === length - 1;
      params[wanted.slice(1, -1)] = rest ? segments.slice(at).map(decode).join('/') : decode(given);
    }
  }
  return params;
}

export interface Router<C> {
  match(method: string, path: string): Match<C> | undefined;
}

/** @throws TypeError for a key that is no route string */
export function createRouter<C>(table: RouteTable<C>): Router<C> {
  const taken = Object.fromEntries(reservedRoutes.map((key) => [key, undefined]));
  const find = createMatcher<Route<C> | undefined>({ ...taken, ...formerRoutes(table), ...table });
  return {
    match(method, path) {
      const found = find(method, path);
      return found?.row && { key: found.key, route: found.row, params: found.params };
    },
  };
}

export interface Matched<R> {
  /** GitHub's route string. */
  key: string;
  row: R;
  params: Readonly<Record<string, string>>;
}

/** Finds the entry of any table that is keyed by route strings. @throws TypeError for a key that is no route string */
export function createMatcher<R>(
  table: Readonly<Record<string, R>>,
): (method: string, path: string) => Matched<R> | undefined {
  const patterns = Object.entries(table).map(([key, row]): Pattern<R> => {
    const [, method, path] = /^(GET|POST|PUT|PATCH|DELETE) (\/\S*)$/.exec(key) ?? [];
    if (method === undefined || path === undefined) throw new TypeError(`"${key}" is no route.`);
    return { key, method, row, segments: path.split('/').slice(1) };
  });
  const fixed = ({ segments }: Pattern<R>) => segments.filter((segment) => !segment.startsWith('{')).length;
  // Words before names: `/branches/{branch}/protection` is no branch called "x/protection".
  patterns.sort((a, b) => fixed(b) - fixed(a) || b.segments.length - a.segments.length);
  return (method, path) => {
    const segments = path
      .replace(/\?.*$/s, '')
      .replace(/(?<!\/)\/+$/, '')
      .split('/')
      .slice(1);
    const wanted = method === 'HEAD' ? 'GET' : method;
    for (const pattern of patterns) {
      if (pattern.method !== wanted) continue;
      const params = bind(pattern, segments);
      if (params !== undefined) return { key: pattern.key, row: pattern.row, params };
    }
    return undefined;
  };
}

const MEDIA: readonly MediaType[] = ['raw', 'diff', 'patch', 'html', 'text', 'full', 'sha', 'object', 'repository'];

/** What `application/vnd.github.v3.raw+json` and its like ask for. */
export function mediaOf(accept: string | null): MediaType {
  if (accept?.trim().toLowerCase() === 'application/octet-stream') return 'file';
  const words = (accept ?? '').toLowerCase().split(/[^a-z0-9]+/);
  return MEDIA.find((media) => words.includes(media) && (accept ?? '').includes('vnd.github')) ?? 'json';
}

function numberIn(query: Readonly<Record<string, string>>, name: string, fallback: number, most: number): number {
  const value = Number(query[name] ?? fallback);
  return Number.isSafeInteger(value) && value > 0 ? Math.min(value, most) : fallback;
}

/** The JSON object in a body; {} for none. @throws RouteFailure 400 */
export function bodyOf(sent: string | Buffer | undefined): JsonObject {
  const text = sent?.toString();
  if (text === undefined || text === '') return {};
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw new RouteFailure(400, 'Problems parsing JSON');
  }
  // Only the routes of labels take a bare list in place of the object that GitHub documents now.
  if (Array.isArray(value)) return { labels: value };
  if (typeof value !== 'object' || value === null) throw new RouteFailure(400, 'Body should be a JSON object');
  return value as JsonObject;
}

/** Runs a matched row. @throws RouteFailure, and whatever the row throws */
export async function runRoute<C>(
  { route, params }: Match<C>,
  request: RoutedRequest,
  context: C,
): Promise<RouteAnswer> {
  const query = withUtcTimes(Object.fromEntries(new URLSearchParams(request.path.split('?', 2)[1] ?? '')));
  return route.run(
    {
      params,
      query,
      ...(route.takesFile
        ? {
            body: {},
            file: {
              type: request.headers.get('content-type') ?? 'application/octet-stream',
              bytes: Buffer.from(request.body ?? ''),
            },
          }
        : { body: bodyOf(request.body) }),
      media: mediaOf(request.headers.get('accept')),
      page: numberIn(query, 'page', 1, 1_000_000),
      perPage: numberIn(query, 'per_page', DEFAULT_PER_PAGE, MOST_PER_PAGE),
    },
    context,
  );
}

function linkHeader(url: URL, pages: NonNullable<RouteAnswer['pages']>): string {
  const page = numberIn(Object.fromEntries(url.searchParams), 'page', 1, 1_000_000);
  const at = (number: number) => {
    const other = new URL(url);
    other.searchParams.set('page', String(number));
    return other.href;
  };
  const links: string[] = [];
  if (page > 1) links.push(`<${at(1)}>; rel="first"`, `<${at(page - 1)}>; rel="prev"`);
  if (pages.next) links.push(`<${at(page + 1)}>; rel="next"`);
  if (pages.next && pages.last !== undefined) links.push(`<${at(pages.last)}>; rel="last"`);
  return links.join(', ');
}

/** What is longer is a file or an archive, which nobody asks for twice to see whether it changed. */
const MOST_TAGGED = 1024 * 1024;

/** A weak one, as GitHub's: it says that the answer is worth the same. */
const etagOf = (type: string, body: string | Uint8Array): string =>
  `W/"${createHash('sha256').update(type).update('\n').update(body).digest('hex')}"`;

const isKnown = (etag: string, ifNoneMatch: string): boolean =>
  ifNoneMatch.split(',').some((one) => one.trim().replace(/^(?!W\/)/, 'W/') === etag);

/**
 * The answer as GitHub sends it: with an ETag, and as 304 where the caller knows it already.
 * @param url the whole address that was asked for, on the virtual base
 * @param ifNoneMatch the header of the request
 */
export function toResponse(answer: RouteAnswer, url: URL, method: string, ifNoneMatch: string | null = null): Response {
  const headers = new Headers(answer.headers);
  const link = answer.pages === undefined ? '' : linkHeader(url, answer.pages);
  if (link !== '') headers.set('link', link);
  let status = answer.status ?? 200;
  let body: string | Uint8Array | null = null;
  if (answer.body !== undefined) {
    headers.set('content-type', answer.body.contentType);
    body = typeof answer.body.bytes === 'string' ? answer.body.bytes : new Uint8Array(answer.body.bytes);
  } else if (answer.data !== undefined) {
    headers.set('content-type', 'application/json; charset=utf-8');
    body = JSON.stringify(answer.data);
  }
  if (method === 'GET' && status === 200 && body !== null && body.length <= MOST_TAGGED) {
    const etag = etagOf(headers.get('content-type') ?? '', body);
    headers.set('etag', etag);
    if (ifNoneMatch !== null && isKnown(etag, ifNoneMatch)) status = 304;
  }
  const empty = method === 'HEAD' || status === 204 || status === 205 || status === 304;
  const response = new Response(empty ? null : body, { status, headers });
  // Octokit's pagination reads it, and a Response that was made by hand has none.
  Object.defineProperty(response, 'url', { value: url.href });
  return response;
}

/** What GitHub says, whatever the reason. */
const WORDS: ReadonlyMap<number, string> = new Map([
  [401, 'Bad credentials'],
  [403, 'Resource not accessible by integration'],
  [404, 'Not Found'],
  [422, 'Validation Failed'],
]);

/** A 403 may ask to wait, and says so in words that are looked for. */
const isLimit = ({ headers }: RouteFailure): boolean =>
  headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0';

/** The body of a failure as GitHub words it; what the forge said itself stands in `forge_message`. */
export function failureBody(failure: RouteFailure): JsonObject {
  const { status, message } = failure;
  const words = failure.inForgesWords && !isLimit(failure) ? WORDS.get(status) : undefined;
  const errors = failure.errors ?? (words !== undefined && status === 422 ? [{ code: 'custom', message }] : undefined);
  return {
    message: words ?? message,
    ...(errors && { errors }),
    documentation_url: DOCUMENTATION,
    status: String(status),
    ...(words !== undefined && { forge_message: message }),
  };
}

/** A failure as GitHub answers it. */
export const failureResponse = (failure: RouteFailure, url: URL): Response =>
  toResponse({ status: failure.status, data: failureBody(failure), headers: failure.headers }, url, 'GET');

/** Fills a route string: path parameters into the path, the rest into query or body. For requests of our own. */
export function expandRoute(
  route: string,
  parameters: Readonly<Record<string, unknown>>,
): { method: string; path: string; body: string | undefined } {
  const [method = 'GET', template = '/'] = route.split(' ', 2);
  const used = new Set<string>();
  const path = template.replace(/\{(\w+)\}/g, (_whole, name: string) => {
    used.add(name);
    return encodeURIComponent(String(parameters[name] ?? ''));
  });
  const rest = Object.entries(parameters).filter(([name, value]) => !used.has(name) && value !== undefined);
  if (method !== 'GET' && method !== 'HEAD')
    return { method, path, body: rest.length === 0 ? undefined : JSON.stringify(Object.fromEntries(rest)) };
  const query = new URLSearchParams(Object.fromEntries(rest.map(([name, value]) => [name, String(value)])));
  return { method, path: rest.length === 0 ? path : `${path}?${query}`, body: undefined };
}
