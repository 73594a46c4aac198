/** Reviews: GitLab keeps who approved and what reviewers said last, without numbers; the numbers and the rest are ours. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import type { ForgeRecord } from '../../kit/records.js';
import { notFound, type RouteContext } from '../../kit/route.js';
import type { ReviewInput } from '../../kit/shapes/inputs.js';
import * as shape from '../../kit/shapes/review.js';
import type { NativeMergeRequest } from '../convert/merge-request.js';
import { id, read, readAll, time } from '../convert/read.js';
import { account, type NativeUser, nativeUser } from '../convert/user.js';
import type { Place, Thread } from './place.js';
import { lineComment } from './review-position.js';

export const REVIEW = 'review';

const kept = z.looseObject({
  state: z.enum(['approved', 'changes_requested', 'commented', 'dismissed', 'pending']),
  user: nativeUser,
  body: z.string(),
  commit: z.string(),
  submittedAt: z.string(),
  note: id.optional(),
  /** Comments of a review that is not submitted yet. */
  comments: z.array(lineComment).default([]),
});
export type KeptReview = z.output<typeof kept>;

export const keyOf = (mr: NativeMergeRequest, rest: string): string => `${mr.project_id}:${mr.iid}:${rest}`;
export const keptIn = (record: ForgeRecord): KeptReview => read(kept, record.data, 'review record');

const approvals = z.looseObject({
  approved_by: z.array(z.looseObject({ user: nativeUser, approved_at: z.string().nullish() })).nullish(),
});

/** Who approves it now. */
export const approvedBy = async (context: RouteContext, pull: Thread) =>
  read(approvals, await context.native.get(`${pull.api}/approvals`), 'approvals').approved_by ?? [];

const reviewer = z.looseObject({ user: nativeUser, state: z.string(), created_at: z.string().nullish() });

const spoken: Readonly<Record<string, KeptReview['state']>> = {
  requested_changes: 'changes_requested',
  reviewed: 'commented',
};

/** Gives what people did in GitLab a number, once. */
async function note(
  context: RouteContext,
  mr: NativeMergeRequest,
  user: NativeUser,
  state: KeptReview['state'],
  at: string | null | undefined,
) {
  const key = keyOf(mr, `${user.id}:${state}`);
  const submittedAt = time(at) ?? time(mr.updated_at) ?? '';
  const known = await context.records.get(REVIEW, key);
  // An approval that was taken back and given again is a new one.
  if (known?.data.state === state) return key;
  await context.records.put(REVIEW, key, { state, user, body: '', commit: mr.sha ?? '', submittedAt });
  return key;
}

interface Reviewed {
  record: ForgeRecord;
  review: KeptReview;
}

/** Keys of what holds only as long as GitLab says so. */
const VERDICT = /:\d+:(approved|changes_requested)$/;

/** All reviews of a merge request, oldest first. A verdict that was taken back is a dismissed review. */
export async function reviewsOf(context: RouteContext, pull: Thread, mr: NativeMergeRequest): Promise<Reviewed[]> {
  const [approvers, said] = await Promise.all([
    approvedBy(context, pull),
    context.native.find(`${pull.api}/reviewers`),
  ]);
  const standing = new Set<string>();
  for (const { user, approved_at: at } of approvers) standing.add(await note(context, mr, user, 'approved', at));
  for (const { user, state, created_at: at } of said === undefined ? [] : readAll(reviewer, said, 'reviewers')) {
    const meant = spoken[state];
    if (meant !== undefined) standing.add(await note(context, mr, user, meant, at));
  }
  const records = await context.records.list(REVIEW, keyOf(mr, ''));
  return records
    .map((record) => ({ record, review: keptIn(record) }))
    .map(({ record, review }) => {
      const withdrawn = VERDICT.test(record.key) && !standing.has(record.key);
      return { record, review: withdrawn ? { ...review, state: 'dismissed' as const } : review };
    })
    .sort((a, b) => Date.parse(a.review.submittedAt) - Date.parse(b.review.submittedAt));
}

/** @throws RouteFailure 404 when there is no review with this number in this merge request */
export async function reviewAt(
  context: RouteContext,
  pull: Thread,
  mr: NativeMergeRequest,
  number: number,
): Promise<Reviewed> {
  const found = (await reviewsOf(context, pull, mr)).find(({ record }) => record.id === number);
  if (found === undefined) throw notFound();
  return found;
}

export function shownReview(
  context: RouteContext,
  place: Place,
  mr: NativeMergeRequest,
  { record, review }: Reviewed,
): JsonObject {
  const input: ReviewInput = {
    id: record.id,
    number: mr.iid,
    htmlUrl: review.note === undefined ? mr.web_url : `${mr.web_url}#note_${review.note}`,
    pullRequestHtmlUrl: mr.web_url,
    author: account(review.user),
    body: review.body,
    state: review.state,
    commitSha: review.commit,
    submittedAt: review.state === 'pending' ? undefined : review.submittedAt,
  };
  return shape.review(context.base, place.owner, place.repo, input, 'api');
}
