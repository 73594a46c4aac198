/** Commits of a repository. */

import type { JsonObject } from '../../forge.js';
import { type RouteContext, RouteFailure, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { contributors } from '../../kit/shapes/contributor.js';
import { commitInput } from '../convert/commit.js';
import { asCommit, asFullCommit, commitFiles, commitText, nativeCommit, shaOf } from './commit-objects.js';
import { failedWith, objectOf, param, repoPath, textIn, textOf } from './native.js';
import { everything, pageIn, pageOf, USUAL_CAP } from './pages.js';
import { emulated, exact } from './row.js';

/** Beyond this many commits a filter by person or time that the server does not know is not worth its time. */
const MOST_FILTERED = 2000;

function wanted(request: RouteRequest): ((native: JsonObject) => boolean) | undefined {
  const { author, committer, since, until } = request.query;
  if (!author && !committer && !since && !until) return undefined;
  const is = (native: JsonObject, role: 'author' | 'committer', name: string | undefined) => {
    if (!name) return true;
    const git = objectOf(objectOf(native.commit)[role]);
    return [textOf(objectOf(native[role]), 'login'), textOf(git, 'email'), textOf(git, 'name')]
      .map((one) => one.toLowerCase())
      .includes(name.toLowerCase());
  };
  return (native) => {
    const time = Date.parse(textOf(objectOf(objectOf(native.commit).committer), 'date'));
    return (
      is(native, 'author', author) &&
      is(native, 'committer', committer) &&
      (!since || time >= Date.parse(since)) &&
      (!until || time <= Date.parse(until))
    );
  };
}

async function list(request: RouteRequest, context: RouteContext) {
  const path = `${repoPath(request)}/commits`;
  const query = {
    sha: textIn(request.query, 'sha'),
    path: textIn(request.query, 'path'),
    stat: false,
    files: false,
  };
  const convert = (native: unknown) => asCommit(request, context, native);
  try {
    const keep = wanted(request);
    // Of one path, commits come in pages of that size whatever is asked for.
    const size = query.path === undefined ? undefined : USUAL_CAP;
    if (keep === undefined) return await pageOf(request, context, path, query, convert, size);
    const all = (await everything(context, path, query, MOST_FILTERED)).map(objectOf).filter(keep);
    return pageIn(request, all.map(convert));
  } catch (error) {
    if (failedWith(error, 409)) throw new RouteFailure(409, 'Git Repository is empty.');
    if (!failedWith(error, 404, 500)) throw error;
    // The server says 500 to a branch that is not there, and 404 to a path that no commit touched.
    if (query.sha !== undefined) await nativeCommit(request, context, query.sha);
    else await context.native.get(repoPath(request));
    if (query.path === undefined || error.status === 500) throw error;
    return pageIn(request, []);
  }
}

async function get(request: RouteRequest, context: RouteContext) {
  const ref = param(request, 'ref');
  const { media } = request;
  if (media === 'sha') {
    const sha = await shaOf(request, context, ref);
    return { body: { contentType: 'application/vnd.github.sha; charset=utf-8', bytes: sha } };
  }
  const native = await nativeCommit(request, context, ref);
  const sha = textOf(native, 'sha');
  if (media === 'diff' || media === 'patch')
    return {
      body: {
        contentType: `application/vnd.github.${media}; charset=utf-8`,
        bytes: await commitText(request, context, sha, media),
      },
    };
  return { data: asFullCommit(request, context, native, await commitFiles(request, context, native)) };
}

/** The server counts for its own pages only, so the newest commits are counted here. */
const MOST_COUNTED = 1000;

async function contributorList(request: RouteRequest, context: RouteContext) {
  const path = `${repoPath(request)}/commits`;
  let all: readonly unknown[];
  try {
    all = await everything(context, path, { stat: false, files: false }, MOST_COUNTED);
  } catch (error) {
    // Nobody wrote anything into an empty repository.
    if (failedWith(error, 409)) return { status: 204 };
    throw error;
  }
  const counted = all.map((native) => {
    const { author } = commitInput(native);
    return { account: author.account ?? null, name: author.name, email: author.email, count: 1 };
  });
  return pageIn(request, contributors(context.base, counted, ['1', 'true'].includes(request.query.anon ?? '')));
}

export const commits: RouteTable = {
  'GET /repos/{owner}/{repo}/contributors': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/commits',
    'Counted over the newest 1,000 commits.',
    contributorList,
  ),
  'GET /repos/{owner}/{repo}/commits': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/commits',
    'Persons and times are filtered by us among the newest 2,000 commits.',
    list,
  ),
  'GET /repos/{owner}/{repo}/commits/{ref}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/git/commits/{sha}, GET /repos/{owner}/{repo}/git/commits/{sha}.{diffType}',
    get,
  ),
};
