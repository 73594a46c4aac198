import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { graphqlRows } from './graphql-rows.js';
import { routes } from './index.js';
import { joinTables } from './row.js';

const rows = Object.entries(routes);

/** Every route that Octokit knows. */
const ENDPOINTS = join(
  process.cwd(),
  'node_modules/@octokit/plugin-rest-endpoint-methods/dist-src/generated/endpoints.js',
);
const known = new Set(
  [...readFileSync(ENDPOINTS, 'utf8').matchAll(/"((?:GET|POST|PUT|PATCH|DELETE) \/[^"]+)"/g)].map((match) => match[1]),
);

describe('the route table of Gitea and Forgejo', () => {
  it("is keyed by GitHub's own route strings", () => {
    // Undocumented, and asked by Probot apps that know a repository by its number only.
    const undocumented = ['GET /repositories/{repository_id}'];
    // Listed under another host.
    const uploads = ['POST /repos/{owner}/{repo}/releases/{release_id}/assets'];
    // What GitHub does by GraphQL alone, which runs over these tables.
    const ours = Object.keys(graphqlRows);
    expect(
      rows
        .map(([route]) => route)
        .filter((route) => !known.has(route) && ![...undocumented, ...uploads, ...ours].includes(route)),
    ).toEqual([]);
  });

  it('has the routes that complete 45 of the 47 surveyed apps', () => {
    expect(rows.length).toBeGreaterThanOrEqual(130);
  });

  it('has at most two rows of which something is missing, and says what', () => {
    const partial = rows.filter(([, row]) => row.support === 'partial');
    expect(partial.map(([route]) => route).sort()).toEqual([
      'DELETE /repos/{owner}/{repo}/pulls/comments/{comment_id}',
      'PUT /repos/{owner}/{repo}/branches/{branch}/protection',
    ]);
    for (const [, row] of rows) if (row.support !== 'exact') expect(row.note).toMatch(/\S.+\.$/);
  });

  it('names for each row what it follows, and how safe it is to repeat', () => {
    for (const [route, row] of rows) {
      expect(row.source).toMatch(
        /^(?:(?:issue|miscellaneous|notification|repository|organization|user): |git |Forgeway: )/,
      );
      expect([route, row.retry === 'read']).toEqual([route, route.startsWith('GET ')]);
    }
  });

  it('knows no route twice', () => {
    const row = rows[0]?.[1];
    if (row === undefined) throw new Error('There is no row.');
    expect(() => joinTables({ 'GET /x': row }, { 'GET /x': row })).toThrow('GET /x is defined twice.');
  });
});
