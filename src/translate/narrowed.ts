/**
 * What a token of an installation may reach that was asked for single repositories or fewer permissions. The forge's own
 * token reaches more; so whatever is asked with the narrower one is held against it here, where every request passes.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { RouteFailure } from '../forges/kit/route.js';

export interface Narrowing {
  /** By {@link repositoryMark}; absent: all of the installation. */
  repositories?: ReadonlySet<string>;
  /** `read`, `write` or `admin` by GitHub's name for an area; absent: all of the installation. */
  permissions?: Readonly<Record<string, string>>;
}

const scope = new AsyncLocalStorage<Narrowing | undefined>();

/** Requests that are made in `work` reach no further; undefined for our own, which a request leads to. */
export const runNarrowed = <T>(narrowing: Narrowing | undefined, work: () => T): T => scope.run(narrowing, work);

const MARK_BYTES = 8;

/** Short, since a token carries hundreds of them. */
export const repositoryMark = (owner: string, name: string): string =>
  createHash('sha256').update(`${owner}/${name}`.toLowerCase()).digest().subarray(0, MARK_BYTES).toString('base64url');

const IN_REPOSITORY = /^\/repos\/([^/]+)\/([^/]+)(\/.*)?$/;
const CONVERSATION = ['issues', 'pull_requests'];

/** First fit counts. Below a repository; `write` where writing is another area's than reading. */
const AREAS: readonly (readonly [pattern: RegExp, read: readonly string[], write?: readonly string[]])[] = [
  [/^\/branches\/.+\/protection/, ['administration']],
  [/^\/commits\/.+\/(?:check-runs|check-suites)$/, ['checks']],
  [/^\/commits\/.+\/(?:status|statuses)$/, ['statuses']],
  [/^\/commits\/[^/]+\/pulls$/, ['pull_requests', 'contents']],
  [/^\/check-(?:runs|suites)\b/, ['checks']],
  [/^\/statuses\//, ['statuses']],
  [/^\/pulls\/[^/]+\/merge$/, ['pull_requests', 'contents'], ['contents']],
  [/^\/pulls\b/, ['pull_requests']],
  [/^\/(?:issues|labels|milestones|assignees)\b/, CONVERSATION],
  [/^\/actions\b/, ['actions']],
  [/^\/deployments\b/, ['deployments']],
  [/^\/hooks\b/, ['repository_hooks']],
  // Of the account behind the token, as on GitHub, where no installation may read them.
  [/^\/notifications\b/, ['notifications']],
  [/^\/keys\b/, ['administration']],
  [
    /^\/(?:contents|git|commits|branches|compare|merges|releases|tags|tarball|zipball|readme|forks|comments|dispatches|downloads)\b/,
    ['contents'],
  ],
  // What everybody sees of a repository who sees it; changing it is for administrators.
  [/^/, ['metadata'], ['administration']],
];
const OF_ORGANIZATION = /^\/orgs\/[^/]+\/(?:members|memberships|teams|public_members)\b/;
const HOOKS_OF_ORGANIZATION = /^\/orgs\/[^/]+\/hooks\b/;

/** The areas of which one has to be granted. */
function areasOf(path: string, writes: boolean): readonly string[] {
  const [, , , below = ''] = IN_REPOSITORY.exec(path) ?? [];
  if (HOOKS_OF_ORGANIZATION.test(path)) return ['organization_hooks'];
  if (!IN_REPOSITORY.test(path))
    return OF_ORGANIZATION.test(path) ? ['members'] : writes ? ['administration'] : ['metadata'];
  const [, read = ['metadata'], write = read] = AREAS.find(([pattern]) => pattern.test(below)) ?? [];
  return writes ? write : read;
}

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    // An address that is none names no repository.
    return segment;
  }
};

/** Why the request is refused; undefined when it is not. `path` is below the API's base. */
export function refusalOf(narrowing: Narrowing, method: string, path: string): RouteFailure | undefined {
  const [plain = ''] = path.split('?', 1);
  const { repositories, permissions } = narrowing;
  const [, owner, name] = IN_REPOSITORY.exec(plain) ?? [];
  if (repositories !== undefined && owner !== undefined && name !== undefined)
    if (!repositories.has(repositoryMark(decoded(owner), decoded(name)))) return new RouteFailure(404, 'Not Found');
  if (permissions === undefined || /^\/(?:installation|rate_limit|meta)\b/.test(plain)) return undefined;
  const writes = method !== 'GET' && method !== 'HEAD';
  const areas = areasOf(plain, writes);
  // Whoever was given anything sees that it is there.
  if (areas.includes('metadata')) return undefined;
  const isGranted = areas.some((area) => {
    const level = permissions[area];
    return level === 'write' || level === 'admin' || (level === 'read' && !writes);
  });
  return isGranted ? undefined : new RouteFailure(403, 'Resource not accessible by integration');
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a thing of a list is of a repository that is reached, or of none. */
function isWithin(repositories: ReadonlySet<string>, item: unknown): boolean {
  if (!isObject(item)) return true;
  const { full_name: full, repository, repo: place } = item;
  // An event of a feed says it in a way of its own.
  const url = item.repository_url ?? (isObject(place) ? place.url : undefined);
  const address = typeof url === 'string' ? /\/repos\/([^/]+\/[^/]+)$/.exec(url)?.[1] : undefined;
  const name = typeof full === 'string' ? full : address;
  if (name === undefined) return repository === undefined || isWithin(repositories, repository);
  const [owner = '', repo = ''] = name.split('/').map(decoded);
  return repositories.has(repositoryMark(owner, repo));
}

/**
 * What is left of an answer that names repositories without being asked for one: a search, a list, a repository by its
 * number. A page may be shorter than it was asked for. @throws RouteFailure 404
 */
export function withinNarrowing(narrowing: Narrowing | undefined, path: string, data: unknown): unknown {
  const { repositories } = narrowing ?? {};
  if (repositories === undefined || IN_REPOSITORY.test(path.split('?', 1)[0] ?? '')) return data;
  if (Array.isArray(data)) return data.filter((item) => isWithin(repositories, item));
  if (!isObject(data)) return data;
  for (const key of ['items', 'repositories']) {
    const list = data[key];
    if (!Array.isArray(list)) continue;
    const kept = list.filter((item) => isWithin(repositories, item));
    const total =
      key === 'repositories' ? repositories.size : Number(data.total_count ?? list.length) - list.length + kept.length;
    return { ...data, total_count: total, [key]: kept };
  }
  if (!isWithin(repositories, data)) throw new RouteFailure(404, 'Not Found');
  return data;
}

/** The same for what the code that runs now is narrowed to. */
export const withinCurrent = (path: string, data: unknown): unknown => withinNarrowing(scope.getStore(), path, data);

/** Holds a request against what the code that runs now is narrowed to. @throws RouteFailure 403 or 404 */
export function checkNarrowed(method: string, path: string): void {
  const narrowing = scope.getStore();
  const refusal = narrowing && refusalOf(narrowing, method, path);
  if (refusal !== undefined) throw refusal;
}
