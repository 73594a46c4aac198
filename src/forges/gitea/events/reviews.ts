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

/** The sender's newest review with that verdict, best with the same words, in GitHub's form. */
async function find(t: Translation, number: number, state: string): Promise<JsonObject | undefined> {
  const sender = accountIfTold(t.payload.sender)?.login;
  const body = plain(field(t.payload, 'review.content'));
  let best: JsonObject | undefined;
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const parameters = { pull_number: number, per_page: PER_PAGE, page };
    const list = await ask(t, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews', parameters);
    if (!Array.isArray(list)) break;
    // Oldest first: the last that fits is the newest.
    for (const entry of list) {
      if (!isObject(entry) || field(entry, 'user.login') !== sender || plain(entry.state).toLowerCase() !== state)
        continue;
      if (plain(entry.body) === body || best === undefined || plain(best.body) !== body) best = entry;
    }
    if (list.length < PER_PAGE) break;
  }
  return best;
}

export async function reviews(t: Translation): Promise<JsonObject> {
  const pull = pullRequestOf(t);
  const told = t.event.change?.state;
  const state = (typeof told === 'string' ? told : reviewState(t.eventType, t.payload)) as ReviewInput['state'];
  const found = await find(t, pull.number, state);
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
