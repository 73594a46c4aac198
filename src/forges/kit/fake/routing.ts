/**
 * A forge's API for the fakes: routes that are declared and checked. A request that the forge would not understand is
 * answered as the forge answers it and remembered, so that a test can demand that there was none.
 */
import type { z } from 'zod';
import { bodyOf, problemIn, queryOf } from './request-check.js';
import { matchRoute, type PathPattern, pathPattern, sortBySpecificity } from './route-path.js';

export interface FakeRequest {
  method: string;
  /** As it was sent, still encoded, below the API's prefix. */
  path: string;
  /** Decoded once. */
  params: Record<string, string>;
  query: URLSearchParams;
  /** What the route's schema made of it: JSON or a form's fields; bytes of anything else; undefined when there is none. */
  body: unknown;
  headers: Headers;
  raw: Buffer;
  /** What `authenticate` answered; undefined on open routes that were asked without a token. */
  user: unknown;
}

export interface FakeAnswer {
  /** 200 unless said otherwise. */
  status?: number;
  json?: unknown;
  body?: string | Buffer;
  contentType?: string;
  headers?: Record<string, string>;
}

export interface FakeRoute {
  method: string;
  /** `/projects/:id/issues/:iid`; `:index.:type` splits a segment, and `*rest` takes the rest of the path. */
  path: string;
  /** The forge's own documentation page, such as `issues: GET /projects/:id/issues/:issue_iid`. */
  source: string;
  /** Of the query as an object of strings; a name that comes twice or ends in `[]` is a list. Without it none is allowed. */
  query?: z.ZodType;
  /** Without it no body is allowed. */
  body?: z.ZodType;
  /** The body is a file: its bytes are taken as they are, whatever type they have. */
  file?: boolean;
  /** May be asked without a token. */
  open?: boolean;
  run(request: FakeRequest): Promise<FakeAnswer> | FakeAnswer;
}

export interface FakeApiOptions {
  /** `/api/v4` */
  prefix: string;
  /** The path of the route that answers an address which is not below the prefix. */
  beside?(pathname: string): string | undefined;
  /** Another prefix below which the same routes are. */
  alsoBelow?: string;
  routes: readonly FakeRoute[];
  /** Whom the token belongs to; undefined refuses. */
  authenticate(headers: Headers): unknown | undefined;
  unauthorized: FakeAnswer;
  notFound: FakeAnswer;
  badRequest(message: string): FakeAnswer;
  /** Whether the forge has such a route although the double does not play it: then that is said, and not that it has none. */
  isReal?(method: string, path: string): boolean;
}

/** End of what is remembered of a request that the forge would have understood, and its double does not. */
export const NOT_PLAYED = 'the forge has this route, and its double does not play it';

export interface FakeApi {
  /** Path below which its routes are, such as `/api/v4`. */
  readonly prefix: string;
  /** Rejects as `fetch` does, with {@link AnswerLost}, after `failNext(…, 'lost')`. */
  handle(request: Request): Promise<Response>;
  /** What no real forge would have been asked, and what broke in the fake. */
  readonly violations: readonly string[];
  readonly log: readonly { method: string; path: string; status: number }[];
  /** Routes that were asked, as `GET /projects/:id`. */
  readonly used: ReadonlySet<string>;
  /** The route that answers a path below the prefix, as `GET /projects/:id`; undefined when there is none. */
  routeOf(method: string, path: string): string | undefined;
  /**
   * The next request that matches gets this answer and does nothing; with 'lost' it does everything and its answer never
   * arrives. `pathPattern` is tested on the path below the prefix. Calls add up.
   */
  failNext(method: string, pathPattern: RegExp, answer: FakeAnswer | 'lost'): void;
}

/** Thrown by a route to give up with an answer. */
export class FakeRefusal extends Error {
  override readonly name = 'FakeRefusal';
  readonly answer: FakeAnswer;

  constructor(answer: FakeAnswer) {
    super(`Refused with ${answer.status ?? 200}.`);
    this.answer = answer;
  }
}

/** The connection broke after the request was carried out: the same as what `fetch` throws then. */
export class AnswerLost extends TypeError {
  constructor() {
    super('fetch failed', { cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }) });
  }
}

interface PlannedFailure {
  method: string;
  pathPattern: RegExp;
  answer: FakeAnswer | 'lost';
}

interface CompiledRoute {
  route: FakeRoute;
  key: string;
  pattern: PathPattern;
}

/** @throws TypeError when two routes are the same */
export function createFakeApi(options: FakeApiOptions): FakeApi {
  const { prefix, authenticate, badRequest } = options;
  const routes: readonly CompiledRoute[] = sortBySpecificity(
    options.routes.map((route) => ({ route, key: `${route.method} ${route.path}`, pattern: pathPattern(route.path) })),
  );
  const keys = routes.map(({ key }) => key);
  const twice = keys.find((key, at) => keys.indexOf(key) !== at);
  if (twice !== undefined) throw new TypeError(`The route ${twice} is there twice.`);
  const violations: string[] = [];
  const log: { method: string; path: string; status: number }[] = [];
  const used = new Set<string>();
  const planned: PlannedFailure[] = [];

  function violated(what: string, answer: FakeAnswer): FakeAnswer {
    violations.push(what);
    return answer;
  }

  const methodOf = (method: string): string => (method === 'HEAD' ? 'GET' : method);
  const match = (method: string, path: string) =>
    matchRoute(routes, path, ({ route }) => route.method === methodOf(method));

  async function answerTo(request: Request, path: string, query: URLSearchParams): Promise<FakeAnswer> {
    const asked = `${request.method} ${path}`;
    const method = methodOf(request.method);
    const found = match(request.method, path);
    if (found === undefined) {
      const isReal = options.isReal?.(method, path) === true;
      return violated(`${asked}: ${isReal ? NOT_PLAYED : 'there is no such route'}`, options.notFound);
    }
    const { entry, params } = found;
    used.add(entry.key);
    const user = authenticate(request.headers);
    if (user === undefined && entry.route.open !== true) return options.unauthorized;
    const raw = Buffer.from(await request.arrayBuffer());
    const body = entry.route.file ? { value: raw } : bodyOf(request.headers.get('content-type') ?? '', raw);
    const problem =
      problemIn('query', entry.route.query, queryOf(query)) ??
      ('invalid' in body ? body.invalid : problemIn('body', entry.route.body, body.value));
    if (problem !== undefined) return violated(`${asked}: ${problem}`, badRequest(problem));
    const value = 'value' in body ? entry.route.body?.parse(body.value ?? {}) : undefined;
    return entry.route.run({ method, path, params, query, body: value, headers: request.headers, raw, user });
  }

  async function safely(request: Request, path: string, query: URLSearchParams): Promise<FakeAnswer> {
    try {
      return await answerTo(request, path, query);
    } catch (error) {
      if (error instanceof FakeRefusal) return error.answer;
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return violated(`${request.method} ${path}: the fake broke: ${what}`, {
        status: 500,
        json: { message: 'Broken' },
      });
    }
  }

  return {
    prefix,
    violations,
    log,
    used,
    routeOf: (method, path) => match(method, path)?.entry.key,
    failNext: (method, pattern, answer) => void planned.push({ method, pathPattern: pattern, answer }),
    handle: async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      const root = [prefix, options.alsoBelow].find((one) => one !== undefined && pathname.startsWith(`${one}/`));
      const below = root === undefined ? options.beside?.(pathname) : pathname.slice(root.length);
      const at = planned.findIndex((one) => one.method === request.method && one.pathPattern.test(below ?? pathname));
      const failure = at < 0 ? undefined : planned.splice(at, 1)[0]?.answer;
      const answer =
        failure !== undefined && failure !== 'lost'
          ? failure
          : below === undefined
            ? violated(`${request.method} ${pathname}: not below ${prefix}`, options.notFound)
            : await safely(request, below, searchParams);
      log.push({
        method: request.method,
        path: below ?? pathname,
        status: failure === 'lost' ? 0 : (answer.status ?? 200),
      });
      if (failure === 'lost') throw new AnswerLost();
      return toResponse(answer, request.method);
    },
  };
}

function toResponse({ status = 200, json, body, contentType, headers }: FakeAnswer, method: string): Response {
  const content = body ?? (json === undefined ? undefined : JSON.stringify(json));
  const type = contentType ?? (body === undefined ? 'application/json' : 'text/plain; charset=utf-8');
  const empty = content === undefined || method === 'HEAD' || status === 204 || status === 304;
  return new Response(empty ? null : content, {
    status,
    headers: { ...(content !== undefined && { 'content-type': type }), ...headers },
  });
}
