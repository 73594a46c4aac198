/** Pull requests, with and without the numbers that only one of them carries. */
import type { JsonObject } from '../../forge.js';
import { user, userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import { fieldsOf, inside, joined, UNKNOWN_TIME } from './fields.js';
import type { PullRequestInput, SideInput } from './inputs.js';
import { label } from './label.js';
import { milestone } from './milestone.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf, repository } from './repository.js';
import { team } from './team.js';

/** As in lists and in events of reviews. @throws TypeError when the base has no repository */
export function simplePullRequest(base: ShapeBase, input: PullRequestInput, known?: JsonObject): JsonObject {
  const target = input.base.repository;
  if (target === null) throw new TypeError(`Pull request ${input.number} has no base repository.`);
  const read = fieldsOf(known);
  const owner = target.owner.login;
  const api = apiOf(base, owner, target.name);
  const assignees = read(
    input.assignees?.map((one) => user(base, one)),
    'assignees',
    [],
  ) as unknown[];
  const people = input.reviewers?.map((one) => user(base, one));
  const teams = input.teams?.map((one) => team(base, { ...one, organization: owner }));
  return joined(addresses(api, input), {
    id: jsonId(input.id),
    node_id: nodeId('PullRequest', input.id, `${owner}/${target.name}#${input.number}`),
    html_url: input.htmlUrl,
    diff_url: `${input.htmlUrl}.diff`,
    patch_url: `${input.htmlUrl}.patch`,
    number: input.number,
    state: input.state,
    locked: read(input.locked, 'locked', false),
    title: input.title,
    user: authorOf(base, input, known),
    body: read(input.body, 'body', null),
    created_at: read(input.createdAt, 'created_at', UNKNOWN_TIME),
    updated_at: read(input.updatedAt ?? input.createdAt, 'updated_at', UNKNOWN_TIME),
    closed_at: read(input.closedAt, 'closed_at', null),
    merged_at: read(input.mergedAt, 'merged_at', null),
    merge_commit_sha: read(input.mergeCommitSha, 'merge_commit_sha', null),
    assignee: assignees[0] ?? null,
    assignees,
    requested_reviewers: read(people, 'requested_reviewers', []),
    requested_teams: read(teams, 'requested_teams', []),
    labels: read(
      input.labels?.map((one) => label(base, owner, target.name, one)),
      'labels',
      [],
    ),
    milestone: read(input.milestone && milestone(base, owner, target.name, input.milestone), 'milestone', null),
    draft: read(input.draft, 'draft', false),
    head: side(base, input.head, inside(known, 'head')),
    base: side(base, input.base, inside(known, 'base')),
    author_association: read(input.association, 'author_association', 'NONE'),
    auto_merge: read(autoMergeOf(base, input, known), 'auto_merge', null),
    active_lock_reason: read(undefined, 'active_lock_reason', null),
  });
}

/** As in webhooks and GET. @throws TypeError when the base has no repository */
export function pullRequest(base: ShapeBase, input: PullRequestInput, known?: JsonObject): JsonObject {
  const read = fieldsOf(known);
  return joined(simplePullRequest(base, input, known), {
    merged: read(input.merged, 'merged', false),
    mergeable: read(input.mergeable, 'mergeable', null),
    rebaseable: read(input.rebaseable, 'rebaseable', null),
    mergeable_state: read(input.mergeableState, 'mergeable_state', 'unknown'),
    merged_by: read(input.mergedBy && user(base, input.mergedBy), 'merged_by', null),
    comments: read(input.comments, 'comments', 0),
    review_comments: read(input.reviewComments, 'review_comments', 0),
    maintainer_can_modify: read(input.maintainerCanModify, 'maintainer_can_modify', false),
    commits: read(input.commits, 'commits', 0),
    additions: read(input.additions, 'additions', 0),
    deletions: read(input.deletions, 'deletions', 0),
    changed_files: read(input.changedFiles, 'changed_files', 0),
  });
}

function authorOf(base: ShapeBase, { author }: PullRequestInput, known: JsonObject | undefined): JsonObject {
  return author === undefined ? (inside(known, 'user') ?? userOrGhost(base, author)) : userOrGhost(base, author);
}

/** A webhook tells no more than that it will be merged; how and by whom is then what was known before. */
function autoMergeOf(base: ShapeBase, input: PullRequestInput, known: JsonObject | undefined): unknown {
  if (input.autoMerge === undefined) return undefined;
  if (!input.autoMerge) return null;
  if (typeof input.autoMerge === 'object') {
    const { enabledBy, method, commitTitle, commitMessage } = input.autoMerge;
    return {
      enabled_by: enabledBy && user(base, enabledBy),
      merge_method: method,
      commit_title: commitTitle,
      commit_message: commitMessage,
    };
  }
  return (
    inside(known, 'auto_merge') ?? { enabled_by: null, merge_method: 'merge', commit_title: null, commit_message: null }
  );
}

/** One end. A deleted fork leaves its head without a repository; GitHub then names the ghost. */
function side(base: ShapeBase, input: SideInput, known: JsonObject | undefined): JsonObject {
  const repo = input.repository;
  const knownRepo = inside(known, 'repo');
  const account = input.user ?? repo?.owner;
  return {
    label: `${account?.login ?? 'unknown'}:${input.ref}`,
    ref: input.ref,
    sha: input.sha,
    user: userOrGhost(base, account),
    repo: repo && repository(base, repo, knownRepo?.id === jsonId(repo.id) ? knownRepo : undefined),
  };
}

function addresses(api: string, input: PullRequestInput): JsonObject {
  const pull = `${api}/pulls/${input.number}`;
  const issue = `${api}/issues/${input.number}`;
  const urls = {
    comments: `${issue}/comments`,
    review_comments: `${pull}/comments`,
    review_comment: `${api}/pulls/comments{/number}`,
    commits: `${pull}/commits`,
    statuses: `${api}/statuses/${input.head.sha}`,
  };
  return {
    url: pull,
    issue_url: issue,
    comments_url: urls.comments,
    review_comments_url: urls.review_comments,
    review_comment_url: urls.review_comment,
    commits_url: urls.commits,
    statuses_url: urls.statuses,
    _links: {
      self: { href: pull },
      html: { href: input.htmlUrl },
      issue: { href: issue },
      comments: { href: urls.comments },
      review_comments: { href: urls.review_comments },
      review_comment: { href: urls.review_comment },
      commits: { href: urls.commits },
      statuses: { href: urls.statuses },
    },
  };
}
