/** Reading what the forge answered, without trusting it, and naming the things that requests are about. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { notFound, RouteFailure, type RouteRequest } from '../../kit/route.js';
import type { Id } from '../../kit/shapes/inputs.js';

/** The object in an answer, {} when it is none. */
export const objectOf = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

/**
 * The list in an answer; Go writes null for an empty one, and nothing for one that is left out.
 * @throws RouteFailure 502 for anything else: what is no list is no empty list
 */
export function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value === null || value === undefined) return [];
  throw new RouteFailure(502, 'The server sent something else where a list belongs.');
}

/** The entries of a folder; none where a file has its name. @throws RouteFailure 502 for what is neither */
export const folderEntries = (value: unknown): readonly JsonObject[] =>
  textIn(objectOf(value), 'type') === undefined ? objectsOf(value) : [];

/** The list that an app sent, or that we kept for it; [] for what is none. */
export const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export const objectsOf = (value: unknown): readonly JsonObject[] => listOf(value).map(objectOf);

/** Text in a field, '' when there is none. */
export const textOf = (object: JsonObject, key: string): string => {
  const value = object[key];
  return typeof value === 'string' ? value : '';
};

/** Text in a field, undefined when there is none or nothing in it. */
export const textIn = (object: JsonObject, key: string): string | undefined => textOf(object, key) || undefined;

export const flagIn = (object: JsonObject, key: string): boolean | undefined => {
  const value = object[key];
  return typeof value === 'boolean' ? value : undefined;
};

export const countIn = (object: JsonObject, key: string): number | undefined => {
  const value = object[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
};

/** Ids beyond 2^53 are text. @throws RouteFailure 502 when the forge sent an object without one */
export function idOf(object: JsonObject): Id {
  const { id } = object;
  if (typeof id === 'number' || typeof id === 'string') return id;
  throw new RouteFailure(502, 'The server sent an object without an id.');
}

/** A parameter of the path, such as `owner`. */
export const param = (request: RouteRequest, name: string): string => request.params[name] ?? '';

/** The number of an issue or another thing that is counted. @throws RouteFailure 404 for what is none */
export function numberParam(request: RouteRequest, name: string): number {
  const value = param(request, name);
  if (!/^[1-9]\d{0,15}$/.test(value) || !Number.isSafeInteger(Number(value))) throw notFound();
  return Number(value);
}

/** A path or a ref: every segment is encoded, slashes stay. @throws RouteFailure 404 for one that would climb */
export function segments(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.some((part) => part === '.' || part === '..')) throw notFound();
  return parts.map(segment).join('/');
}

/** Base of a repository's native routes. */
export const repoPath = (request: RouteRequest): string =>
  `/repos/${segment(param(request, 'owner'))}/${segment(param(request, 'repo'))}`;

export const issuePath = (request: RouteRequest, name = 'issue_number'): string =>
  `${repoPath(request)}/issues/${numberParam(request, name)}`;

export const pullPath = (request: RouteRequest): string =>
  `${repoPath(request)}/pulls/${numberParam(request, 'pull_number')}`;

/** A field of the body, or of the query where a client sends it there, as with DELETE. */
export const inputOf = (request: RouteRequest, name: string): unknown => request.body[name] ?? request.query[name];

export const textInput = (request: RouteRequest, name: string): string | undefined => {
  const value = inputOf(request, name);
  return typeof value === 'string' ? value : undefined;
};

/** `"no"` and `["no", 1]` as `["no"]`, of what an app sent. */
export const textsOf = (value: unknown): string[] =>
  (typeof value === 'string' ? [value] : itemsOf(value)).filter((one) => typeof one === 'string');

/** Only the entries that are set: the forge takes null and '' for wishes. */
export const wishes = (fields: Readonly<Record<string, unknown>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

export const isSha = (text: string): boolean => /^[0-9a-f]{40}$|^[0-9a-f]{64}$/i.test(text);

/** Whether a call failed with one of these states. */
export const failedWith = (error: unknown, ...states: readonly number[]): error is RouteFailure =>
  error instanceof RouteFailure && states.includes(error.status);

/**
 * The one place for calls that older servers do not have. They answer 404 or 405 to them; so does a newer one for a thing
 * that does not exist, and then the other way finds that out as well.
 */
export async function newerOr<T>(newer: () => Promise<T>, older: () => Promise<T>): Promise<T> {
  try {
    return await newer();
  } catch (error) {
    if (failedWith(error, 404, 405)) return older();
    throw error;
  }
}
