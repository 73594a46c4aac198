/** Commits as GitHub's. */

import { type DiffFile, readDiff } from '../../../lib/diff-text.js';
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { notFound, type RouteContext, type RouteRequest } from '../../kit/route.js';
import { commit } from '../../kit/shapes/commit.js';
import type { CommitInput, FileInput } from '../../kit/shapes/inputs.js';
import { commitInput } from '../convert/commit.js';
import { withShas } from './blob-shas.js';
import { failedWith, itemsOf, objectOf, param, repoPath, textOf, wishes } from './native.js';

/** As in lists, where GitHub tells neither files nor counts. */
export function asCommit(request: RouteRequest, context: RouteContext, native: unknown): JsonObject {
  const { files: _files, stats: _stats, ...input } = commitInput(native);
  return commit(context.base, param(request, 'owner'), param(request, 'repo'), input);
}

/** A single one, with `files` and the counts they add up to. */
export function asFullCommit(
  request: RouteRequest,
  context: RouteContext,
  native: unknown,
  files: readonly FileInput[],
): JsonObject {
  const sum = (key: 'additions' | 'deletions') => files.reduce((total, one) => total + one[key], 0);
  const input: CommitInput = {
    ...commitInput(native),
    files,
    stats: { additions: sum('additions'), deletions: sum('deletions') },
  };
  return commit(context.base, param(request, 'owner'), param(request, 'repo'), input);
}

export const fileOfDiff = ({ path, previousPath, status, additions, deletions, patch, sha }: DiffFile): FileInput => ({
  path,
  status,
  additions,
  deletions,
  ...wishes({ previousPath, patch, sha }),
});

/** The text of what a commit changed. */
export async function commitText(
  request: RouteRequest,
  context: RouteContext,
  sha: string,
  ending: 'diff' | 'patch',
): Promise<string> {
  const { data } = await context.native.send('GET', `${repoPath(request)}/git/commits/${sha}.${ending}`, {
    as: 'text',
  });
  return typeof data === 'string' ? data : '';
}

/** The files that a commit changed, with their patches and their SHAs: of one that it removed, that of its first parent. */
export async function commitFiles(
  request: RouteRequest,
  context: RouteContext,
  native: JsonObject,
): Promise<FileInput[]> {
  const now = textOf(native, 'sha');
  const files = readDiff(await commitText(request, context, now, 'diff')).map(fileOfDiff);
  const [parent] = itemsOf(native.parents);
  return withShas(request, context, files, { now, before: textOf(objectOf(parent), 'sha') });
}

/** The same, or undefined; a name that no ref can have is none either, to which the server says 422. */
export async function findCommit(
  request: RouteRequest,
  context: RouteContext,
  ref: string,
): Promise<JsonObject | undefined> {
  if (ref === '') return undefined;
  try {
    // One segment of the path, whatever is in the name. GitHub also takes `heads/main` and `refs/heads/main`.
    const path = `${repoPath(request)}/git/commits/${segment(ref.replace(/^(?:refs\/)?(?:heads|tags)\//, ''))}`;
    return objectOf(await context.native.get(path, { stat: false, files: false }));
  } catch (error) {
    if (failedWith(error, 404, 422)) return undefined;
    throw error;
  }
}

/** The commit that a branch, a tag or a SHA names. @throws RouteFailure 404 */
export async function nativeCommit(request: RouteRequest, context: RouteContext, ref: string): Promise<JsonObject> {
  const found = await findCommit(request, context, ref);
  if (found === undefined) throw notFound();
  return found;
}

/** Its SHA. @throws RouteFailure 404 */
export const shaOf = async (request: RouteRequest, context: RouteContext, ref: string): Promise<string> =>
  textOf(await nativeCommit(request, context, ref), 'sha');
