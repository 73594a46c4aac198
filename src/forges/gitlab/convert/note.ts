import { z } from 'zod';
import type { CommentInput, ReviewCommentInput } from '../../kit/shapes/inputs.js';
import { toGitHubBody } from '../quick-actions.js';
import { toGitHubSuggestions } from '../suggestions.js';
import { id, time } from './read.js';
import { accountOrNull, nativeUser } from './user.js';

/** One end of a comment on several lines. Whoever writes by the API need not name the numbers: they stand in the code too. */
const rangeEnd = z.looseObject({
  line_code: z.string().nullish(),
  type: z.string().nullish(),
  old_line: z.number().nullish(),
  new_line: z.number().nullish(),
});
export const lineRange = z.looseObject({ start: rangeEnd.nullish() });

export const nativePosition = z.looseObject({
  base_sha: z.string().nullish(),
  start_sha: z.string().nullish(),
  head_sha: z.string().nullish(),
  old_path: z.string().nullish(),
  new_path: z.string().nullish(),
  old_line: z.number().nullish(),
  new_line: z.number().nullish(),
  position_type: z.string().nullish(),
  line_range: lineRange.nullish().catch(undefined),
});

export const nativeNote = z.looseObject({
  id,
  type: z.string().nullish(),
  body: z.string(),
  author: nativeUser.nullish(),
  system: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
  position: nativePosition.nullish(),
  resolvable: z.boolean().nullish(),
  resolved: z.boolean().nullish(),
  resolved_by: nativeUser.nullish(),
});
export type NativeNote = z.output<typeof nativeNote>;

export const nativeDiscussion = z.looseObject({
  id: z.string(),
  individual_note: z.boolean(),
  notes: z.array(nativeNote),
});
export type NativeDiscussion = z.output<typeof nativeDiscussion>;

/** Where a note stands: what GitHub's routes know by the comment's id alone. */
export interface NotePlace {
  /** Number as apps see it. */
  number: number;
  /** Page of the issue or merge request. */
  webUrl: string;
}

/** Whether GitHub would call it a conversation comment: no system note, and not on a line of the diff. */
export const isComment = (note: NativeNote): boolean => !note.system && note.type !== 'DiffNote';

export const commentInput = (note: NativeNote, place: NotePlace): CommentInput => ({
  id: note.id,
  number: place.number,
  htmlUrl: `${place.webUrl}#note_${note.id}`,
  body: toGitHubBody(note.body),
  author: accountOrNull(note.author),
  createdAt: time(note.created_at),
  updatedAt: time(note.updated_at),
});

/** Where a line stands that has a number on either side, or on both when it did not change. */
interface Numbers {
  old_line?: number | null | undefined;
  new_line?: number | null | undefined;
}

/** `digest_old_new`; the side that the line is not on counts as the line beside it. */
function numbersIn(code: string | null | undefined, type: string | null | undefined): Numbers {
  const [, old, now] = /_(\d{1,9})_(\d{1,9})$/.exec(code ?? '') ?? [];
  return type === 'old' ? { old_line: Number(old) || null } : { new_line: Number(now) || null };
}

/** Line and side as GitHub names them: the old side only for a line that is not on the new one. */
function lineOf({ old_line: old, new_line: now }: Numbers): { line: number | null; side: 'LEFT' | 'RIGHT' } {
  return { line: now ?? old ?? null, side: now == null && old ? 'LEFT' : 'RIGHT' };
}

/** The fields of GitHub's that say where in the file. A comment on one line may come with a range of that line alone. */
export function linesOf(
  at: (Numbers & { line_range?: z.output<typeof lineRange> | null | undefined }) | null | undefined,
): Pick<ReviewCommentInput, 'line' | 'originalLine' | 'side' | 'startLine' | 'startSide'> {
  const end = lineOf(at ?? {});
  const told = at?.line_range?.start;
  const isNumbered = told?.new_line != null || told?.old_line != null;
  const start = told ? lineOf(isNumbered ? told : numbersIn(told.line_code, told.type)) : undefined;
  const isRange = start?.line != null && end.line !== null && (start.line !== end.line || start.side !== end.side);
  return {
    ...end,
    originalLine: end.line,
    ...(isRange && { startLine: start.line, startSide: start.side }),
  };
}

/** A note on a line. A reply carries the position of the first note of its discussion. */
export function reviewCommentInput(
  note: NativeNote,
  place: NotePlace,
  more: { inReplyTo?: number | string; reviewId?: number; diffHunk?: string } = {},
): ReviewCommentInput {
  const at = note.position;
  const lines = linesOf(at);
  return {
    ...commentInput(note, place),
    body: toGitHubSuggestions(toGitHubBody(note.body), lines),
    path: at?.new_path ?? at?.old_path ?? '',
    commitSha: at?.head_sha ?? '',
    originalCommitSha: at?.head_sha ?? '',
    ...lines,
    inReplyTo: more.inReplyTo,
    reviewId: more.reviewId,
    diffHunk: more.diffHunk,
  };
}
