/**
 * Comments, in the conversation and on lines. No delivery holds one on a line as such: a review tells its verdict and its words
 * alone, and an answer in a conversation on a line arrives like any comment on the pull request. So they are looked up.
 */
import type { JsonObject, Told } from '../../forge.js';
import { issueComment, reviewComment } from '../../kit/shapes/comment.js';
import { NO_COMMIT } from '../../kit/shapes/fields.js';
import { issue } from '../../kit/shapes/issue.js';
import { simplePullRequest } from '../../kit/shapes/pull-request.js';
import { commentInput, LINE_COMMENT_PLACES } from '../convert/comment.js';
import { nativePullRequest } from '../schema.js';
import { issueOf, pullRequestOf, textChanges } from './conversations.js';
import { field, isObject, numberAt } from './fields.js';
import { kindOf } from './kind.js';
import { reviewOf } from './reviews.js';
import { ask, part, type Translation } from './translation.js';

const PER_PAGE = 100;
/** Comments beyond the thousandth of one pull request are not looked for. */
const MAX_PAGES = 10;

/** Every page of a list, in GitHub's shape; empty when the forge will not say. */
async function listed(t: Translation, route: string, parameters: JsonObject): Promise<JsonObject[]> {
  const items: JsonObject[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const found = await ask(t, route, { ...parameters, per_page: PER_PAGE, page });
    if (!Array.isArray(found)) break;
    items.push(...found.filter(isObject));
    if (found.length < PER_PAGE) break;
  }
  return items;
}

/** Those that came with the review: what others, or its author later, answered there belongs to it for the server too. */
function isOfReview(comment: JsonObject, review: JsonObject): boolean {
  const [written, given] = [Date.parse(String(comment.created_at)), Date.parse(String(review.submitted_at))];
  return field(comment, 'user.login') === field(review, 'user.login') && !(written > given);
}

async function ofReview(t: Translation): Promise<JsonObject[]> {
  const pull = pullRequestOf(t);
  const review = await reviewOf(t, pull.number, 'own');
  if (review === undefined) return [];
  const place = { pull_number: pull.number, review_id: review.id };
  const all = await listed(t, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments', place);
  const pull_request = simplePullRequest(t.base, pull);
  return all
    .filter((comment) => isOfReview(comment, review))
    .map((comment) => ({ comment, pull_request, ...t.common }));
}

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
const idOf = (t: Translation, number: number): string => String(commentInput(part(t.payload, 'comment'), number).id);

/** Only where somebody has reviewed can a comment stand on a line. Servers before 1.22 do not count reviews. */
const mayBeOnLine = ({ payload }: Translation): boolean => field(payload, 'pull_request.review_comments') !== 0;

/** True when the comment of the delivery was seen on a line before: where a list told it, its place was remembered. */
async function isKnown(t: Translation, id: string): Promise<boolean> {
  return (await t.ports.records?.get(LINE_COMMENT_PLACES, id)) !== undefined;
}

/** The comment of the delivery as it stands on a line; undefined when it is one of the conversation, or nobody says. */
async function onLine(t: Translation, number: number): Promise<JsonObject | undefined> {
  const id = idOf(t, number);
  if (t.ports.github === undefined || !mayBeOnLine(t)) return undefined;
  if (!(await isKnown(t, id))) {
    const spoken = await ask(t, 'GET /repos/{owner}/{repo}/issues/comments/{comment_id}', { comment_id: id });
    if (isObject(spoken)) return undefined;
  }
  const all = await listed(t, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/comments', { pull_number: number });
  return all.find((one) => String(one.id) === id);
}

/** Whether a delivery of a comment on a pull request is about one on a line. */
async function isOnLine(t: Translation): Promise<boolean> {
  const number = numberAt(t.payload.issue, 'number');
  if (number === undefined) return false;
  if (t.event.action === 'deleted') return isKnown(t, idOf(t, number));
  return (await onLine(t, number)) !== undefined;
}

/** One that is gone: the delivery has its words and its author, and nobody knows where it stood. */
function deletedComment(t: Translation, number: number): JsonObject {
  const input = commentInput(part(t.payload, 'comment'), number, t.repository);
  return reviewComment(t.base, t.owner, t.name, { ...input, path: '', commitSha: NO_COMMIT, line: null });
}

/** Servers before 1.22 send the issue alone. */
async function pullAround(t: Translation, number: number): Promise<JsonObject | undefined> {
  if (nativePullRequest.safeParse(t.payload.pull_request).success) return simplePullRequest(t.base, pullRequestOf(t));
  const found = await ask(t, 'GET /repos/{owner}/{repo}/pulls/{pull_number}', { pull_number: number });
  return isObject(found) ? found : undefined;
}

async function ofConversation(t: Translation): Promise<JsonObject[]> {
  const number = numberAt(t.payload.issue, 'number');
  if (number === undefined) return [];
  const isDeleted = t.event.action === 'deleted';
  const comment = isDeleted ? (await isOnLine(t)) && deletedComment(t, number) : await onLine(t, number);
  const pull_request = comment ? await pullAround(t, number) : undefined;
  if (!comment || pull_request === undefined) return [];
  const changes = t.event.action === 'edited' && { changes: textChanges(t, ['body']) };
  return [{ ...changes, comment, pull_request, ...t.common }];
}

/** `pull_request_review_comment`, as often as there are comments. */
export const lineComments = (t: Translation): Promise<JsonObject[]> =>
  kindOf(t.eventType, t.payload) === 'review' ? ofReview(t) : ofConversation(t);

/** `issue_comment`: none for one that stands on a line, which the same kind of delivery tells. */
export async function comments(t: Translation): Promise<Told> {
  const of = issueOf(t);
  if (of.pullRequest !== undefined && (await isOnLine(t))) return [];
  const input = commentInput(part(t.payload, 'comment'), of.number, t.repository);
  return {
    ...(t.event.action === 'edited' && { changes: textChanges(t, ['body']) }),
    issue: issue(t.base, t.owner, t.name, of),
    comment: issueComment(t.base, t.owner, t.name, input),
    ...t.common,
  };
}
