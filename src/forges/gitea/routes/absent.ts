/** What the server has not got at all, so that a list of it is empty. */
import { segment } from '../../kit/native-client.js';
import type { Route, RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import { nativeCommit } from './commit-objects.js';
import { param, repoPath } from './native.js';
import { emulated } from './row.js';

type Check = (request: RouteRequest, context: RouteContext) => Promise<unknown>;

const emptyList = (note: string, check: Check, source = 'repository: GET /repos/{owner}/{repo}'): Route =>
  emulated('read', source, note, async (request, context) => {
    await check(request, context);
    return { data: [], pages: { next: false } };
  });
const inRepository = (request: RouteRequest, context: RouteContext) => context.native.get(repoPath(request));
const COMMENTS = 'The server knows no comments on commits: none are there.';

export const absent: RouteTable = {
  'GET /users/{username}/gists': emptyList(
    'The server knows no gists: nobody has one.',
    (request, context) => context.native.get(`/users/${segment(param(request, 'username'))}`),
    'user: GET /users/{username}',
  ),
  'GET /repos/{owner}/{repo}/comments': emptyList(COMMENTS, inRepository),
  'GET /repos/{owner}/{repo}/commits/{commit_sha}/comments': emptyList(COMMENTS, (request, context) =>
    nativeCommit(request, context, param(request, 'commit_sha')),
  ),
};
