/** Reviews and the comments on lines that belong to them. */
import { z } from 'zod';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  doer,
  mayChange,
  notFound,
  nothing,
  ok,
  paged,
  pagingQuery,
  pullFor,
  refuse,
  repositoryFor,
  since,
} from '../answers.js';
import { mergeBaseOf, reviewCommentJson, reviewJson } from '../git-json.js';
import { tellReview } from '../happenings.js';
import { issueEdit } from '../issue-edit.js';
import type { Issue, Pull, Repository, Review } from '../state.js';
import type { World } from '../world.js';

const EVENTS = ['APPROVED', 'PENDING', 'COMMENT', 'REQUEST_CHANGES', 'REQUEST_REVIEW', ''] as const;

const CREATE = z.object({
  event: z.enum(EVENTS).optional(),
  body: z.string().optional(),
  commit_id: z.string().optional(),
  comments: z
    .array(
      z
        .object({
          path: z.string(),
          body: z.string(),
          new_position: z.number().int().optional(),
          old_position: z.number().int().optional(),
        })
        .strict(),
    )
    .optional(),
});

const SUBMIT = z.object({ event: z.enum(EVENTS), body: z.string().optional() });

type PullIssue = Issue & { pull: Pull };

export function reviewRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const edit = issueEdit(world);
  const base = '/repos/:owner/:repo/pulls/:index/reviews';
  const at = (request: FakeRequest) => {
    const repository = repositoryFor(world, request);
    return { repository, issue: pullFor(repository, request) };
  };
  const one = (request: FakeRequest) => {
    const { repository, issue } = at(request);
    const review = issue.pull.reviews.find((entry) => String(entry.id) === request.params.id) ?? notFound();
    return { repository, issue, review };
  };

  /** Hunk of the diff that the line stands in, up to it; '' for a line the diff does not show. */
  async function hunkAt(repository: Repository, issue: PullIssue, path: string): Promise<string> {
    const { files } = await repository.git.diff(await mergeBaseOf(repository, issue.pull), issue.pull.headSha);
    return (
      files
        .find((file) => file.path === path)
        ?.patch.split('\n')
        .slice(0, 4)
        .join('\n') ?? ''
    );
  }

  /** It marks the comment that is named, which begins a conversation on the page. */
  const resolution = (verb: 'resolve' | 'unresolve'): FakeRoute =>
    since('v126', world, {
      method: 'POST',
      path: `/repos/:owner/:repo/pulls/comments/:id/${verb}`,
      source: `repository: POST /repos/{owner}/{repo}/pulls/comments/{id}/${verb}`,
      run: (request) => {
        const repository = repositoryFor(world, request);
        const found = repository.issues
          .flatMap((issue) =>
            (issue.pull?.reviews ?? []).flatMap(({ comments }) => comments.map((comment) => ({ issue, comment }))),
          )
          .find(({ comment }) => String(comment.id) === request.params.id);
        if (found === undefined) return notFound();
        mayChange(world, repository, doer(request), found.issue.user);
        found.comment.resolver = verb === 'resolve' ? doer(request).login : undefined;
        return nothing();
      },
    });

  async function submit(
    repository: Repository,
    issue: PullIssue,
    review: Review,
    event: Review['state'],
    body: string,
  ): Promise<void> {
    if ((event === 'APPROVED' || event === 'REQUEST_CHANGES') && review.user === issue.user)
      refuse(
        422,
        event === 'APPROVED' ? 'approve your own pull is not allowed' : 'reject your own pull is not allowed',
      );
    const needsBody = event === 'REQUEST_CHANGES' || event === 'PENDING' || review.comments.length === 0;
    if (event !== 'APPROVED' && needsBody && body.trim() === '') refuse(422, `review event ${event} requires a body`);
    review.state = event;
    review.body = body;
    review.submitted = state.now();
    if (event === 'PENDING') return;
    issue.pull.reviewers = issue.pull.reviewers.filter((login) => login !== review.user);
    issue.pull.reviews = issue.pull.reviews.filter(
      (entry) => entry.user !== review.user || entry.state !== 'REQUEST_REVIEW',
    );
    edit.note(issue, review.user, { type: 'review', body });
    await tellReview(world, repository, issue, review);
  }

  return [
    {
      method: 'GET',
      path: base,
      source: 'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews',
      query: pagingQuery,
      run: (request) => {
        const { repository, issue } = at(request);
        return paged(world, request, issue.pull.reviews, (review) => reviewJson(world, repository, issue, review));
      },
    },
    {
      method: 'POST',
      path: base,
      source: 'repository: POST /repos/{owner}/{repo}/pulls/{index}/reviews',
      body: CREATE,
      run: async (request) => {
        const { repository, issue } = at(request);
        const { event, body = '', commit_id: commit, comments = [] } = request.body as z.infer<typeof CREATE>;
        const { login } = doer(request);
        const now = state.now();
        const review: Review = {
          id: state.nextId(),
          user: login,
          state: 'PENDING',
          body: '',
          commit: commit || issue.pull.headSha,
          dismissed: false,
          submitted: now,
          comments: [],
        };
        for (const comment of comments)
          review.comments.push({
            id: state.nextId(),
            path: comment.path,
            body: comment.body,
            user: login,
            line: comment.new_position ? comment.new_position : -(comment.old_position ?? 0),
            commit: review.commit,
            hunk: await hunkAt(repository, issue, comment.path),
            created: now,
            updated: now,
            reactions: [],
          });
        await submit(repository, issue, review, event || 'PENDING', body);
        issue.pull.reviews.push(review);
        return ok(reviewJson(world, repository, issue, review));
      },
    },
    {
      method: 'GET',
      path: `${base}/:id`,
      source: 'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews/{id}',
      run: (request) => {
        const { repository, issue, review } = one(request);
        return ok(reviewJson(world, repository, issue, review));
      },
    },
    {
      method: 'POST',
      path: `${base}/:id`,
      source: 'repository: POST /repos/{owner}/{repo}/pulls/{index}/reviews/{id}',
      body: SUBMIT,
      run: async (request) => {
        const { repository, issue, review } = one(request);
        const { event, body = '' } = request.body as z.infer<typeof SUBMIT>;
        if (review.state !== 'PENDING') refuse(422, 'only a pending review can be submitted');
        await submit(repository, issue, review, event || 'PENDING', body);
        return ok(reviewJson(world, repository, issue, review));
      },
    },
    {
      method: 'DELETE',
      path: `${base}/:id`,
      source: 'repository: DELETE /repos/{owner}/{repo}/pulls/{index}/reviews/{id}',
      run: (request) => {
        const { issue, review } = one(request);
        issue.pull.reviews = issue.pull.reviews.filter((entry) => entry !== review);
        return nothing();
      },
    },
    {
      method: 'POST',
      path: `${base}/:id/dismissals`,
      source: 'repository: POST /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/dismissals',
      body: z.object({ message: z.string().optional(), priors: z.boolean().optional() }),
      run: (request) => {
        repositoryFor(world, request, 'admin');
        const { repository, issue, review } = one(request);
        if (review.state !== 'APPROVED' && review.state !== 'REQUEST_CHANGES')
          refuse(403, 'not need to dismiss this type of review');
        review.dismissed = true;
        edit.note(issue, doer(request).login, { type: 'dismiss_review' });
        return ok(reviewJson(world, repository, issue, review));
      },
    },
    {
      method: 'GET',
      path: `${base}/:id/comments`,
      source: 'repository: GET /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments',
      run: (request) => {
        const { repository, issue, review } = one(request);
        return ok(review.comments.map((comment) => reviewCommentJson(world, repository, issue, review, comment)));
      },
    },
    since('deletesLineComments', world, {
      method: 'DELETE',
      path: `${base}/:id/comments/:comment`,
      source: 'repository: DELETE /repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments/{comment}',
      run: (request) => {
        const { review } = one(request);
        const kept = review.comments.filter(({ id }) => String(id) !== request.params.comment);
        if (kept.length === review.comments.length) return notFound();
        review.comments = kept;
        return nothing();
      },
    }),
    resolution('resolve'),
    resolution('unresolve'),
  ];
}
