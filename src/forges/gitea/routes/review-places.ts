/**
 * Where a comment on a line stands. The forge names such comments by pull request and review, GitHub by their id alone; and
 * it knows no replies: comments on the same line are one conversation.
 */

import { type DiffFile, type DiffLine, holdsLine, lineAt } from '../../../lib/diff-text.js';
import type { JsonObject } from '../../forge.js';
import { invalid, notFound, type RouteContext, type RouteRequest } from '../../kit/route.js';
import type { Id } from '../../kit/shapes/inputs.js';
import { LINE_COMMENT_PLACES } from '../convert/comment.js';
import { countIn, idOf, numberParam, objectOf, objectsOf, repoPath, textIn, textOf } from './native.js';
import { everything } from './pages.js';

/** How many pull requests are looked through for a comment that was never seen. */
const SEARCHED_PULLS = 20;

/** The forge's fields for the place of a comment. @throws RouteFailure 422 when the diff has no such line */
export function placeOf(comment: JsonObject, files: readonly DiffFile[]): JsonObject {
  const path = textOf(comment, 'path');
  const [line, position] = [countIn(comment, 'line'), countIn(comment, 'position')];
  if (path === '') throw invalid('PullRequestReviewComment', 'path', 'missing_field');
  const patch = files.find((file) => file.path === path)?.patch;
  const place: DiffLine | undefined =
    line !== undefined
      ? { line, side: textIn(comment, 'side') === 'LEFT' ? 'LEFT' : 'RIGHT' }
      : position !== undefined && patch !== undefined
        ? lineAt(patch, position)
        : undefined;
  const field = 'pull_request_review_thread.line';
  // The server keeps a comment that stands on no line of the diff, where nobody sees it.
  if (place === undefined || patch === undefined || !holdsLine(patch, place))
    throw invalid('PullRequestReviewComment', field, 'custom', `${field} must be part of the diff`);
  return place.side === 'LEFT'
    ? { path, old_position: place.line, new_position: 0 }
    : { path, new_position: place.line, old_position: 0 };
}

/** Remembers for each comment of a list where it stands. */
export async function rememberPlaces(
  context: RouteContext,
  number: number,
  natives: readonly unknown[],
): Promise<void> {
  const entries = natives.map(objectOf).map((native) => ({
    key: String(idOf(native)),
    data: { number, review: String(native.pull_request_review_id ?? '') },
  }));
  if (entries.length > 0) await context.records.putAll(LINE_COMMENT_PLACES, entries);
}

export interface FoundComment {
  native: JsonObject;
  number: number;
  /** Id of its review. */
  review: Id;
}

/** Every comment on lines of a pull request, the oldest first. */
export async function commentsOfPull(
  request: RouteRequest,
  context: RouteContext,
  number: number,
): Promise<FoundComment[]> {
  const pull = `${repoPath(request)}/pulls/${number}`;
  const found: FoundComment[] = [];
  for (const one of objectsOf(await everything(context, `${pull}/reviews`))) {
    // Servers before 1.19 do not count them; then every review is asked.
    if (countIn(one, 'comments_count') === 0) continue;
    const review = idOf(one);
    const natives = objectsOf(await context.native.get(`${pull}/reviews/${review}/comments`));
    await rememberPlaces(context, number, natives);
    found.push(...natives.map((native) => ({ native, number, review })));
  }
  return found.sort((a, b) => compareIds(idOf(a.native), idOf(b.native)));
}

const compareIds = (a: Id, b: Id): number => (BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0);

const conversation = (native: JsonObject): string =>
  JSON.stringify([textOf(native, 'path'), native.position ?? 0, native.original_position ?? 0]);

/** For each comment the id of the first one on its line; undefined for that first one. */
export function replies(comments: readonly FoundComment[]): ReadonlyMap<FoundComment, Id | undefined> {
  const first = new Map<string, Id>();
  return new Map(
    comments.map((comment) => {
      const key = conversation(comment.native);
      const root = first.get(key);
      if (root === undefined) first.set(key, idOf(comment.native));
      return [comment, root] as const;
    }),
  );
}

/**
 * The comment with the id in the path, and all of its pull request. One that no answer has told before is looked for in
 * the pull requests that were changed last.
 * @throws RouteFailure 404
 */
export async function findComment(
  request: RouteRequest,
  context: RouteContext,
): Promise<{ comment: FoundComment; all: readonly FoundComment[] }> {
  const id = String(numberParam(request, 'comment_id'));
  const known = await context.records.get(LINE_COMMENT_PLACES, id);
  const numbers =
    known === undefined
      ? objectsOf(
          await context.native.get(`${repoPath(request)}/pulls`, {
            state: 'all',
            sort: 'recentupdate',
            limit: SEARCHED_PULLS,
          }),
        ).map((pull) => countIn(pull, 'number'))
      : [countIn(known.data, 'number')];
  for (const number of numbers) {
    if (number === undefined) continue;
    const all = await commentsOfPull(request, context, number);
    const comment = all.find(({ native }) => String(idOf(native)) === id);
    if (comment) return { comment, all };
  }
  throw notFound();
}
