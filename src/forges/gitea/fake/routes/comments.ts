/** Comments and reactions. */
import { z } from 'zod';
import { parameter } from '../../../kit/fake/request-check.js';
import type { FakeRequest, FakeRoute } from '../../../kit/fake/routing.js';
import {
  created,
  doer,
  issueFor,
  mayChange,
  notFound,
  nothing,
  ok,
  paged,
  paging,
  pagingQuery,
  refuse,
  repositoryFor,
} from '../answers.js';
import { tellComment } from '../happenings.js';
import { commentJson, reactionJson } from '../objects.js';
import type { Comment, Issue, Reaction, Repository, ReviewComment } from '../state.js';
import type { World } from '../world.js';

const BODY = z.object({ body: z.string() });
const CONTENT = z.object({ content: z.string() });
const REACTIONS: ReadonlySet<string> = new Set(['+1', '-1', 'laugh', 'hooray', 'confused', 'heart', 'rocket', 'eyes']);
const time = parameter.time.optional();

interface Found {
  issue: Issue;
  /** Undefined when the id is of a comment on a line. */
  comment: Comment | undefined;
  line: ReviewComment | undefined;
}

function find(repository: Repository, id: string | undefined): Found {
  for (const issue of repository.issues) {
    const comment = issue.comments.find((one) => String(one.id) === id);
    const line = issue.pull?.reviews.flatMap((review) => review.comments).find((one) => String(one.id) === id);
    if (comment || line) return { issue, comment, line };
  }
  return notFound();
}

const between = (query: URLSearchParams) => (one: { updated: string }) =>
  (query.get('since') === null || Date.parse(one.updated) >= Date.parse(query.get('since') ?? '')) &&
  (query.get('before') === null || Date.parse(one.updated) <= Date.parse(query.get('before') ?? ''));

export function commentRoutes(world: World): FakeRoute[] {
  const { state } = world;
  const base = '/repos/:owner/:repo/issues';

  const reactionsOn = (path: string, target: (request: FakeRequest) => { reactions: Reaction[] }): FakeRoute[] => [
    {
      method: 'GET',
      path: `${path}/reactions`,
      source: `issue: GET ${path}/reactions`,
      query: pagingQuery,
      run: (request) => ok(target(request).reactions.map((one) => reactionJson(world, one))),
    },
    {
      method: 'POST',
      path: `${path}/reactions`,
      source: `issue: POST ${path}/reactions`,
      body: CONTENT,
      run: (request) => {
        const { content } = request.body as { content: string };
        const { login } = doer(request);
        const { reactions } = target(request);
        if (!REACTIONS.has(content)) refuse(403, `'${content}' is not an allowed reaction`);
        const before = reactions.find((one) => one.user === login && one.content === content);
        if (before) return ok(reactionJson(world, before));
        const made = { user: login, content, created: state.now() };
        reactions.push(made);
        return created(reactionJson(world, made));
      },
    },
    {
      method: 'DELETE',
      path: `${path}/reactions`,
      source: `issue: DELETE ${path}/reactions`,
      body: CONTENT,
      run: (request) => {
        const { content } = request.body as { content: string };
        const { reactions } = target(request);
        const at = reactions.findIndex((one) => one.user === doer(request).login && one.content === content);
        if (at >= 0) reactions.splice(at, 1);
        return nothing(200);
      },
    },
  ];

  return [
    {
      method: 'GET',
      path: `${base}/:index/comments`,
      source: 'issue: GET /repos/{owner}/{repo}/issues/{index}/comments',
      query: z.object({ since: time, before: time }),
      run: (request) => {
        const repository = repositoryFor(world, request);
        const issue = issueFor(repository, request);
        const shown = issue.comments.filter(between(request.query));
        const json = shown.map((one) => commentJson(world, repository, issue, one));
        return { json, headers: { 'x-total-count': String(shown.length) } };
      },
    },
    {
      method: 'POST',
      path: `${base}/:index/comments`,
      source: 'issue: POST /repos/{owner}/{repo}/issues/{index}/comments',
      body: BODY,
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const issue = issueFor(repository, request);
        const { body } = request.body as z.infer<typeof BODY>;
        if (body.trim() === '') refuse(422, '[Body]: Required');
        const now = state.now();
        const comment: Comment = {
          id: state.nextId(),
          body,
          user: doer(request).login,
          created: now,
          updated: now,
          reactions: [],
        };
        issue.comments.push(comment);
        issue.updated = now;
        await tellComment(world, repository, issue, comment, comment.user, 'created');
        return created(commentJson(world, repository, issue, comment));
      },
    },
    {
      method: 'GET',
      path: `${base}/comments`,
      source: 'issue: GET /repos/{owner}/{repo}/issues/comments',
      query: z.object({ ...paging, since: time, before: time }),
      run: (request) => {
        const repository = repositoryFor(world, request);
        const all = repository.issues
          .flatMap((issue) => issue.comments.map((comment) => ({ issue, comment })))
          .filter(({ comment }) => between(request.query)(comment))
          .sort((a, b) => a.comment.id - b.comment.id);
        return paged(world, request, all, (one) => commentJson(world, repository, one.issue, one.comment));
      },
    },
    {
      method: 'GET',
      path: `${base}/comments/:id`,
      source: 'issue: GET /repos/{owner}/{repo}/issues/comments/{id}',
      run: (request) => {
        const repository = repositoryFor(world, request);
        const { issue, comment } = find(repository, request.params.id);
        return comment ? ok(commentJson(world, repository, issue, comment)) : nothing();
      },
    },
    {
      method: 'PATCH',
      path: `${base}/comments/:id`,
      source: 'issue: PATCH /repos/{owner}/{repo}/issues/comments/{id}',
      body: BODY,
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const { issue, comment, line } = find(repository, request.params.id);
        const { body } = request.body as z.infer<typeof BODY>;
        const target = comment ?? line ?? notFound();
        mayChange(world, repository, doer(request), target.user);
        const before = target.body;
        target.body = body;
        target.updated = state.now();
        if (comment) await tellComment(world, repository, issue, comment, doer(request).login, 'edited', before);
        return ok(commentJson(world, repository, issue, target));
      },
    },
    {
      method: 'DELETE',
      path: `${base}/comments/:id`,
      source: 'issue: DELETE /repos/{owner}/{repo}/issues/comments/{id}',
      run: async (request) => {
        const repository = repositoryFor(world, request);
        const { issue, comment } = find(repository, request.params.id);
        // A comment on a line stays, and the answer is the same.
        if (comment === undefined) return nothing();
        mayChange(world, repository, doer(request), comment.user);
        issue.comments.splice(issue.comments.indexOf(comment), 1);
        await tellComment(world, repository, issue, comment, doer(request).login, 'deleted');
        return nothing();
      },
    },
    ...reactionsOn(`${base}/:index`, (request) => issueFor(repositoryFor(world, request), request)),
    ...reactionsOn(`${base}/comments/:id`, (request) => {
      const { comment, line } = find(repositoryFor(world, request), request.params.id);
      return comment ?? line ?? notFound();
    }),
  ];
}
