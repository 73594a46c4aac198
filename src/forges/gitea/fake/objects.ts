/** The JSON of the server's objects: accounts, repositories, issues and what stands on them. */
import {
  atLeast,
  type Comment,
  type Hook,
  type Issue,
  type Label,
  levelOf,
  type Milestone,
  type Organization,
  organizationNamed,
  type Reaction,
  type Release,
  type Repository,
  repositoryById,
  type Status,
  type Team,
  type TimelineEvent,
} from './state.js';
import type { World } from './world.js';

const NEVER = '0001-01-01T00:00:00Z';

export function userJson(world: World, login: string) {
  const account = world.accountOf(login);
  return {
    id: account.id,
    login: account.login,
    login_name: '',
    full_name: account.fullName,
    email: account.email,
    avatar_url: `${world.webUrl}/avatars/${account.id}`,
    ...(world.features.v122 && { html_url: `${world.webUrl}/${account.login}`, source_id: 0 }),
    language: '',
    is_admin: account.isAdmin,
    last_login: NEVER,
    created: account.created,
    restricted: false,
    active: account.id > 0,
    prohibit_login: false,
    location: '',
    website: '',
    description: account.description,
    visibility: 'public',
    followers_count: 0,
    following_count: 0,
    starred_repos_count: 0,
    username: account.login,
  };
}

export const organizationJson = (world: World, organization: Organization) => ({
  id: organization.id,
  name: organization.login,
  full_name: organization.fullName,
  email: organization.email,
  avatar_url: `${world.webUrl}/avatars/${organization.id}`,
  description: organization.description,
  website: '',
  location: '',
  visibility: 'public',
  repo_admin_change_team_access: false,
  username: organization.login,
});

export const teamJson = (world: World, organization: Organization | null, team: Team) => ({
  id: team.id,
  name: team.name,
  description: team.description,
  organization: organization && organizationJson(world, organization),
  includes_all_repositories: team.includesAllRepositories,
  permission: team.permission,
  units: ['repo.code', 'repo.issues', 'repo.pulls'],
  units_map: { 'repo.code': team.permission },
  can_create_org_repo: team.permission === 'owner',
});

/** `viewer` is whose permissions are told. */
export function repositoryJson(
  world: World,
  repository: Repository,
  viewer = repository.owner,
): Record<string, unknown> {
  const html = `${world.webUrl}/${repository.owner}/${repository.name}`;
  const level = levelOf(world.state, repository, viewer);
  const open = repository.issues.filter((issue) => issue.state === 'open');
  const parent = repository.parent === null ? undefined : repositoryById(world.state, repository.parent);
  return {
    id: repository.id,
    owner: userJson(world, repository.owner),
    name: repository.name,
    full_name: `${repository.owner}/${repository.name}`,
    description: repository.description,
    empty: false,
    private: repository.private,
    fork: repository.parent !== null,
    template: false,
    parent: parent === undefined ? null : repositoryJson(world, parent, viewer),
    mirror: false,
    size: 24,
    language: '',
    languages_url: `${world.apiUrl}/repos/${repository.owner}/${repository.name}/languages`,
    html_url: html,
    url: `${world.apiUrl}/repos/${repository.owner}/${repository.name}`,
    link: '',
    ssh_url: `git@gitea.test:${repository.owner}/${repository.name}.git`,
    clone_url: `${html}.git`,
    original_url: '',
    website: repository.website,
    stars_count: 0,
    forks_count: world.state.repositories.filter((one) => one.parent === repository.id).length,
    watchers_count: 1,
    open_issues_count: open.filter((issue) => issue.pull === null).length,
    open_pr_counter: open.filter((issue) => issue.pull !== null).length,
    release_counter: repository.releases.length,
    default_branch: repository.defaultBranch,
    archived: repository.archived,
    created_at: repository.created,
    updated_at: repository.updated,
    archived_at: '1970-01-01T00:00:00Z',
    permissions: { admin: atLeast(level, 'admin'), push: atLeast(level, 'write'), pull: atLeast(level, 'read') },
    has_issues: true,
    internal_tracker: {
      enable_time_tracker: true,
      allow_only_contributors_to_track_time: true,
      enable_issue_dependencies: true,
    },
    has_wiki: true,
    has_pull_requests: true,
    has_projects: true,
    has_releases: true,
    has_packages: true,
    has_actions: false,
    ignore_whitespace_conflicts: false,
    allow_merge_commits: true,
    allow_rebase: true,
    allow_rebase_explicit: true,
    allow_squash_merge: true,
    allow_rebase_update: true,
    default_delete_branch_after_merge: false,
    default_merge_style: 'merge',
    default_allow_maintainer_edit: false,
    ...repository.settings,
    avatar_url: '',
    internal: false,
    mirror_interval: '',
    mirror_updated: NEVER,
    repo_transfer: null,
    ...(world.features.v122 && { topics: repository.topics, object_format_name: 'sha1' }),
  };
}

export const labelJson = (world: World, place: string, label: Label) => ({
  id: label.id,
  name: label.name,
  exclusive: label.exclusive,
  is_archived: false,
  color: label.color,
  description: label.description,
  url: `${world.apiUrl}/${place}/labels/${label.id}`,
});

/** Labels of an issue may be the repository's or its organization's. */
export function labelsOf(world: World, repository: Repository): readonly { label: Label; place: string }[] {
  const organization = organizationNamed(world.state, repository.owner);
  return [
    ...repository.labels.map((label) => ({ label, place: `repos/${repository.owner}/${repository.name}` })),
    ...(organization?.labels ?? []).map((label) => ({ label, place: `orgs/${repository.owner}` })),
  ];
}

export const issueLabelsJson = (world: World, repository: Repository, issue: Issue) =>
  labelsOf(world, repository)
    .filter(({ label }) => issue.labels.includes(label.id))
    .sort((a, b) => (a.label.name < b.label.name ? -1 : 1))
    .map(({ label, place }) => labelJson(world, place, label));

export function milestoneJson(repository: Repository, milestone: Milestone) {
  const of = repository.issues.filter((issue) => issue.milestone === milestone.id);
  return {
    id: milestone.id,
    title: milestone.title,
    description: milestone.description,
    state: milestone.state,
    open_issues: of.filter((issue) => issue.state === 'open').length,
    closed_issues: of.filter((issue) => issue.state === 'closed').length,
    created_at: milestone.created,
    updated_at: milestone.updated,
    closed_at: milestone.closed,
    due_on: milestone.dueOn,
  };
}

export const milestoneOf = (repository: Repository, id: number | null) => {
  const found = repository.milestones.find((one) => one.id === id);
  return found === undefined ? null : milestoneJson(repository, found);
};

export const issueUrl = (world: World, repository: Repository, issue: Issue): string =>
  `${world.webUrl}/${repository.owner}/${repository.name}/${issue.pull === null ? 'issues' : 'pulls'}/${issue.number}`;

export const isDraft = (title: string): boolean => /^\s*(?:wip:|\[wip\])/i.test(title);

export function issueJson(world: World, repository: Repository, issue: Issue) {
  const assignees = issue.assignees.map((login) => userJson(world, login));
  const { pull } = issue;
  return {
    id: issue.id,
    url: `${world.apiUrl}/repos/${repository.owner}/${repository.name}/issues/${issue.number}`,
    html_url: issueUrl(world, repository, issue),
    number: issue.number,
    user: userJson(world, issue.user),
    original_author: '',
    original_author_id: 0,
    title: issue.title,
    body: issue.body,
    ref: '',
    assets: [],
    labels: issueLabelsJson(world, repository, issue),
    milestone: milestoneOf(repository, issue.milestone),
    assignee: assignees[0] ?? null,
    assignees: assignees.length === 0 ? null : assignees,
    state: issue.state,
    is_locked: issue.locked,
    comments: issue.comments.length,
    created_at: issue.created,
    updated_at: issue.updated,
    closed_at: issue.closed,
    due_date: null,
    pull_request:
      pull === null
        ? null
        : {
            merged: pull.merged !== null,
            merged_at: pull.merged?.at ?? null,
            ...(world.features.v122 && { draft: isDraft(issue.title), html_url: issueUrl(world, repository, issue) }),
          },
    repository: {
      id: repository.id,
      name: repository.name,
      owner: repository.owner,
      full_name: `${repository.owner}/${repository.name}`,
    },
    pin_order: 0,
  };
}

export function commentJson(world: World, repository: Repository, issue: Issue, comment: Omit<Comment, 'reactions'>) {
  const page = issueUrl(world, repository, issue);
  return {
    id: comment.id,
    html_url: `${page}#issuecomment-${comment.id}`,
    pull_request_url: issue.pull === null ? '' : page,
    issue_url: issue.pull === null ? page : '',
    user: userJson(world, comment.user),
    original_author: '',
    original_author_id: 0,
    body: comment.body,
    assets: [],
    created_at: comment.created,
    updated_at: comment.updated,
  };
}

export const reactionJson = (world: World, reaction: Reaction) => ({
  user: userJson(world, reaction.user),
  content: reaction.content,
  created_at: reaction.created,
});

export function timelineJson(world: World, repository: Repository, issue: Issue, entry: TimelineEvent) {
  const label = labelsOf(world, repository).find((one) => one.label.id === entry.label);
  const {
    original_author: _author,
    original_author_id: _id,
    assets: _assets,
    ...shared
  } = commentJson(world, repository, issue, {
    ...entry,
    updated: entry.created,
  });
  return {
    ...shared,
    type: entry.type,
    old_project_id: 0,
    project_id: 0,
    old_milestone: milestoneOf(repository, entry.oldMilestone ?? null),
    milestone: milestoneOf(repository, entry.milestone ?? null),
    tracked_time: null,
    old_title: entry.oldTitle ?? '',
    new_title: entry.newTitle ?? '',
    old_ref: '',
    new_ref: '',
    ref_issue: null,
    ref_comment: null,
    ref_action: '',
    ref_commit_sha: '',
    review_id: 0,
    label: label === undefined ? null : labelJson(world, label.place, label.label),
    assignee: entry.assignee === undefined ? null : userJson(world, entry.assignee),
    assignee_team: null,
    removed_assignee: entry.removedAssignee ?? false,
    resolve_doer: null,
    dependent_issue: null,
  };
}

export const statusJson = (world: World, repository: Repository, sha: string, status: Status) => ({
  id: status.id,
  status: status.state,
  target_url: status.targetUrl,
  description: status.description,
  url: `${world.apiUrl}/repos/${repository.owner}/${repository.name}/statuses/${sha}`,
  context: status.context,
  creator: userJson(world, status.creator),
  created_at: status.created,
  updated_at: status.created,
});

export function releaseJson(world: World, repository: Repository, release: Release) {
  const api = `${world.apiUrl}/repos/${repository.owner}/${repository.name}`;
  const web = `${world.webUrl}/${repository.owner}/${repository.name}`;
  return {
    id: release.id,
    tag_name: release.tag,
    target_commitish: release.target,
    name: release.name,
    body: release.body,
    url: `${api}/releases/${release.id}`,
    html_url: `${web}/releases/tag/${release.tag}`,
    tarball_url: `${web}/archive/${release.tag}.tar.gz`,
    zipball_url: `${web}/archive/${release.tag}.zip`,
    ...(world.features.v122 && { upload_url: `${api}/releases/${release.id}/assets` }),
    draft: release.draft,
    prerelease: release.prerelease,
    created_at: release.created,
    published_at: release.created,
    author: userJson(world, release.author),
    assets: release.assets.map((asset) => ({
      id: asset.id,
      name: asset.name,
      size: asset.size,
      download_count: 0,
      created_at: release.created,
      uuid: `asset-${asset.id}`,
      browser_download_url: `${web}/releases/download/${release.tag}/${asset.name}`,
    })),
  };
}

/** The secret is never told. */
export const hookJson = (hook: Hook) => ({
  id: hook.id,
  type: hook.type,
  branch_filter: hook.branchFilter,
  config: { content_type: hook.contentType, url: hook.url },
  events: hook.events,
  authorization_header: '',
  active: hook.active,
  updated_at: hook.updated,
  created_at: hook.created,
});
