/** Issues, pull requests, comments and reviews: by our account, what they say, and when they were made. */
import type { JsonObject } from '../../forges/forge.js';
import { among, byId, done, made, noEffect, objectIn, sameText, textIn } from './candidates.js';
import type { Finder, Finders } from './find.js';
import type { Look } from './look.js';

const REPOSITORY = '/repos/{owner}/{repo}';

/** A comment in a list, by its text and whatever else `matches` compares. */
const commentIn = (
  kind: string,
  list: string,
  matches: (item: JsonObject, sent: JsonObject, params: Readonly<Record<string, string>>) => boolean = () => true,
): Finder => ({
  effect: byId(kind),
  async find({ params, sent }, look) {
    const items = await look.list(`GET ${REPOSITORY}${list}`, { ...params, since: look.since });
    const found = await among(
      items,
      (item) => sameText(item.body, sent.body) && look.isSince(item.created_at) && matches(item, sent, params),
      look.isOurs,
    );
    return found.map(made);
  },
});

const REVIEW_STATES: Readonly<Record<string, string>> = {
  APPROVE: 'APPROVED',
  REQUEST_CHANGES: 'CHANGES_REQUESTED',
  COMMENT: 'COMMENTED',
};
const reviewState = (sent: JsonObject): string => REVIEW_STATES[textIn(sent, 'event')] ?? 'PENDING';
const PULL = '/pulls/{pull_number}';
const REVIEW = `${PULL}/reviews/{review_id}`;

/** `name`, or `owner:name` of a fork. */
function headOf(sent: JsonObject, owner: string): { label: string; branch: string } {
  const head = textIn(sent, 'head');
  const colon = head.indexOf(':');
  const branch = head.slice(colon + 1);
  return { branch, label: colon < 0 ? `${owner}:${branch}` : head };
}

/** The object, once it is in the state that was asked for. */
const inState = (route: string, isReached: (found: JsonObject, sent: JsonObject) => boolean): Finder => ({
  effect: noEffect,
  async find({ params, sent }, look) {
    const found = await look.get(`GET ${REPOSITORY}${route}`, params);
    return found !== undefined && isReached(found, sent) ? [done(found)] : [];
  },
});

async function pullRequests(params: Readonly<Record<string, string>>, sent: JsonObject, look: Look) {
  const { label, branch } = headOf(sent, params.owner ?? '');
  const base = textIn(sent, 'base').replace(/^refs\/heads\//, '');
  const route = `GET ${REPOSITORY}/pulls`;
  const sorting = { state: 'all', sort: 'created', direction: 'desc' };
  const items = await look.list(
    route,
    { ...params, head: label, base, ...sorting },
    { enough: (item) => item.state === 'closed' && !look.isSince(item.created_at) },
  );
  return items.filter(
    (item) =>
      textIn(objectIn(item, 'head'), 'ref') === branch &&
      textIn(objectIn(item, 'base'), 'ref') === base &&
      // An open one leaves no room for another of the same branches.
      (item.state === 'open' || look.isSince(item.created_at)),
  );
}

export const conversationFinders: Finders = {
  [`POST ${REPOSITORY}/issues`]: {
    effect: byId('issue'),
    async find({ params, sent }, look) {
      const items = await look.list(
        `GET ${REPOSITORY}/issues`,
        { ...params, state: 'all', sort: 'created', direction: 'desc', since: look.since },
        { enough: (item) => !look.isSince(item.created_at) },
      );
      const found = await among(
        items,
        (item) =>
          item.pull_request === undefined &&
          sameText(item.title, sent.title) &&
          sameText(item.body, sent.body) &&
          look.isSince(item.created_at),
        look.isOurs,
      );
      return found.map(made);
    },
  },
  [`POST ${REPOSITORY}/issues/{issue_number}/comments`]: commentIn('issue_comment', '/issues/{issue_number}/comments'),
  [`POST ${REPOSITORY}/commits/{commit_sha}/comments`]: commentIn(
    'commit_comment',
    '/commits/{commit_sha}/comments',
    (item, sent) => (item.path ?? null) === (sent.path ?? null),
  ),
  [`POST ${REPOSITORY}/pulls`]: {
    effect: byId('pull_request'),
    find: async ({ params, sent }, look) => (await pullRequests(params, sent, look)).map(made),
  },
  [`PUT ${REPOSITORY}/pulls/{pull_number}/merge`]: {
    effect: noEffect,
    async find({ params }, look) {
      const pull = await look.get(`GET ${REPOSITORY}/pulls/{pull_number}`, params);
      if (pull?.merged !== true) return [];
      return [done({ sha: pull.merge_commit_sha, merged: true, message: 'Pull Request successfully merged' })];
    },
  },
  [`POST ${REPOSITORY}/pulls/{pull_number}/comments`]: commentIn(
    'review_comment',
    '/pulls/{pull_number}/comments',
    (item, sent) => (sent.in_reply_to === undefined ? item.path === sent.path : item.in_reply_to_id !== undefined),
  ),
  [`POST ${REPOSITORY}/pulls/{pull_number}/comments/{comment_id}/replies`]: commentIn(
    'review_comment',
    '/pulls/{pull_number}/comments',
    (item) => item.in_reply_to_id !== undefined && item.in_reply_to_id !== null,
  ),
  [`POST ${REPOSITORY}/pulls/{pull_number}/reviews`]: {
    effect: byId('review'),
    async find({ params, sent }, look) {
      const found = await among(
        await look.list(`GET ${REPOSITORY}${PULL}/reviews`, params),
        (item) =>
          item.state === reviewState(sent) &&
          sameText(item.body, sent.body) &&
          (item.submitted_at === undefined || item.submitted_at === null || look.isSince(item.submitted_at)),
        look.isOurs,
      );
      return found.map(done);
    },
  },
  [`POST ${REPOSITORY}/pulls/{pull_number}/reviews/{review_id}/events`]: inState(
    REVIEW,
    (review, sent) => review.state === reviewState(sent),
  ),
  // These are refused when they are asked for again.
  [`PUT ${REPOSITORY}/pulls/{pull_number}/reviews/{review_id}/dismissals`]: inState(
    REVIEW,
    (review) => review.state === 'DISMISSED',
  ),
  [`PUT ${REPOSITORY}/pulls/{pull_number}/auto-merge`]: inState(
    PULL,
    (pull) => pull.merged === true || (pull.auto_merge ?? null) !== null,
  ),
  [`DELETE ${REPOSITORY}/pulls/{pull_number}/auto-merge`]: inState(PULL, (pull) => (pull.auto_merge ?? null) === null),
};
