/** The JSON of commits, branches, files and pull requests: what GitHub reads from git. */
import type { JsonObject } from '../../forge.js';
import type { FakeDiffFile, FakeTreeEntry } from '../../kit/fake/git-store.js';
import { commit, file, gitCommit } from '../../kit/shapes/commit.js';
import { encodePath } from '../../kit/shapes/fields.js';
import type { CommitInput, CommitUser, FileInput } from '../../kit/shapes/inputs.js';
import { pullRequest, simplePullRequest } from '../../kit/shapes/pull-request.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { accountOf, conversationInput, repositoryInput, webOf } from './present.js';
import { type PullIssue, type Repository, same } from './state.js';
import type { World } from './world.js';

export const NO_COMMIT = '0'.repeat(40);

export async function commitInput(world: World, one: Repository, sha: string, withFiles = false): Promise<CommitInput> {
  const found = await one.git.readCommit(sha);
  if (found === undefined) throw new Error(`There is no commit ${sha}.`);
  const person = ({ name, email, date }: { name: string; email: string; date: string }): CommitUser => {
    const account = world.state.accounts.find((known) => same(known.email, email));
    return { name, email, date, account: account ? accountOf(world, account.login) : null };
  };
  const changed = withFiles ? (await one.git.diff(found.parents[0] ?? null, sha)).files : undefined;
  const sum = (of: readonly FakeDiffFile[], key: 'additions' | 'deletions') =>
    of.reduce((total, each) => total + each[key], 0);
  const paths = (...kinds: readonly FakeDiffFile['status'][]) =>
    changed?.filter(({ status }) => kinds.includes(status)).map(({ path }) => path);
  return {
    sha,
    treeSha: found.tree,
    message: found.message.replace(/\n$/, ''),
    htmlUrl: `${webOf(world, one)}/commit/${sha}`,
    author: person(found.author),
    committer: person(found.committer),
    parents: found.parents,
    ...(changed && {
      added: paths('added'),
      removed: paths('removed'),
      modified: paths('modified', 'renamed'),
      stats: { additions: sum(changed, 'additions'), deletions: sum(changed, 'deletions') },
      files: changed.map(fileInput),
    }),
  };
}

export const fileInput = (changed: FakeDiffFile): FileInput => ({
  path: changed.path,
  previousPath: changed.previousPath,
  status: changed.status,
  additions: changed.additions,
  deletions: changed.deletions,
  sha: changed.sha,
  ...(changed.patch !== '' && { patch: changed.patch.replace(/\n$/, '') }),
});

export const commitJson = async (world: World, one: Repository, sha: string, withFiles = false): Promise<JsonObject> =>
  commit(world.base, one.owner, one.name, await commitInput(world, one, sha, withFiles));

export const gitCommitJson = async (world: World, one: Repository, sha: string): Promise<JsonObject> =>
  gitCommit(world.base, one.owner, one.name, await commitInput(world, one, sha));

export const fileJson = (world: World, one: Repository, sha: string, changed: FakeDiffFile): JsonObject =>
  file(world.base, one.owner, one.name, sha, fileInput(changed));

export function refJson(
  world: World,
  one: Repository,
  ref: string,
  sha: string,
  type: 'commit' | 'tag' = 'commit',
): JsonObject {
  const api = `${apiOf(world.base, one.owner, one.name)}/git`;
  return {
    ref,
    node_id: Buffer.from(ref).toString('base64'),
    url: `${api}/${ref}`,
    object: { type, sha, url: `${api}/${type}s/${sha}` },
  };
}

export async function branchJson(world: World, one: Repository, name: string, sha: string, whole: boolean) {
  const api = apiOf(world.base, one.owner, one.name);
  const shown = whole ? await commitJson(world, one, sha) : { sha, url: `${api}/commits/${sha}` };
  return {
    name,
    commit: shown,
    protected: one.protections.has(name),
    protection_url: `${api}/branches/${encodePath(name)}/protection`,
  };
}

const KINDS: Readonly<Record<FakeTreeEntry['type'], string>> = { blob: 'file', tree: 'dir', commit: 'submodule' };

/** A file of `GET …/contents/…`, with its content when it is the one that was asked for. */
export async function contentJson(world: World, one: Repository, ref: string, entry: FakeTreeEntry, inline: boolean) {
  const api = apiOf(world.base, one.owner, one.name);
  const path = encodePath(entry.path);
  const url = `${api}/contents/${path}?ref=${encodeURIComponent(ref)}`;
  const page = `${webOf(world, one)}/${entry.type === 'tree' ? 'tree' : 'blob'}/${encodePath(ref)}/${path}`;
  const git = `${api}/git/${entry.type === 'tree' ? 'trees' : 'blobs'}/${entry.sha}`;
  const isFile = entry.type === 'blob';
  const content = inline && isFile ? (await one.git.readBlob(entry.sha))?.toString('base64') : undefined;
  return {
    name: entry.path.split('/').at(-1),
    path: entry.path,
    sha: entry.sha,
    size: entry.size ?? 0,
    url,
    html_url: page,
    git_url: git,
    download_url: isFile ? `${webOf(world, one)}/raw/${encodePath(ref)}/${path}` : null,
    type: KINDS[entry.type],
    ...(content !== undefined && { content: content.replace(/.{60}(?=.)/g, '$&\n'), encoding: 'base64' }),
    _links: { self: url, git, html: page },
  };
}

/** The commit of the base that the changes are compared with. */
export async function mergeBaseOf(one: Repository, { pull }: PullIssue): Promise<string> {
  const base = pull.baseSha ?? (await one.git.resolve(`refs/heads/${pull.baseBranch}`)) ?? pull.headSha;
  return (await one.git.mergeBase(base, pull.headSha)) ?? base;
}

export const commitsOf = async (one: Repository, issue: PullIssue): Promise<readonly string[]> =>
  (await one.git.log(issue.pull.headSha, { exclude: await mergeBaseOf(one, issue) })).toReversed();

export const diffOf = async (one: Repository, issue: PullIssue) =>
  one.git.diff(await mergeBaseOf(one, issue), issue.pull.headSha);

async function pullInput(world: World, one: Repository, of: PullIssue) {
  const { pull } = of;
  const { merged } = pull;
  const repo = repositoryInput(world, one);
  const baseSha = pull.baseSha ?? (await one.git.resolve(`refs/heads/${pull.baseBranch}`)) ?? pull.headSha;
  const teams = world.state.teams.filter(
    ({ slug, organization }) => pull.teams.includes(slug) && organization === one.owner,
  );
  return {
    ...conversationInput(world, one, of),
    id: pull.id,
    draft: pull.draft,
    merged: merged !== null,
    mergedAt: merged?.at ?? null,
    mergedBy: merged ? accountOf(world, merged.by) : null,
    mergeCommitSha: merged?.sha ?? null,
    head: { ref: pull.headBranch, sha: pull.headSha, repository: repo },
    base: { ref: pull.baseBranch, sha: baseSha, repository: repo },
    reviewers: pull.requested.flatMap((login) => accountOf(world, login) ?? []),
    teams: teams.map(({ id, name, slug }) => ({ id, name, slug })),
    reviewComments: pull.comments.length,
  };
}

/** As in lists. */
export const pullListed = async (world: World, one: Repository, of: PullIssue): Promise<JsonObject> =>
  simplePullRequest(world.base, await pullInput(world, one, of));

/** As GitHub answers for one, and as webhooks tell it, where it does not know yet whether it can be merged. */
export async function pullJson(
  world: World,
  one: Repository,
  of: PullIssue,
  form: 'webhook' | 'api',
): Promise<JsonObject> {
  const { pull } = of;
  const [{ files }, commits] = await Promise.all([diffOf(one, of), commitsOf(one, of)]);
  const sum = (key: 'additions' | 'deletions') => files.reduce((total, each) => total + each[key], 0);
  const asked = form === 'api' && of.state === 'open';
  const clean = asked ? !(await conflicts(one, of)) : null;
  return pullRequest(world.base, {
    ...(await pullInput(world, one, of)),
    mergeable: clean,
    rebaseable: clean,
    mergeableState: clean === null ? 'unknown' : !clean ? 'dirty' : pull.draft ? 'draft' : 'clean',
    additions: sum('additions'),
    deletions: sum('deletions'),
    changedFiles: files.length,
    commits: commits.length,
  });
}

export const conflicts = async (one: Repository, { pull }: PullIssue): Promise<boolean> =>
  one.git.conflicts(pull.baseBranch, pull.headSha);
