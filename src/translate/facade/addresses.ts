/** Where a facade has what GitHub's API has: the paths of a GitHub Enterprise. */
import { DOTCOM_UPLOADS } from '../../forges/github/endpoint.js';
import type { Move } from './rebase.js';

export const API_PATH = '/api/v3';
export const GRAPHQL_PATH = '/api/graphql';
export const UPLOADS_PATH = '/api/uploads';

/** The API's address of a GraphQL request beside a REST base. */
export const graphqlOf = (base: string): string =>
  base.endsWith(API_PATH) ? `${base.slice(0, -API_PATH.length)}${GRAPHQL_PATH}` : `${base}/graphql`;

/** From the addresses of APIs, and of their uploads, to the facade's own at `origin`. */
export const movesTo = (origin: string, ...baseUrls: readonly string[]): readonly Move[] => [
  ...baseUrls.flatMap((baseUrl) => [
    { from: baseUrl, to: `${origin}${API_PATH}` },
    { from: `${new URL(baseUrl).origin}${UPLOADS_PATH}`, to: `${origin}${UPLOADS_PATH}` },
  ]),
  { from: DOTCOM_UPLOADS, to: `${origin}${UPLOADS_PATH}` },
];

/** As an address is understood further on: without the dots that climb. */
export function reached(path: string): string {
  const { pathname, search } = new URL(`http://facade.invalid${path}`);
  return `${pathname}${search}`;
}

/**
 * As a server may understand a path, without its query: decoded, and without needless slashes. Undefined for what is no address: it
 * cannot be decoded, or has a NUL in it.
 */
export function understood(path: string): string | undefined {
  const [plain = ''] = reached(path).split('?', 1);
  try {
    const whole = decodeURIComponent(plain).replaceAll(/\/{2,}/g, '/');
    if (whole.includes('\0')) return undefined;
    return whole.length > 1 ? whole.replace(/\/$/, '') : whole;
  } catch {
    return undefined;
  }
}
