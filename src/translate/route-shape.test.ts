import { expect, it } from '@jest/globals';
import { routeShape } from './route-shape.js';

it.each([
  ['/repos/acme/web', '/repos/{}/{}'],
  ['/repos/acme/issues/issues/7/comments', '/repos/{}/{}/issues/{}/comments'],
  ['/repos/acme/web/contents/a/b/c.txt', '/repos/{}/{}/contents/{}'],
  ['/repos/acme/web/git/refs/heads/feature/x', '/repos/{}/{}/git/refs/{}'],
  ['/repos/acme/web/collaborators/alice/permission', '/repos/{}/{}/collaborators/{}/permission'],
  ['/repos/acme/web/commits/deadbeef/status', '/repos/{}/{}/commits/{}/status'],
  ['/repositories/7001/issues', '/repositories/{}/issues'],
  ['/app/installations/42/access_tokens', '/app/installations/{}/access_tokens'],
  ['/graphql', '/graphql'],
  ['/', '/'],
])('%s is %s', (path, shape) => {
  expect(routeShape(path)).toBe(shape);
});
