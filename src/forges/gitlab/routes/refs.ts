import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import { notFound, type Route, type RouteContext, RouteFailure, type RouteTable } from '../../kit/route.js';
import { nodeId } from '../../kit/shapes/node-id.js';
import { apiOf } from '../../kit/shapes/repository.js';
import { read } from '../convert/read.js';
import { nativeBranch } from './branches.js';
import { findCommit } from './commit-at.js';
import { gitOf, repositoryAt } from './git-place.js';
import { accept, everything, type Place, param, placeOf, projectAt, slice } from './place.js';

/** An annotated tag's `target` is the tag object, as in GitHub's refs. */
const nativeTag = z.looseObject({ name: z.string(), target: z.string(), commit: z.looseObject({ id: z.string() }) });

interface Ref {
  name: string;
  sha: string;
  type: 'commit' | 'tag';
}

const shown = (context: RouteContext, place: Place, { name, sha, type }: Ref) => {
  const api = `${apiOf(context.base, place.owner, place.repo)}/git`;
  return {
    ref: name,
    node_id: nodeId('Ref', name),
    url: `${api}/${name}`,
    object: { sha, type, url: `${api}/${type}s/${sha}` },
  };
};

interface Named {
  kind: 'branches' | 'tags';
  name: string;
}

/** `heads/x`, with `refs/` before it or not; undefined for the refs that GitLab has no API for. */
function namedBy(ref: string): Named | undefined {
  const [, kind, name] = /^(?:refs\/)?(heads|tags)\/(.+)$/s.exec(ref) ?? [];
  return name === undefined ? undefined : { kind: kind === 'heads' ? 'branches' : 'tags', name };
}

const branchRef = (data: unknown): Ref => {
  const branch = read(nativeBranch, data, 'branch');
  return { name: `refs/heads/${branch.name}`, sha: branch.commit.id, type: 'commit' };
};

const tagRef = (data: unknown): Ref => {
  const tag = read(nativeTag, data, 'tag');
  return { name: `refs/tags/${tag.name}`, sha: tag.target, type: tag.target === tag.commit.id ? 'commit' : 'tag' };
};

const pathOf = (place: Place, { kind, name }: Named): string => `${place.api}/repository/${kind}/${segment(name)}`;

async function findRef(context: RouteContext, place: Place, named: Named): Promise<Ref | undefined> {
  const data = await context.native.find(pathOf(place, named));
  if (data === undefined) return undefined;
  return named.kind === 'branches' ? branchRef(data) : tagRef(data);
}

const get: Route = {
  support: 'exact',
  retry: 'read',
  source: 'branches: GET /projects/:id/repository/branches/:branch; tags: GET /projects/:id/repository/tags/:tag_name',
  async run(request, context) {
    const place = placeOf(request);
    const named = namedBy(param(request, 'ref'));
    const ref = named && (await findRef(context, place, named));
    if (ref === undefined) throw notFound();
    return { data: shown(context, place, ref) };
  },
};

const matching: Route = {
  support: 'exact',
  retry: 'read',
  source: 'branches: GET /projects/:id/repository/branches; tags: GET /projects/:id/repository/tags',
  async run(request, context) {
    const place = placeOf(request);
    const [, kind = '', prefix = ''] = /^(?:refs\/)?([^/]*)\/?(.*)$/s.exec(param(request, 'ref')) ?? [];
    // `^` asks for names that begin so.
    const query = prefix === '' ? {} : { search: `^${prefix}` };
    const listed = async (of: string) => everything(context, `${place.api}/repository/${of}`, z.unknown(), query);
    const found = [
      ...('heads'.startsWith(kind) ? (await listed('branches')).map(branchRef) : []),
      ...('tags'.startsWith(kind) ? (await listed('tags')).map(tagRef) : []),
    ];
    // What fits nothing is an empty list, where there is a project.
    if (found.length === 0) await projectAt(context, place.api);
    const wanted = found.filter((ref) => ref.name.startsWith(`refs/${kind}${prefix === '' ? '' : `/${prefix}`}`));
    const { items, pages } = slice(request, wanted);
    return { data: items.map((ref) => shown(context, place, ref)), pages };
  },
};

const exists = () => new RouteFailure(422, 'Reference already exists');
/** 422 as GitHub, unless the whole project is not there. */
async function missing(context: RouteContext, place: Place): Promise<never> {
  await projectAt(context, place.api);
  throw new RouteFailure(422, 'Reference does not exist');
}

const create: Route = {
  support: 'exact',
  retry: 'findable',
  source: 'branches: POST /projects/:id/repository/branches; tags: POST /projects/:id/repository/tags',
  note: 'A commit that was written through the API and not pushed yet, and refs that are no branch or tag, go by git push.',
  async run(request, context) {
    const place = placeOf(request);
    const { ref, sha } = accept(
      'Reference',
      z.looseObject({ ref: z.string().regex(/^refs\/.+\/./), sha: z.string().min(4) }),
      request.body,
    );
    const named = namedBy(ref);
    if (named !== undefined && (await findRef(context, place, named)) !== undefined) throw exists();
    if (named !== undefined && (await findCommit(context, place, sha)) !== undefined) {
      const json = named.kind === 'branches' ? { branch: named.name, ref: sha } : { tag_name: named.name, ref: sha };
      const { data } = await context.native.send('POST', `${place.api}/repository/${named.kind}`, { json });
      return { status: 201, data: shown(context, place, named.kind === 'branches' ? branchRef(data) : tagRef(data)) };
    }
    const { repository } = await repositoryAt(context, place);
    const git = gitOf(context);
    const moved = await git.pushRef(repository, ref, sha, { force: false, expected: null });
    if (moved !== 'moved') throw exists();
    const type = (await git.readTag(repository, sha)) === undefined ? 'commit' : 'tag';
    return { status: 201, data: shown(context, place, { name: ref, sha, type }) };
  },
};

const update: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'branches: GET /projects/:id/repository/branches/:branch; the move itself by git push',
  note: 'Done in a mirror and pushed.',
  async run(request, context) {
    const place = placeOf(request);
    const { sha, force = false } = accept(
      'Reference',
      z.looseObject({ sha: z.string().min(4), force: z.boolean().optional() }),
      request.body,
    );
    const named = namedBy(param(request, 'ref'));
    const before = named && (await findRef(context, place, named));
    if (before === undefined) return missing(context, place);
    if (before.sha !== sha) {
      const { repository } = await repositoryAt(context, place);
      const moved = await gitOf(context).pushRef(repository, before.name, sha, { force, expected: before.sha });
      if (moved === 'not-fast-forward') throw new RouteFailure(422, 'Update is not a fast forward');
      if (moved === 'changed-meanwhile')
        throw new RouteFailure(422, 'Reference cannot be updated: it was changed meanwhile.');
    }
    return { data: shown(context, place, { ...before, sha }) };
  },
};

const remove: Route = {
  support: 'exact',
  retry: 'idempotent',
  source:
    'branches: DELETE /projects/:id/repository/branches/:branch; tags: DELETE /projects/:id/repository/tags/:tag_name',
  async run(request, context) {
    const place = placeOf(request);
    const named = namedBy(param(request, 'ref'));
    if (named === undefined || (await findRef(context, place, named)) === undefined) return missing(context, place);
    await context.native.send('DELETE', pathOf(place, named));
    return { status: 204 };
  },
};

export const refs: RouteTable = {
  'GET /repos/{owner}/{repo}/git/ref/{ref}': get,
  'GET /repos/{owner}/{repo}/git/matching-refs/{ref}': matching,
  'POST /repos/{owner}/{repo}/git/refs': create,
  'PATCH /repos/{owner}/{repo}/git/refs/{ref}': update,
  'DELETE /repos/{owner}/{repo}/git/refs/{ref}': remove,
};
