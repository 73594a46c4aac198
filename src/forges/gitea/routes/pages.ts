/**
 * Pages. GitHub's have up to 100 items and the forge's have up to 50, or fewer where its administrator says so, and a
 * server gives fewer items than were asked for without a word.
 */
import type { NativeRequest } from '../../kit/native-client.js';
import { type RouteAnswer, type RouteContext, RouteFailure, type RouteRequest } from '../../kit/route.js';
import { listOf } from './native.js';

/** `MAX_RESPONSE_ITEMS` of a server whose administrator changed nothing. */
export const USUAL_CAP = 50;
/** Nobody reads more; a server that never stops is stopped here. */
const MOST_PAGES = 200;

type Query = NonNullable<NativeRequest['query']>;

interface NativePage {
  items: readonly unknown[];
  /** `x-total-count`; undefined where the server does not tell. */
  total: number | undefined;
  /** Number of the last page as the server counts them; it says so on every page but the last. */
  last: number | undefined;
}

const wholeNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

async function nativePage(
  context: RouteContext,
  path: string,
  query: Query,
  page: number,
  limit: number,
): Promise<NativePage> {
  const { data, headers } = await context.native.send('GET', path, { query: { ...query, page, limit } });
  const last = /[?&]page=(\d+)[^>]*>;\s*rel="last"/.exec(headers.get('link') ?? '')?.[1];
  return {
    items: listOf(data),
    total: wholeNumber(headers.get('x-total-count') ?? undefined),
    last: wholeNumber(last),
  };
}

/** Whether this is not the page that was asked for, as the server's pages are smaller. */
function looksCut({ items, total, last }: NativePage, page: number, limit: number): boolean {
  if (total === undefined) return false;
  const expected = Math.max(0, Math.min(limit, total - (page - 1) * limit));
  return items.length !== expected || (last !== undefined && last !== Math.ceil(total / limit));
}

/** The server's cap when it is lower than `limit`, found out by its first page. */
async function lowerCap(
  context: RouteContext,
  path: string,
  query: Query,
  got: NativePage,
  page: number,
  limit: number,
): Promise<number | undefined> {
  if (!looksCut(got, page, limit)) return undefined;
  const { items, total } = page === 1 ? got : await nativePage(context, path, query, 1, limit);
  return items.length > 0 && items.length < limit && total !== undefined && total > items.length
    ? items.length
    : undefined;
}

interface Range {
  items: readonly unknown[];
  total: number | undefined;
  /** Whether the last page that was read was full. */
  full: boolean;
}

/** Items `from`..`to` of a list, in native pages of `limit`; a lower number when the server's cap is lower. */
async function range(
  context: RouteContext,
  path: string,
  query: Query,
  from: number,
  to: number,
  limit: number,
): Promise<Range | number> {
  const first = Math.floor(from / limit) + 1;
  const items: unknown[] = [];
  for (let page = first; ; page += 1) {
    const got = await nativePage(context, path, query, page, limit);
    const cap = await lowerCap(context, path, query, got, page, limit);
    if (cap !== undefined) return cap;
    items.push(...got.items);
    const full = got.items.length >= limit;
    if (!full || page * limit >= to) {
      const start = from - (first - 1) * limit;
      return { items: items.slice(start, start + to - from), total: got.total, full };
    }
  }
}

/**
 * One of GitHub's pages of a native list, each item as `convert` makes it. `nativeLimit` is for the few lists that do not
 * listen to `limit` and always come in pages of the server's usual size.
 */
export async function pageOf(
  request: RouteRequest,
  context: RouteContext,
  path: string,
  query: Query,
  convert: (native: unknown) => unknown,
  nativeLimit?: typeof USUAL_CAP,
): Promise<RouteAnswer> {
  const { page, perPage } = request;
  const from = (page - 1) * perPage;
  let limit = nativeLimit ?? Math.min(perPage, USUAL_CAP);
  let got = await range(context, path, query, from, from + perPage, limit);
  while (typeof got === 'number') {
    limit = got;
    got = await range(context, path, query, from, from + perPage, limit);
  }
  const { items, total, full } = got;
  return {
    data: items.map(convert),
    pages:
      total === undefined
        ? { next: full && items.length === perPage }
        : { next: total > from + perPage, last: Math.max(1, Math.ceil(total / perPage)) },
  };
}

/**
 * A whole native list, for what the forge cannot filter, order or count.
 * @throws RouteFailure 502 when it does not end
 */
export async function everything(
  context: RouteContext,
  path: string,
  query: Query = {},
  most = MOST_PAGES * USUAL_CAP,
): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  let limit = USUAL_CAP;
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const got = await nativePage(context, path, query, page, limit);
    if (page === 1) limit = (await lowerCap(context, path, query, got, page, limit)) ?? limit;
    items.push(...got.items);
    if (got.items.length < limit || items.length >= most || items.length === got.total) return items.slice(0, most);
  }
  throw new RouteFailure(502, `The list at ${path} does not end.`);
}

/** How many items a list has, without reading it; undefined when the server does not tell. */
export async function countOf(context: RouteContext, path: string, query: Query = {}): Promise<number | undefined> {
  const { total, items } = await nativePage(context, path, query, 1, 1);
  return total ?? (items.length === 0 ? 0 : undefined);
}

/** One of GitHub's pages of a list that is here as a whole. */
export function pageIn(request: RouteRequest, all: readonly unknown[]): RouteAnswer {
  const from = (request.page - 1) * request.perPage;
  return {
    data: all.slice(from, from + request.perPage),
    pages: { next: all.length > from + request.perPage, last: Math.max(1, Math.ceil(all.length / request.perPage)) },
  };
}
