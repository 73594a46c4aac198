/**
 * GraphQL's global ids. Apps take them from `node_id` of a payload or from `id` of a query and hand them to a mutation,
 * which has nothing else to go by; so an id says where its object is, see the kit's `nodeId`. What it says is only a
 * place to ask: the forge decides whether this token may see or change it.
 */

import type { JsonObject } from '../../forges/forge.js';
import { nodeId, readNodeId } from '../../forges/kit/shapes/node-id.js';
import type { Ask } from './ask.js';
import { GraphqlFailure } from './failures.js';
import { text } from './rest.js';

/** A type and not an interface, so that it can be the parameters of a route. */
export type Place = {
  owner: string;
  repo: string;
};

export interface GlobalId {
  type: string;
  id: string;
  /** Absent for accounts and teams, and in an id that does not tell. */
  place?: Place;
  /** What follows `#`: number of a conversation or milestone, name of a label. */
  detail?: string;
  /** Login of an account, `organization/slug` of a team. */
  name?: string;
}

const IN_REPOSITORY = /^([^/#]+)\/([^/#]+)(?:#(.+))?$/s;
const ACCOUNTS: ReadonlySet<string> = new Set(['User', 'Bot', 'Organization', 'Mannequin', 'Team']);

/** In GitHub's words. */
export const unresolved = (id: string, why = ''): GraphqlFailure =>
  new GraphqlFailure('NOT_FOUND', `Could not resolve to a node with the global id of '${id.slice(0, 200)}'.${why}`);

/** What a global id says. @throws GraphqlFailure NOT_FOUND when it is none of ours */
export function readGlobalId(id: string): GlobalId {
  const read = readNodeId(id);
  if (read === undefined) throw unresolved(id);
  const known: GlobalId = { type: read.type, id: read.id };
  if (read.where === undefined) return known;
  if (ACCOUNTS.has(read.type)) return { ...known, name: read.where };
  const [, owner, repo, detail] = IN_REPOSITORY.exec(read.where) ?? [];
  if (owner === undefined || repo === undefined) throw unresolved(id);
  return { ...known, place: { owner, repo }, ...(detail !== undefined && { detail }) };
}

/** The id of an object: the one that its REST form carries when that says where the object is, else one made here. */
export function globalId(type: string, rest: JsonObject, where: string, id: unknown = rest.id): string {
  const carried = text(rest.node_id);
  const read = carried === undefined ? undefined : readNodeId(carried);
  if (carried !== undefined && read?.type === type && read.where !== undefined) return carried;
  return nodeId(type, typeof id === 'number' || typeof id === 'string' ? id : 0, where);
}

const withoutPlace = (id: string): GraphqlFailure =>
  unresolved(id, ' It does not say where the object is; take `id` from a query.');

/** A global id of one of these types, with its place. */
export function inRepository(id: string, ...types: readonly string[]): GlobalId & { place: Place } {
  const read = readGlobalId(id);
  if (!types.includes(read.type))
    throw unresolved(id, ` It is a ${read.type}, and ${types.join(' or ')} was expected.`);
  if (read.place === undefined) throw withoutPlace(id);
  return { ...read, place: read.place };
}

/** One of these types that has a number: a pull request, an issue, a milestone, or what stands in a conversation. */
export function numbered(id: string, ...types: readonly string[]): GlobalId & { place: Place; number: number } {
  const read = inRepository(id, ...types);
  const number = Number(read.detail);
  if (!Number.isSafeInteger(number) || number < 1) throw withoutPlace(id);
  return { ...read, number };
}

/** A pull request or an issue: they share their numbers, and some payloads call the first the second. */
export const conversationAt = (id: string) => numbered(id, 'PullRequest', 'Issue');

/** Owner and name of a repository by its global id. */
export async function repositoryPlace(ask: Ask, id: string): Promise<Place> {
  const read = readGlobalId(id);
  if (read.type !== 'Repository') throw unresolved(id, ` It is a ${read.type}, and Repository was expected.`);
  if (read.place !== undefined) return read.place;
  const rest = await ask.get('GET /repositories/{repository_id}', { repository_id: read.id });
  const [owner, repo] = text(rest.full_name)?.split('/') ?? [];
  if (owner === undefined || repo === undefined) throw unresolved(id);
  return { owner, repo };
}

/** Login of an account by its global id. */
export async function login(ask: Ask, id: string): Promise<string> {
  const read = readGlobalId(id);
  if (!ACCOUNTS.has(read.type) || read.type === 'Team')
    throw unresolved(id, ` It is a ${read.type}, and User was expected.`);
  if (read.name !== undefined) return read.name;
  const found = text((await ask.get('GET /user/{account_id}', { account_id: read.id })).login);
  if (found === undefined) throw unresolved(id);
  return found;
}

/** Organization and slug of a team by its global id. */
export function team(id: string): { org: string; team_slug: string } {
  const read = readGlobalId(id);
  const [org, slug] = read.name?.split('/') ?? [];
  if (read.type !== 'Team' || org === undefined || slug === undefined) throw withoutPlace(id);
  return { org, team_slug: slug };
}
