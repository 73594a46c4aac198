/** The routes that docs/delivery-guarantees.md says are sent at most once are those that the tables say it of. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { writeRoutes } from '../../src/forges/github/write-routes.js';
import { forges } from '../../src/forges/registry.js';
import { githubRoutes } from '../conformance/forge/github-routes.js';

const text = readFileSync(new URL('../../docs/delivery-guarantees.md', import.meta.url), 'utf8');

/** Routes listed below each heading of the last chapter. */
const listed = new Map(
  text
    .split('\n### ')
    .slice(1)
    .map((section) => {
      const [label = ''] = section.split('\n', 1);
      return [label, [...section.matchAll(/^- `(.+)`$/gm)].map(([, route = '']) => route)];
    }),
);
const tables: [string, Readonly<Record<string, string>>][] = [...forges.values()].map(({ label, routes }) => [
  label,
  routes === undefined
    ? writeRoutes
    : Object.fromEntries(Object.entries(routes).map(([key, { retry }]) => [key, retry])),
]);

describe('docs/delivery-guarantees.md', () => {
  it.each(tables)('lists what is at most once on %s', (label, table) => {
    const unsafe = Object.keys(table).filter((route) => table[route] === 'unsafe');
    expect(listed.get(label)).toEqual(unsafe.sort());
  });

  it('lists no other forge', () => {
    expect([...listed.keys()].sort()).toEqual(tables.map(([label]) => label).sort());
  });
});

describe('the table of GitHub’s writes', () => {
  it('names routes as GitHub does, each once and none that reads', () => {
    const known = new Set([...githubRoutes].map((route) => route.replace(/\{\?[^}]*\}$/, '')));
    expect(Object.keys(writeRoutes).filter((route) => !known.has(route))).toEqual([]);
    expect(Object.keys(writeRoutes).filter((route) => route.startsWith('GET '))).toEqual([]);
  });
});
