/**
 * The part of GitHub's public schema that is served, with GitHub's names and our own text. What is not here is answered
 * as not supported. Importing this file loads graphql-js and builds the schema: it is imported when it is first needed.
 */
import { buildSchema, type GraphQLSchema } from 'graphql';
import { commitMutations } from './mutations/commit.js';
import { conversationMutations } from './mutations/conversations.js';
import { issueMutations } from './mutations/issues.js';
import { type Mutations, mutationTypes } from './mutations/mutation.js';
import { pullRequestMutations } from './mutations/pull-requests.js';
import { repositoryMutations } from './mutations/repository.js';
import { reviewMutations } from './mutations/reviews.js';
import { actors } from './types/actors.js';
import type { Area, Fields } from './types/area.js';
import { basics } from './types/basics.js';
import { branchProtection } from './types/branch-protection.js';
import { checks } from './types/checks.js';
import { comments } from './types/comment.js';
import { conversations } from './types/conversation.js';
import { git } from './types/git.js';
import { issues } from './types/issue.js';
import { pullRequests } from './types/pull-request.js';
import { queries } from './types/query.js';
import { reactions } from './types/reactions.js';
import { releases } from './types/releases.js';
import { repositories } from './types/repository.js';
import { reviews } from './types/review.js';
import { reviewThreads } from './types/review-thread.js';

const areas: readonly Area[] = [
  basics,
  actors,
  repositories,
  branchProtection,
  git,
  conversations,
  issues,
  pullRequests,
  comments,
  reviews,
  reviewThreads,
  reactions,
  checks,
  releases,
  queries,
];

/** Inputs and enums of mutations alone. */
const INPUTS = `
  enum IssueClosedStateReason { COMPLETED DUPLICATE NOT_PLANNED }
  enum PullRequestUpdateState { OPEN CLOSED }
  enum PullRequestReviewEvent { APPROVE COMMENT DISMISS REQUEST_CHANGES }
  enum ReportedContentClassifiers { ABUSE DUPLICATE OFF_TOPIC OUTDATED RESOLVED SPAM }
  input DraftPullRequestReviewThread {
    path: String! line: Int! side: DiffSide startLine: Int startSide: DiffSide body: String!
  }
  input CommittableBranch { id: ID repositoryNameWithOwner: String branchName: String }
  input CommitMessage { headline: String! body: String }
  input FileAddition { path: String! contents: Base64String! }
  input FileDeletion { path: String! }
  input FileChanges { additions: [FileAddition!] deletions: [FileDeletion!] }`;

export const mutations: Mutations = {
  ...conversationMutations,
  ...issueMutations,
  ...pullRequestMutations,
  ...reviewMutations,
  ...repositoryMutations,
  ...commitMutations,
};

/** By type and field; what is not here is read from the value itself. */
export const fields: Readonly<Record<string, Fields>> = Object.assign({}, ...areas.map((area) => area.fields));

export const sdl: string = [...areas.map((area) => area.sdl), INPUTS, mutationTypes(mutations)].join('\n');

export const schema: GraphQLSchema = buildSchema(sdl, { assumeValidSDL: true });
