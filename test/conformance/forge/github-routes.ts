/** Every route of GitHub's API, from the package by which apps call it. */
import { ProbotOctokit } from 'probot';
import { createRouter, type Router } from '../../../src/forges/kit/router.js';

interface Method {
  endpoint?: { DEFAULTS: { method: string; url: string } };
}

function endpoints(): string[] {
  const { rest } = new ProbotOctokit({ request: { fetch } });
  return Object.values(rest as unknown as Record<string, Record<string, Method>>).flatMap((scope) =>
    Object.values(scope).flatMap(({ endpoint }) =>
      endpoint === undefined ? [] : [`${endpoint.DEFAULTS.method} ${endpoint.DEFAULTS.url}`],
    ),
  );
}

export const githubRoutes: ReadonlySet<string> = new Set(endpoints());

/** `{name}`, `{ref}` and `{base}...{head}` alike: two routes with one shape are the same route. */
export const shapeOf = (route: string): string => route.replace(/\{[^/]*\}/g, '{}');

export const githubShapes: ReadonlySet<string> = new Set([...githubRoutes].map(shapeOf));

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** The first route that such an address is of, whatever its method. */
export function routeAt(router: Router<never>, path: string): string | undefined {
  for (const method of METHODS) {
    const match = router.match(method, path);
    if (match !== undefined) return match.key;
  }
  return undefined;
}

export const githubRouter: Router<never> = createRouter<never>(
  Object.fromEntries(
    [...githubRoutes].map((route) => [
      route,
      { support: 'exact' as const, retry: 'read' as const, source: '', run: async () => ({}) },
    ]),
  ),
);
