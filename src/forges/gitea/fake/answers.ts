/** How the fake answers, and what it finds before it does. */
import { z } from 'zod';
import { parameter } from '../../kit/fake/request-check.js';
import { type FakeAnswer, FakeRefusal, type FakeRequest, type FakeRoute } from '../../kit/fake/routing.js';
import {
  type Account,
  atLeast,
  type Issue,
  type Level,
  levelOf,
  type Pull,
  type Repository,
  repositoryNamed,
} from './state.js';
import type { World } from './world.js';

/** `MAX_RESPONSE_ITEMS` and `DEFAULT_PAGING_NUM` of a server as it is installed. */
const DEFAULT_LIMIT = 30;

export const paging = { page: parameter.integer.optional(), limit: parameter.integer.optional() };
export const pagingQuery = z.object(paging);

export const problem = (message: string) => ({ message, url: 'https://gitea.test/api/swagger' });

export function refuse(status: number, message: string): never {
  throw new FakeRefusal({ status, json: problem(message) });
}

export const notFound = (): never => refuse(404, "The target couldn't be found.");

export const ok = (json: unknown, status = 200): FakeAnswer => ({ status, json });
export const created = (json: unknown): FakeAnswer => ({ status: 201, json });
export const nothing = (status = 204): FakeAnswer => ({ status });

/** One page, with the headers that the real server sends. */
export async function paged<T>(
  world: World,
  request: FakeRequest,
  items: readonly T[],
  show: (item: T) => unknown,
): Promise<FakeAnswer> {
  const page = Math.max(1, Number(request.query.get('page') ?? 1));
  const asked = Number(request.query.get('limit') ?? DEFAULT_LIMIT);
  const limit = Math.min(asked > 0 ? asked : DEFAULT_LIMIT, world.maxItems);
  const last = Math.ceil(items.length / limit);
  const link = (to: number, rel: string) => {
    const query = new URLSearchParams(request.query);
    query.set('page', String(to));
    return `<${world.apiUrl}${request.path}?${query}>; rel="${rel}"`;
  };
  const links = [
    ...(page < last ? [link(page + 1, 'next'), link(last, 'last')] : []),
    ...(page > 1 ? [link(1, 'first'), link(page - 1, 'prev')] : []),
  ];
  const shown: unknown[] = [];
  for (const item of items.slice((page - 1) * limit, page * limit)) shown.push(await show(item));
  return {
    json: shown,
    headers: { 'x-total-count': String(items.length), ...(links.length > 0 && { link: links.join(',') }) },
  };
}

export const doer = (request: FakeRequest): Account => request.user as Account;

/** The repository of the path, when the account may do this much in it. */
export function repositoryFor(world: World, request: FakeRequest, wanted: Level = 'read'): Repository {
  const { owner = '', repo = '' } = request.params;
  const repository = repositoryNamed(world.state, owner, repo);
  if (repository === undefined) return notFound();
  const level = levelOf(world.state, repository, doer(request).login);
  if (!atLeast(level, 'read')) return notFound();
  if (!atLeast(level, wanted)) return refuse(403, 'user should have a permission to write to this repository');
  if (repository.archived && wanted === 'write') return refuse(423, 'This repo is archived.');
  return repository;
}

export function issueFor(repository: Repository, request: FakeRequest): Issue {
  return repository.issues.find((one) => String(one.number) === request.params.index) ?? notFound();
}

export function pullFor(repository: Repository, request: FakeRequest): Issue & { pull: Pull } {
  const issue = issueFor(repository, request);
  return issue.pull === null ? notFound() : (issue as Issue & { pull: Pull });
}

/** People may change what is theirs; the rest needs write access. */
export function mayChange(world: World, repository: Repository, account: Account, author: string): void {
  if (account.login !== author && !atLeast(levelOf(world.state, repository, account.login), 'write'))
    refuse(403, 'user should have permission to write to this item');
}

/** A route that servers before `version` answer with 404. */
export const since = (version: keyof World['features'], world: World, route: FakeRoute): FakeRoute => ({
  ...route,
  run: (request) => (world.features[version] ? route.run(request) : notFound()),
});
