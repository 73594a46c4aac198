/** VCS connections as documents of JSON:API. No attribute is, or holds, a secret. */
import type { ForgeDescriptor } from '../../forges/forge.js';
import type { Problem } from '../problem.js';
import type { ListedConnection } from '../procedures/connection-list.js';

export const MEDIA_TYPE = 'application/vnd.api+json';
export const TYPE = 'vcs-connections';
export const API_PREFIX = '/api/v2';

const ID = /^vcs-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
export const externalId = (id: string): string => `vcs-${id}`;
/** Undefined for what was never an id of ours. */
export const internalId = (text: string): string | undefined => ID.exec(text)?.[1];

const title = (status: number): string =>
  ({
    400: 'Bad request',
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'Not found',
    409: 'Conflict',
    415: 'Unsupported media type',
    422: 'Invalid attribute',
    429: 'Too many requests',
  })[status] ?? 'Failed';

/** JSON Pointer (RFC 6901). */
const pointerOf = (path: readonly (string | number)[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** One error for each field that is wrong, so that all are told together. */
export function errorDocument({ status, code, message, issues = [] }: Problem) {
  const base = { status: String(status), code, title: title(status) };
  if (issues.length === 0) return { errors: [{ ...base, detail: message }] };
  return {
    errors: issues.map((issue) => ({ ...base, detail: issue.message, source: { pointer: pointerOf(issue.path) } })),
  };
}

/** Such as `server-url` for the API of a GitHub Enterprise Server, which is how its own documentation writes it. */
function serverUrlOf(row: ListedConnection, forge: ForgeDescriptor | undefined): string | null {
  if (row.instanceUrl === null) return null;
  return row.kind === 'github-app' && forge !== undefined ? forge.endpoint(row.instanceUrl).apiUrl : row.instanceUrl;
}

export function resource(row: ListedConnection & { advice: string }, forges: ReadonlyMap<string, ForgeDescriptor>) {
  const id = externalId(row.id);
  return {
    id,
    type: TYPE,
    attributes: {
      name: row.name,
      provider: row.forge,
      'server-url': serverUrlOf(row, forges.get(row.forge)),
      status: row.status,
      'status-reason': row.statusReason,
      'status-advice': row.advice,
      'has-token': row.sealed,
      ...(row.kind === 'github-app' && {
        'github-app-id': row.appId === null ? null : Number(row.appId),
        'github-installation-id': row.installationId === null ? null : Number(row.installationId),
        'github-account-login': row.account,
        'github-account-type': row.accountType,
      }),
      ...(row.kind !== 'github-app' && { 'account-login': row.account, capabilities: row.capabilities }),
      'expires-at': row.expiresAt?.toISOString() ?? null,
      'last-checked-at': row.checkedAt?.toISOString() ?? null,
      'next-try-at': row.nextTryAt?.toISOString() ?? null,
      'created-at': row.createdAt.toISOString(),
      'updated-at': row.updatedAt.toISOString(),
    },
    links: { self: `${API_PREFIX}/${TYPE}/${id}` },
  };
}

export interface PageNumbers {
  number: number;
  size: number;
  total: number;
}

/** A page with the links to its neighbours; `path` carries no query. */
export function collection(
  data: unknown[],
  path: string,
  query: URLSearchParams,
  { number, size, total }: PageNumbers,
) {
  const pages = Math.max(1, Math.ceil(total / size));
  const link = (to: number): string | null => {
    if (to < 1 || to > pages) return null;
    const wanted = new URLSearchParams(query);
    wanted.set('page[number]', String(to));
    wanted.set('page[size]', String(size));
    return `${path}?${wanted}`;
  };
  return {
    data,
    links: { self: link(number), first: link(1), prev: link(number - 1), next: link(number + 1), last: link(pages) },
    meta: {
      pagination: {
        'current-page': number,
        'page-size': size,
        'prev-page': number > 1 ? number - 1 : null,
        'next-page': number < pages ? number + 1 : null,
        'total-pages': pages,
        'total-count': total,
      },
    },
  };
}
