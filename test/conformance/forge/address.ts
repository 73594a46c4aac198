/** Addresses in GitHub's shapes, and which route of a forge answers them. It knows no forge. */
import { formerRoutes } from '../../../src/forges/kit/former-routes.js';
import type { RouteTable } from '../../../src/forges/kit/route.js';
import { createRouter } from '../../../src/forges/kit/router.js';
import { installationRoutes } from '../../../src/translate/installation-routes.js';
import { githubRouter, routeAt, shapeOf } from './github-routes.js';

const IS_ADDRESS = /(?:^|_)url$|^href$/;

/** `{/sha}` is a path's next segment, which may be left out like a query; `{base}` is a part of a segment. */
export const expand = (template: string, optional: string): string =>
  template
    .replaceAll('{archive_format}', 'tarball')
    .replace(/\{([/?+]?)[^}]*\}/g, (_whole, kind: string) => (kind === '/' ? optional : kind === '?' ? '' : '1'));

export interface Address {
  key: string;
  value: string;
  /** Where it stands, for whoever reads the failure. */
  at: string;
}

export function addressesIn(value: unknown, at: string, key = ''): Address[] {
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([inner, child]) => addressesIn(child, `${at}.${inner}`, inner));
  return typeof value === 'string' && value !== '' && IS_ADDRESS.test(key) ? [{ key, value, at }] : [];
}

/** Answers what is asked in vain at an address, by GitHub's name of the route where it has one; undefined where it is served. */
export function createAddressCheck(routes: RouteTable): (base: string, address: string) => string | undefined {
  const keys = [routes, formerRoutes(routes), installationRoutes].flatMap((rows) => Object.keys(rows));
  const served = new Set(keys.map(shapeOf));
  const former = createRouter(formerRoutes(routes));
  return (base, address) => {
    // Both readings of a template: with what may be left out, and without.
    const paths = [expand(address, '/1'), expand(address, '')].map((one) => one.slice(base.length));
    if (paths.some((path) => former.match('GET', path) !== undefined)) return undefined;
    const found = paths.toReversed().map((path) => routeAt(githubRouter, path));
    if (found.some((route) => route !== undefined && served.has(shapeOf(route)))) return undefined;
    const named = found.find((one) => one !== undefined);
    return named ?? (paths[1] ?? '').replace(/\?.*$/s, '').replace(/^\/repos\/[^/]+\/[^/]+/, '/repos/{}/{}');
  };
}
