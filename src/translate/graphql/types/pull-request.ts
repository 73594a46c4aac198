/** Pull requests. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { connection } from '../connection.js';
import { type Listing, routeListing, wholeListing } from '../listing.js';
import { object, objects, text, upper } from '../rest.js';
import {
  account,
  as,
  commit,
  field,
  issue,
  type Numbered,
  placed,
  ref,
  repositoryOf,
  type Source,
  spoken,
  team,
} from '../sources.js';
import { type Area, connectionTypes, type Fields, PAGES, type Pages } from './area.js';
import { rollupOf } from './checks.js';
import { CONVERSATION, CONVERSATION_INTERFACES, closedBy, conversationFields } from './conversation.js';
import { reactionsOf } from './reactions.js';
import { latestOpinions, reviewDecision, reviewsOf } from './review.js';
import { threadsOf } from './review-thread.js';

/** Whether it is merged, from the least that says so: lists have `merged_at` only, and issues keep it one level down. */
async function isMerged(source: Source): Promise<boolean> {
  if ('merged' in source.rest) return source.rest.merged === true;
  const seenAsIssue = object(source.rest.pull_request);
  if (seenAsIssue !== undefined && 'merged_at' in seenAsIssue) return typeof seenAsIssue.merged_at === 'string';
  return typeof (await field(source, 'merged_at')) === 'string';
}

const mergedAt = async (source: Source) => object(source.rest.pull_request)?.merged_at ?? field(source, 'merged_at');

const end = async (source: Source, name: 'head' | 'base') => object(await field(source, name)) ?? {};

async function endRepository(source: Source, ask: Ask, name: 'head' | 'base'): Promise<Source | null> {
  const rest = object((await end(source, name)).repo);
  return rest === undefined ? null : repositoryOf(ask, rest);
}

/** A branch of a pull request; null once it is deleted. */
async function endRef(source: Source, ask: Ask, name: 'head' | 'base') {
  const branch = text((await end(source, name)).ref);
  const home = await endRepository(source, ask, name);
  if (home === null || branch === undefined) return null;
  const where = { ...placed(home), ref: `heads/${branch}` };
  const rest = await ask.find('GET /repos/{owner}/{repo}/git/ref/{ref}', where);
  return rest === undefined ? null : ref(ask, home, `refs/heads/${branch}`, rest);
}

/** Only a merged pull request has a merge commit; before, GitHub's field holds the one it tries. */
async function mergeCommit(source: Source, ask: Ask, merged: boolean): Promise<Source | null> {
  if ((await isMerged(source)) !== merged) return null;
  const sha = text(await field(source, 'merge_commit_sha'));
  return sha === undefined || sha === '' ? null : commit(ask, source, sha);
}

/** Commits in their order. The last one alone, which most queries want, is the head. */
function commitsOf(ask: Ask, source: Numbered, args: Pages): Listing {
  const list = routeListing(ask, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/commits', {
    ...placed(source),
    pull_number: source.number,
  });
  // 0 is what a forge says that does not count.
  list.total = async () => Number(await field(source, 'commits')) || undefined;
  if (args.last !== 1 || typeof args.before === 'string') return list;
  const head = async (): Promise<readonly JsonObject[]> => [{ sha: (await end(source, 'head')).sha }];
  return {
    ...list,
    reversed: {
      page: async (page, perPage) =>
        page === 1 && perPage === 1 ? head() : (await list.page(page, perPage)).toReversed(),
    },
  };
}

const METHODS: Readonly<Record<string, string>> = { merge: 'MERGE', squash: 'SQUASH', rebase: 'REBASE' };
const CHANGES: Readonly<Record<string, string>> = {
  added: 'ADDED',
  removed: 'DELETED',
  modified: 'MODIFIED',
  changed: 'CHANGED',
  renamed: 'RENAMED',
  copied: 'COPIED',
};
const count = (name: string) => async (source: Source) => Number((await field(source, name)) ?? 0);

const fields: Fields = {
  ...conversationFields,
  reactions: reactionsOf('GET /repos/{owner}/{repo}/issues/{issue_number}/reactions', 'issue_number'),
  permalink: as('html_url'),
  state: async (source: Source) => {
    if ((await field(source, 'state')) === 'open') return 'OPEN';
    return (await isMerged(source)) ? 'MERGED' : 'CLOSED';
  },
  isDraft: async (source: Source) => (await field(source, 'draft')) === true,
  merged: isMerged,
  mergedAt,
  mergedBy: async (source: Source, _args: unknown, ask) => account(ask, await field(source, 'merged_by')),
  mergeable: async (source: Source) => {
    const mergeable = await field(source, 'mergeable');
    return mergeable === true ? 'MERGEABLE' : mergeable === false ? 'CONFLICTING' : 'UNKNOWN';
  },
  mergeStateStatus: async (source: Source) => upper(await field(source, 'mergeable_state')) ?? 'UNKNOWN',
  mergeCommit: (source: Source, _args: unknown, ask) => mergeCommit(source, ask, true),
  potentialMergeCommit: (source: Source, _args: unknown, ask) => mergeCommit(source, ask, false),
  maintainerCanModify: async (source: Source) => (await field(source, 'maintainer_can_modify')) === true,
  autoMergeRequest: async (source: Source, _args: unknown, ask) => {
    const rest = object(await field(source, 'auto_merge'));
    return rest === undefined ? null : { rest, enabledBy: account(ask, rest.enabled_by), pullRequest: source };
  },
  additions: count('additions'),
  deletions: count('deletions'),
  changedFiles: count('changed_files'),
  totalCommentsCount: async (source: Source) =>
    Number((await field(source, 'comments')) ?? 0) + Number((await field(source, 'review_comments')) ?? 0),
  baseRefName: async (source: Source) => (await end(source, 'base')).ref,
  baseRefOid: async (source: Source) => (await end(source, 'base')).sha,
  baseRef: (source: Source, _args: unknown, ask) => endRef(source, ask, 'base'),
  baseRepository: (source: Source, _args: unknown, ask) => endRepository(source, ask, 'base'),
  headRefName: async (source: Source) => (await end(source, 'head')).ref,
  headRefOid: async (source: Source) => (await end(source, 'head')).sha,
  headRef: (source: Source, _args: unknown, ask) => endRef(source, ask, 'head'),
  headRepository: (source: Source, _args: unknown, ask) => endRepository(source, ask, 'head'),
  headRepositoryOwner: async (source: Source, _args: unknown, ask) =>
    account(ask, object((await end(source, 'head')).repo)?.owner),
  isCrossRepository: async (source: Source) => {
    const [head, base] = [object((await end(source, 'head')).repo), object((await end(source, 'base')).repo)];
    return head === undefined || head.full_name !== base?.full_name;
  },
  commits: (source: Numbered, args: Pages, ask) =>
    connection('commits', args, commitsOf(ask, source, args), (rest) => ({
      __typename: 'PullRequestCommit',
      commit: commit(ask, source, text(rest.sha) ?? '', rest),
      pullRequest: source,
    })),
  files: (source: Numbered, args: Pages, ask) => {
    const where = { ...placed(source), pull_number: source.number };
    const list = routeListing(ask, 'GET /repos/{owner}/{repo}/pulls/{pull_number}/files', where);
    return connection('files', args, list, (rest) => ({
      path: rest.filename,
      additions: rest.additions,
      deletions: rest.deletions,
      changeType: CHANGES[text(rest.status) ?? ''] ?? 'CHANGED',
    }));
  },
  reviews: reviewsOf,
  latestReviews: (source: Numbered, args: Pages, ask) => {
    const list = wholeListing(async () => latestOpinions(ask, source, false));
    return connection('latestReviews', args, list, (rest) => spoken('PullRequestReview', source, source.number, rest));
  },
  latestOpinionatedReviews: (source: Numbered, args: Pages, ask) => {
    const list = wholeListing(async () => latestOpinions(ask, source, true));
    return connection('latestOpinionatedReviews', args, list, (rest) =>
      spoken('PullRequestReview', source, source.number, rest),
    );
  },
  reviewDecision: async (source: Numbered, _args: unknown, ask) =>
    reviewDecision(ask, source, text((await end(source, 'base')).ref) ?? ''),
  reviewRequests: (source: Source, args: Pages, ask) => {
    const list = wholeListing(async () => [
      ...objects(await field(source, 'requested_reviewers')),
      ...objects(await field(source, 'requested_teams')),
    ]);
    return connection('reviewRequests', args, list, (rest) => ({
      requestedReviewer: rest.login === undefined ? team(ask, source.owner, rest) : account(ask, rest),
      pullRequest: source,
      asCodeOwner: false,
    }));
  },
  reviewThreads: threadsOf,
  closingIssuesReferences: (source: Source, args: Pages, ask) => {
    const list = wholeListing(async () => {
      const named = closedBy(text(await field(source, 'body')) ?? '', source);
      const route = 'GET /repos/{owner}/{repo}/issues/{issue_number}';
      const found = await Promise.all(
        named.map(async ({ number, ...at }) => {
          const rest = await ask.find(route, { ...at, issue_number: number });
          return rest === undefined || rest.pull_request !== undefined ? [] : [{ at, rest }];
        }),
      );
      return found.flat();
    });
    return connection('closingIssuesReferences', args, list, (item) => {
      const { at, rest } = item as { at: { owner: string; repo: string }; rest: JsonObject };
      return issue(ask, at, Number(rest.number), rest);
    });
  },
  statusCheckRollup: async (source: Source, _args: unknown, ask) => {
    const head = commit(ask, source, text((await end(source, 'head')).sha) ?? '');
    return rollupOf(ask, source, head);
  },
};

interface AutoMerge {
  rest: JsonObject;
}

export const pullRequests: Area = {
  sdl: `
    enum PullRequestState { OPEN CLOSED MERGED }
    enum MergeableState { MERGEABLE CONFLICTING UNKNOWN }
    enum MergeStateStatus { BEHIND BLOCKED CLEAN DIRTY DRAFT HAS_HOOKS UNKNOWN UNSTABLE }
    enum PullRequestMergeMethod { MERGE SQUASH REBASE }
    enum PullRequestOrderField { CREATED_AT UPDATED_AT }
    enum PatchStatus { ADDED DELETED MODIFIED CHANGED RENAMED COPIED }
    input PullRequestOrder { field: PullRequestOrderField! direction: OrderDirection! }

    type PullRequest implements ${CONVERSATION_INTERFACES} {
      ${CONVERSATION}
      permalink: URI! state: PullRequestState! isDraft: Boolean! merged: Boolean! mergedAt: DateTime mergedBy: Actor
      mergeable: MergeableState! mergeStateStatus: MergeStateStatus! mergeCommit: Commit potentialMergeCommit: Commit
      maintainerCanModify: Boolean! autoMergeRequest: AutoMergeRequest additions: Int! deletions: Int! changedFiles: Int!
      totalCommentsCount: Int baseRefName: String! baseRefOid: GitObjectID! baseRef: Ref baseRepository: Repository
      headRefName: String! headRefOid: GitObjectID! headRef: Ref headRepository: Repository
      headRepositoryOwner: RepositoryOwner isCrossRepository: Boolean!
      commits(${PAGES}): PullRequestCommitConnection!
      files(${PAGES}): PullRequestChangedFileConnection
      reviews(states: [PullRequestReviewState!] author: String ${PAGES}): PullRequestReviewConnection
      latestReviews(${PAGES}): PullRequestReviewConnection
      latestOpinionatedReviews(${PAGES}): PullRequestReviewConnection
      reviewDecision: PullRequestReviewDecision
      reviewRequests(${PAGES}): ReviewRequestConnection
      reviewThreads(${PAGES}): PullRequestReviewThreadConnection!
      closingIssuesReferences(${PAGES}): IssueConnection
      statusCheckRollup: StatusCheckRollup
    }
    type AutoMergeRequest {
      mergeMethod: PullRequestMergeMethod! commitHeadline: String commitBody: String enabledAt: DateTime enabledBy: Actor
      pullRequest: PullRequest!
    }
    type PullRequestCommit { commit: Commit! pullRequest: PullRequest! }
    type PullRequestChangedFile { path: String! additions: Int! deletions: Int! changeType: PatchStatus! }
    type ReviewRequest { requestedReviewer: RequestedReviewer pullRequest: PullRequest! asCodeOwner: Boolean! }
    union RequestedReviewer = User | Team | Bot
    ${connectionTypes('PullRequest')}
    ${connectionTypes('PullRequestCommit')}
    ${connectionTypes('PullRequestChangedFile')}
    ${connectionTypes('ReviewRequest')}`,
  fields: {
    PullRequest: fields,
    AutoMergeRequest: {
      mergeMethod: ({ rest }: AutoMerge) => METHODS[text(rest.merge_method) ?? ''] ?? 'MERGE',
      commitHeadline: ({ rest }: AutoMerge) => rest.commit_title,
      commitBody: ({ rest }: AutoMerge) => rest.commit_message,
      enabledAt: ({ rest }: AutoMerge) => rest.enabled_at,
      enabledBy: ({ enabledBy }: { enabledBy: Source | null }) => enabledBy,
      pullRequest: ({ pullRequest }: { pullRequest: Source }) => pullRequest,
    },
  },
};
