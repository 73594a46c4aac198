/** Refs: branches and tags by the forge's API, everything else and every move by git. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { findCommit } from './commit-objects.js';
import { gitAccess } from './git-access.js';
import { failedWith, isSha, objectOf, objectsOf, param, repoPath, segments, textInput, textOf } from './native.js';
import { apiBase } from './objects.js';
import { pageIn } from './pages.js';
import { emulated, exact } from './row.js';

export function asRef(
  request: RouteRequest,
  context: RouteContext,
  ref: string,
  sha: string,
  type = 'commit',
): JsonObject {
  const git = `${apiBase(request, context)}/git`;
  return {
    ref,
    node_id: nodeId('Ref', ref),
    url: `${git}/${segments(ref)}`,
    object: { type, sha, url: `${git}/${type}s/${sha}` },
  };
}

const shown = (request: RouteRequest, context: RouteContext, native: JsonObject): JsonObject => {
  const object = objectOf(native.object);
  return asRef(request, context, textOf(native, 'ref'), textOf(object, 'sha'), textOf(object, 'type') || 'commit');
};

/** Refs that begin with `heads/x`, none when there are none. One that fits exactly is answered without a list. */
async function matching(request: RouteRequest, context: RouteContext, ref: string): Promise<JsonObject[]> {
  const below = ref === '' ? '' : `/${segments(ref)}`;
  const found = await context.native.find(`${repoPath(request)}/git/refs${below}`);
  return (Array.isArray(found) ? objectsOf(found) : found === undefined ? [] : [objectOf(found)]).map((native) =>
    shown(request, context, native),
  );
}

/** What fits nothing is an empty list. @throws RouteFailure 404 where there is no repository */
async function matchingIn(request: RouteRequest, context: RouteContext): Promise<JsonObject[]> {
  const found = await matching(request, context, shortOf(param(request, 'ref')));
  if (found.length === 0) await context.native.get(repoPath(request));
  return found;
}

/** `heads/x` of `refs/heads/x` or `heads/x`. */
const shortOf = (ref: string): string => ref.replace(/^refs\//, '');

async function one(
  request: RouteRequest,
  context: RouteContext,
  ref = shortOf(param(request, 'ref')),
): Promise<JsonObject> {
  const found = (await matching(request, context, ref)).find((entry) => entry.ref === `refs/${ref}`);
  if (found === undefined) throw notFound();
  return found;
}

/** The native call that creates or deletes this kind of ref; undefined for kinds it does not know. */
function nativeKind(short: string): { kind: 'branches' | 'tags'; name: string } | undefined {
  if (short.startsWith('heads/')) return { kind: 'branches', name: short.slice('heads/'.length) };
  return short.startsWith('tags/') ? { kind: 'tags', name: short.slice('tags/'.length) } : undefined;
}

const noObject = (): RouteFailure => new RouteFailure(422, 'Object does not exist');

/** Answers what kind of object it is. */
async function push(request: RouteRequest, context: RouteContext, ref: string, sha: string): Promise<'commit' | 'tag'> {
  const { git, repository } = await gitAccess(request, context);
  const isTag = !ref.startsWith('refs/heads/') && (await git.readTag(repository, sha)) !== undefined;
  if (!isTag && (await git.readCommit(repository, sha)) === undefined) throw noObject();
  const result = await git.pushRef(repository, ref, sha, { force: false, expected: null });
  if (result !== 'moved') throw new RouteFailure(422, 'Reference already exists');
  return isTag ? 'tag' : 'commit';
}

async function create(request: RouteRequest, context: RouteContext) {
  const ref = textInput(request, 'ref') ?? '';
  const sha = textInput(request, 'sha') ?? '';
  if (!/^refs\/[^/]+\/.+/.test(ref))
    throw new RouteFailure(422, 'Reference name must start with "refs" and have at least two slashes.');
  if (!isSha(sha)) throw invalid('Reference', 'sha', 'invalid');
  if ((await matching(request, context, shortOf(ref))).some((entry) => entry.ref === ref))
    throw new RouteFailure(422, 'Reference already exists');
  const native = nativeKind(shortOf(ref));
  // A commit that was written through git and is not on the server yet cannot be named to its API.
  const isThere = (await findCommit(request, context, sha)) !== undefined;
  if (!isThere && context.git === undefined) throw noObject();
  let type: 'commit' | 'tag' = 'commit';
  try {
    if (native === undefined || !isThere) type = await push(request, context, ref, sha);
    else {
      const json =
        native.kind === 'branches'
          ? { new_branch_name: native.name, old_ref_name: sha }
          : { tag_name: native.name, target: sha };
      await context.native.send('POST', `${repoPath(request)}/${native.kind}`, { json });
    }
  } catch (error) {
    if (failedWith(error, 409)) throw new RouteFailure(422, 'Reference already exists');
    throw error;
  }
  return { status: 201, data: asRef(request, context, ref, sha, type) };
}

async function update(request: RouteRequest, context: RouteContext) {
  const sha = textInput(request, 'sha') ?? '';
  if (!isSha(sha)) throw invalid('Reference', 'sha', 'invalid');
  const ref = `refs/${shortOf(param(request, 'ref'))}`;
  const before = (await matching(request, context, shortOf(ref))).find((entry) => entry.ref === ref);
  if (before === undefined) throw new RouteFailure(422, 'Reference does not exist');
  const { git, repository } = await gitAccess(request, context);
  if ((await git.readCommit(repository, sha)) === undefined) throw noObject();
  const force = request.body.force === true;
  const result = await git.pushRef(repository, ref, sha, {
    force,
    ...(!force && { expected: textOf(objectOf(before.object), 'sha') }),
  });
  if (result === 'not-fast-forward') throw new RouteFailure(422, 'Update is not a fast forward');
  if (result === 'changed-meanwhile') throw new RouteFailure(409, 'Reference was changed meanwhile');
  return { data: asRef(request, context, ref, sha) };
}

async function remove(request: RouteRequest, context: RouteContext) {
  const short = shortOf(param(request, 'ref'));
  const native = nativeKind(short);
  if (native === undefined) throw new RouteFailure(422, 'This server deletes only branches and tags.');
  if (!(await matching(request, context, short)).some((entry) => entry.ref === `refs/${short}`))
    throw new RouteFailure(422, 'Reference does not exist');
  const name = native.kind === 'branches' ? segments(native.name) : segment(native.name);
  try {
    await context.native.send('DELETE', `${repoPath(request)}/${native.kind}/${name}`);
  } catch (error) {
    // The default branch, a protected one, or a tag that a release stands on.
    if (failedWith(error, 403, 405, 409)) throw new RouteFailure(422, error.message || 'Reference cannot be deleted');
    throw error;
  }
  return { status: 204 };
}

const READ = 'repository: GET /repos/{owner}/{repo}/git/refs/{ref}';

export const refs: RouteTable = {
  'GET /repos/{owner}/{repo}/git/ref/{ref}': exact('read', READ, async (request, context) => ({
    data: await one(request, context),
  })),
  'GET /repos/{owner}/{repo}/git/matching-refs/{ref}': exact('read', READ, async (request, context) =>
    pageIn(request, await matchingIn(request, context)),
  ),
  'POST /repos/{owner}/{repo}/git/refs': exact(
    'findable',
    'repository: POST /repos/{owner}/{repo}/branches, POST /repos/{owner}/{repo}/tags; git push',
    create,
  ),
  'PATCH /repos/{owner}/{repo}/git/refs/{ref}': emulated(
    'findable',
    'git push',
    'The server moves no refs: git does.',
    update,
  ),
  'DELETE /repos/{owner}/{repo}/git/refs/{ref}': exact(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/branches/{branch}, DELETE /repos/{owner}/{repo}/tags/{tag}',
    remove,
  ),
};
