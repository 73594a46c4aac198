/** Mutations of reviews, review threads, reactions, and of comments that are to be hidden. */
import type { Ask } from '../ask.js';
import { GraphqlFailure, notSupported } from '../failures.js';
import { everyItem, routeListing } from '../listing.js';
import { numbered, readGlobalId } from '../node-ids.js';
import { given, object } from '../rest.js';
import { type Numbered, placed, plain, spoken } from '../sources.js';
import { restReaction } from '../types/reactions.js';
import { threadOf } from '../types/review-thread.js';
import { at, conversationNow } from './conversations.js';
import type { Mutations } from './mutation.js';

/** Rows of ours, see the pull requests'. A thread is named by its first comment. */
export const RESOLUTION = 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/threads/{comment_id}/resolution';
export const MINIMIZED_COMMENT = 'PUT /repos/{owner}/{repo}/issues/comments/{comment_id}/minimized';
export const MINIMIZED_REVIEW_COMMENT = 'PUT /repos/{owner}/{repo}/pulls/comments/{comment_id}/minimized';

async function setResolved(ask: Ask, threadId: string, resolved: boolean) {
  const { place, number, id } = numbered(threadId, 'PullRequestReviewThread');
  await ask.write(RESOLUTION, { ...place, pull_number: number, comment_id: id, resolved });
  return { thread: () => threadOf(ask, spoken('PullRequestReviewThread', place, number, {}), id) };
}

interface Spoken {
  type: string;
  id: string;
  subject: Numbered;
}

function comment(id: string): Spoken {
  const {
    place,
    number,
    type,
    id: own,
  } = numbered(id, 'IssueComment', 'PullRequestReviewComment', 'PullRequestReview');
  return { type, id: own, subject: spoken(type, place, number, {}) };
}

async function setMinimized(ask: Ask, id: string, minimized: boolean, reason: string | undefined) {
  const { type, id: comment_id, subject } = comment(id);
  if (type === 'PullRequestReview')
    throw notSupported('minimizeComment(PullRequestReview)', `${ask.forge} cannot hide a review.`);
  const onIssue = type === 'IssueComment';
  const where = { ...placed(subject), comment_id };
  await ask.write(onIssue ? MINIMIZED_COMMENT : MINIMIZED_REVIEW_COMMENT, {
    ...where,
    minimized,
    ...given({ reason }),
  });
  const rest = await ask.get(
    onIssue
      ? 'GET /repos/{owner}/{repo}/issues/comments/{comment_id}'
      : 'GET /repos/{owner}/{repo}/pulls/comments/{comment_id}',
    where,
  );
  return spoken(type, subject, subject.number, { ...rest, minimized, minimized_reason: reason ?? null });
}

/** The routes of reactions to a thing, by its global id, and the thing itself for the payload. */
function reactable(ask: Ask, subjectId: string) {
  const { type } = readGlobalId(subjectId);
  if (type === 'PullRequest' || type === 'Issue') {
    const { number, ...place } = at(subjectId);
    const route = '/repos/{owner}/{repo}/issues/{issue_number}/reactions';
    return {
      place,
      route,
      where: { ...place, issue_number: number },
      subject: () => conversationNow(ask, { ...place, number }),
    };
  }
  const { id, subject } = comment(subjectId);
  const folder = type === 'IssueComment' ? 'issues' : 'pulls';
  if (type === 'PullRequestReview')
    throw notSupported('addReaction(PullRequestReview)', `${ask.forge} has no reactions to reviews.`);
  const route = `/repos/{owner}/{repo}/${folder}/comments/{comment_id}/reactions`;
  const where = { ...placed(subject), comment_id: id };
  const now = async () => {
    const rest = await ask.get(`GET /repos/{owner}/{repo}/${folder}/comments/{comment_id}`, where);
    return spoken(type, subject, subject.number, rest);
  };
  return { place: placed(subject), route, where, subject: now };
}

interface Reaction {
  subjectId: string;
  content: string;
}

interface AddReview {
  pullRequestId: string;
  event?: string | null;
  body?: string | null;
  commitOID?: string | null;
  threads?:
    | readonly {
        path: string;
        line: number;
        body: string;
        side?: string | null;
        startLine?: number | null;
        startSide?: string | null;
      }[]
    | null;
}

interface ThreadId {
  threadId: string;
}

export const reviewMutations: Mutations = {
  addPullRequestReview: {
    input: `pullRequestId: ID! event: PullRequestReviewEvent body: String commitOID: GitObjectID
      threads: [DraftPullRequestReviewThread]`,
    payload: 'pullRequestReview: PullRequestReview',
    async run(input: AddReview, ask) {
      const { number, ...place } = at(input.pullRequestId);
      const comments = input.threads?.map(({ path, line, body, side, startLine, startSide }) =>
        given({
          path,
          line,
          body,
          side: side ?? 'RIGHT',
          start_line: startLine ?? undefined,
          start_side: startSide ?? undefined,
        }),
      );
      const rest = await ask.write(
        'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews',
        given({
          ...place,
          pull_number: number,
          event: input.event ?? undefined,
          body: input.body ?? undefined,
          commit_id: input.commitOID ?? undefined,
          comments,
        }),
      );
      return { pullRequestReview: spoken('PullRequestReview', place, number, rest) };
    },
  },
  submitPullRequestReview: {
    input: 'pullRequestReviewId: ID! event: PullRequestReviewEvent! body: String',
    payload: 'pullRequestReview: PullRequestReview',
    async run(input: { pullRequestReviewId: string; event: string; body?: string | null }, ask) {
      const { place, number, id } = numbered(input.pullRequestReviewId, 'PullRequestReview');
      const rest = await ask.write(
        'POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/events',
        given({ ...place, pull_number: number, review_id: id, event: input.event, body: input.body ?? undefined }),
      );
      return { pullRequestReview: spoken('PullRequestReview', place, number, rest) };
    },
  },
  dismissPullRequestReview: {
    input: 'pullRequestReviewId: ID! message: String!',
    payload: 'pullRequestReview: PullRequestReview',
    async run({ pullRequestReviewId, message }: { pullRequestReviewId: string; message: string }, ask) {
      const { place, number, id } = numbered(pullRequestReviewId, 'PullRequestReview');
      const route = 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/dismissals';
      const rest = await ask.write(route, { ...place, pull_number: number, review_id: id, message });
      return { pullRequestReview: spoken('PullRequestReview', place, number, rest) };
    },
  },
  addPullRequestReviewThreadReply: {
    input: 'pullRequestReviewThreadId: ID! body: String!',
    payload: 'comment: PullRequestReviewComment',
    async run({ pullRequestReviewThreadId, body }: { pullRequestReviewThreadId: string; body: string }, ask) {
      const { place, number, id } = numbered(pullRequestReviewThreadId, 'PullRequestReviewThread');
      const route = 'POST /repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies';
      const rest = await ask.write(route, { ...place, pull_number: number, comment_id: id, body });
      return { comment: spoken('PullRequestReviewComment', place, number, rest) };
    },
  },
  resolveReviewThread: {
    input: 'threadId: ID!',
    payload: 'thread: PullRequestReviewThread',
    run: ({ threadId }: ThreadId, ask) => setResolved(ask, threadId, true),
  },
  unresolveReviewThread: {
    input: 'threadId: ID!',
    payload: 'thread: PullRequestReviewThread',
    run: ({ threadId }: ThreadId, ask) => setResolved(ask, threadId, false),
  },
  minimizeComment: {
    input: 'subjectId: ID! classifier: ReportedContentClassifiers!',
    payload: 'minimizedComment: Minimizable',
    async run({ subjectId, classifier }: { subjectId: string; classifier: string }, ask) {
      const reason = classifier.toLowerCase().replaceAll('_', '-');
      return { minimizedComment: await setMinimized(ask, subjectId, true, reason) };
    },
  },
  unminimizeComment: {
    input: 'subjectId: ID!',
    payload: 'unminimizedComment: Minimizable',
    async run({ subjectId }: { subjectId: string }, ask) {
      return { unminimizedComment: await setMinimized(ask, subjectId, false, undefined) };
    },
  },
  addReaction: {
    input: 'subjectId: ID! content: ReactionContent!',
    payload: 'reaction: Reaction subject: Reactable',
    async run({ subjectId, content }: Reaction, ask) {
      const { place, route, where, subject } = reactable(ask, subjectId);
      const rest = await ask.write(`POST ${route}`, { ...where, content: restReaction(content) });
      return { reaction: plain('Reaction', place, rest), subject };
    },
  },
  removeReaction: {
    input: 'subjectId: ID! content: ReactionContent!',
    payload: 'reaction: Reaction subject: Reactable',
    async run({ subjectId, content }: Reaction, ask) {
      const { place, route, where, subject } = reactable(ask, subjectId);
      const viewer = (await ask.get('GET /user', {})).login;
      const all = await everyItem(routeListing(ask, `GET ${route}`, where));
      const own = all.find((one) => one.content === restReaction(content) && object(one.user)?.login === viewer);
      if (own === undefined) throw new GraphqlFailure('NOT_FOUND', 'Could not resolve to a Reaction of yours.');
      await ask.write(`DELETE ${route}/{reaction_id}`, { ...where, reaction_id: own.id });
      return { reaction: plain('Reaction', place, own), subject };
    },
  },
};
