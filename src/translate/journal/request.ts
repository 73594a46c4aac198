/** What a request of an app is to the journal: whether it writes, what it is known by, and how safely it may be repeated. */
import { createHash } from 'node:crypto';
import type { JsonObject } from '../../forges/forge.js';
import { idempotentMutations, writeRoutes } from '../../forges/github/write-routes.js';
import type { RetrySafety, RouteTable } from '../../forges/kit/route.js';
import { bodyOf, createMatcher, type Matched } from '../../forges/kit/router.js';
import type { Credential } from '../credential.js';
import { installationRoutes } from '../installation-routes.js';
import { routeShape } from '../route-shape.js';
import type { WriteSafety } from './statements.js';

/** A request in GitHub's language. */
export interface AppRequest {
  method: string;
  url: URL;
  body: RequestInit['body'];
}

export interface Write {
  /** GitHub's route string; of what has none, the method and the shape of its path. */
  route: string;
  params: Readonly<Record<string, string>>;
  /** Below the API's base, with its query. */
  path: string;
  query: URLSearchParams;
  safety: WriteSafety;
  /** What was sent; {} when it is no JSON. */
  sent: JsonObject;
  hash: Buffer;
  /** The number of mutations in a document of GraphQL; undefined for REST. */
  mutations?: number;
}

/** Their answers are credentials, or they are no writes that anybody sees. */
const TOKENS = /\/access_tokens$/;
const UPLOADS = /^\/api\/uploads(?=\/)/;
const GRAPHQL = /\/graphql$/;
/** They say when a run of the handler was, and not what it wanted. */
const TIMES: ReadonlySet<string> = new Set(['started_at', 'completed_at']);

type Row = { retry: RetrySafety };
type Match = (method: string, path: string) => Matched<Row> | undefined;

const asRows = (table: Readonly<Record<string, RetrySafety>>): Readonly<Record<string, Row>> =>
  Object.fromEntries(Object.entries(table).map(([key, retry]) => [key, { retry }]));

export function createWriteReader(): (credential: Credential, request: AppRequest) => Promise<Write | undefined> {
  const own = createMatcher<Row>(asRows(writeRoutes));
  const ours = createMatcher<Row>(installationRoutes as unknown as Readonly<Record<string, Row>>);
  const known = new Map<RouteTable, Match>();
  const matcherOf = (table: RouteTable): Match => {
    const match = known.get(table) ?? createMatcher<Row>(table as unknown as Readonly<Record<string, Row>>);
    known.set(table, match);
    return match;
  };

  return async (credential, { method, url, body }) => {
    if (method === 'GET' || method === 'HEAD') return undefined;
    const base = new URL(credential.baseUrl).pathname.replace(/\/$/, '');
    const below = url.pathname.startsWith(`${base}/`) ? url.pathname.slice(base.length) : url.pathname;
    const pathname = below.replace(UPLOADS, '');
    if (TOKENS.test(pathname)) return undefined;
    const text = typeof body === 'string' ? body : undefined;
    const write = (facts: Pick<Write, 'route' | 'params' | 'safety' | 'mutations'>): Write => ({
      ...facts,
      path: pathname + url.search,
      query: url.searchParams,
      sent: text === undefined ? {} : objectIn(text),
      hash: hashOf(credential, method, url, body),
    });
    if (GRAPHQL.test(pathname)) {
      const names = await mutationsIn(text);
      if (names.length === 0) return undefined;
      const safety = names.every((name) => idempotentMutations.has(name)) ? 'idempotent' : 'unsafe';
      return write({ route: `mutation ${names.join(' ')}`, params: {}, safety, mutations: names.length });
    }
    const table = credential.connection?.forge.routes;
    const found =
      table === undefined ? own(method, pathname) : (ours(method, pathname) ?? matcherOf(table)(method, pathname));
    const retry = found?.row.retry ?? 'unsafe';
    const route = found?.key ?? `${method} ${routeShape(pathname)}`;
    // A body that cannot be read twice cannot be recognised: nothing tells this write from another to the same address.
    const safety = retry === 'read' ? 'unsafe' : isReadable(body) ? retry : 'unsafe';
    return write({ route, params: found?.params ?? {}, safety });
  };
}

function objectIn(text: string): JsonObject {
  try {
    return bodyOf(text);
  } catch {
    // No JSON: the forge will say so.
    return {};
  }
}

const isReadable = (body: RequestInit['body']): boolean =>
  body === undefined || body === null || typeof body === 'string' || bytesOf(body) !== undefined;

function bytesOf(body: RequestInit['body']): Uint8Array | undefined {
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  return ArrayBuffer.isView(body) ? new Uint8Array(body.buffer, body.byteOffset, body.byteLength) : undefined;
}

/** Who asks, what, and with which body. */
function hashOf(credential: Credential, method: string, url: URL, body: RequestInit['body']): Buffer {
  const hash = createHash('sha256').update(JSON.stringify([credential.name, method, url.href]));
  if (typeof body === 'string') hash.update(withoutTimes(body));
  else hash.update(bytesOf(body) ?? '');
  return hash.digest();
}

/** The body without the time it is, which would make every run of a handler another one. */
function withoutTimes(text: string): string {
  if (![...TIMES].some((name) => text.includes(name))) return text;
  try {
    return JSON.stringify(JSON.parse(text), (key, value: unknown) => (TIMES.has(key) ? undefined : value));
  } catch {
    return text;
  }
}

/** Names of the mutations that a document runs; none when it only asks, or cannot be read. */
async function mutationsIn(text: string | undefined): Promise<string[]> {
  if (text === undefined || !text.includes('mutation')) return [];
  const { query, operationName } = objectIn(text);
  if (typeof query !== 'string') return [];
  const { parse } = await import('graphql');
  try {
    const operations = parse(query).definitions.flatMap((one) => (one.kind === 'OperationDefinition' ? [one] : []));
    const chosen = operations.find(({ name }) => name?.value === operationName) ?? operations[0];
    if (chosen?.operation !== 'mutation') return [];
    return chosen.selectionSet.selections.map((one) => (one.kind === 'Field' ? one.name.value : '?'));
  } catch {
    // The forge refuses what cannot be parsed; should it not, nothing is known of it.
    return ['?'];
  }
}
