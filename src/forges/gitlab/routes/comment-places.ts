/** Where comments stand: GitHub names them by their id alone, GitLab below their issue or merge request. */
import { z } from 'zod';
import { notFound, type RouteContext } from '../../kit/route.js';
import type { NotePlace } from '../convert/note.js';
import { read } from '../convert/read.js';
import { issueNumber } from '../references.js';
import { type Place, type Thread, threadAt } from './place.js';

const COMMENT = 'comment';
/** Apart from the place, which every list and event tells anew. */
const REVIEW_OF_COMMENT = 'review_of_comment';

const kept = z.looseObject({
  kind: z.enum(['issue', 'merge_request']),
  iid: z.number(),
  discussion: z.string().optional(),
});
const keptReview = z.looseObject({ review: z.number() });

interface Seen {
  id: number | string;
  discussion?: string;
  review?: number;
}

/** Remembers the places of comments that a list or an answer told. */
export async function remember(
  context: RouteContext,
  thread: Pick<Thread, 'kind' | 'iid'>,
  notes: readonly Seen[],
): Promise<void> {
  if (notes.length === 0) return;
  await context.records.putAll(
    COMMENT,
    notes.map(({ id, discussion }) => ({
      key: String(id),
      data: {
        kind: thread.kind,
        iid: thread.iid,
        ...(discussion !== undefined && { discussion }),
      },
    })),
  );
  for (const { id, review } of notes)
    if (review !== undefined) await context.records.put(REVIEW_OF_COMMENT, String(id), { review });
}

/** @throws RouteFailure 404 when no list, answer or event ever showed this comment */
export async function commentThread(
  context: RouteContext,
  place: Place,
  id: string,
): Promise<Thread & { discussion?: string; review?: number }> {
  const record = await context.records.get(COMMENT, id);
  if (record === undefined) throw notFound();
  const data = read(kept, record.data, 'comment record');
  const thread = threadAt(place, data.kind === 'issue' ? issueNumber(data.iid) : data.iid);
  return { ...thread, discussion: data.discussion, review: await reviewOfComment(context, id) };
}

/** The review that a comment on a line was given with; undefined where none is known. */
export async function reviewOfComment(context: RouteContext, id: number | string): Promise<number | undefined> {
  const record = await context.records.get(REVIEW_OF_COMMENT, String(id));
  return record && read(keptReview, record.data, 'review of a comment').review;
}

/** Page of an issue or merge request, without asking for it. */
export const notePlace = (context: RouteContext, place: Place, thread: Thread): NotePlace => ({
  number: thread.number,
  webUrl: `${context.base.web}/${place.path}/-/${thread.kind === 'issue' ? 'issues' : 'merge_requests'}/${thread.iid}`,
});
