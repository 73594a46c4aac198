/** Branches and tags, and merging one branch into another. */
import type { JsonObject } from '../../forge.js';
import { invalid, type RouteContext, RouteFailure, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { commitInput } from '../convert/commit.js';
import { asCommit, findCommit, nativeCommit } from './commit-objects.js';
import { gitAccess, ownIdentity } from './git-access.js';
import { flagIn, objectOf, param, repoPath, segments, textInput, textOf } from './native.js';
import { apiBase } from './objects.js';
import { everything, pageIn, pageOf } from './pages.js';
import { emulated, exact } from './row.js';

const branchesPath = (request: RouteRequest): string => `${repoPath(request)}/branches`;
export const branchPath = (request: RouteRequest): string =>
  `${branchesPath(request)}/${segments(param(request, 'branch'))}`;

const protectionUrl = (request: RouteRequest, context: RouteContext, name: string): string =>
  `${apiBase(request, context)}/branches/${segments(name)}/protection`;

const checksOf = (native: JsonObject): JsonObject => {
  const contexts = Array.isArray(native.status_check_contexts) ? native.status_check_contexts : [];
  const enforced = flagIn(native, 'enable_status_check') === true;
  return {
    enabled: flagIn(native, 'protected') ?? false,
    required_status_checks: {
      enforcement_level: enforced ? 'everyone' : 'off',
      contexts,
      checks: contexts.map((context: unknown) => ({ context, app_id: null })),
    },
  };
};

function asShortBranch(request: RouteRequest, context: RouteContext, value: unknown): JsonObject {
  const native = objectOf(value);
  const sha = textOf(objectOf(native.commit), 'id');
  const name = textOf(native, 'name');
  return {
    name,
    commit: { sha, url: `${apiBase(request, context)}/commits/${sha}` },
    protected: flagIn(native, 'protected') ?? false,
    protection: checksOf(native),
    protection_url: protectionUrl(request, context, name),
  };
}

async function get(request: RouteRequest, context: RouteContext) {
  const native = objectOf(await context.native.get(branchPath(request)));
  const commit = await nativeCommit(request, context, textOf(objectOf(native.commit), 'id'));
  const short = asShortBranch(request, context, native);
  const self = `${apiBase(request, context)}/branches/${segments(textOf(native, 'name'))}`;
  return {
    data: {
      ...short,
      commit: asCommit(request, context, commit),
      _links: { self, html: commitInput(commit).htmlUrl },
    },
  };
}

async function list(request: RouteRequest, context: RouteContext) {
  const convert = (native: unknown) => asShortBranch(request, context, native);
  const wish = request.query.protected;
  if (wish === undefined) return pageOf(request, context, branchesPath(request), {}, convert);
  const all = (await everything(context, branchesPath(request))).filter(
    (native) => String(flagIn(objectOf(native), 'protected') ?? false) === wish,
  );
  return pageIn(request, all.map(convert));
}

async function merge(request: RouteRequest, context: RouteContext) {
  const [base, head] = [textInput(request, 'base'), textInput(request, 'head')];
  if (!base) throw invalid('Merge', 'base', 'missing_field');
  if (!head) throw invalid('Merge', 'head', 'missing_field');
  const { git, repository } = await gitAccess(request, context);
  if ((await context.native.find(`${branchesPath(request)}/${segments(base)}`)) === undefined)
    throw new RouteFailure(404, 'Base does not exist');
  const native = await findCommit(request, context, head);
  if (native === undefined) throw new RouteFailure(404, 'Head does not exist');
  const message = textInput(request, 'commit_message') ?? `Merge ${head} into ${base}`;
  const result = await git.merge(repository, base, textOf(native, 'sha'), message, ownIdentity(context));
  if (result === undefined) return { status: 204 };
  if ('conflict' in result) throw new RouteFailure(409, 'Merge conflict');
  return { status: 201, data: asCommit(request, context, await nativeCommit(request, context, result.merged)) };
}

function asTag(request: RouteRequest, context: RouteContext, value: unknown): JsonObject {
  const native = objectOf(value);
  const [name, sha] = [textOf(native, 'name'), textOf(objectOf(native.commit), 'sha')];
  const api = apiBase(request, context);
  return {
    name,
    zipball_url: `${api}/zipball/refs/tags/${segments(name)}`,
    tarball_url: `${api}/tarball/refs/tags/${segments(name)}`,
    commit: { sha, url: `${api}/commits/${sha}` },
    node_id: nodeId('Ref', `refs/tags/${name}`),
  };
}

export const branches: RouteTable = {
  'GET /repos/{owner}/{repo}/branches': exact('read', 'repository: GET /repos/{owner}/{repo}/branches', list),
  'GET /repos/{owner}/{repo}/branches/{branch}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/branches/{branch}',
    get,
  ),
  'POST /repos/{owner}/{repo}/merges': emulated(
    'unsafe',
    'git merge and push',
    'The server merges only pull requests: git does it.',
    merge,
  ),
  'GET /repos/{owner}/{repo}/tags': exact('read', 'repository: GET /repos/{owner}/{repo}/tags', (request, context) =>
    pageOf(request, context, `${repoPath(request)}/tags`, {}, (native) => asTag(request, context, native)),
  ),
};
