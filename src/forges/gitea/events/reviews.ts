/** Reviews. The delivery has their words and their verdict; who, when and on which commit stands in the list of reviews. */
import type { JsonObject } from '../../forge.js';
import type { ReviewInput } from '../../kit/shapes/inputs.js';
import { simplePullRequest } from '../../kit/shapes/pull-request.js';
import { review } from '../../kit/shapes/review.js';
import { associationOf } from '../convert/association.js';
import { accountIfTold } from '../convert/user.js';
import { pullRequestOf } from './conversations.js';
import { field, isObject, textAt } from './fields.js';
import { reviewState } from './review-state.js';
import { ask, type Translation } from './translation.js';

const PER_PAGE = 100;
/** Reviews beyond the thousandth are not looked for. */
const MAX_PAGES = 10;

const plain = (text: unknown): string => (typeof text === 'string' ? text.replaceAll('\r\n', '\n').trim() : '');

/** The sender's reviews with that verdict in GitHub's form, the likeliest first: best the same words, then the nearest time. */
async function candidates(t: Translation, number: number, state: string): Promise<JsonObject[]> {
  const sender = accountIfTold(t.payload.sender)?.login;
  const body = plain(field(t.payload, 'review.content'));
  const fitting: JsonObject[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const parameters = { pull_number: number, per_page: PER_PAGE, page };
    const list = await ask(t, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews', parameters);
    if (!Array.isArray(list)) break;
    for (const entry of list)
      if (isObject(entry) && field(entry, 'user.login') === sender && plain(entry.state).toLowerCase() === state)
        fitting.push(entry);
    if (list.length < PER_PAGE) break;
  }
  const rank = (entry: JsonObject): readonly [number, number] => {
    const distance = Math.abs(t.receivedAt.getTime() - Date.parse(String(entry.submitted_at)));
    return [plain(entry.body) === body ? 0 : 1, Number.isNaN(distance) ? Number.MAX_VALUE : distance];
  };
  // Oldest first: of those that are alike the last is the newest.
  const ranked = fitting.toReversed().map((entry) => ({ entry, rank: rank(entry) }));
  ranked.sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1]);
  return ranked.map(({ entry }) => entry);
}

/** Record: key is the review's id, data `{ by }`, the time at which the delivery came that told it. */
const TOLD = 'told_review';

/**
 * The review that the delivery tells of, in GitHub's form. Two comments on lines of one moment are two reviews alike, and two
 * deliveries alike: each of them keeps the one it took. `own`: none rather than one that another delivery told.
 */
export async function reviewOf(
  t: Translation,
  number: number,
  which: 'own' | 'likeliest',
): Promise<JsonObject | undefined> {
  const all = await candidates(t, number, stateOf(t));
  const { records } = t.ports;
  if (records === undefined) return all[0];
  const by = t.receivedAt.toISOString();
  for (const one of all) {
    const key = String(one.id);
    const known = await records.get(TOLD, key);
    if (known === undefined) await records.put(TOLD, key, { by });
    if (known === undefined || known.data.by === by) return one;
  }
  return which === 'own' ? undefined : all[0];
}

/** The verdict, as it was worked out when the delivery was classified. */
function stateOf(t: Translation): ReviewInput['state'] {
  const told = t.event.change?.state;
  return (typeof told === 'string' ? told : reviewState(t.eventType, t.payload)) as ReviewInput['state'];
}

export async function reviews(t: Translation): Promise<JsonObject> {
  const pull = pullRequestOf(t);
  const state = stateOf(t);
  const found = await reviewOf(t, pull.number, 'likeliest');
  const author = accountIfTold(t.payload.sender);
  const derived = review(
    t.base,
    t.owner,
    t.name,
    {
      // No review has this id: nobody can take another review for it.
      id: 0,
      number: pull.number,
      htmlUrl: pull.htmlUrl,
      pullRequestHtmlUrl: pull.htmlUrl,
      author,
      association: associationOf(author, t.repository),
      body: textAt(t.payload, 'review.content') ?? null,
      state,
      commitSha: pull.head.sha || undefined,
      submittedAt: t.received,
    },
    'webhook',
  );
  return {
    review: { ...derived, ...(found && inWebhookForm(found, derived)) },
    pull_request: simplePullRequest(t.base, pull),
    ...t.common,
  };
}

/** What the delivery does not tell. The commit and the time are null in the API while a review is not sent. */
function inWebhookForm(found: JsonObject, derived: JsonObject): JsonObject {
  const keys = ['id', 'node_id', 'html_url', 'author_association', 'commit_id', 'submitted_at'];
  return Object.fromEntries(keys.map((key) => [key, found[key] ?? derived[key]]));
}
