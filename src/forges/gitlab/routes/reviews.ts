import { z } from 'zod';
import {
  invalid,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import type { NativeMergeRequest } from '../convert/merge-request.js';
import { nativeNote } from '../convert/note.js';
import { read } from '../convert/read.js';
import { nativeUser } from '../convert/user.js';
import { toNativeBody } from '../quick-actions.js';
import { remember, reviewOfComment } from './comment-places.js';
import { accept, numberParam, type Place, placeOf, pullOf, refused, slice, type Thread } from './place.js';
import { readMergeRequest } from './pull.js';
import { commentAt, lineNotes, shownLineNote } from './review-comments.js';
import { lineComment, positionsOf } from './review-position.js';
import { approvedBy, type KeptReview, keyOf, REVIEW, reviewAt, reviewsOf, shownReview } from './review-records.js';

const list: Route = {
  support: 'emulated',
  retry: 'read',
  source:
    'merge_request_approvals: GET /projects/:id/merge_requests/:merge_request_iid/approvals; merge_requests: GET .../reviewers',
  note: 'Approvals, what reviewers said last, and the reviews that were made through Forgeway.',
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const mr = await readMergeRequest(context, pull);
    const { items, pages } = slice(request, await reviewsOf(context, pull, mr));
    return { data: items.map((one) => shownReview(context, place, mr, one)), pages };
  },
};

async function found(request: RouteRequest, context: RouteContext) {
  const place = placeOf(request);
  const pull = pullOf(request, place);
  const mr = await readMergeRequest(context, pull);
  return { place, pull, mr, reviewed: await reviewAt(context, pull, mr, numberParam(request, 'review_id')) };
}

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'merge_request_approvals: GET /projects/:id/merge_requests/:merge_request_iid/approvals',
  note: 'The number is that of our record of the review.',
  async run(request, context) {
    const { place, mr, reviewed } = await found(request, context);
    return { data: shownReview(context, place, mr, reviewed) };
  },
};

const comments: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'discussions: GET /projects/:id/merge_requests/:merge_request_iid/discussions',
  note: 'Comments that people make on GitLab belong to no review.',
  async run(request, context) {
    const { place, pull, reviewed } = await found(request, context);
    const notes = await lineNotes(context, pull);
    const reviews = await Promise.all(notes.map(({ note }) => reviewOfComment(context, note.id)));
    const { items, pages } = slice(
      request,
      notes.filter((_, at) => reviews[at] === reviewed.record.id),
    );
    return { data: items.map((one) => shownLineNote(context, place, pull, one, reviewed.record.id)), pages };
  },
};

const wish = z.looseObject({
  event: z.enum(['APPROVE', 'REQUEST_CHANGES', 'COMMENT']).optional(),
  body: z.string().nullish(),
  commit_id: z.string().optional(),
  comments: z.array(lineComment).default([]),
});
type Wish = z.output<typeof wish>;

const meant = { APPROVE: 'approved', REQUEST_CHANGES: 'changes_requested', COMMENT: 'commented' } as const;

function check(body: Wish): void {
  if (body.event === undefined || body.event === 'APPROVE') return;
  if (!body.body && (body.event === 'REQUEST_CHANGES' || body.comments.length === 0))
    throw invalid('PullRequestReview', 'body', 'missing_field');
}

/** GitLab refuses a second approval of the same account, and says 401 for it. */
async function approve(context: RouteContext, pull: Thread, sha: string | undefined): Promise<void> {
  const own = String(context.account.id);
  if ((await approvedBy(context, pull)).some(({ user }) => String(user.id) === own)) return;
  await refused<unknown>(
    () => context.native.send('POST', `${pull.api}/approve`, { json: { sha } }),
    [401],
    () => {
      throw invalid(
        'PullRequestReview',
        'event',
        'custom',
        'GitLab does not let this account approve the merge request.',
      );
    },
  );
}

interface Draft {
  place: Place;
  pull: Thread;
  mr: NativeMergeRequest;
  key: string;
  body: Wish;
  /** The pending review that it is made of. */
  pending?: KeptReview;
}

/** What a review says as a whole. Answers the number of the note. */
async function say(context: RouteContext, pull: Thread, text: string) {
  const { data } = await context.native.send('POST', `${pull.api}/notes`, { json: { body: toNativeBody(text) } });
  const { id } = read(nativeNote, data, 'note');
  await remember(context, pull, [{ id }]);
  return id;
}

/**
 * Comments on lines name the review by our number of it, so its record is there first; it goes when the first is refused. Its text
 * is in it when it was said: whoever looks for it after GitLab broke off must not take half of a review for all of it.
 */
async function sayOnLines(
  context: RouteContext,
  { pull, key, body, pending }: Draft,
  review: KeptReview,
  positions: Awaited<ReturnType<typeof positionsOf>>,
) {
  const record = await context.records.put(REVIEW, key, pending === undefined ? { ...review, body: '' } : review);
  let said = 0;
  try {
    for (const [at, { body: text }] of body.comments.entries()) {
      await commentAt(context, pull, { body: text, position: positions[at] ?? {} }, record.id);
      said += 1;
    }
  } catch (error) {
    if (said === 0)
      await (pending === undefined ? context.records.delete(REVIEW, key) : context.records.put(REVIEW, key, pending));
    throw error;
  }
}

/** Writes the review to GitLab and to our record of it. What GitLab refuses leaves no review behind. */
async function submit(context: RouteContext, draft: Draft) {
  const { place, pull, mr, key, body } = draft;
  check(body);
  const state = body.event === undefined ? 'pending' : meant[body.event];
  const onLines = state === 'pending' ? [] : body.comments;
  // Of all of them before anything is said: GitLab takes one after the other, GitHub all or none.
  const positions = onLines.length === 0 ? [] : await positionsOf(context, pull, mr, onLines);
  if (state === 'approved') await approve(context, pull, body.commit_id);
  const user = read(nativeUser, await context.native.get('/user'), 'user');
  const review: KeptReview = {
    state,
    user,
    body: body.body ?? '',
    commit: body.commit_id ?? mr.sha ?? '',
    submittedAt: context.clock
      .now()
      .toISOString()
      .replace(/\.\d{3}Z$/, 'Z'),
    comments: state === 'pending' ? body.comments : [],
  };
  if (onLines.length > 0) await sayOnLines(context, draft, review, positions);
  const told = state !== 'pending' && body.body ? { ...review, note: await say(context, pull, body.body) } : review;
  return shownReview(context, place, mr, { record: await context.records.put(REVIEW, key, told), review: told });
}

const NOTE = 'A request for changes is kept by Forgeway and shown as a comment: it does not block the merge on GitLab.';

const create: Route = {
  support: 'partial',
  retry: 'unsafe',
  source:
    'merge_request_approvals: POST /projects/:id/merge_requests/:merge_request_iid/approve; notes: POST; discussions: POST',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const pull = pullOf(request, place);
    const body = accept('PullRequestReview', wish, request.body);
    const mr = await readMergeRequest(context, pull);
    const count = (await context.records.list(REVIEW, keyOf(mr, 'ours:'))).length;
    // One approval of an account is one review, as GitLab counts them.
    const key = body.event === 'APPROVE' ? keyOf(mr, `${context.account.id}:approved`) : keyOf(mr, `ours:${count}`);
    return { data: await submit(context, { place, pull, mr, key, body }) };
  },
};

const submitPending: Route = {
  support: 'emulated',
  retry: 'unsafe',
  source: 'merge_request_approvals: POST .../approve; notes: POST; discussions: POST',
  note: NOTE,
  async run(request, context) {
    const { place, pull, mr, reviewed } = await found(request, context);
    const { event, body } = accept('PullRequestReview', wish.required({ event: true }), request.body);
    if (reviewed.review.state !== 'pending')
      throw new RouteFailure(422, 'Can not submit a review that is not pending.');
    const { comments: waiting, body: before, commit } = reviewed.review;
    const whole = { event, body: body ?? before, commit_id: commit, comments: waiting };
    return {
      data: await submit(context, { place, pull, mr, key: reviewed.record.key, body: whole, pending: reviewed.review }),
    };
  },
};

const dismiss: Route = {
  support: 'partial',
  retry: 'idempotent',
  source: 'merge_request_approvals: POST /projects/:id/merge_requests/:merge_request_iid/unapprove',
  note: 'Only the own approval can be taken back; GitLab lets nobody withdraw that of another person.',
  async run(request, context) {
    const { message } = accept('PullRequestReview', z.looseObject({ message: z.string().min(1) }), request.body);
    const { place, pull, mr, reviewed } = await found(request, context);
    const { record, review } = reviewed;
    if (review.state !== 'approved' && review.state !== 'changes_requested')
      throw new RouteFailure(422, `Can not dismiss a ${review.state} pull request review`);
    if (String(review.user.id) !== String(context.account.id))
      throw new RouteFailure(403, 'GitLab lets nobody take back the review of another person.');
    if (review.state === 'approved') await context.native.send('POST', `${pull.api}/unapprove`);
    await context.native.send('POST', `${pull.api}/notes`, { json: { body: toNativeBody(message) } });
    const after: KeptReview = { ...review, state: 'dismissed' };
    return {
      data: shownReview(context, place, mr, {
        record: await context.records.put(REVIEW, record.key, after),
        review: after,
      }),
    };
  },
};

export const reviews: RouteTable = {
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews': list,
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews': create,
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}': get,
  'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments': comments,
  'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/events': submitPending,
  'PUT /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/dismissals': dismiss,
};
