/** Reads lists of people for the mirror of roles. */
import type { z } from 'zod';
import type { ForgeMember, MemberList } from '../roles.js';
import type { NativeClient, NativeRequest } from './native-client.js';
import { pollList, readAs } from './poll-list.js';
import { RouteFailure } from './route.js';

/** Servers may be set to give fewer on a page than were asked for, but hardly fewer than this. */
const SHORTEST_PAGE = 20;

export interface AskedList {
  key: string;
  team: bigint | null;
  ofOrganization: boolean;
  path: string;
  query?: NonNullable<NativeRequest['query']>;
  size: readonly [name: string, items: number];
  etag: string | undefined;
  /** Of one entry; undefined leaves it out, such as one that is not accepted yet. */
  item: z.ZodType<ForgeMember | undefined>;
}

/** @throws RouteFailure also for a list that is too long to be read to its end: who is missing on it would lose their role */
export async function readMemberList(native: NativeClient, o: AskedList): Promise<MemberList> {
  const { key, team, ofOrganization, path, query = {}, size, etag = null, item } = o;
  const listed = await pollList(native, { path, query, size, etag, item });
  if (listed.kind === 'unchanged') return { key, team, ofOrganization, members: 'unchanged', etag, paged: false };
  if (!listed.whole) throw new RouteFailure(502, `The list of members at ${path} has more entries than are read.`);
  const members = listed.items.filter((one) => one !== undefined);
  return { key, team, ofOrganization, members, etag: listed.etag, paged: listed.items.length >= SHORTEST_PAGE };
}

/** All entries of a short list, such as that of teams. @throws RouteFailure */
export async function readWholeList<T>(
  native: NativeClient,
  path: string,
  query: NonNullable<NativeRequest['query']>,
  size: readonly [name: string, items: number],
  item: z.ZodType<T>,
): Promise<readonly T[]> {
  const listed = await pollList(native, { path, query, size, etag: null, item });
  if (listed.kind === 'unchanged' || !listed.whole)
    throw new RouteFailure(502, `The list at ${path} has more entries than are read.`);
  return listed.items;
}

/** What `path` answers, or undefined for a 404. @throws RouteFailure */
export async function findAs<T>(native: NativeClient, path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const data = await native.find(path);
  return data === undefined ? undefined : readAs(schema, data);
}
