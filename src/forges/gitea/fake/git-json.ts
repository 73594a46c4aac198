/** The JSON of commits, branches, files and pull requests: what the server reads from git. */
import type { FakeTreeEntry } from '../../kit/fake/git-store.js';
import { isDraft, issueJson, issueUrl, repositoryJson, userJson } from './objects.js';
import {
  type Account,
  type Issue,
  organizationNamed,
  type Protection,
  type Pull,
  type Repository,
  type Review,
  type ReviewComment,
  repositoryById,
} from './state.js';
import type { World } from './world.js';

const byEmail = (world: World, email: string): Account | undefined =>
  world.state.accounts.find((account) => account.email === email);

export const pageOf = (world: World, repository: Repository): string =>
  `${world.webUrl}/${repository.owner}/${repository.name}`;

const apiOf = (world: World, repository: Repository): string =>
  `${world.apiUrl}/repos/${repository.owner}/${repository.name}`;

/** Git's messages end with a line break; the server keeps it. */
export async function commitJson(world: World, repository: Repository, sha: string, more: { files?: boolean } = {}) {
  const commit = await repository.git.readCommit(sha);
  if (commit === undefined) throw new Error(`There is no commit ${sha}.`);
  const api = apiOf(world, repository);
  const meta = (id: string, kind: 'commits' | 'trees') => ({
    url: `${api}/git/${kind}/${id}`,
    sha: id,
    created: commit.committer.date,
  });
  const account = (email: string) => {
    const found = byEmail(world, email);
    return found === undefined ? null : userJson(world, found.login);
  };
  const diff = more.files ? await repository.git.diff(commit.parents[0] ?? null, sha) : undefined;
  const sum = (key: 'additions' | 'deletions') => (diff?.files ?? []).reduce((total, file) => total + file[key], 0);
  return {
    ...meta(sha, 'commits'),
    html_url: `${pageOf(world, repository)}/commit/${sha}`,
    commit: {
      url: `${api}/git/commits/${sha}`,
      author: { name: commit.author.name, email: commit.author.email, date: commit.author.date },
      committer: { name: commit.committer.name, email: commit.committer.email, date: commit.committer.date },
      message: commit.message,
      tree: meta(commit.tree, 'trees'),
      verification: {
        verified: false,
        reason: 'gpg.error.not_signed_commit',
        signature: '',
        signer: null,
        payload: '',
      },
    },
    author: account(commit.author.email),
    committer: account(commit.committer.email),
    parents: commit.parents.map((parent) => meta(parent, 'commits')),
    ...(diff && {
      files: diff.files.map((file) => ({
        filename: file.path,
        status: file.status === 'renamed' ? 'modified' : file.status,
      })),
      stats: { total: sum('additions') + sum('deletions'), additions: sum('additions'), deletions: sum('deletions') },
    }),
  };
}

/** A commit as pushes and branches tell it. */
export async function payloadCommit(world: World, repository: Repository, sha: string, files = false) {
  const commit = await repository.git.readCommit(sha);
  if (commit === undefined) throw new Error(`There is no commit ${sha}.`);
  const person = ({ name, email }: { name: string; email: string }) => ({
    name,
    email,
    username: byEmail(world, email)?.login ?? '',
  });
  const changed = files ? (await repository.git.diff(commit.parents[0] ?? null, sha)).files : [];
  const paths = (status: string) => changed.filter((file) => file.status === status).map((file) => file.path);
  return {
    id: sha,
    message: commit.message,
    url: `${pageOf(world, repository)}/commit/${sha}`,
    author: person(commit.author),
    committer: person(commit.committer),
    verification: null,
    timestamp: commit.committer.date,
    added: files ? paths('added') : null,
    removed: files ? paths('removed') : null,
    modified: files ? [...paths('modified'), ...paths('renamed')] : null,
  };
}

export const protectionFor = (repository: Repository, branch: string): Protection | undefined =>
  repository.protections.find(({ rule }) =>
    new RegExp(`^${rule.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(branch),
  );

export async function branchJson(world: World, repository: Repository, name: string, sha: string) {
  const rule = protectionFor(repository, name);
  return {
    name,
    commit: await payloadCommit(world, repository, sha),
    protected: rule !== undefined,
    required_approvals: Number(rule?.fields.required_approvals ?? 0),
    enable_status_check: rule?.fields.enable_status_check === true,
    status_check_contexts: (rule?.fields.status_check_contexts as string[] | undefined) ?? [],
    user_can_push: true,
    user_can_merge: true,
    effective_branch_protection_name: rule?.rule ?? '',
  };
}

/** Branches and tags of the repository by short names. */
export async function shortRefs(repository: Repository, kind: 'heads' | 'tags') {
  const prefix = `refs/${kind}/`;
  return (await repository.git.refs(prefix)).map(({ ref, sha }) => ({ name: ref.slice(prefix.length), sha }));
}

const KINDS: Readonly<Record<string, string>> = { blob: 'file', tree: 'dir', commit: 'submodule' };

export async function contentJson(
  world: World,
  repository: Repository,
  ref: string,
  entry: FakeTreeEntry,
  inline: boolean,
) {
  const type = entry.mode === '120000' ? 'symlink' : (KINDS[entry.type] ?? 'file');
  const bytes = inline && entry.type === 'blob' ? await repository.git.readBlob(entry.sha) : undefined;
  const api = apiOf(world, repository);
  const page = pageOf(world, repository);
  const self = `${api}/contents/${entry.path}?ref=${ref}`;
  const git = `${api}/git/${entry.type === 'tree' ? 'trees' : 'blobs'}/${entry.sha}`;
  const html = `${page}/src/branch/${ref}/${entry.path}`;
  return {
    name: entry.path.split('/').at(-1),
    path: entry.path,
    sha: entry.sha,
    last_commit_sha: (await repository.git.log(ref, { path: entry.path, limit: 1 }))[0] ?? '',
    type,
    size: entry.size ?? 0,
    encoding: bytes ? 'base64' : null,
    content: bytes?.toString('base64') ?? null,
    target: type === 'symlink' ? (bytes?.toString() ?? null) : null,
    url: self,
    html_url: html,
    git_url: git,
    download_url: entry.type === 'blob' ? `${page}/raw/branch/${ref}/${entry.path}` : null,
    submodule_git_url: null,
    _links: { self, git, html },
  };
}

/** Where the two branches parted, as the pull request shows its changes from there. */
export async function mergeBaseOf(repository: Repository, pull: Pull): Promise<string> {
  const base = pull.baseSha ?? (await repository.git.resolve(`refs/heads/${pull.baseBranch}`));
  return (base && (await repository.git.mergeBase(base, pull.headSha))) ?? pull.headSha;
}

async function sideJson(world: World, repository: Repository | undefined, ref: string, sha: string, viewer: string) {
  return {
    label: ref,
    ref,
    sha,
    repo_id: repository?.id ?? -1,
    repo: repository === undefined ? null : repositoryJson(world, repository, viewer),
  };
}

export async function pullJson(
  world: World,
  repository: Repository,
  issue: Issue & { pull: Pull },
  viewer = issue.user,
) {
  const { pull } = issue;
  const page = issueUrl(world, repository, issue);
  const base = pull.baseSha ?? (await repository.git.resolve(`refs/heads/${pull.baseBranch}`)) ?? '';
  const head = repositoryById(world.state, pull.headRepository);
  const open = issue.state === 'open';
  const conflicts = open && base !== '' && (await repository.git.conflicts(base, pull.headSha));
  const mergeBase = await mergeBaseOf(repository, pull);
  const {
    repository: _repository,
    pull_request: _pull,
    ref: _ref,
    assets: _assets,
    original_author: _author,
    original_author_id: _id,
    ...shared
  } = issueJson(world, repository, issue);
  const organization = organizationNamed(world.state, repository.owner);
  const newer = async () => {
    const { files } = await repository.git.diff(mergeBase, pull.headSha);
    return {
      draft: isDraft(issue.title),
      review_comments: pull.reviews.reduce((total, review) => total + review.comments.length, 0),
      additions: files.reduce((total, file) => total + file.additions, 0),
      deletions: files.reduce((total, file) => total + file.deletions, 0),
      changed_files: files.length,
      requested_reviewers_teams: (organization?.teams ?? [])
        .filter((team) => pull.teams.includes(team.name))
        .map((team) => ({ id: team.id, name: team.name, description: team.description, permission: team.permission })),
    };
  };
  return {
    ...shared,
    id: pull.id,
    url: page,
    diff_url: `${page}.diff`,
    patch_url: `${page}.patch`,
    mergeable: open && !conflicts && !isDraft(issue.title),
    merged: pull.merged !== null,
    merged_at: pull.merged?.at ?? null,
    merge_commit_sha: pull.merged?.sha ?? null,
    merged_by: pull.merged === null ? null : userJson(world, pull.merged.by),
    allow_maintainer_edit: pull.allowMaintainerEdit,
    base: await sideJson(world, repository, pull.baseBranch, base, viewer),
    head: await sideJson(world, head, pull.headBranch, pull.headSha, viewer),
    merge_base: mergeBase,
    requested_reviewers: pull.reviewers.map((login) => userJson(world, login)),
    ...(world.features.v122 && (await newer())),
  };
}

export function reviewJson(world: World, repository: Repository, issue: Issue & { pull: Pull }, review: Review) {
  const page = issueUrl(world, repository, issue);
  return {
    id: review.id,
    user: userJson(world, review.user),
    team: null,
    state: review.state,
    body: review.body,
    commit_id: review.commit,
    stale: review.commit !== issue.pull.headSha,
    official: review.state === 'APPROVED' || review.state === 'REQUEST_CHANGES',
    dismissed: review.dismissed,
    comments_count: review.comments.length,
    submitted_at: review.submitted,
    updated_at: review.submitted,
    html_url: `${page}#issuecomment-${review.id}`,
    pull_request_url: page,
  };
}

export function reviewCommentJson(
  world: World,
  repository: Repository,
  issue: Issue,
  review: Review,
  comment: ReviewComment,
) {
  const page = issueUrl(world, repository, issue);
  return {
    id: comment.id,
    body: comment.body,
    user: userJson(world, comment.user),
    resolver: comment.resolver === undefined ? null : userJson(world, comment.resolver),
    pull_request_review_id: review.id,
    created_at: comment.created,
    updated_at: comment.updated,
    path: comment.path,
    commit_id: comment.commit,
    original_commit_id: '',
    diff_hunk: comment.hunk,
    position: Math.max(comment.line, 0),
    original_position: comment.line < 0 ? -comment.line : 0,
    html_url: `${page}#issuecomment-${comment.id}`,
    pull_request_url: page,
  };
}
