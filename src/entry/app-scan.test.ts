import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { forges } from '../forges/registry.js';
import { routeRows, scanOldCall, scanRoutes } from './app-scan.js';

const folder = mkdtempSync(join(tmpdir(), 'forgeway-scan-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

it('finds methods, written routes, configuration and GraphQL, in all that the file imports', () => {
  put('work.mjs', `export const work = (octokit) => octokit.request('GET /repos/{owner}/{repo}/tags', {});`);
  const file = put(
    'app.mjs',
    `import { work } from './work.mjs';
     export default (app) => app.on('push', async (context) => {
       await context.config('x.yml');
       const { data } = await context.octokit.rest
         .pulls.list(context.repo());
       await context.octokit.paginate(context.octokit.rest.issues.listForRepo, {});
       context.octokit.graphql('{ viewer { login } }');
       console.log(data.length.toString());
     });`,
  );
  expect(scanRoutes(file)).toEqual([
    'GET /repos/{owner}/{repo}/contents/{path}',
    'GET /repos/{owner}/{repo}/issues',
    'GET /repos/{owner}/{repo}/pulls',
    'GET /repos/{owner}/{repo}/tags',
    'GraphQL',
  ]);
});

it('knows old names when it is told how old', () => {
  const file = put('old.cjs', `module.exports = (r) => r.on('*', (c) => c.github.pullRequests.getFiles(c.issue()));`);
  expect(scanRoutes(file)).toEqual([]);
  expect(scanRoutes(file, 'v7')).toEqual(['GET /repos/{owner}/{repo}/pulls/{pull_number}/files']);
});

it('finds a method that is called without rest', () => {
  const call = (text: string) => scanOldCall(put('call.cjs', `module.exports = (r) => r.on('*', (c) => ${text});`));
  expect(call('c.octokit.issues.createComment(c.issue())')).toBe('octokit.issues.createComment');
  expect(call('c.octokit.rest.issues.createComment(c.issue())')).toBeUndefined();
  expect(call('c.octokit.paginate.iterator(c.octokit.rest.issues.list)')).toBeUndefined();
});

it('says which forge has a route', () => {
  const rows = routeRows(
    ['POST /repos/{owner}/{repo}/issues', 'GET /codes_of_conduct', 'GET /app'],
    [...forges.values()],
  );
  const supported = rows.map(({ route, forges: given }) => [
    route,
    Object.values(given).map((support) => support !== 'none'),
  ]);
  expect(supported).toEqual([
    ['POST /repos/{owner}/{repo}/issues', [true, true, true, true]],
    ['GET /codes_of_conduct', [true, false, false, false]],
    ['GET /app', [true, true, true, true]],
  ]);
});
