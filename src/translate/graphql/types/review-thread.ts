/**
 * Comments on lines, and the threads that GraphQL makes of them. REST knows comments alone, so a thread is named by its
 * first comment; whether it is resolved comes from a row of ours, which a forge offers that can tell.
 */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { GraphqlFailure, hasStatus, notSupported } from '../failures.js';
import { everyItem, type Listing, ordered, routeListing, wholeListing } from '../listing.js';
import { globalId } from '../node-ids.js';
import { object, objects } from '../rest.js';
import { account, commit, type Numbered, placed, pullRequest, type Source, spoken } from '../sources.js';
import { type Area, connectionTypes, type Fields, PAGES, type Pages } from './area.js';
import { SPOKEN, spokenFields } from './comment.js';
import { reactionsOf } from './reactions.js';

/** A row of ours: `[{ resolved: boolean, resolved_by: user | null, comments: [review comment, …] }]`. */
export const THREADS = 'GET /repos/{owner}/{repo}/pulls/{pull_number}/threads';

/** A thread as our row answers it. From comments alone `resolved` is not known. */
function fromComments(comments: readonly JsonObject[]): readonly JsonObject[] {
  const threads = new Map<unknown, { comments: JsonObject[] }>();
  const beginnings = new Map<unknown, unknown>();
  for (const comment of comments) {
    const answers = comment.in_reply_to_id ?? comment.id;
    const beginning = beginnings.get(answers) ?? answers;
    beginnings.set(comment.id, beginning);
    const thread = threads.get(beginning) ?? { comments: [] };
    thread.comments.push(comment);
    threads.set(beginning, thread);
  }
  return [...threads.values()];
}

function threadListing(ask: Ask, source: Numbered): Listing {
  const where = { ...placed(source), pull_number: source.number };
  const comments = routeListing(ask, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/comments', where);
  const grouped = ordered(comments, fromComments);
  const told = routeListing(ask, THREADS, where);
  return wholeListing(async () => {
    try {
      return await everyItem(told);
    } catch (error) {
      if (!hasStatus(error, 501)) throw error;
      return everyItem(grouped);
    }
  });
}

export interface Thread extends Numbered {
  readonly first: JsonObject;
}

function thread(source: Numbered, rest: JsonObject): Thread {
  const first = objects(rest.comments)[0] ?? {};
  return { ...spoken('PullRequestReviewThread', source, source.number, rest), first };
}

/** Resolver of `PullRequest.reviewThreads`. */
export function threadsOf(source: Numbered, args: Pages, ask: Ask) {
  return connection('reviewThreads', args, threadListing(ask, source), (rest) => thread(source, rest));
}

/** The thread that a comment begins or stands in. @throws GraphqlFailure NOT_FOUND */
export async function threadOf(ask: Ask, place: Numbered, comment: string): Promise<Thread> {
  const threads = await everyItem(threadListing(ask, place));
  const found = threads.find((one) => objects(one.comments).some((each) => String(each.id) === comment));
  if (found === undefined) throw new GraphqlFailure('NOT_FOUND', 'Could not resolve to a review thread.');
  return thread(place, found);
}

const resolved = (source: Thread, ask: Ask): boolean => {
  if (typeof source.rest.resolved === 'boolean') return source.rest.resolved;
  throw notSupported(THREADS, `${ask.forge} does not tell whether a review thread is resolved.`);
};

const threadFields: Fields = {
  id: (source: Thread) =>
    globalId('PullRequestReviewThread', {}, `${source.owner}/${source.repo}#${source.number}`, source.first.id),
  isResolved: (source: Thread, _args: unknown, ask) => resolved(source, ask),
  isOutdated: (source: Thread) => source.first.position === null && source.first.line === null,
  // GitHub folds a thread that is resolved.
  isCollapsed: (source: Thread, _args: unknown, ask) => resolved(source, ask),
  resolvedBy: (source: Thread, _args: unknown, ask) => {
    const user = account(ask, source.rest.resolved_by);
    return user?.__typename === 'User' ? user : null;
  },
  path: (source: Thread) => source.first.path,
  line: (source: Thread) => source.first.line,
  startLine: (source: Thread) => source.first.start_line,
  originalLine: (source: Thread) => source.first.original_line,
  diffSide: (source: Thread) => source.first.side ?? 'RIGHT',
  pullRequest: (source: Thread, _args: unknown, ask) => pullRequest(ask, source, source.number),
  comments: (source: Thread, args: Pages) =>
    connection(
      'comments',
      args,
      wholeListing(async () => objects(source.rest.comments)),
      (rest) => spoken('PullRequestReviewComment', source, source.number, rest),
    ),
};

export const reviewThreads: Area = {
  sdl: `
    enum DiffSide { LEFT RIGHT }
    type PullRequestReviewThread implements Node {
      id: ID! isResolved: Boolean! isOutdated: Boolean! isCollapsed: Boolean! resolvedBy: User path: String! line: Int
      startLine: Int originalLine: Int diffSide: DiffSide! pullRequest: PullRequest!
      comments(${PAGES}): PullRequestReviewCommentConnection!
    }
    type PullRequestReviewComment implements Node & Comment & Reactable & Minimizable & UniformResourceLocatable {
      ${SPOKEN}
      path: String! position: Int line: Int startLine: Int originalLine: Int diffHunk: String! outdated: Boolean!
      commit: Commit originalCommit: Commit pullRequest: PullRequest!
      pullRequestReview: PullRequestReview
      replyTo: PullRequestReviewComment
      reactions(content: ReactionContent ${PAGES}): ReactionConnection!
    }
    ${connectionTypes('PullRequestReviewThread')}
    ${connectionTypes('PullRequestReviewComment')}`,
  fields: {
    PullRequestReviewThread: threadFields,
    PullRequestReviewComment: {
      ...spokenFields,
      path: ({ rest }: Source) => rest.path,
      position: ({ rest }: Source) => rest.position,
      line: ({ rest }: Source) => rest.line,
      startLine: ({ rest }: Source) => rest.start_line,
      originalLine: ({ rest }: Source) => rest.original_line,
      diffHunk: ({ rest }: Source) => rest.diff_hunk ?? '',
      outdated: ({ rest }: Source) => rest.position === null,
      commit: (source: Source, _args: unknown, ask) => commitNamed(ask, source, source.rest.commit_id),
      originalCommit: (source: Source, _args: unknown, ask) => commitNamed(ask, source, source.rest.original_commit_id),
      pullRequest: (source: Numbered, _args: unknown, ask) => pullRequest(ask, source, source.number),
      pullRequestReview: async (source: Numbered, _args: unknown, ask) => {
        const review_id = source.rest.pull_request_review_id;
        if (!review_id) return null;
        const where = { ...placed(source), pull_number: source.number, review_id };
        const rest = await ask.find('GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}', where);
        return rest === undefined ? null : spoken('PullRequestReview', source, source.number, rest);
      },
      replyTo: async (source: Numbered, _args: unknown, ask) => {
        const comment_id = source.rest.in_reply_to_id;
        if (!comment_id) return null;
        const route = 'GET /repos/{owner}/{repo}/pulls/comments/{comment_id}';
        const rest = object(await ask.find(route, { ...placed(source), comment_id }));
        return rest === undefined ? null : spoken('PullRequestReviewComment', source, source.number, rest);
      },
      reactions: reactionsOf('GET /repos/{owner}/{repo}/pulls/comments/{comment_id}/reactions', 'comment_id'),
    },
  },
};

function commitNamed(ask: Ask, source: Source, sha: unknown): Source | null {
  return typeof sha === 'string' ? commit(ask, source, sha) : null;
}
