/** What the server has not got at all, so that a list of it is empty. */
import type { Route, RouteContext, RouteRequest, RouteTable } from '../../kit/route.js';
import { nativeCommit } from './commit-objects.js';
import { param, repoPath } from './native.js';
import { emulated } from './row.js';

const emptyList = (note: string, check: (request: RouteRequest, context: RouteContext) => Promise<unknown>): Route =>
  emulated('read', 'repository: GET /repos/{owner}/{repo}', note, async (request, context) => {
    await check(request, context);
    return { data: [], pages: { next: false } };
  });
const inRepository = (request: RouteRequest, context: RouteContext) => context.native.get(repoPath(request));
const COMMENTS = 'The server knows no comments on commits: none are there.';

export const absent: RouteTable = {
  'GET /repos/{owner}/{repo}/comments': emptyList(COMMENTS, inRepository),
  'GET /repos/{owner}/{repo}/commits/{commit_sha}/comments': emptyList(COMMENTS, (request, context) =>
    nativeCommit(request, context, param(request, 'commit_sha')),
  ),
};
