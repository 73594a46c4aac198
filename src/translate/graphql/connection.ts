/**
 * GraphQL's connections over GitHub's pages. A cursor names an item by its page, since that is how the next one is asked
 * for; `pageInfo` and `totalCount` cost requests only when a query selects them.
 */
import type { JsonObject } from '../../forges/forge.js';
import { GraphqlFailure } from './failures.js';
import type { Listing } from './listing.js';

export interface ConnectionArgs {
  first?: number | null;
  after?: string | null;
  last?: number | null;
  before?: string | null;
}

/** GitHub's limit of a connection. */
const MOST = 100;
/** Forges give at least this many a page, whatever their administrator set; asking for more could look like the end. */
const PER_PAGE = 50;
/** Longest list that is counted item by item, and that is read whole for its end. */
const MOST_COUNTED = 10_000;
const MOST_READ = 1_000;

interface Cursor {
  /** `f` counts from the first item, `l` from the last one. */
  direction: 'f' | 'l';
  perPage: number;
  page: number;
  /** Within the page, from 0. */
  index: number;
  /** Items in all, when they were counted before. */
  total?: number;
}

interface Positioned extends Cursor {
  item: JsonObject;
}

function cursorText({ direction, perPage, page, index }: Cursor, total: number | undefined): string {
  const parts = ['forgeway', direction, perPage, page, index, ...(total === undefined ? [] : [total])];
  return Buffer.from(parts.join(':')).toString('base64');
}

function readCursor(argument: string, cursor: string): Cursor {
  const match = /^forgeway:([fl]):(\d{1,3}):(\d{1,7}):(\d{1,3})(?::(\d{1,9}))?$/.exec(
    Buffer.from(cursor, 'base64').toString('latin1'),
  );
  const [perPage = 0, page = 0, index = 0] = (match ?? []).slice(2, 5).map(Number);
  if (match === null || perPage < 1 || perPage > PER_PAGE || page < 1 || index >= perPage)
    throw new GraphqlFailure(
      'INVALID_CURSOR_ARGUMENTS',
      `\`${cursor.slice(0, 100)}\` does not appear to be a valid cursor for \`${argument}\`.`,
    );
  const total = match[5] === undefined ? {} : { total: Number(match[5]) };
  return { direction: match[1] === 'l' ? 'l' : 'f', perPage, page, index, ...total };
}

async function* itemsAfter(listing: Listing, start: Cursor): AsyncGenerator<Positioned> {
  const { direction, perPage } = start;
  for (let { page, index } = start; ; page += 1, index = -1) {
    const items = await listing.page(page, perPage);
    for (let at = index + 1; at < items.length; at += 1) {
      const item = items[at];
      if (item !== undefined && (listing.keep?.(item) ?? true)) yield { direction, perPage, page, index: at, item };
    }
    if (items.length < perPage) return;
  }
}

interface Slice {
  items: readonly Positioned[];
  hasNext: () => boolean | Promise<boolean>;
  hasPrevious: () => boolean | Promise<boolean>;
}

/** `count` items in the direction of the listing, after a cursor. */
async function take(listing: Listing, count: number, after: Cursor | undefined, direction: 'f' | 'l'): Promise<Slice> {
  const perPage = after?.perPage ?? Math.max(1, Math.min(count, PER_PAGE));
  const items: Positioned[] = [];
  const rest = itemsAfter(listing, after ?? { direction, perPage, page: 1, index: -1 });
  while (items.length < count) {
    const next = await rest.next();
    if (next.done) return { items, hasNext: () => false, hasPrevious: () => after !== undefined };
    items.push(next.value);
  }
  const more = once(async () => !(await rest.next()).done);
  return { items, hasNext: more, hasPrevious: () => after !== undefined };
}

const tooLong = (what: string, most: number): GraphqlFailure =>
  new GraphqlFailure('RESOURCE_LIMITS_EXCEEDED', `This list has more than ${most} items, too many to ${what}.`);

const isBefore = (a: Cursor, b: Cursor): boolean => a.page < b.page || (a.page === b.page && a.index < b.index);

/** The last items where the route cannot turn its list round: near a known end, else by reading all. */
async function takeLast(listing: Listing, count: number, before: Cursor | undefined): Promise<Slice> {
  const perPage = before?.perPage ?? PER_PAGE;
  const total = before === undefined && listing.keep === undefined ? await listing.total?.() : undefined;
  const begin = Math.max(0, (total ?? 0) - count);
  const found: Positioned[] = [];
  const start: Cursor = {
    direction: 'f',
    perPage,
    page: Math.floor(begin / perPage) + 1,
    index: (begin % perPage) - 1,
  };
  for await (const one of itemsAfter(listing, start)) {
    if (before !== undefined && !isBefore(one, before)) break;
    found.push(one);
    if (found.length > Math.max(MOST_READ, count)) throw tooLong('read from their end', MOST_READ);
  }
  return {
    items: count === 0 ? [] : found.slice(-count),
    hasNext: () => before !== undefined,
    hasPrevious: () => begin > 0 || found.length > count,
  };
}

/** Runs once, at the first call. */
function once<T>(run: () => Promise<T>): () => Promise<T> {
  const done: Promise<T>[] = [];
  return () => {
    const known = done[0] ?? run();
    done[0] = known;
    return known;
  };
}

async function countAll(listing: Listing): Promise<number> {
  const told = listing.keep === undefined ? await listing.total?.() : undefined;
  if (told !== undefined) return told;
  const found = { seen: 0, kept: 0 };
  for (let page = 1; found.seen < MOST_COUNTED; page += 1) {
    const items = await listing.page(page, PER_PAGE);
    found.seen += items.length;
    found.kept += listing.keep === undefined ? items.length : items.filter(listing.keep).length;
    if (items.length < PER_PAGE) return found.kept;
  }
  throw tooLong('count', MOST_COUNTED);
}

function checkBounds(name: string, args: ConnectionArgs): void {
  if (typeof args.first === 'number' && typeof args.last === 'number')
    throw new GraphqlFailure(
      'BAD_USER_INPUT',
      `Passing both \`first\` and \`last\` to paginate the \`${name}\` connection is not supported.`,
    );
  for (const argument of ['first', 'last'] as const) {
    const value = args[argument];
    if (typeof value === 'number' && value < 0)
      throw new GraphqlFailure('BAD_USER_INPUT', `\`${argument}\` of \`${name}\` cannot be less than zero.`);
    if (typeof value === 'number' && value > MOST)
      throw new GraphqlFailure(
        'EXCESSIVE_PAGINATION',
        `Requesting ${value} records on the \`${name}\` connection exceeds the \`${argument}\` limit of ${MOST} records.`,
      );
  }
}

/**
 * A connection's value for graphql-js: its fields are functions, so that only what is selected is asked for. Without
 * `first` and `last` it has the first 100 items, which GitHub allows in some places.
 * @throws GraphqlFailure for bounds or cursors that cannot be
 */
export function connection<T>(name: string, args: ConnectionArgs, listing: Listing, node: (item: JsonObject) => T) {
  checkBounds(name, args);
  const after = typeof args.after === 'string' ? readCursor('after', args.after) : undefined;
  const before = typeof args.before === 'string' ? readCursor('before', args.before) : undefined;
  const backward = typeof args.last === 'number' || before !== undefined;
  const wrongWay = after?.direction === 'l' || (before?.direction === 'l' && listing.reversed === undefined);
  if (wrongWay || (before !== undefined && after !== undefined))
    throw new GraphqlFailure('INVALID_CURSOR_ARGUMENTS', `\`${name}\` can be walked in one direction at a time.`);

  const slice = once(async (): Promise<Slice> => {
    if (!backward) return take(listing, args.first ?? MOST, after, 'f');
    const count = args.last ?? MOST;
    if (listing.reversed === undefined || before?.direction === 'f') return takeLast(listing, count, before);
    const turned = await take(listing.reversed, count, before, 'l');
    return { items: turned.items.toReversed(), hasNext: turned.hasPrevious, hasPrevious: turned.hasNext };
  });
  const counted: Promise<number>[] = [];
  const total = (): Promise<number> => {
    const known = (after ?? before)?.total;
    const count = counted[0] ?? (known === undefined ? countAll(listing) : Promise.resolve(known));
    counted[0] = count;
    return count;
  };
  // A count that a query pays for travels in its cursors, so that the next page need not count again.
  const cursorOf = async (at: Positioned | undefined) =>
    at === undefined ? null : cursorText(at, counted[0] === undefined ? (after ?? before)?.total : await counted[0]);

  return {
    nodes: async () => (await slice()).items.map(({ item }) => node(item)),
    edges: async () =>
      (await slice()).items.map((at) => ({ cursor: () => cursorOf(at), node: node(at.item), item: at.item })),
    pageInfo: {
      hasNextPage: async () => (await slice()).hasNext(),
      hasPreviousPage: async () => (await slice()).hasPrevious(),
      startCursor: async () => cursorOf((await slice()).items.at(0)),
      endCursor: async () => cursorOf((await slice()).items.at(-1)),
    },
    totalCount: total,
  };
}
