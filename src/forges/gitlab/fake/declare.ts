/** How the fake's routes are declared: who may ask, what may be asked, and how lists are paged. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import { type FakeAnswer, FakeRefusal, type FakeRequest } from '../../kit/fake/routing.js';
import type { Group, Project, Thread, User, World } from './state.js';

type Letter<C extends string> = C extends Lowercase<C> ? C : `_${Lowercase<C>}`;
type Snake<S extends string> = S extends `${infer First}${infer Rest}` ? `${Letter<First>}${Snake<Rest>}` : S;
type SnakeKeys<T> = Snake<Extract<keyof T, string>>;

/**
 * Parameters of a call, held to the client library's type of it: a name that `Options` does not have is no type. `beyond` are
 * those that GitLab documents and the library lacks.
 *
 * @example parametersOf<CreateIssueOptions>()({ title: z.string() })
 */
export const parametersOf =
  <Options>() =>
  <Shape extends Partial<Record<SnakeKeys<Options>, z.ZodType>>, Beyond extends z.ZodRawShape = Record<never, never>>(
    shape: Shape & Record<Exclude<keyof Shape, SnakeKeys<Options>>, never>,
    beyond?: Beyond,
  ) =>
    z.strictObject({ ...(shape as Shape), ...(beyond ?? ({} as Beyond)) } as unknown as Shape & Beyond);

export const paging = { page: parameter.integer.optional(), per_page: parameter.integer.optional() };
export const pagingOnly = z.strictObject(paging);

/** Gives up with GitLab's form of an error. */
export function refuse(status: number, message: unknown): never {
  throw new FakeRefusal({ status, json: { message } });
}

export const actorOf = (request: FakeRequest): User => request.user as User;

/** One page, with GitLab's headers; 304 for whoever has it already. */
export function paged(request: FakeRequest, items: readonly unknown[]): FakeAnswer {
  const page = Number(request.query.get('page') ?? 1);
  const perPage = Math.min(100, Number(request.query.get('per_page') ?? 20));
  const pages = Math.max(1, Math.ceil(items.length / perPage));
  const json = items.slice((page - 1) * perPage, page * perPage);
  const etag = `W/"${createHash('md5').update(JSON.stringify(json)).digest('hex')}"`;
  if (request.headers.get('if-none-match') === etag) return { status: 304, headers: { etag } };
  return {
    json,
    headers: {
      etag,
      'x-page': String(page),
      'x-per-page': String(perPage),
      'x-total': String(items.length),
      'x-total-pages': String(pages),
      'x-next-page': page < pages ? String(page + 1) : '',
      'x-prev-page': page > 1 ? String(page - 1) : '',
    },
  };
}

/** The group and those above it. */
export function ancestors(world: World, group: Group): Group[] {
  const parent = world.state.groups.find(({ id }) => id === group.parentId);
  return [group, ...(parent ? ancestors(world, parent) : [])];
}

const groupOf = (world: World, project: Project): Group | undefined =>
  project.namespace.kind === 'group' ? world.state.groups.find(({ id }) => id === project.namespace.id) : undefined;

/** Highest level of each member, inherited ones too. */
export function allMembers(world: World, of: { project?: Project; group?: Group }): Map<number, number> {
  const group = of.group ?? (of.project && groupOf(world, of.project));
  const sources = [
    ...(of.project ? [of.project.members] : []),
    ...(group ? ancestors(world, group).map((one) => one.members) : []),
  ];
  const levels = new Map<number, number>();
  for (const source of sources) for (const [id, level] of source) levels.set(id, Math.max(level, levels.get(id) ?? 0));
  return levels;
}

const GUEST = 10;
export const REPORTER = 20;
export const DEVELOPER = 30;
export const MAINTAINER = 40;

/** The project that `:id` names, for somebody with at least this level in it; everybody reads what is public. */
export function projectFor(world: World, request: FakeRequest, least = GUEST): Project {
  const id = request.params.id ?? '';
  const found = world.state.projects.find((project) =>
    /^\d+$/.test(id) ? project.id === Number(id) : project.fullPath.toLowerCase() === id.toLowerCase(),
  );
  const level = found && request.user ? (allMembers(world, { project: found }).get(actorOf(request).id) ?? 0) : 0;
  if (found === undefined || (level === 0 && found.visibility === 'private'))
    return refuse(404, '404 Project Not Found');
  // A guest may write issues and comments everywhere it may read.
  if (least > GUEST && level < least) return refuse(403, '403 Forbidden');
  return found;
}

export function groupFor(world: World, request: FakeRequest): Group {
  const id = request.params.id ?? '';
  const found = world.state.groups.find((group) =>
    /^\d+$/.test(id) ? group.id === Number(id) : group.fullPath === id,
  );
  return found ?? refuse(404, '404 Group Not Found');
}

/** The issue or merge request that `:iid` names. */
export function threadFor<T extends Thread>(threads: readonly T[], request: FakeRequest): T {
  return threads.find(({ iid }) => iid === Number(request.params.iid)) ?? refuse(404, '404 Not found');
}

export const csv = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
