/**
 * What the authors in an answer are to its repository. Forges do not say it where they tell of an issue or a review, and
 * GitHub does: apps ask it before they obey somebody.
 */
import type { JsonObject } from '../forge.js';
import type { RouteContext } from './route.js';
import type { Association } from './shapes/inputs.js';

export interface RepositoryName {
  owner: string;
  repo: string;
}

export interface Author {
  id: number | string;
  login: string;
}

/**
 * Asks a forge what accounts are to a repository; whoever is left out of the answer is nothing to it. Up to three accounts
 * are asked for one by one, more by list.
 * @throws RouteFailure
 */
export type AskAssociations = (
  place: RepositoryName,
  authors: readonly Author[],
  context: RouteContext,
) => Promise<ReadonlyMap<string, Association>>;

/** More than this many accounts are looked up in a list. */
export const MOST_SINGLE = 3;

/** A thing that somebody wrote, of whom nothing is known yet. */
export interface Written {
  place: RepositoryName;
  author: Author;
  /** Tells it. */
  set(association: Association): void;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Owner and name at the end of the address of a repository. */
function placeIn(address: unknown): RepositoryName | undefined {
  const [, owner, repo] = /\/repos\/([^/]+)\/([^/]+)$/.exec(String(address ?? '')) ?? [];
  return owner === undefined || repo === undefined
    ? undefined
    : { owner: decodeURIComponent(owner), repo: decodeURIComponent(repo) };
}

function writtenBy(value: unknown, place: RepositoryName | undefined): Written[] {
  if (!isObject(value) || value.author_association !== 'NONE' || !isObject(value.user)) return [];
  const { id, login } = value.user;
  const where = place ?? placeIn(value.repository_url);
  // Ghosts have no number, and the forge's own accounts none of a person.
  if (where === undefined || typeof login !== 'string' || !(Number(id) > 0)) return [];
  const set = (association: Association) => void Object.assign(value, { author_association: association });
  return [{ place: where, author: { id: id as Author['id'], login }, set }];
}

/** What an answer of the API tells as written by somebody: itself, its items, or those of a search. */
export function writtenIn(data: unknown, place: RepositoryName | undefined): Written[] {
  if (Array.isArray(data)) return data.flatMap((item) => writtenBy(item, place));
  if (isObject(data) && Array.isArray(data.items)) return data.items.flatMap((item) => writtenBy(item, undefined));
  return writtenBy(data, place);
}

/** The same of an event's payload, by the names of what was written. */
export const writtenOf = (payload: JsonObject, place: RepositoryName, names: readonly string[]): Written[] =>
  names.flatMap((name) => writtenBy(payload[name], place));
