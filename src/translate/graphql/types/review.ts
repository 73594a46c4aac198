/** Reviews of pull requests, and what they decide together. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { hasStatus } from '../failures.js';
import { everyItem, type Listing, routeListing } from '../listing.js';
import { object, text, upper } from '../rest.js';
import { as, commit, type Numbered, placed, pullRequest, type Source, spoken } from '../sources.js';
import { type Area, connectionTypes, PAGES, type Pages } from './area.js';
import { SPOKEN, spokenFields } from './comment.js';

const stateOf = (review: JsonObject): string => upper(review.state) ?? 'COMMENTED';
const authorOf = (review: JsonObject): string => text(object(review.user)?.login) ?? '';

function reviewListing(ask: Ask, source: Numbered): Listing {
  const where = { ...placed(source), pull_number: source.number };
  return routeListing(ask, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews', where);
}

interface ReviewsArgs extends Pages {
  states?: readonly string[] | null;
  author?: string | null;
}

/** Resolver of `PullRequest.reviews`. */
export function reviewsOf(source: Numbered, args: ReviewsArgs, ask: Ask) {
  const list = reviewListing(ask, source);
  const { states, author } = args;
  if ((states && states.length > 0) || author)
    list.keep = (review) =>
      (!states || states.length === 0 || states.includes(stateOf(review))) && (!author || authorOf(review) === author);
  return connection('reviews', args, list, (rest) => spoken('PullRequestReview', source, source.number, rest));
}

const OPINIONS: ReadonlySet<string> = new Set(['APPROVED', 'CHANGES_REQUESTED', 'DISMISSED']);

/** The last review of each author; with `opinionated`, the last that approved, asked for changes, or was dismissed. */
export async function latestOpinions(ask: Ask, source: Numbered, opinionated: boolean): Promise<readonly JsonObject[]> {
  const latest = new Map<string, JsonObject>();
  for (const review of await everyItem(reviewListing(ask, source))) {
    if (stateOf(review) === 'PENDING' || (opinionated && !OPINIONS.has(stateOf(review)))) continue;
    latest.delete(authorOf(review));
    latest.set(authorOf(review), review);
  }
  return [...latest.values()];
}

/** How many approvals the base branch asks for; undefined where nobody can say. */
async function approvalsNeeded(ask: Ask, source: Numbered, branch: string): Promise<number | undefined> {
  const route = 'GET /repos/{owner}/{repo}/branches/{branch}/protection';
  try {
    const rest = await ask.find(route, { ...placed(source), branch });
    const needed = object(rest?.required_pull_request_reviews)?.required_approving_review_count;
    return typeof needed === 'number' ? needed : undefined;
  } catch (error) {
    // The rule is readable by administrators alone, and a forge may have none.
    if (hasStatus(error, 403) || hasStatus(error, 501)) return undefined;
    throw error;
  }
}

/** Resolver of `PullRequest.reviewDecision`; null where no review is asked for and none was given. */
export async function reviewDecision(ask: Ask, source: Numbered, branch: string): Promise<string | null> {
  const states = (await latestOpinions(ask, source, true)).map(stateOf);
  if (states.includes('CHANGES_REQUESTED')) return 'CHANGES_REQUESTED';
  const approvals = states.filter((state) => state === 'APPROVED').length;
  const needed = await approvalsNeeded(ask, source, branch);
  if (needed !== undefined && approvals < needed) return 'REVIEW_REQUIRED';
  return approvals > 0 ? 'APPROVED' : null;
}

export const reviews: Area = {
  sdl: `
    enum PullRequestReviewState { APPROVED CHANGES_REQUESTED COMMENTED DISMISSED PENDING }
    enum PullRequestReviewDecision { APPROVED CHANGES_REQUESTED REVIEW_REQUIRED }
    type PullRequestReview implements Node & Comment & Minimizable & UniformResourceLocatable {
      ${SPOKEN}
      state: PullRequestReviewState!
      submittedAt: DateTime
      commit: Commit
      pullRequest: PullRequest!
      comments(${PAGES}): PullRequestReviewCommentConnection!
    }
    ${connectionTypes('PullRequestReview')}`,
  fields: {
    PullRequestReview: {
      ...spokenFields,
      // REST gives a review one time alone.
      createdAt: as('submitted_at'),
      updatedAt: as('submitted_at'),
      state: (source: Source) => stateOf(source.rest),
      submittedAt: as('submitted_at'),
      commit: (source: Source, _args: unknown, ask) => {
        const sha = text(source.rest.commit_id);
        return sha === undefined ? null : commit(ask, source, sha);
      },
      pullRequest: (source: Numbered, _args: unknown, ask) => pullRequest(ask, source, source.number),
      comments: (source: Numbered, args: Pages, ask) => {
        const route = 'GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews/{review_id}/comments';
        const where = { ...placed(source), pull_number: source.number, review_id: source.rest.id };
        return connection('comments', args, routeListing(ask, route, where), (rest) =>
          spoken('PullRequestReviewComment', source, source.number, rest),
        );
      },
    },
  },
};
