/** Every route of GitHub's, from the package by which apps call it, so that the double can say which it does not play. */
import { ProbotOctokit } from 'probot';
import { createMatcher } from '../../kit/router.js';

interface Method {
  endpoint?: { DEFAULTS: { method: string; url: string } };
}

type Match = ReturnType<typeof createMatcher<true>>;
const known: { match?: Match } = {};

function matcher(): Match {
  const { rest } = new ProbotOctokit({ request: { fetch } });
  const scopes = Object.values(rest as unknown as Record<string, Record<string, Method>>);
  const routes = scopes.flatMap((scope) =>
    Object.values(scope).flatMap(({ endpoint }) =>
      endpoint === undefined ? [] : [`${endpoint.DEFAULTS.method} ${endpoint.DEFAULTS.url}`],
    ),
  );
  return createMatcher(Object.fromEntries(routes.filter((route) => / \//.test(route)).map((route) => [route, true])));
}

/** `path` is below the API's base. */
export function isRoute(method: string, path: string): boolean {
  known.match ??= matcher();
  return known.match(method, path) !== undefined;
}
