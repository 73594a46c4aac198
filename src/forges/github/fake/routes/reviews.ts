/** Reviews of pull requests, and the comments on their lines. */
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  field,
  invalid,
  mayChange,
  notFound,
  nothing,
  ok,
  pageOf,
  pullFor,
  refuse,
  repositoryFor,
  row,
} from '../answers.js';
import { diffOf } from '../git-json.js';
import { tellReview, tellReviewComment } from '../happenings.js';
import { reviewCommentJson, reviewJson } from '../present.js';
import { isPull, type PullIssue, type Repository, type Review, type ReviewComment, same } from '../state.js';
import type { World } from '../world.js';

const LINE = z.looseObject({
  body: field.text,
  path: field.text,
  line: field.integer,
  side: field.text,
  start_line: z.number().int().nullish(),
  position: field.integer,
  commit_id: field.text,
  in_reply_to: field.integer,
  subject_type: field.text,
});
const REVIEW = z.looseObject({
  body: field.text,
  event: field.text,
  commit_id: field.text,
  comments: z.array(LINE).optional(),
});
const BODY = z.looseObject({ body: field.text });
const RESOLUTION = z.looseObject({ resolved: z.boolean() });
const DISMISSAL = z.looseObject({ message: field.text, event: field.text });

const STATES: Readonly<Record<string, Review['state']>> = {
  APPROVE: 'approved',
  REQUEST_CHANGES: 'changes_requested',
  COMMENT: 'commented',
};

type Line = Pick<ReviewComment, 'path' | 'body' | 'side' | 'line' | 'startLine'>;

/** Lines of the new side that a hunk shows; comments may stand on them. */
function linesIn(patch: string): Set<number> {
  const lines = new Set<number>();
  let at = 0;
  for (const line of patch.split('\n')) {
    const [, start] = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(line) ?? [];
    if (start !== undefined) at = Number(start);
    else if (line.startsWith('+') || line.startsWith(' ')) {
      lines.add(at);
      at += 1;
    }
  }
  return lines;
}

/** Line of the new side at GitHub's `position`, which counts lines of the diff below the first hunk's header. */
function lineAtPosition(patch: string, position: number): number | undefined {
  let at = 0;
  for (const [index, line] of patch.split('\n').entries()) {
    const [, start] = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(line) ?? [];
    if (start !== undefined) at = Number(start) - 1;
    else if (!line.startsWith('-')) at += 1;
    if (index === position) return at;
  }
  return undefined;
}

export function reviewRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const repo = 'repos/{owner}/{repo}';
  const one = `${repo}/pulls/{pull_number}`;
  const at = (request: FakeRequest) => {
    const repository = repositoryFor(world, request, 'read', 'pull_requests');
    return { repository, issue: pullFor(repository, request) };
  };
  const reviewAt = (request: FakeRequest) => {
    const { repository, issue } = at(request);
    const found = issue.pull.reviews.find(({ id }) => String(id) === request.params.review_id);
    return { repository, issue, review: found ?? notFound() };
  };
  const commentAt = (request: FakeRequest) => {
    const repository = repositoryFor(world, request, 'read', 'pull_requests');
    for (const issue of repository.issues.filter(isPull)) {
      const comment = issue.pull.comments.find(({ id }) => String(id) === request.params.comment_id);
      if (comment !== undefined) return { repository, issue, comment };
    }
    return notFound();
  };

  function addReview(
    issue: PullIssue,
    author: string,
    o: Pick<Review, 'state' | 'body'> & { commit?: string },
  ): Review {
    const review: Review = {
      id: state.nextId(),
      author,
      state: o.state,
      body: o.body,
      commit: o.commit ?? issue.pull.headSha,
      submitted: o.state === 'pending' ? undefined : state.now(),
    };
    issue.pull.reviews.push(review);
    issue.updated = state.now();
    return review;
  }

  /** Checked against the diff: GitHub takes no comment on a line that nobody sees. */
  async function lineFor(repository: Repository, issue: PullIssue, given: z.infer<typeof LINE>): Promise<Line> {
    if (!given.body?.trim()) return invalid('PullRequestReviewComment', 'body', 'missing_field');
    if (!given.path) return invalid('PullRequestReviewComment', 'path', 'missing_field');
    const file = (await diffOf(repository, issue)).files.find(({ path }) => path === given.path);
    if (file === undefined) return invalid('PullRequestReviewComment', 'path', 'invalid');
    const side = given.side === 'LEFT' ? ('LEFT' as const) : ('RIGHT' as const);
    const line = given.line ?? (given.position === undefined ? undefined : lineAtPosition(file.patch, given.position));
    if (given.subject_type === 'file') return { path: given.path, body: given.body, side, line: null, startLine: null };
    if (line === undefined || (side === 'RIGHT' && !linesIn(file.patch).has(line)))
      return invalid('PullRequestReviewComment', 'line', 'invalid', 'line must be part of the diff');
    return { path: given.path, body: given.body, side, line, startLine: given.start_line ?? null };
  }

  function addComment(issue: PullIssue, review: Review, line: Line, replyTo?: number): ReviewComment {
    const now = state.now();
    const comment: ReviewComment = {
      ...line,
      id: state.nextId(),
      author: review.author,
      review: review.id,
      commit: review.commit,
      replyTo,
      resolved: false,
      created: now,
      updated: now,
      reactions: [],
    };
    issue.pull.comments.push(comment);
    return comment;
  }

  /** The review is there for all to see: who gave it waits for nothing any more. */
  async function submit(repository: Repository, issue: PullIssue, review: Review): Promise<void> {
    const { author } = review;
    issue.pull.requested = issue.pull.requested.filter((login) => !same(login, author));
    await tellReview(world, repository, issue, review, author, 'submitted');
    for (const comment of issue.pull.comments.filter((said) => said.review === review.id))
      await tellReviewComment(world, repository, issue, comment, author, 'created');
  }

  async function create(request: FakeRequest) {
    const { repository, issue } = at(request);
    const { body = '', event, commit_id: commit, comments = [] } = request.body as z.infer<typeof REVIEW>;
    const { login } = doer(request);
    const wanted = event === undefined ? 'pending' : STATES[event];
    if (wanted === undefined) return invalid('PullRequestReview', 'event', 'invalid');
    if (wanted !== 'commented' && wanted !== 'pending' && same(login, issue.author))
      return refuse(422, 'Unprocessable Entity', {
        errors: [`Can not ${wanted === 'approved' ? 'approve' : 'request changes on'} your own pull request`],
      });
    if (body.trim() === '' && (wanted === 'changes_requested' || (wanted === 'commented' && comments.length === 0)))
      return refuse(422, 'Unprocessable Entity', { errors: ['Body can not be blank'] });
    const lines: Line[] = [];
    for (const given of comments) lines.push(await lineFor(repository, issue, given));
    const review = addReview(issue, login, { state: wanted, body, commit });
    for (const line of lines) addComment(issue, review, line);
    if (wanted !== 'pending') await submit(repository, issue, review);
    return ok(reviewJson(world, repository, issue, review, 'api'));
  }

  async function submitPending(request: FakeRequest) {
    const { repository, issue, review } = reviewAt(request);
    const { body, event = '' } = request.body as z.infer<typeof REVIEW>;
    const wanted = STATES[event];
    if (wanted === undefined || review.state !== 'pending') return invalid('PullRequestReview', 'event', 'invalid');
    Object.assign(review, { state: wanted, body: body ?? review.body, submitted: state.now() });
    await submit(repository, issue, review);
    return ok(reviewJson(world, repository, issue, review, 'api'));
  }

  async function dismiss(request: FakeRequest) {
    const { repository, issue, review } = reviewAt(request);
    repositoryFor(world, request, 'write', 'pull_requests');
    const { message = '' } = request.body as z.infer<typeof DISMISSAL>;
    if (message.trim() === '') return invalid('PullRequestReview', 'message', 'missing_field');
    if (review.state !== 'approved' && review.state !== 'changes_requested')
      return refuse(422, 'Can not dismiss a commented pull request review');
    review.state = 'dismissed';
    await tellReview(world, repository, issue, review, doer(request).login, 'dismissed');
    return ok(reviewJson(world, repository, issue, review, 'api'));
  }

  /** A comment of its own is a review of one comment. */
  async function commentOnLine(request: FakeRequest) {
    const { repository, issue } = at(request);
    const given = request.body as z.infer<typeof LINE>;
    if (given.in_reply_to !== undefined) return reply(request, given.in_reply_to);
    if (!given.commit_id) return invalid('PullRequestReviewComment', 'commit_id', 'missing_field');
    const line = await lineFor(repository, issue, given);
    const review = addReview(issue, doer(request).login, { state: 'commented', body: '', commit: given.commit_id });
    const comment = addComment(issue, review, line);
    await submit(repository, issue, review);
    return created(reviewCommentJson(world, repository, issue, comment));
  }

  async function reply(request: FakeRequest, to: number) {
    const { repository, issue } = at(request);
    const first = issue.pull.comments.find(({ id }) => id === to) ?? notFound();
    const { body = '' } = request.body as z.infer<typeof BODY>;
    if (body.trim() === '') return invalid('PullRequestReviewComment', 'body', 'missing_field');
    const review = addReview(issue, doer(request).login, { state: 'commented', body: '', commit: first.commit });
    const { path, side, line, startLine } = first;
    const comment = addComment(issue, review, { path, side, line, startLine, body }, first.replyTo ?? first.id);
    await submit(repository, issue, review);
    return created(reviewCommentJson(world, repository, issue, comment));
  }

  const threadOf = (issue: PullIssue, first: ReviewComment) =>
    issue.pull.comments.filter((said) => said === first || said.replyTo === first.id);
  const threadJson = (repository: Repository, issue: PullIssue, first: ReviewComment) => ({
    resolved: first.resolved,
    resolved_by: null,
    comments: threadOf(issue, first).map((said) => reviewCommentJson(world, repository, issue, said)),
  });

  /** Conversations on lines, which GitHub knows by GraphQL alone; the paths are ours. */
  const threads = [
    row(`GET /${one}/threads`, (request) => {
      const { repository, issue } = at(request);
      const firsts = issue.pull.comments.filter(({ replyTo }) => replyTo === undefined);
      return pageOf(world, request, firsts, (first) => threadJson(repository, issue, first));
    }),
    row(
      `PUT /${one}/threads/{comment_id}/resolution`,
      (request) => {
        const { repository, issue, comment } = commentAt(request);
        const first = issue.pull.comments.find(({ id }) => id === comment.replyTo) ?? comment;
        first.resolved = (request.body as z.infer<typeof RESOLUTION>).resolved;
        return ok(threadJson(repository, issue, first));
      },
      { body: RESOLUTION },
    ),
  ];

  return [
    ...threads,
    row(`GET /${one}/reviews`, (request) => {
      const { repository, issue } = at(request);
      const { login } = doer(request);
      const all = issue.pull.reviews.filter((review) => review.state !== 'pending' || review.author === login);
      return pageOf(world, request, all, (review) => reviewJson(world, repository, issue, review, 'api'));
    }),
    row(`POST /${one}/reviews`, create, { body: REVIEW }),
    row(`GET /${one}/reviews/{review_id}`, (request) => {
      const { repository, issue, review } = reviewAt(request);
      return ok(reviewJson(world, repository, issue, review, 'api'));
    }),
    row(`POST /${one}/reviews/{review_id}/events`, submitPending, { body: REVIEW }),
    row(`PUT /${one}/reviews/{review_id}/dismissals`, dismiss, { body: DISMISSAL }),
    row(`GET /${one}/reviews/{review_id}/comments`, (request) => {
      const { repository, issue, review } = reviewAt(request);
      const all = issue.pull.comments.filter((comment) => comment.review === review.id);
      return pageOf(world, request, all, (comment) => reviewCommentJson(world, repository, issue, comment));
    }),
    row(`GET /${one}/comments`, (request) => {
      const { repository, issue } = at(request);
      return pageOf(world, request, issue.pull.comments, (comment) =>
        reviewCommentJson(world, repository, issue, comment),
      );
    }),
    row(`POST /${one}/comments`, commentOnLine, { body: LINE }),
    row(`POST /${one}/comments/{comment_id}/replies`, (request) => reply(request, Number(request.params.comment_id)), {
      body: BODY,
    }),
    row(`GET /${repo}/pulls/comments/{comment_id}`, (request) => {
      const { repository, issue, comment } = commentAt(request);
      return ok(reviewCommentJson(world, repository, issue, comment));
    }),
    row(
      `PATCH /${repo}/pulls/comments/{comment_id}`,
      async (request) => {
        const { repository, issue, comment } = commentAt(request);
        mayChange(world, repository, request, comment.author, 'pull_requests');
        const { body = '' } = request.body as z.infer<typeof BODY>;
        const changes = { body: { from: comment.body } };
        Object.assign(comment, { body, updated: state.now() });
        await tellReviewComment(world, repository, issue, comment, doer(request).login, 'edited', { changes });
        return ok(reviewCommentJson(world, repository, issue, comment));
      },
      { body: BODY },
    ),
    row(`DELETE /${repo}/pulls/comments/{comment_id}`, async (request) => {
      const { repository, issue, comment } = commentAt(request);
      mayChange(world, repository, request, comment.author, 'pull_requests');
      issue.pull.comments = issue.pull.comments.filter((other) => other !== comment);
      await tellReviewComment(world, repository, issue, comment, doer(request).login, 'deleted');
      return nothing();
    }),
  ];
}
