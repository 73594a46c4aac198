/** Repositories, and the one place that knows the addresses of everything in them. */
import type { JsonObject } from '../../forge.js';
import { encodePage, user } from './account.js';
import type { ShapeBase } from './base.js';
import { fieldsOf, given, joined, UNKNOWN_TIME } from './fields.js';
import type { RepositoryInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';

/** Base of a repository's API, without a slash at the end. */
export function apiOf(base: ShapeBase, owner: string, name: string): string {
  return `${base.api}/repos/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`;
}

/** A repository's page for people, where the forge did not tell it. */
export function pageOf(base: ShapeBase, owner: string, name: string): string {
  return `${base.web}/${encodePage(owner)}/${encodeURIComponent(name)}`;
}

/** As in lists of an installation's repositories. */
export function shortRepository(_base: ShapeBase, input: RepositoryInput): JsonObject {
  return {
    id: jsonId(input.id),
    node_id: nodeId('Repository', input.id, `${input.owner.login}/${input.name}`),
    name: input.name,
    full_name: `${input.owner.login}/${input.name}`,
    private: input.visibility !== 'public',
  };
}

/** As inside workflow runs: who and where, without settings and numbers. */
export function minimalRepository(base: ShapeBase, input: RepositoryInput, known?: JsonObject): JsonObject {
  const read = fieldsOf(known);
  return joined(addresses(apiOf(base, input.owner.login, input.name)), shortRepository(base, input), {
    owner: user(base, input.owner),
    html_url: input.htmlUrl,
    description: read(input.description, 'description', null),
    fork: read(input.fork, 'fork', false),
  });
}

/** The full `repository` of webhooks and of GET. */
export function repository(base: ShapeBase, input: RepositoryInput, known?: JsonObject): JsonObject {
  const read = fieldsOf(known);
  const stars = read(input.starCount, 'stargazers_count', 0);
  const forks = read(input.forkCount, 'forks_count', 0);
  const openIssues = read(input.openIssueCount, 'open_issues_count', 0);
  const page = new URL(input.htmlUrl);
  const path = page.pathname.replace(/^\/+|(?<!\/)\/+$/g, '');
  const own = {
    created_at: read(input.createdAt, 'created_at', UNKNOWN_TIME),
    updated_at: read(input.updatedAt, 'updated_at', UNKNOWN_TIME),
    pushed_at: read(input.pushedAt, 'pushed_at', null),
    git_url: `git://${page.host}/${path}.git`,
    ssh_url: read(input.sshUrl, 'ssh_url', `git@${page.hostname}:${path}.git`),
    clone_url: read(input.cloneUrl, 'clone_url', `${input.htmlUrl}.git`),
    svn_url: input.htmlUrl,
    homepage: read(input.homepage, 'homepage', null),
    size: read(input.size, 'size', 0),
    stargazers_count: stars,
    watchers_count: stars,
    language: read(input.language, 'language', null),
    has_issues: read(input.hasIssues, 'has_issues', true),
    has_projects: read(undefined, 'has_projects', false),
    has_downloads: read(undefined, 'has_downloads', true),
    has_wiki: read(input.hasWiki, 'has_wiki', false),
    has_pages: read(undefined, 'has_pages', false),
    has_discussions: read(undefined, 'has_discussions', false),
    forks_count: forks,
    mirror_url: read(undefined, 'mirror_url', null),
    archived: read(input.archived, 'archived', false),
    disabled: false,
    open_issues_count: openIssues,
    license: read(undefined, 'license', null),
    allow_forking: read(undefined, 'allow_forking', true),
    is_template: read(undefined, 'is_template', false),
    web_commit_signoff_required: read(undefined, 'web_commit_signoff_required', false),
    topics: read(input.topics, 'topics', []),
    visibility: input.visibility,
    forks,
    open_issues: openIssues,
    watchers: stars,
    default_branch: read(input.defaultBranch, 'default_branch', 'main'),
    network_count: forks,
    subscribers_count: read(undefined, 'subscribers_count', 0),
    custom_properties: {},
  };
  const told = given({
    allow_squash_merge: read(input.allowSquashMerge, 'allow_squash_merge', undefined),
    allow_merge_commit: read(input.allowMergeCommit, 'allow_merge_commit', undefined),
    allow_rebase_merge: read(input.allowRebaseMerge, 'allow_rebase_merge', undefined),
    delete_branch_on_merge: read(input.deleteBranchOnMerge, 'delete_branch_on_merge', undefined),
    permissions: read(input.permissions, 'permissions', undefined),
  });
  return joined(minimalRepository(base, input, known), own, told);
}

function addresses(api: string): JsonObject {
  return {
    url: api,
    forks_url: `${api}/forks`,
    keys_url: `${api}/keys{/key_id}`,
    collaborators_url: `${api}/collaborators{/collaborator}`,
    teams_url: `${api}/teams`,
    hooks_url: `${api}/hooks`,
    issue_events_url: `${api}/issues/events{/number}`,
    events_url: `${api}/events`,
    assignees_url: `${api}/assignees{/user}`,
    branches_url: `${api}/branches{/branch}`,
    tags_url: `${api}/tags`,
    blobs_url: `${api}/git/blobs{/sha}`,
    git_tags_url: `${api}/git/tags{/sha}`,
    git_refs_url: `${api}/git/refs{/sha}`,
    trees_url: `${api}/git/trees{/sha}`,
    statuses_url: `${api}/statuses/{sha}`,
    languages_url: `${api}/languages`,
    stargazers_url: `${api}/stargazers`,
    contributors_url: `${api}/contributors`,
    subscribers_url: `${api}/subscribers`,
    subscription_url: `${api}/subscription`,
    commits_url: `${api}/commits{/sha}`,
    git_commits_url: `${api}/git/commits{/sha}`,
    comments_url: `${api}/comments{/number}`,
    issue_comment_url: `${api}/issues/comments{/number}`,
    contents_url: `${api}/contents/{+path}`,
    compare_url: `${api}/compare/{base}...{head}`,
    merges_url: `${api}/merges`,
    archive_url: `${api}/{archive_format}{/ref}`,
    downloads_url: `${api}/downloads`,
    issues_url: `${api}/issues{/number}`,
    pulls_url: `${api}/pulls{/number}`,
    milestones_url: `${api}/milestones{/number}`,
    notifications_url: `${api}/notifications{?since,all,participating}`,
    labels_url: `${api}/labels{/name}`,
    releases_url: `${api}/releases{/id}`,
    deployments_url: `${api}/deployments`,
  };
}
