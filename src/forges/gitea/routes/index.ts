/** GitHub's routes on Gitea and Forgejo. */
import { ofAnyForge } from '../../kit/any-forge.js';
import type { RouteTable } from '../../kit/route.js';
import { absent } from './absent.js';
import { actions } from './actions.js';
import { assignees } from './assignees.js';
import { branchProtection } from './branch-protection.js';
import { branches } from './branches.js';
import { checks } from './checks.js';
import { collaborators } from './collaborators.js';
import { commits } from './commits.js';
import { comparison } from './compare.js';
import { contents } from './contents.js';
import { deployments } from './deployments.js';
import { feeds } from './feeds.js';
import { gitData } from './git-data.js';
import { graphqlRows } from './graphql-rows.js';
import { issueComments } from './issue-comments.js';
import { issues } from './issues.js';
import { labels } from './labels.js';
import { markdown } from './markdown.js';
import { milestones } from './milestones.js';
import { notifications } from './notifications.js';
import { organizations } from './organizations.js';
import { pullMerge } from './pull-merge.js';
import { pulls } from './pulls.js';
import { reactions } from './reactions.js';
import { refs } from './refs.js';
import { releaseAssets } from './release-assets.js';
import { releaseNotes } from './release-notes.js';
import { releases } from './releases.js';
import { repositories } from './repositories.js';
import { reviewComments } from './review-comments.js';
import { reviews } from './reviews.js';
import { joinTables } from './row.js';
import { runDetails } from './run-details.js';
import { search } from './search.js';
import { social } from './social.js';
import { statuses } from './statuses.js';
import { teams } from './teams.js';
import { timeline } from './timeline.js';
import { users } from './users.js';
import { webhooks } from './webhooks.js';

export const routes: RouteTable = joinTables(
  absent,
  actions,
  assignees,
  branches,
  branchProtection,
  checks,
  collaborators,
  commits,
  comparison,
  contents,
  deployments,
  feeds,
  gitData,
  graphqlRows,
  issueComments,
  issues,
  labels,
  markdown,
  milestones,
  notifications,
  organizations,
  ofAnyForge,
  pullMerge,
  pulls,
  reactions,
  refs,
  releaseAssets,
  releaseNotes,
  releases,
  repositories,
  reviewComments,
  reviews,
  runDetails,
  search,
  social,
  statuses,
  teams,
  timeline,
  users,
  webhooks,
);
