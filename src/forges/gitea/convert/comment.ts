import type { z } from 'zod';
import type { CommentInput, RepositoryInput, ReviewCommentInput } from '../../kit/shapes/inputs.js';
import { nativeComment, nativeReviewComment, read } from '../schema.js';
import { associationOf } from './association.js';
import { time } from './time.js';
import { accountIfTold } from './user.js';

/** Records of where a comment on a line stands: key is its id, data `{ number, review }`. */
export const LINE_COMMENT_PLACES = 'review_comment';

type NativeComment = z.output<typeof nativeComment>;

/** The issue or pull request that a comment's addresses name, as `…/issues/12` or `…/pulls/12`; undefined without one. */
export function numberOfComment(native: unknown): number | undefined {
  const comment = nativeComment.safeParse(native);
  const url = comment.success ? comment.data.pull_request_url || comment.data.issue_url : undefined;
  const number = Number(/\/(?:issues|pulls)\/(\d{1,15})(?:[#?].*)?$/.exec(url ?? '')?.[1]);
  return Number.isSafeInteger(number) && number > 0 ? number : undefined;
}

function commentParts(comment: NativeComment, number: number, repository: RepositoryInput | undefined): CommentInput {
  const author = accountIfTold(comment.user);
  const page = comment.pull_request_url || comment.issue_url || `${repository?.htmlUrl ?? ''}/issues/${number}`;
  return {
    id: comment.id,
    number,
    htmlUrl: comment.html_url || `${page}#issuecomment-${comment.id}`,
    body: comment.body,
    author,
    association: associationOf(author, repository),
    createdAt: time(comment.created_at),
    updatedAt: time(comment.updated_at),
  };
}

/** `number` is the issue or pull request it stands in. @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function commentInput(native: unknown, number: number, repository?: RepositoryInput): CommentInput {
  return commentParts(read('comment', nativeComment, native), number, repository);
}

/** A comment on a line of a pull request. @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function reviewCommentInput(native: unknown, number: number, repository?: RepositoryInput): ReviewCommentInput {
  const comment = read('comment', nativeReviewComment, native);
  // One of the two is a line and the other 0. "Position" is a line of the file here, not of the diff as on GitHub.
  const onOldSide = !comment.position && !!comment.original_position;
  const line = (onOldSide ? comment.original_position : comment.position) || null;
  return {
    ...commentParts(comment, number, repository),
    ...(comment.pull_request_review_id != null && { reviewId: comment.pull_request_review_id }),
    path: comment.path,
    commitSha: comment.commit_id ?? '',
    originalCommitSha: comment.original_commit_id || comment.commit_id || undefined,
    line,
    originalLine: line,
    startLine: null,
    side: onOldSide ? 'LEFT' : 'RIGHT',
    ...(comment.diff_hunk && { diffHunk: comment.diff_hunk }),
  };
}
