/** GitHub's requests on GitLab: one file per resource, joined into the table that the router reads. */
import { ofAnyForge } from '../../kit/any-forge.js';
import type { RouteTable } from '../../kit/route.js';
import { actions } from './actions.js';
import { archives } from './archives.js';
import { assignees } from './assignees.js';
import { branchProtection } from './branch-protection.js';
import { branches } from './branches.js';
import { checkSuites } from './check-suites.js';
import { checks } from './checks.js';
import { codeSearch } from './code-search.js';
import { collaborators } from './collaborators.js';
import { commitComments } from './commit-comments.js';
import { commits } from './commits.js';
import { contents } from './contents.js';
import { contributors } from './contributors.js';
import { deployments } from './deployments.js';
import { feeds } from './feeds.js';
import { gitObjects } from './git-objects.js';
import { graphqlRows } from './graphql-rows.js';
import { issueComments } from './issue-comments.js';
import { issues } from './issues.js';
import { labels } from './labels.js';
import { listings } from './listings.js';
import { markdown } from './markdown.js';
import { merges } from './merges.js';
import { milestones } from './milestones.js';
import { newRepos } from './new-repos.js';
import { ofPeople } from './of-people.js';
import { organizations } from './organizations.js';
import { pulls } from './pulls.js';
import { reactions } from './reactions.js';
import { refs } from './refs.js';
import { releaseAssets } from './release-assets.js';
import { releaseNotes } from './release-notes.js';
import { releases } from './releases.js';
import { repos } from './repos.js';
import { reviewComments } from './review-comments.js';
import { reviewers } from './reviewers.js';
import { reviews } from './reviews.js';
import { runDetails } from './run-details.js';
import { search } from './search.js';
import { social } from './social.js';
import { statuses } from './statuses.js';
import { timeline } from './timeline.js';
import { users } from './users.js';
import { watching } from './watching.js';
import { webhooks } from './webhooks.js';

export const routes: RouteTable = {
  ...repos,
  ...newRepos,
  ...listings,
  ...archives,
  ...contents,
  ...issues,
  ...issueComments,
  ...labels,
  ...assignees,
  ...milestones,
  ...pulls,
  ...merges,
  ...reviewers,
  ...reviews,
  ...reviewComments,
  ...statuses,
  ...checks,
  ...checkSuites,
  ...commits,
  ...branches,
  ...branchProtection,
  ...refs,
  ...gitObjects,
  ...releaseNotes,
  ...releases,
  ...releaseAssets,
  ...collaborators,
  ...organizations,
  ...users,
  ...social,
  ...reactions,
  ...timeline,
  ...search,
  ...codeSearch,
  ...markdown,
  ...actions,
  ...deployments,
  ...graphqlRows,
  ...commitComments,
  ...ofPeople,
  ...contributors,
  ...runDetails,
  ...webhooks,
  ...watching,
  ...feeds,
  ...ofAnyForge,
};
