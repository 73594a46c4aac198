/**
 * A forge in memory that speaks GitHub's REST routes, for tests of what is built on them. It keeps state, so that an
 * effect is read back through another route; a route that it does not know, or a parameter that the route does not have,
 * is an error of the test, not an answer.
 */
import { type GitHubRequest, notFound, RouteFailure } from '../../../src/forges/kit/route.js';
import { accountRows } from './account-rows.js';
import { gitRows } from './git-rows.js';
import { issueRows } from './issue-rows.js';
import { pullRows } from './pull-rows.js';
import { createWorld, fail, OWNER, REPO } from './world.js';

export type RestDouble = ReturnType<typeof createRestDouble>;

export function createRestDouble() {
  const world = createWorld();
  const calls: string[] = [];
  const sent: { route: string; parameters: Readonly<Record<string, unknown>> }[] = [];
  /** Rows that this forge's table does not have. */
  const missing = new Set<string>();
  /** Errors that a test wants instead of answers. */
  const failures = new Map<string, () => Error>();
  const table = { ...accountRows(world), ...gitRows(world), ...pullRows(world), ...issueRows(world) };

  const failure = (status: number, message: string) => new RouteFailure(status, message);

  const request: GitHubRequest = async (route, parameters) => {
    const known = table[route] ?? fail(`The double has no ${route}.`);
    const inPath = [...route.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? '');
    const absent = inPath.filter((name) => parameters[name] === undefined || parameters[name] === '');
    if (absent.length > 0) fail(`${route} was asked without ${absent.join(', ')}.`);
    const odd = Object.keys(parameters).filter((name) => !inPath.includes(name) && !known.parameters.includes(name));
    if (odd.length > 0) fail(`${route} has no parameter ${odd.join(', ')}.`);
    if (route.includes('{owner}') && (parameters.owner !== OWNER || parameters.repo !== REPO)) throw notFound();
    calls.push(route);
    sent.push({ route, parameters });
    const wanted = failures.get(route);
    if (wanted !== undefined) throw wanted();
    if (missing.has(route)) throw new RouteFailure(501, `${route} is not supported.`);
    return known.run(parameters);
  };

  return { ...world, world: world.w, request, calls, sent, missing, failures, routes: Object.keys(table), failure };
}
