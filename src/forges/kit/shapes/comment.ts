/** Comments: on issues and pull requests, on commits, on lines of a pull request. */
import type { JsonObject } from '../../forge.js';
import { userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import { given, UNKNOWN_TIME } from './fields.js';
import type { CommentInput, ReviewCommentInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf } from './repository.js';

/** What every kind of comment has. */
function comment(base: ShapeBase, url: string, type: string, where: string, input: CommentInput): JsonObject {
  return {
    url,
    html_url: input.htmlUrl,
    id: jsonId(input.id),
    node_id: nodeId(type, input.id, where),
    user: userOrGhost(base, input.author),
    created_at: input.createdAt ?? UNKNOWN_TIME,
    updated_at: input.updatedAt ?? input.createdAt ?? UNKNOWN_TIME,
    author_association: input.association ?? 'NONE',
    body: input.body,
    reactions: reactions(url),
  };
}

export function issueComment(base: ShapeBase, owner: string, repo: string, input: CommentInput): JsonObject {
  const api = apiOf(base, owner, repo);
  return {
    ...comment(base, `${api}/issues/comments/${input.id}`, 'IssueComment', `${owner}/${repo}#${input.number}`, input),
    issue_url: `${api}/issues/${input.number}`,
    performed_via_github_app: null,
  };
}

/** `number` of the input is not read: a commit has none. `line` is one of the new file; null is the whole commit. */
export function commitComment(
  base: ShapeBase,
  owner: string,
  repo: string,
  input: Omit<CommentInput, 'number'> & { sha: string; path?: string | null; line?: number | null },
): JsonObject {
  const url = `${apiOf(base, owner, repo)}/comments/${input.id}`;
  return {
    ...comment(base, url, 'CommitComment', `${owner}/${repo}`, { ...input, number: 0 }),
    position: input.line ?? null,
    line: input.line ?? null,
    path: input.path ?? null,
    commit_id: input.sha,
  };
}

/**
 * A comment on a line of a pull request. GitHub counts `position` in lines of the diff, which no forge tells: the line of
 * the file stands there, so that null still means "outdated".
 */
export function reviewComment(base: ShapeBase, owner: string, repo: string, input: ReviewCommentInput): JsonObject {
  const api = apiOf(base, owner, repo);
  const url = `${api}/pulls/comments/${input.id}`;
  const pull = `${api}/pulls/${input.number}`;
  const { line = null, startLine = null, side = 'RIGHT' } = input;
  const originalLine = input.originalLine ?? line;
  return {
    ...comment(base, url, 'PullRequestReviewComment', `${owner}/${repo}#${input.number}`, input),
    pull_request_review_id: input.reviewId === undefined ? 0 : jsonId(input.reviewId),
    diff_hunk: input.diffHunk ?? '',
    path: input.path,
    position: line,
    original_position: originalLine ?? 1,
    commit_id: input.commitSha,
    original_commit_id: input.originalCommitSha ?? input.commitSha,
    pull_request_url: pull,
    _links: { self: { href: url }, html: { href: input.htmlUrl }, pull_request: { href: pull } },
    start_line: startLine,
    original_start_line: startLine,
    start_side: startLine === null ? null : (input.startSide ?? side),
    line,
    original_line: originalLine ?? 1,
    side,
    subject_type: originalLine === null ? 'file' : 'line',
    ...given({ in_reply_to_id: input.inReplyTo === undefined ? undefined : jsonId(input.inReplyTo) }),
  };
}

/** Counts of reactions to the thing at `url`; all zero, as forges tell them on request only. */
export function reactions(url: string): JsonObject {
  const counts = { '+1': 0, '-1': 0, laugh: 0, hooray: 0, confused: 0, heart: 0, rocket: 0, eyes: 0 };
  return { url: `${url}/reactions`, total_count: 0, ...counts };
}
