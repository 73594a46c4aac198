/** Where a review comment stands: GitHub says path, line and side, GitLab wants both line numbers and three commits. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { invalid, type RouteContext } from '../../kit/route.js';
import { nativeDiff } from '../convert/commit.js';
import { type DiffLine, diffLines, lineAt } from '../convert/diff-lines.js';
import type { NativeMergeRequest } from '../convert/merge-request.js';
import { everything, type Thread } from './place.js';

export const lineComment = z.looseObject({
  body: z.string().min(1),
  path: z.string().min(1),
  line: z.number().int().positive().optional(),
  side: z.enum(['LEFT', 'RIGHT']).default('RIGHT'),
  start_line: z.number().int().positive().nullish(),
  start_side: z.enum(['LEFT', 'RIGHT']).optional(),
  /** Lines below the first hunk header; GitHub's older way. */
  position: z.number().int().positive().nullish(),
  subject_type: z.enum(['line', 'file']).optional(),
});
export type LineComment = z.output<typeof lineComment>;

const wrong = (field: string) =>
  invalid('PullRequestReviewComment', field, 'invalid', `${field} is not part of the diff`);

/** How GitLab names a line: digest of the path, old and new number. */
const lineCode = (path: string, line: DiffLine): string =>
  `${createHash('sha1').update(path).digest('hex')}_${line.oldLine}_${line.newLine}`;

/** A line that did not change has both numbers. */
const numbersOf = (line: DiffLine) => ({
  old_line: line.kind === 'added' ? undefined : line.oldLine,
  new_line: line.kind === 'removed' ? undefined : line.newLine,
});

const range = (path: string, line: DiffLine) => ({
  line_code: lineCode(path, line),
  type: line.kind === 'removed' ? 'old' : 'new',
  ...numbersOf(line),
});

/** Of each comment, in order. @throws RouteFailure 422 when the file or the line of one is not part of the diff */
export async function positionsOf(
  context: RouteContext,
  pull: Thread,
  mr: NativeMergeRequest,
  comments: readonly LineComment[],
): Promise<Record<string, unknown>[]> {
  const diffs = await everything(context, `${pull.api}/diffs`, nativeDiff);
  return comments.map((comment) => positionIn(diffs, mr.diff_refs ?? undefined, comment));
}

/** @throws RouteFailure 422 when the file or the line is not part of the diff */
export async function positionOf(
  context: RouteContext,
  pull: Thread,
  mr: NativeMergeRequest,
  comment: LineComment,
): Promise<Record<string, unknown>> {
  return positionIn(await everything(context, `${pull.api}/diffs`, nativeDiff), mr.diff_refs ?? undefined, comment);
}

interface Refs {
  base_sha?: string | null | undefined;
  start_sha?: string | null | undefined;
  head_sha?: string | null | undefined;
}

/** The same for any diff, between the commits that `refs` names. @throws RouteFailure 422 */
export function positionIn(
  diffs: readonly z.output<typeof nativeDiff>[],
  refs: Refs | undefined,
  comment: LineComment,
): Record<string, unknown> {
  // The name of before a renaming may be another file's by now.
  const diff = diffs.find((one) => one.new_path === comment.path) ?? diffs.find((one) => one.old_path === comment.path);
  if (diff === undefined) throw wrong('path');
  const at = {
    base_sha: refs?.base_sha,
    start_sha: refs?.start_sha,
    head_sha: refs?.head_sha,
    old_path: diff.old_path,
    new_path: diff.new_path,
  };
  if (comment.subject_type === 'file') return { ...at, position_type: 'file' };
  const lines = diffLines(diff.diff ?? '');
  const line =
    comment.line !== undefined
      ? lineAt(lines, comment.line, comment.side)
      : lines.filter((entry) => entry.kind !== 'hunk' || entry !== lines[0])[(comment.position ?? 0) - 1];
  if (line === undefined || line.kind === 'hunk') throw wrong(comment.line === undefined ? 'position' : 'line');
  const start = comment.start_line ? lineAt(lines, comment.start_line, comment.start_side ?? comment.side) : undefined;
  return {
    ...at,
    position_type: 'text',
    ...numbersOf(line),
    ...(start && { line_range: { start: range(diff.new_path, start), end: range(diff.new_path, line) } }),
  };
}
