import { z } from 'zod';
import type { CommentInput, ReviewCommentInput } from '../../kit/shapes/inputs.js';
import { toGitHubBody } from '../quick-actions.js';
import { id, time } from './read.js';
import { accountOrNull, nativeUser } from './user.js';

const position = z.looseObject({
  base_sha: z.string().nullish(),
  start_sha: z.string().nullish(),
  head_sha: z.string().nullish(),
  old_path: z.string().nullish(),
  new_path: z.string().nullish(),
  old_line: z.number().nullish(),
  new_line: z.number().nullish(),
  position_type: z.string().nullish(),
});

export const nativeNote = z.looseObject({
  id,
  type: z.string().nullish(),
  body: z.string(),
  author: nativeUser.nullish(),
  system: z.boolean(),
  created_at: z.string(),
  updated_at: z.string(),
  position: position.nullish(),
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

/** A note on a line. A reply carries the position of the first note of its discussion. */
export function reviewCommentInput(
  note: NativeNote,
  place: NotePlace,
  more: { inReplyTo?: number | string; reviewId?: number; diffHunk?: string } = {},
): ReviewCommentInput {
  const at = note.position;
  const onOldSide = at?.new_line === null || at?.new_line === undefined;
  return {
    ...commentInput(note, place),
    path: at?.new_path ?? at?.old_path ?? '',
    commitSha: at?.head_sha ?? '',
    originalCommitSha: at?.head_sha ?? '',
    line: at?.new_line ?? at?.old_line ?? null,
    originalLine: at?.new_line ?? at?.old_line ?? null,
    side: onOldSide && at?.old_line ? 'LEFT' : 'RIGHT',
    inReplyTo: more.inReplyTo,
    reviewId: more.reviewId,
    diffHunk: more.diffHunk,
  };
}
