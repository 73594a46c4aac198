/** Commits in the forms in which GitHub shows them, and the files they change. */
import type { JsonObject } from '../../forge.js';
import { user } from './account.js';
import type { ShapeBase } from './base.js';
import { encodePath, given, NO_COMMIT } from './fields.js';
import type { CommitInput, CommitUser, FileInput } from './inputs.js';
import { nodeId } from './node-id.js';
import { apiOf, pageOf } from './repository.js';

/** A commit of a `push` event. */
export function pushCommit(_base: ShapeBase, input: CommitInput): JsonObject {
  const committer = input.committer ?? input.author;
  return {
    id: input.sha,
    tree_id: input.treeSha ?? NO_COMMIT,
    distinct: true,
    message: input.message,
    timestamp: committer.date,
    url: input.htmlUrl,
    author: pushPerson(input.author),
    committer: pushPerson(committer),
    added: input.added ?? [],
    removed: input.removed ?? [],
    modified: input.modified ?? [],
  };
}

/** The repository as a push tells it and no other event does: its owner by `name` as well, and what GitHub once called its fields. */
export function pushedRepository(shown: JsonObject): JsonObject {
  const owner = shown.owner as JsonObject;
  return {
    ...shown,
    owner: { ...owner, name: owner.login, email: null },
    stargazers: shown.stargazers_count,
    master_branch: shown.default_branch,
  };
}

/** The `head_commit` of check suites and workflow runs; of an unknown commit only the SHA is told. */
export function simpleCommit(sha: string, input: CommitInput | undefined, unknownTime: string): JsonObject {
  const nobody = { name: 'unknown', email: null };
  if (input === undefined) {
    return { id: sha, tree_id: NO_COMMIT, message: '', timestamp: unknownTime, author: nobody, committer: nobody };
  }
  const committer = input.committer ?? input.author;
  return {
    id: input.sha,
    tree_id: input.treeSha ?? NO_COMMIT,
    message: input.message,
    timestamp: committer.date,
    author: { name: input.author.name, email: input.author.email },
    committer: { name: committer.name, email: committer.email },
  };
}

/** As GET /repos/{owner}/{repo}/commits/{ref} and its lists answer it; `stats` and `files` only when they were given. */
export function commit(base: ShapeBase, owner: string, repo: string, input: CommitInput): JsonObject {
  const api = apiOf(base, owner, repo);
  const { author, committer = author } = input;
  const { sha, node_id, html_url, parents, ...git } = gitCommit(base, owner, repo, input);
  const url = `${api}/commits/${input.sha}`;
  return {
    sha,
    node_id,
    commit: { ...git, comment_count: 0 },
    url,
    html_url,
    comments_url: `${url}/comments`,
    author: author.account ? user(base, author.account) : null,
    committer: committer.account ? user(base, committer.account) : null,
    parents: (input.parents ?? []).map((parent) => ({
      sha: parent,
      url: `${api}/commits/${parent}`,
      html_url: pageOfParent(input, parent),
    })),
    ...given({
      stats: input.stats && { ...input.stats, total: input.stats.additions + input.stats.deletions },
      files: input.files?.map((one) => file(base, owner, repo, input.sha, one)),
    }),
  };
}

/** As GET /repos/{owner}/{repo}/git/commits/{sha} answers it. */
export function gitCommit(base: ShapeBase, owner: string, repo: string, input: CommitInput): JsonObject {
  const api = `${apiOf(base, owner, repo)}/git`;
  const tree = input.treeSha ?? NO_COMMIT;
  const verified = input.verified ?? false;
  return {
    sha: input.sha,
    node_id: nodeId('Commit', input.sha, `${owner}/${repo}`),
    url: `${api}/commits/${input.sha}`,
    html_url: input.htmlUrl,
    author: person(input.author),
    committer: person(input.committer ?? input.author),
    tree: { sha: tree, url: `${api}/trees/${tree}` },
    message: input.message,
    parents: (input.parents ?? []).map((sha) => ({
      sha,
      url: `${api}/commits/${sha}`,
      html_url: pageOfParent(input, sha),
    })),
    verification: {
      verified,
      reason: verified ? 'valid' : 'unsigned',
      signature: null,
      payload: null,
      verified_at: null,
    },
  };
}

/** A file of a commit, a comparison or a pull request; `sha` is the commit in which it is shown. */
export function file(base: ShapeBase, owner: string, repo: string, sha: string, input: FileInput): JsonObject {
  const page = pageOf(base, owner, repo);
  const path = encodePath(input.path);
  return {
    sha: input.sha ?? null,
    filename: input.path,
    status: input.status,
    additions: input.additions,
    deletions: input.deletions,
    changes: input.additions + input.deletions,
    blob_url: input.htmlUrl ?? `${page}/blob/${sha}/${path}`,
    raw_url: `${page}/raw/${sha}/${path}`,
    contents_url: `${apiOf(base, owner, repo)}/contents/${path}?ref=${sha}`,
    ...given({ patch: input.patch, previous_filename: input.previousPath }),
  };
}

/** Forges name a commit's page by its SHA, so the parent's page differs in nothing else. */
function pageOfParent(input: CommitInput, parent: string): string {
  return input.htmlUrl.replaceAll(input.sha, parent);
}

function person({ name, email, date }: CommitUser): JsonObject {
  return { name, email, date };
}

function pushPerson({ name, email, date, account, username }: CommitUser): JsonObject {
  return { name, email, date, ...given({ username: account?.login ?? username }) };
}
