/** One object that was listed as changed: read, compared, reported. */
import type { JsonObject } from '../../forges/forge.js';
import { type Seen, seenVersions, toldRow } from '../../store/told/rows.js';
import type { Finding } from './difference.js';
import { isUnsigned, readHappened } from './doers.js';
import type { Pending, Visit } from './ports.js';
import { COMMENTS, LINE_COMMENTS, listed, type ObjectRead, readObject } from './read-object.js';
import { findingsOf, reportObject } from './report.js';

/** `again`: it is looked at in the next cycle, whether or not it is listed then. */
export interface Looked {
  again: boolean;
  events: readonly Finding[];
}

export interface Beginning {
  watermark: Date;
  imported: boolean;
  /** The forge's clock when the list was answered. */
  asOf: Date;
  settleMs: number;
}

/** Fewer comments than there were, with those that came since: some were deleted. */
function misses(read: ObjectRead, seen: Seen | undefined): boolean {
  if (seen?.comments === undefined || seen.seenAt === null) return false;
  const since = seen.seenAt.getTime();
  const came = [...read.comments, ...read.lineComments].filter(
    (comment) => Date.parse(String(comment.created_at ?? '')) > since,
  );
  return read.count < seen.comments + came.length;
}

/** All comments there are, where some are missing. */
async function withAllComments({ access: { github }, watched }: Visit, read: ObjectRead): Promise<ObjectRead> {
  const where = { owner: watched.owner, repo: watched.name };
  const [comments, lineComments] = await Promise.all([
    listed(github, COMMENTS, { ...where, issue_number: read.number }),
    read.isPull ? listed(github, LINE_COMMENTS, { ...where, pull_number: read.number }) : [],
  ]);
  return { ...read, comments, lineComments };
}

/**
 * What happened to an object, when something of it is different of which it does not say who did it. What is told in the end is
 * found under the lock.
 */
async function happenedTo(
  visit: Visit,
  { number, isPull }: Pending,
  object: JsonObject,
  beginning: Beginning,
): Promise<JsonObject[]> {
  const { organizationId, id: repositoryId } = visit.watched;
  const told = await visit.store.tenant(organizationId, (tx) => toldRow(tx, { organizationId, repositoryId, number }));
  const nothing = { comments: [], lineComments: [], reviews: [], count: 0, happened: [] };
  const known = { comments: { conversation: new Map(), lines: new Map() }, reviews: new Map() };
  const alone = { number, isPull, object, ...nothing };
  const isAsked = findingsOf(alone, told, known, { ...beginning, allComments: false }).some(isUnsigned);
  return isAsked ? readHappened(visit, number) : [];
}

export async function lookAt(visit: Visit, pending: Pending, beginning: Beginning): Promise<Looked> {
  const { watched, store, access } = visit;
  const { number } = pending;
  const { seen, now: readAt } = await store.tenant(watched.organizationId, (tx) =>
    seenVersions(tx, watched.id, [number]),
  );
  const before = seen.get(number);
  const since = before?.seenAt ?? beginning.watermark;
  let read = await readObject(visit, pending, since, (object) => happenedTo(visit, pending, object, beginning));
  if (read === undefined) return { again: false, events: [] };
  const allComments = misses(read, before);
  if (allComments) read = await withAllComments(visit, read);
  const conversation =
    read.isPull && read.comments.length > 0
      ? ((await access.github('GET /repos/{owner}/{repo}/issues/{issue_number}', {
          owner: watched.owner,
          repo: watched.name,
          issue_number: number,
        })) as JsonObject)
      : read.object;
  const reported = await reportObject(visit, read, {
    ...beginning,
    readAt,
    allComments,
    conversation,
    since,
  });
  if (reported.kind === 'busy') return { again: true, events: [] };
  return { again: !reported.settled, events: reported.events };
}
