/** Pull requests, reviews and threads of the forge in memory. */
import { user } from '../../../src/forges/kit/shapes/account.js';
import { file } from '../../../src/forges/kit/shapes/commit.js';
import type * as inputs from '../../../src/forges/kit/shapes/inputs.js';
import { simplePullRequest } from '../../../src/forges/kit/shapes/pull-request.js';
import { PAGES, type Rows, repo, row } from './row.js';
import { base, day, fail, OWNER, type Pull, person, REPO, repositoryInput, sha, type World } from './world.js';

export function pullRows(world: World): Rows {
  const {
    w,
    id,
    shapeCommit,
    addCommit,
    atRef,
    failRoute,
    pull,
    shapePull,
    commitsOf,
    strings,
    shapeReview,
    pageOf,
    sorted,
    inState,
    applyAttributes,
    threadsAt,
    reviewCommentAt,
    shapeReviewComment,
  } = world;
  return {
    [`GET ${repo}/pulls`]: row(`state sort direction base head ${PAGES}`, (p) => {
      const all = inState(w.pulls.values(), p) as Pull[];
      return pageOf(
        sorted(
          all.filter((one) => p.base === undefined || one.base.ref === p.base),
          p,
        ),
        p,
      ).map((one) => simplePullRequest(base, one));
    }),
    [`POST ${repo}/pulls`]: row('title body head base draft maintainer_can_modify', (p) => {
      const number = id();
      const side = (ref: unknown): inputs.SideInput => ({
        ref: String(ref),
        sha: sha(String(ref)),
        repository: repositoryInput,
      });
      const made: Pull = {
        id: 50_000 + number,
        number,
        htmlUrl: `https://forge.example.com/p/${number}`,
        title: String(p.title),
        body: String(p.body ?? ''),
        state: 'open',
        draft: p.draft === true,
        head: side(p.head),
        base: side(p.base),
        author: person('robot'),
      };
      w.pulls.set(number, made);
      return shapePull(made);
    }),
    [`GET ${repo}/pulls/{pull_number}`]: row('', (p) => shapePull(pull(p.pull_number))),
    [`PATCH ${repo}/pulls/{pull_number}`]: row('title body state base maintainer_can_modify', (p) => {
      const of = pull(p.pull_number);
      applyAttributes(of, p);
      if (p.base !== undefined) of.base = { ...of.base, ref: String(p.base) };
      return shapePull(of);
    }),
    [`PUT ${repo}/pulls/{pull_number}/draft`]: row('draft', (p) => {
      pull(p.pull_number).draft = p.draft === true;
    }),
    [`PUT ${repo}/pulls/{pull_number}/auto-merge`]: row('merge_method commit_title commit_message sha', (p) => {
      const of = pull(p.pull_number);
      if (p.sha !== undefined && p.sha !== of.head.sha) return failRoute(409, 'Head branch was modified.');
      const { merge_method, commit_title, commit_message } = p;
      w.autoMerge.set(of.number, {
        merge_method,
        commit_title,
        commit_message,
        enabled_by: user(base, person('robot')),
      });
      return undefined;
    }),
    [`DELETE ${repo}/pulls/{pull_number}/auto-merge`]: row('', (p) => void w.autoMerge.delete(Number(p.pull_number))),
    [`PUT ${repo}/pulls/{pull_number}/merge`]: row('merge_method commit_title commit_message sha', (p) => {
      const of = pull(p.pull_number);
      if (of.state !== 'open') return failRoute(405, 'Pull Request is not mergeable');
      if (p.sha !== undefined && p.sha !== of.head.sha) return failRoute(409, 'Head branch was modified.');
      const made = addCommit(`${p.merge_method} of ${of.number}`, { message: String(p.commit_title ?? 'Merge') });
      Object.assign(of, {
        state: 'closed',
        merged: true,
        mergedAt: day(20),
        mergeCommitSha: made,
        mergedBy: person('robot'),
      });
      return { sha: made, merged: true };
    }),
    [`PUT ${repo}/pulls/{pull_number}/update-branch`]: row('expected_head_sha', (p) => {
      const of = pull(p.pull_number);
      if (p.expected_head_sha !== undefined && p.expected_head_sha !== of.head.sha)
        return failRoute(422, 'expected head sha didn’t match current head ref.');
      of.head = { ...of.head, sha: sha('updated') };
      return { message: 'Updating pull request branch.' };
    }),
    [`GET ${repo}/pulls/{pull_number}/commits`]: row(PAGES, (p) =>
      pageOf(commitsOf(pull(p.pull_number)), p).map((one) => shapeCommit(atRef(one))),
    ),
    [`GET ${repo}/pulls/{pull_number}/files`]: row(PAGES, (p) =>
      pageOf(w.files.get(Number(p.pull_number)) ?? [], p).map((one) => file(base, OWNER, REPO, sha('head'), one)),
    ),
    [`GET ${repo}/pulls/{pull_number}/reviews`]: row(PAGES, (p) =>
      pageOf(w.reviews.get(Number(p.pull_number)) ?? [], p).map(shapeReview),
    ),
    [`GET ${repo}/pulls/{pull_number}/reviews/{review_id}`]: row('', (p) =>
      shapeReview(
        w.reviews.get(Number(p.pull_number))?.find((one) => one.id === Number(p.review_id)) ??
          failRoute(404, 'Not Found'),
      ),
    ),
    [`POST ${repo}/pulls/{pull_number}/reviews`]: row('event body commit_id comments', (p) => {
      const states: Readonly<Record<string, inputs.ReviewInput['state']>> = {
        APPROVE: 'approved',
        REQUEST_CHANGES: 'changes_requested',
        COMMENT: 'commented',
      };
      const made: inputs.ReviewInput = {
        id: id(),
        number: Number(p.pull_number),
        htmlUrl: 'https://forge.example.com/r',
        pullRequestHtmlUrl: 'https://forge.example.com/p',
        author: person('robot'),
        body: String(p.body ?? ''),
        state: states[String(p.event)] ?? 'pending',
        submittedAt: day(10),
      };
      w.reviews.set(made.number, [...(w.reviews.get(made.number) ?? []), made]);
      return shapeReview(made);
    }),
    [`PUT ${repo}/pulls/{pull_number}/reviews/{review_id}/dismissals`]: row('message', (p) => {
      const all = w.reviews.get(Number(p.pull_number)) ?? [];
      const at = all.findIndex((one) => one.id === Number(p.review_id));
      const made = { ...(all[at] ?? failRoute(404, 'Not Found')), state: 'dismissed' as const };
      all[at] = made;
      return shapeReview(made);
    }),
    [`GET ${repo}/pulls/{pull_number}/comments`]: row(PAGES, (p) =>
      pageOf(
        threadsAt(p.pull_number).flatMap((one) => one.comments),
        p,
      ).map(shapeReviewComment),
    ),
    [`GET ${repo}/pulls/{pull_number}/threads`]: row(PAGES, (p) =>
      pageOf(threadsAt(p.pull_number), p).map((one) => ({
        resolved: one.resolved,
        resolved_by: one.resolved ? user(base, person('ben')) : null,
        comments: one.comments.map(shapeReviewComment),
      })),
    ),
    [`PUT ${repo}/pulls/{pull_number}/threads/{comment_id}/resolution`]: row('resolved', (p) => {
      const found =
        threadsAt(p.pull_number).find((one) => one.comments[0]?.id === Number(p.comment_id)) ??
        failRoute(404, 'Not Found');
      found.resolved = p.resolved === true;
    }),
    [`POST ${repo}/pulls/{pull_number}/comments/{comment_id}/replies`]: row('body', (p) => {
      const found =
        threadsAt(p.pull_number).find((one) => one.comments[0]?.id === Number(p.comment_id)) ??
        failRoute(404, 'Not Found');
      const [first] = found.comments;
      const made = {
        ...(first ?? fail('an empty thread')),
        id: id(),
        inReplyTo: Number(p.comment_id),
        body: String(p.body),
      };
      found.comments.push(made);
      return shapeReviewComment(made);
    }),
    [`GET ${repo}/pulls/comments/{comment_id}`]: row('', (p) => shapeReviewComment(reviewCommentAt(p.comment_id))),
    [`POST ${repo}/pulls/{pull_number}/requested_reviewers`]: row('reviewers team_reviewers', (p) => {
      const of = pull(p.pull_number);
      const people_ = new Map((of.reviewers ?? []).map((one) => [one.login, one]));
      for (const login of strings(p.reviewers)) people_.set(login, person(login));
      of.reviewers = [...people_.values()];
      of.teams = [...(of.teams ?? []), ...strings(p.team_reviewers).map((slug) => ({ id: 5, name: slug, slug }))];
      return shapePull(of);
    }),
    [`DELETE ${repo}/pulls/{pull_number}/requested_reviewers`]: row('reviewers team_reviewers', (p) => {
      const of = pull(p.pull_number);
      of.reviewers = (of.reviewers ?? []).filter((one) => !strings(p.reviewers).includes(one.login));
      of.teams = (of.teams ?? []).filter((one) => !strings(p.team_reviewers).includes(one.slug));
      return shapePull(of);
    }),
  };
}
