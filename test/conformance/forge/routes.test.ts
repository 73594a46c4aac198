import { describe, expect, it } from '@jest/globals';
import type { RouteTable } from '../../../src/forges/kit/route.js';
import { createRouter } from '../../../src/forges/kit/router.js';
import { installationRoutes } from '../../../src/translate/installation-routes.js';
import { githubRoutes, githubShapes, shapeOf } from './github-routes.js';
import { isSkipped } from './skips.js';
import { subjects, table } from './subjects.js';
import { WANTED_ROUTES } from './wanted-routes.js';

/** GitHub answers this too, but its package of endpoints does not list it. */
const UNLISTED: ReadonlySet<string> = new Set([
  'GET /repositories/{repository_id}',
  // Listed under another host.
  'POST /repos/{owner}/{repo}/releases/{release_id}/assets',
  // Ours: what GitHub has in GraphQL alone, for our GraphQL to ask the forge by.
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/draft',
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge',
  'DELETE /repos/{owner}/{repo}/pulls/{pull_number}/auto-merge',
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/threads',
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/threads/{comment_id}/resolution',
]);
const RETRY: ReadonlySet<string> = new Set(['read', 'idempotent', 'findable', 'unsafe']);
const MOST_PARTIAL = 8;

const tables = [
  ...table.flatMap(
    ([
      id,
      {
        descriptor: { routes },
      },
    ]) => (routes === undefined ? [] : [[id, routes] as const]),
  ),
  ['Forgeway itself', installationRoutes as unknown as RouteTable] as const,
];

describe.each(tables)('the route table of %s', (_id, routes) => {
  const rows = Object.entries(routes);

  it('is keyed by routes of GitHub’s, each there once', () => {
    expect(rows.map(([key]) => key).filter((key) => !githubShapes.has(shapeOf(key)) && !UNLISTED.has(key))).toEqual([]);
    const shapes = rows.map(([key]) => shapeOf(key));
    expect(shapes.filter((shape, at) => shapes.indexOf(shape) !== at)).toEqual([]);
    expect(() => createRouter(routes)).not.toThrow();
  });

  it('answers no other route of GitHub’s than its own', () => {
    const router = createRouter(routes);
    const shapes = new Set(rows.map(([key]) => shapeOf(key)));
    const swallowed = [...githubRoutes].filter((route) => {
      const [method = '', path = ''] = route.split(' ');
      return !shapes.has(shapeOf(route)) && router.match(method, path.replace(/\{[^}]*\}/g, 'x1')) !== undefined;
    });
    expect(swallowed).toEqual([]);
  });

  it('names parameters as GitHub does', () => {
    expect(rows.map(([key]) => key).filter((key) => !githubRoutes.has(key) && !UNLISTED.has(key))).toEqual([]);
  });

  it('says of each row what it follows, how well, and how it may be repeated', () => {
    for (const [key, { source, support, note, retry }] of rows) {
      expect([key, source]).toEqual([key, expect.stringMatching(/\S.*\S/)]);
      expect([key, RETRY.has(retry)]).toEqual([key, true]);
      // A read changes nothing, and nothing else is taken for a read.
      expect([key, retry === 'read']).toEqual([key, key.startsWith('GET ')]);
      if (support === 'partial') expect([key, note]).toEqual([key, expect.stringMatching(/^\S.*\.$/)]);
    }
  });
});

describe.each(table.filter(([id]) => !isSkipped(id, 'routes')))(
  'apps that were written for GitHub, on %s',
  (_id, subject) => {
    it('find every route that they need', () => {
      const served = new Set([...Object.keys(subject.descriptor.routes ?? {}), ...Object.keys(installationRoutes)]);
      expect(WANTED_ROUTES.length).toBeGreaterThanOrEqual(90);
      expect(WANTED_ROUTES.filter((route) => !served.has(route))).toEqual([]);
    });
  },
);

it('at most eight rows of all tables of the registry are partial', () => {
  const served = subjects.filter(({ descriptor }) => !isSkipped(descriptor.id, 'routes'));
  const partial = [...new Set(served.map(({ descriptor }) => descriptor.routes))].flatMap((routes) =>
    Object.entries(routes ?? {}).filter(([, { support }]) => support === 'partial'),
  );
  expect(partial.map(([key]) => key).length).toBeLessThanOrEqual(MOST_PARTIAL);
});

it('no row of Forgeway itself hides one of a forge', () => {
  for (const { descriptor } of subjects)
    expect(Object.keys(descriptor.routes ?? {}).filter((key) => Object.hasOwn(installationRoutes, key))).toEqual([]);
});
