/** Where a request goes on GitLab, and what nearly every route reads there first. */
import type { z } from 'zod';

export { accept } from '../../kit/accept.js';

import type { NativeAnswer } from '../../kit/native-client.js';
import { segment } from '../../kit/native-client.js';
import { notFound, type RouteAnswer, type RouteContext, RouteFailure, type RouteRequest } from '../../kit/route.js';
import { type NativeLabel, nativeLabel } from '../convert/label.js';
import { type NativeProject, nativeProject } from '../convert/project.js';
import { read, readAll } from '../convert/read.js';
import { nativeNumber, projectPath } from '../references.js';

/** A parameter that the route's path names; the router has filled in all of them. */
export function param(request: RouteRequest, name: string): string {
  const value = request.params[name];
  if (value === undefined) throw notFound();
  return value;
}

/** @throws RouteFailure 404 for what is no number: there is nothing at such an address */
export function numberParam(request: RouteRequest, name: string): number {
  const value = Number(param(request, name));
  if (!Number.isSafeInteger(value) || value <= 0) throw notFound();
  return value;
}

/** An id, which may be larger than a number holds. */
export function idParam(request: RouteRequest, name: string): string {
  const value = param(request, name);
  if (!/^\d{1,19}$/.test(value)) throw notFound();
  return value;
}

export interface Place {
  owner: string;
  repo: string;
  /** `group/sub/project`. */
  path: string;
  /** Path of the project in the API. */
  api: string;
}

export function placeOf(request: RouteRequest): Place {
  const owner = param(request, 'owner');
  const repo = param(request, 'repo');
  const path = projectPath(owner, repo);
  return { owner, repo, path, api: `/projects/${segment(path)}` };
}

export const projectAt = async (context: RouteContext, path: string): Promise<NativeProject> =>
  read(nativeProject, await context.native.get(path), 'project');

/** What GitHub calls an issue: an issue or a merge request. */
export interface Thread {
  kind: 'issue' | 'merge_request';
  iid: number;
  number: number;
  /** Path of it in the API. */
  api: string;
}

export function threadAt(place: Place, number: number): Thread {
  const { kind, iid } = nativeNumber(number);
  return { kind, iid, number, api: `${place.api}/${kind === 'issue' ? 'issues' : 'merge_requests'}/${iid}` };
}

export const threadOf = (request: RouteRequest, place: Place): Thread =>
  threadAt(place, numberParam(request, 'issue_number'));

/** A pull request, whose number is never that of an issue. */
export function pullOf(request: RouteRequest, place: Place): Thread {
  const thread = threadAt(place, numberParam(request, 'pull_number'));
  if (thread.kind === 'issue') throw notFound();
  return thread;
}

const pageQuery = (request: RouteRequest): { page: number; per_page: number } => ({
  page: request.page,
  per_page: request.perPage,
});

/** GitLab leaves out the totals above 10,000 rows, and for some lists always. */
export function pagesOf(answer: NativeAnswer): NonNullable<RouteAnswer['pages']> {
  const next = answer.headers.get('x-next-page') ?? '';
  const last = Number(answer.headers.get('x-total-pages') ?? '');
  return { next: next !== '', ...(last > 0 && { last }) };
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** One page of a list, as the app asked for it. */
export async function page<T extends z.ZodType>(
  request: RouteRequest,
  context: RouteContext,
  path: string,
  type: T,
  query: Query = {},
): Promise<{ items: z.output<T>[]; pages: NonNullable<RouteAnswer['pages']> }> {
  const answer = await context.native.send('GET', path, { query: { ...query, ...pageQuery(request) } });
  return { items: readAll(type, answer.data, 'list'), pages: pagesOf(answer) };
}

/** Above this a list is cut; more than any pull request or label list that was ever seen. */
const MOST_PAGES = 20;

/** The whole list, for what has to be counted, turned round or merged with another. */
export async function everything<T extends z.ZodType>(
  context: RouteContext,
  path: string,
  type: T,
  query: Query = {},
  mostPages = MOST_PAGES,
): Promise<z.output<T>[]> {
  const items: z.output<T>[] = [];
  for (let at = 1; at <= mostPages; at += 1) {
    const answer = await context.native.send('GET', path, { query: { ...query, page: at, per_page: 100 } });
    items.push(...readAll(type, answer.data, 'list'));
    if (!pagesOf(answer).next) break;
  }
  return items;
}

/** The page that the app asked for, of a list that is here as a whole. */
export function slice<T>(
  request: RouteRequest,
  items: readonly T[],
): { items: T[]; pages: NonNullable<RouteAnswer['pages']> } {
  const from = (request.page - 1) * request.perPage;
  const last = Math.max(1, Math.ceil(items.length / request.perPage));
  return { items: items.slice(from, from + request.perPage), pages: { next: request.page < last, last } };
}

/** Labels with their colours, which GitLab gives by name only where one object is read. */
export const labelsAt = async (
  context: RouteContext,
  place: Place,
  used: readonly (string | NativeLabel)[] | null | undefined,
): Promise<NativeLabel[]> =>
  (used ?? []).some((label) => typeof label === 'string')
    ? everything(context, `${place.api}/labels`, nativeLabel, { with_counts: false })
    : [];

/** Runs `call`; a refusal with one of these statuses is what `otherwise` makes of it. */
export async function refused<T>(
  call: () => Promise<T>,
  statuses: readonly number[],
  otherwise: (failure: RouteFailure) => T | Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof RouteFailure && statuses.includes(error.status)) return otherwise(error);
    throw error;
  }
}
