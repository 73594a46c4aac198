/** Single git objects. The forge reads them; they are written through git and reach the server with a ref. */
import type { JsonObject } from '../../forge.js';
import type {
  GitCommitObject,
  GitIdentity,
  GitObjects,
  GitRepository,
  GitTagObject,
  TreeEntry,
} from '../../kit/git-objects.js';
import { type NativeRequest, segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { gitCommit } from '../../kit/shapes/commit.js';
import { gitTag } from '../../kit/shapes/git-tag.js';
import type { CommitUser } from '../../kit/shapes/inputs.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { pageOf as pageOfRepository } from '../../kit/shapes/repository.js';
import { commitInput } from '../convert/commit.js';
import { time } from '../convert/time.js';
import { gitAccess, identityIn, ownIdentity } from './git-access.js';
import {
  failedWith,
  isSha,
  itemsOf,
  objectOf,
  objectsOf,
  param,
  repoPath,
  textIn,
  textInput,
  textOf,
  textsOf,
} from './native.js';
import { apiBase } from './objects.js';
import { emulated, exact } from './row.js';

const TAGGED = ['commit', 'tree', 'blob'] as const;

const gitUrl = (request: RouteRequest, context: RouteContext): string => `${apiBase(request, context)}/git`;

function asBlob(request: RouteRequest, context: RouteContext, sha: string, content: string, size: number): JsonObject {
  const url = `${gitUrl(request, context)}/blobs/${sha}`;
  return { sha, node_id: nodeId('Blob', sha), size, url, content, encoding: 'base64' };
}

/** An object that the server has. To one that it has not it says 400 or 404, as it likes. */
async function findObject(
  request: RouteRequest,
  context: RouteContext,
  kind: 'blobs' | 'trees' | 'tags',
  name: string,
  query?: NativeRequest['query'],
): Promise<JsonObject | undefined> {
  try {
    return objectOf(await context.native.get(`${repoPath(request)}/git/${kind}/${segment(name)}`, query));
  } catch (error) {
    if (failedWith(error, 404, 422)) return undefined;
    throw error;
  }
}

async function getBlob(request: RouteRequest, context: RouteContext) {
  const sha = param(request, 'file_sha');
  const native = objectOf(await findObject(request, context, 'blobs', sha));
  let content = textIn(native, 'content');
  if (content === undefined && Number(native.size) !== 0) {
    // Too large for the server to tell, or written through git and not on it yet.
    const { git, repository } = await gitOrNotFound(request, context);
    const bytes = await git.readBlob(repository, sha);
    if (bytes === undefined) throw notFound();
    content = bytes.toString('base64');
  }
  const bytes = Buffer.from(content ?? '', 'base64');
  if (request.media === 'raw') return { body: { contentType: 'application/vnd.github.raw; charset=utf-8', bytes } };
  return { data: asBlob(request, context, sha, content ?? '', bytes.length) };
}

/** Without git there is nothing beyond what the server told. */
async function gitOrNotFound(request: RouteRequest, context: RouteContext) {
  if (context.git === undefined) throw notFound();
  return gitAccess(request, context);
}

async function createBlob(request: RouteRequest, context: RouteContext) {
  const { content } = request.body;
  if (typeof content !== 'string') throw invalid('Blob', 'content', 'missing_field');
  const { git, repository } = await gitAccess(request, context);
  const encoding = textInput(request, 'encoding') === 'base64' ? 'base64' : 'utf8';
  const sha = await git.writeBlob(repository, Buffer.from(content, encoding));
  return { status: 201, data: { sha, url: `${gitUrl(request, context)}/blobs/${sha}` } };
}

function asTree(
  request: RouteRequest,
  context: RouteContext,
  sha: string,
  entries: readonly JsonObject[],
  truncated: boolean,
) {
  const url = gitUrl(request, context);
  const kinds: Readonly<Record<string, string>> = { blob: 'blobs', tree: 'trees' };
  return {
    sha,
    url: `${url}/trees/${sha}`,
    tree: entries.map(({ path, mode, type, sha: entry, size }) => {
      const kind = kinds[String(type)];
      return {
        path,
        mode,
        type,
        sha: entry,
        ...(type === 'blob' && { size: Number(size ?? 0) }),
        ...(kind !== undefined && { url: `${url}/${kind}/${entry}` }),
      };
    }),
    truncated,
  };
}

/** GitHub answers no more entries than this. */
const MOST_ENTRIES = 100_000;

async function getTree(request: RouteRequest, context: RouteContext) {
  const given = param(request, 'tree_sha');
  const recursive = request.query.recursive !== undefined;
  const entries: JsonObject[] = [];
  let sha = given;
  for (let page = 1; ; page += 1) {
    const native = await findObject(request, context, 'trees', given, {
      ...(recursive && { recursive: true }),
      page,
      per_page: 1000,
    });
    if (native === undefined && page === 1) return { data: await unpushedTree(request, context, given, recursive) };
    const tree = objectOf(native);
    sha = textOf(tree, 'sha') || sha;
    const more = objectsOf(tree.tree);
    entries.push(...more);
    const total = Number(tree.total_count ?? 0);
    if (more.length === 0 || entries.length >= total || entries.length >= MOST_ENTRIES)
      return { data: asTree(request, context, sha, entries, entries.length < total) };
  }
}

async function unpushedTree(request: RouteRequest, context: RouteContext, sha: string, recursive: boolean) {
  if (!isSha(sha)) throw notFound();
  const { git, repository } = await gitOrNotFound(request, context);
  const entries = await git.readTree(repository, sha, recursive);
  if (entries === undefined) throw notFound();
  return asTree(request, context, sha, entries.map(objectOf), false);
}

const MODES: ReadonlySet<string> = new Set(['100644', '100755', '040000', '160000', '120000']);

const typeOf = (mode: string): TreeEntry['type'] =>
  mode === '040000' ? 'tree' : mode === '160000' ? 'commit' : 'blob';

const isThere = async (git: GitObjects, repository: GitRepository, sha: string, type: 'blob' | 'tree') =>
  isSha(sha) &&
  (type === 'blob' ? await git.readBlob(repository, sha) : await git.readTree(repository, sha, false)) !== undefined;

async function createTree(request: RouteRequest, context: RouteContext) {
  if (!Array.isArray(request.body.tree)) throw invalid('Tree', 'tree', 'missing_field');
  const { git, repository } = await gitAccess(request, context);
  const entries: TreeEntry[] = [];
  for (const entry of itemsOf(request.body.tree).map(objectOf)) {
    const path = textOf(entry, 'path');
    const mode = textIn(entry, 'mode') ?? '100644';
    if (path === '' || !MODES.has(mode)) throw invalid('Tree', path === '' ? 'path' : 'mode', 'invalid');
    const sha =
      typeof entry.content === 'string' ? await git.writeBlob(repository, Buffer.from(entry.content)) : entry.sha;
    if (sha !== null && typeof sha !== 'string') throw invalid('Tree', 'sha', 'missing_field');
    entries.push({ path, mode: mode as TreeEntry['mode'], type: typeOf(mode), sha });
  }
  const base = textInput(request, 'base_tree');
  if (base !== undefined && (!isSha(base) || (await git.readTree(repository, base, false)) === undefined))
    throw new RouteFailure(422, 'base_tree is not a valid tree oid');
  for (const { sha, type } of entries)
    if (sha !== null && type !== 'commit' && !(await isThere(git, repository, sha, type)))
      throw new RouteFailure(422, `tree.sha ${sha} is not a valid ${type}`);
  const sha = await git.writeTree(repository, base, entries);
  const written = (await git.readTree(repository, sha, false)) ?? [];
  return { status: 201, data: asTree(request, context, sha, written.map(objectOf), false) };
}

const signer = ({ name, email, date }: GitIdentity): CommitUser => ({
  name,
  email,
  date: date.toISOString().replace(/\.\d+Z$/, 'Z'),
});

function asGitCommit(request: RouteRequest, context: RouteContext, commit: GitCommitObject): JsonObject {
  const [owner, repo] = [param(request, 'owner'), param(request, 'repo')];
  return gitCommit(context.base, owner, repo, {
    sha: commit.sha,
    treeSha: commit.tree,
    message: commit.message,
    htmlUrl: `${pageOfRepository(context.base, owner, repo)}/commit/${commit.sha}`,
    author: signer(commit.author),
    committer: signer(commit.committer),
    parents: commit.parents,
  });
}

async function getCommit(request: RouteRequest, context: RouteContext) {
  const sha = param(request, 'commit_sha');
  if (!isSha(sha)) throw notFound();
  const path = `${repoPath(request)}/git/commits/${sha}`;
  const native = await context.native.find(path, { stat: false, files: false });
  if (native !== undefined)
    return { data: gitCommit(context.base, param(request, 'owner'), param(request, 'repo'), commitInput(native)) };
  const { git, repository } = await gitOrNotFound(request, context);
  const commit = await git.readCommit(repository, sha);
  if (commit === undefined) throw notFound();
  return { data: asGitCommit(request, context, commit) };
}

async function createCommit(request: RouteRequest, context: RouteContext) {
  const [message, tree] = [textInput(request, 'message'), textInput(request, 'tree')];
  if (message === undefined) throw invalid('Commit', 'message', 'missing_field');
  if (!tree || !isSha(tree)) throw invalid('Commit', 'tree', 'invalid');
  const { git, repository } = await gitAccess(request, context);
  if ((await git.readTree(repository, tree, false)) === undefined)
    throw new RouteFailure(422, 'Tree SHA does not exist');
  const parents = textsOf(itemsOf(request.body.parents));
  for (const parent of parents)
    if (!isSha(parent) || (await git.readCommit(repository, parent)) === undefined)
      throw new RouteFailure(422, `Parent SHA does not exist or is not a commit object: ${parent}`);
  const author = identityIn(request.body.author, ownIdentity(context));
  const commit = {
    tree,
    message,
    parents,
    author,
    committer: identityIn(request.body.committer, author),
  };
  const sha = await git.writeCommit(repository, commit);
  return { status: 201, data: asGitCommit(request, context, { ...commit, sha }) };
}

const asTag = (request: RouteRequest, context: RouteContext, tag: GitTagObject): JsonObject => {
  const tagger = { ...tag.tagger, date: time(tag.tagger.date.toISOString()) ?? '' };
  return gitTag(context.base, param(request, 'owner'), param(request, 'repo'), { ...tag, tagger });
};

/** One that was written here and is on no ref yet is in the mirror alone. */
async function getTag(request: RouteRequest, context: RouteContext) {
  const sha = param(request, 'tag_sha');
  const native = await findObject(request, context, 'tags', sha);
  if (native !== undefined) {
    const [object, tagger] = [objectOf(native.object), objectOf(native.tagger)];
    const input = {
      sha: textOf(native, 'sha'),
      name: textOf(native, 'tag'),
      message: textOf(native, 'message'),
      object: textOf(object, 'sha'),
      type: textOf(object, 'type'),
      tagger: { name: textOf(tagger, 'name'), email: textOf(tagger, 'email'), date: textOf(tagger, 'date') },
    };
    return { data: gitTag(context.base, param(request, 'owner'), param(request, 'repo'), input) };
  }
  if (context.git === undefined || !isSha(sha)) throw notFound();
  const { git, repository } = await gitAccess(request, context);
  const written = await git.readTag(repository, sha);
  if (written === undefined) throw notFound();
  return { data: asTag(request, context, written) };
}

async function createTag(request: RouteRequest, context: RouteContext) {
  const [name, message, object] = ['tag', 'message', 'object'].map((key) => textInput(request, key));
  if (!name) throw invalid('Tag', 'tag', 'missing_field');
  if (message === undefined) throw invalid('Tag', 'message', 'missing_field');
  if (!object) throw invalid('Tag', 'object', 'missing_field');
  const type = TAGGED.find((one) => one === (request.body.type ?? 'commit'));
  if (type === undefined) throw invalid('Tag', 'type', 'invalid');
  const { git, repository } = await gitAccess(request, context);
  const tag = { name, message, object, type, tagger: identityIn(request.body.tagger, ownIdentity(context)) };
  return { status: 201, data: asTag(request, context, { ...tag, sha: await git.writeTag(repository, tag) }) };
}

const THROUGH_GIT = 'Written into a mirror of the repository; it reaches the server with the ref that is set to it.';

export const gitData: RouteTable = {
  'GET /repos/{owner}/{repo}/git/blobs/{file_sha}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/git/blobs/{sha}',
    getBlob,
  ),
  'POST /repos/{owner}/{repo}/git/blobs': emulated('idempotent', 'git hash-object', THROUGH_GIT, createBlob),
  'GET /repos/{owner}/{repo}/git/trees/{tree_sha}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/git/trees/{sha}',
    getTree,
  ),
  'POST /repos/{owner}/{repo}/git/trees': emulated('idempotent', 'git mktree', THROUGH_GIT, createTree),
  'GET /repos/{owner}/{repo}/git/commits/{commit_sha}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/git/commits/{sha}',
    getCommit,
  ),
  'POST /repos/{owner}/{repo}/git/commits': emulated('idempotent', 'git commit-tree', THROUGH_GIT, createCommit),
  'GET /repos/{owner}/{repo}/git/tags/{tag_sha}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/git/tags/{sha}',
    getTag,
  ),
  'POST /repos/{owner}/{repo}/git/tags': emulated('idempotent', 'git mktag', THROUGH_GIT, createTag),
};
