/** How the fake answers, and what it finds before it does. */
import { z } from 'zod';
import { type FakeAnswer, FakeRefusal, type FakeRequest, type FakeRoute } from '../../kit/fake/routing.js';
import {
  type Account,
  atLeast,
  type Holder,
  type Issue,
  isPull,
  type Level,
  levelOf,
  type PullIssue,
  type Repository,
  repositoryNamed,
} from './state.js';
import type { World } from './world.js';

const DEFAULT_PAGE = 30;
const LARGEST_PAGE = 100;
const DOCUMENTATION = 'https://docs.github.com/rest';

export const problem = (status: number, message: string, more: object = {}) => ({
  message,
  ...more,
  documentation_url: DOCUMENTATION,
  status: String(status),
});

export function refuse(status: number, message: string, more?: object): never {
  throw new FakeRefusal({ status, json: problem(status, message, more) });
}

export const notFound = (): never => refuse(404, 'Not Found');

export type Fault = 'missing' | 'missing_field' | 'invalid' | 'already_exists' | 'custom';

/** GitHub's 422. */
export function invalid(resource: string, field: string, code: Fault, message?: string): never {
  return refuse(422, 'Validation Failed', { errors: [{ resource, code, field, ...(message && { message }) }] });
}

export const ok = (json: unknown, status = 200): FakeAnswer => ({ status, json });
export const created = (json: unknown): FakeAnswer => ({ status: 201, json });
export const nothing = (status = 204): FakeAnswer => ({ status });

/** Fields of requests; GitHub does not mind further ones. */
export const field = {
  text: z.string().optional(),
  nullable: z.string().nullish(),
  title: z.string().or(z.number()).optional(),
  texts: z.array(z.string()).optional(),
  flag: z.boolean().optional(),
  integer: z.number().int().optional(),
  labels: z.array(z.string().or(z.looseObject({ name: z.string() }))).optional(),
} as const;

const ANYTHING = z.looseObject({});

/** A route by GitHub's own name for it, such as `GET /repos/{owner}/{repo}/contents/{+path}`. */
export function row(
  name: string,
  run: FakeRoute['run'],
  o: { body?: z.ZodType; query?: z.ZodType; open?: true; file?: true } = {},
): FakeRoute {
  const [method = '', path = ''] = name.split(' ', 2);
  return {
    method,
    path: path.replaceAll(/\{\+(\w+)\}/g, '*$1').replaceAll(/\{(\w+)\}/g, ':$1'),
    source: `rest: ${name.replace('{+', '{')}`,
    query: o.query ?? ANYTHING,
    body: o.body ?? ANYTHING,
    ...(o.open && { open: true }),
    ...(o.file && { file: true }),
    run,
  };
}

/** One page of what is there, with the links to the others. */
export async function pageOf<T>(
  world: World,
  request: FakeRequest,
  items: readonly T[],
  show: (item: T) => unknown,
): Promise<{ json: unknown[]; headers: Record<string, string> }> {
  const number = (name: string, otherwise: number) => Math.max(1, Number(request.query.get(name)) || otherwise);
  const page = number('page', 1);
  const size = Math.min(number('per_page', DEFAULT_PAGE), LARGEST_PAGE);
  const last = Math.max(1, Math.ceil(items.length / size));
  const link = (to: number, rel: string) => {
    const query = new URLSearchParams(request.query);
    query.set('page', String(to));
    return `<${world.apiUrl}${request.path}?${query}>; rel="${rel}"`;
  };
  const links = [
    ...(page > 1 ? [link(page - 1, 'prev')] : []),
    ...(page < last ? [link(page + 1, 'next'), link(last, 'last')] : []),
    ...(page > 1 ? [link(1, 'first')] : []),
  ];
  const json: unknown[] = [];
  for (const item of items.slice((page - 1) * size, page * size)) json.push(await show(item));
  return { json, headers: links.length > 0 ? { link: links.join(', ') } : {} };
}

/** The same in an object that counts, as `{ total_count, check_runs }`. */
export async function counted<T>(
  world: World,
  request: FakeRequest,
  key: string,
  items: readonly T[],
  show: (item: T) => unknown,
): Promise<FakeAnswer> {
  const { json, headers } = await pageOf(world, request, items, show);
  return { json: { total_count: items.length, [key]: json }, headers };
}

export const holderOf = (request: FakeRequest): Holder => request.user as Holder;
export const doer = (request: FakeRequest): Account => holderOf(request).account;

export type Area =
  | 'administration'
  | 'checks'
  | 'contents'
  | 'issues'
  | 'metadata'
  | 'pull_requests'
  | 'statuses'
  | 'members';

/** What a token of an installation may do in one area. */
function grantedTo({ installation }: Holder, area: Area): Level {
  const granted = installation?.permissions[area];
  return granted === 'write' || granted === 'admin' ? 'write' : granted === 'read' ? 'read' : 'none';
}

export const mayIn = (world: World, repository: Repository, holder: Holder, area: Area, wanted: Level): boolean => {
  if (holder.isApp) return false;
  if (holder.installation === undefined) return atLeast(levelOf(world.state, repository, holder.account.login), wanted);
  return atLeast(grantedTo(holder, area), wanted === 'admin' ? 'write' : wanted);
};

/**
 * The repository of the path, when the holder of the token may do this much in it. Of a person its level counts, of an
 * installation what it was granted in one of the areas.
 */
export function repositoryFor(
  world: World,
  request: FakeRequest,
  wanted: Level = 'read',
  ...areas: readonly Area[]
): Repository {
  const { owner = '', repo = '' } = request.params;
  const repository = repositoryNamed(world.state, owner, repo);
  const holder = holderOf(request);
  if (repository === undefined || holder.isApp) return notFound();
  if (holder.installation?.repositories?.has(repository.id) === false) return notFound();
  if (!mayIn(world, repository, holder, 'metadata', 'read')) return notFound();
  const asked: readonly Area[] = areas.length > 0 ? areas : ['metadata'];
  if (!asked.some((area) => mayIn(world, repository, holder, area, wanted)))
    return holder.installation
      ? refuse(403, 'Resource not accessible by integration')
      : refuse(
          wanted === 'admin' ? 403 : 404,
          wanted === 'admin' ? 'Must have admin rights to Repository.' : 'Not Found',
        );
  if (repository.archived && wanted !== 'read') return refuse(403, 'Repository was archived so is read-only.');
  return repository;
}

export const issueNumbered = (repository: Repository, number: string | undefined): Issue =>
  repository.issues.find((one) => String(one.number) === number) ?? notFound();

export const issueFor = (repository: Repository, request: FakeRequest): Issue =>
  issueNumbered(repository, request.params.issue_number);

export function pullFor(repository: Repository, request: FakeRequest): PullIssue {
  const issue = issueNumbered(repository, request.params.pull_number);
  return isPull(issue) ? issue : notFound();
}

/** People may change what is theirs; the rest needs write access. */
export function mayChange(
  world: World,
  repository: Repository,
  request: FakeRequest,
  author: string,
  area: Area = 'issues',
): void {
  const holder = holderOf(request);
  if (holder.account.login === author || mayIn(world, repository, holder, area, 'write')) return;
  refuse(403, 'Must have admin rights to Repository.');
}

/** Whether the `accept` header asks for this form, such as `diff`. */
export const wantsForm = (request: FakeRequest, form: string): boolean =>
  new RegExp(`application/vnd\\.github(\\.[\\w-]+)*\\.${form}\\b`).test(request.headers.get('accept') ?? '');

export const inForm = (form: string, body: string | Buffer): FakeAnswer => ({
  body,
  contentType: `application/vnd.github.${form}; charset=utf-8`,
});
