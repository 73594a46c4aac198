/** Lists behind a connection: pages of a REST route, or what is in hand already. */
import type { JsonObject } from '../../forges/forge.js';
import type { Ask } from './ask.js';
import { GraphqlFailure } from './failures.js';
import { objects } from './rest.js';

export interface Listing {
  /** The items of a page, counted from 1. Fewer than asked for means that there are no more. */
  page(page: number, perPage: number): Promise<readonly JsonObject[]>;
  /** The same items from the end, where the route can turn them round. */
  reversed?: Listing;
  /** How many there are, where that is told more cheaply than by counting. Not read when `keep` is there. */
  total?: () => Promise<number | undefined>;
  /** Which items belong to the connection, where the route cannot tell. */
  keep?: (item: JsonObject) => boolean;
}

/** `items` names the list inside the answer: `check_runs` of `{ total_count, check_runs }`. */
export function routeListing(ask: Ask, route: string, parameters: JsonObject, items?: string): Listing {
  const answer = (page: number, perPage: number) => ask.read(route, { ...parameters, per_page: perPage, page });
  if (items === undefined) return { page: async (page, perPage) => objects(await answer(page, perPage)) };
  const wrapped = async (page: number, perPage: number) => (await answer(page, perPage)) as JsonObject | undefined;
  return {
    page: async (page, perPage) => objects((await wrapped(page, perPage))?.[items]),
    total: async () => {
      const told = (await wrapped(1, 1))?.total_count;
      return typeof told === 'number' ? told : undefined;
    },
  };
}

/** A list that is asked for in one piece, when somebody looks at it. `load` is called more than once. */
export function wholeListing(load: () => Promise<readonly JsonObject[]>): Listing {
  return {
    page: async (page, perPage) => (await load()).slice((page - 1) * perPage, page * perPage),
    total: async () => (await load()).length,
  };
}

/** Longest list that is read whole. */
const MOST_READ = 1_000;

/** Every item, for what has to look at all of them. @throws GraphqlFailure RESOURCE_LIMITS_EXCEEDED above 1,000 */
export async function everyItem(listing: Listing): Promise<readonly JsonObject[]> {
  const perPage = 50;
  const found: JsonObject[] = [];
  for (let page = 1; found.length <= MOST_READ; page += 1) {
    const items = await listing.page(page, perPage);
    found.push(...(listing.keep === undefined ? items : items.filter(listing.keep)));
    if (items.length < perPage) return found;
  }
  throw new GraphqlFailure('RESOURCE_LIMITS_EXCEEDED', `A list of more than ${MOST_READ} items is not read whole.`);
}

/** A list in an order that its route does not know. */
export function ordered(listing: Listing, order: (items: readonly JsonObject[]) => readonly JsonObject[]): Listing {
  return wholeListing(async () => order(await everyItem(listing)));
}
