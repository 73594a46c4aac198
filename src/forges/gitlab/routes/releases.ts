import { z } from 'zod';
import { segment } from '../../kit/native-client.js';
import { withNotes } from '../../kit/release-notes.js';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import type { NativeProject } from '../convert/project.js';
import { read, readAll } from '../convert/read.js';
import { nativeRelease } from '../convert/release.js';
import { nativeUser } from '../convert/user.js';
import { toNativeText } from '../references.js';
import { accept, everything, numberParam, type Place, param, placeOf, projectAt, refused, slice } from './place.js';
import {
  type KeptRelease,
  keptIn,
  newDraftKey,
  RELEASE,
  recordFor,
  recordsOf,
  shownDraft,
  shownRelease,
} from './release-records.js';

const NOTE =
  'GitLab knows no drafts: they are kept by Forgeway until they are published. Numbers are those of our records.';

const list: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'releases: GET /projects/:id/releases',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const { id } = await projectAt(context, place.api);
    const [native, records] = await Promise.all([
      everything(context, `${place.api}/releases`, nativeRelease),
      recordsOf(context, id),
    ]);
    const drafts = records.filter((record) => record.data.draft === true).toReversed();
    const published = [];
    for (const release of native)
      published.push(shownRelease(context, place, await recordFor(context, id, release.tag_name, records), release));
    const { items, pages } = slice(request, [
      ...drafts.map((record) => shownDraft(context, place, record)),
      ...published,
    ]);
    return { data: items, pages };
  },
};

async function byTag(context: RouteContext, place: Place, tag: string) {
  const native = read(nativeRelease, await context.native.get(`${place.api}/releases/${segment(tag)}`), 'release');
  const { id } = await projectAt(context, place.api);
  return shownRelease(context, place, await recordFor(context, id, tag, await recordsOf(context, id)), native);
}

const getByTag: Route = {
  support: 'exact',
  retry: 'read',
  source: 'releases: GET /projects/:id/releases/:tag_name',
  run: async (request, context) => ({ data: await byTag(context, placeOf(request), param(request, 'tag')) }),
};

const latest: Route = {
  support: 'exact',
  retry: 'read',
  source: 'releases: GET /projects/:id/releases',
  async run(request, context) {
    const place = placeOf(request);
    const { id } = await projectAt(context, place.api);
    const records = await recordsOf(context, id);
    const query = { order_by: 'released_at', sort: 'desc', per_page: 100 };
    const native = readAll(nativeRelease, await context.native.get(`${place.api}/releases`, query), 'releases');
    for (const release of native) {
      const record = await recordFor(context, id, release.tag_name, records);
      if (!keptIn(record).prerelease) return { data: shownRelease(context, place, record, release) };
    }
    throw notFound();
  },
};

interface Found {
  place: Place;
  project: NativeProject;
  record: Awaited<ReturnType<typeof recordsOf>>[number];
  release: KeptRelease;
}

/** @throws RouteFailure 404 when this project has no release with this number */
export async function foundRelease(request: RouteRequest, context: RouteContext): Promise<Found> {
  const place = placeOf(request);
  const project = await projectAt(context, place.api);
  const record = await context.records.byId(RELEASE, numberParam(request, 'release_id'));
  if (record === undefined || !record.key.startsWith(`${project.id}:`)) throw notFound();
  return { place, project, record, release: keptIn(record) };
}

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'releases: GET /projects/:id/releases/:tag_name',
  note: NOTE,
  async run(request, context) {
    const { place, record, release } = await foundRelease(request, context);
    return { data: release.draft ? shownDraft(context, place, record) : await byTag(context, place, release.tag) };
  },
};

const fields = z.looseObject({
  tag_name: z.string().min(1).optional(),
  target_commitish: z.string().optional(),
  name: z.string().nullish(),
  body: z.string().nullish(),
  draft: z.boolean().optional(),
  prerelease: z.boolean().optional(),
});

/** Makes it a release of GitLab, and a tag when there is none. */
async function publish(context: RouteContext, place: Place, project: NativeProject, key: string, release: KeptRelease) {
  const json = {
    tag_name: release.tag,
    ref: release.target ?? project.default_branch ?? undefined,
    name: release.name ?? release.tag,
    description: toNativeText(release.body ?? ''),
  };
  const { data } = await refused(
    () => context.native.send('POST', `${place.api}/releases`, { json }),
    [409],
    () => {
      throw invalid('Release', 'tag_name', 'already_exists');
    },
  );
  const kept = { draft: false, prerelease: release.prerelease, tag: release.tag };
  const record = await context.records.put(RELEASE, key, kept);
  return shownRelease(context, place, record, read(nativeRelease, data, 'release'));
}

const create: Route = {
  support: 'emulated',
  retry: 'findable',
  source: 'releases: POST /projects/:id/releases',
  note: NOTE,
  async run(request, context) {
    const place = placeOf(request);
    const body = accept('Release', fields.extend({ tag_name: z.string().min(1) }), request.body);
    const project = await projectAt(context, place.api);
    const notes = await withNotes(request, context);
    const release: KeptRelease = {
      draft: body.draft ?? false,
      prerelease: body.prerelease ?? false,
      tag: body.tag_name,
      target: body.target_commitish,
      name: notes.name,
      body: notes.body,
    };
    if (!release.draft)
      return { status: 201, data: await publish(context, place, project, `${project.id}:tag:${release.tag}`, release) };
    const author = read(nativeUser, await context.native.get('/user'), 'user');
    const record = await context.records.put(RELEASE, await newDraftKey(context, project.id), { ...release, author });
    return { status: 201, data: shownDraft(context, place, record) };
  },
};

const update: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'releases: PUT /projects/:id/releases/:tag_name, POST /projects/:id/releases',
  note: NOTE,
  async run(request, context) {
    const { place, project, record, release } = await foundRelease(request, context);
    const body = accept('Release', fields, request.body);
    const prerelease = body.prerelease ?? release.prerelease;
    if (release.draft) {
      const merged: KeptRelease = {
        ...release,
        tag: body.tag_name ?? release.tag,
        target: body.target_commitish ?? release.target,
        name: body.name ?? release.name,
        body: body.body ?? release.body,
        prerelease,
        draft: body.draft ?? true,
      };
      if (!merged.draft) return { data: await publish(context, place, project, record.key, merged) };
      return { data: shownDraft(context, place, await context.records.put(RELEASE, record.key, merged)) };
    }
    if (body.tag_name !== undefined && body.tag_name !== release.tag)
      throw invalid('Release', 'tag_name', 'custom', 'A release of GitLab keeps its tag.');
    const json = {
      name: body.name ?? undefined,
      description: body.body === undefined ? undefined : toNativeText(body.body ?? ''),
    };
    const path = `${place.api}/releases/${segment(release.tag)}`;
    const data = Object.values(json).every((value) => value === undefined)
      ? await context.native.get(path)
      : (await context.native.send('PUT', path, { json })).data;
    const after = await context.records.put(RELEASE, record.key, { ...release, prerelease });
    return { data: shownRelease(context, place, after, read(nativeRelease, data, 'release')) };
  },
};

const remove: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'releases: DELETE /projects/:id/releases/:tag_name',
  note: NOTE,
  async run(request, context) {
    const { place, record, release } = await foundRelease(request, context);
    if (!release.draft) await context.native.send('DELETE', `${place.api}/releases/${segment(release.tag)}`);
    await context.records.delete(RELEASE, record.key);
    return { status: 204 };
  },
};

export const releases: RouteTable = {
  'GET /repos/{owner}/{repo}/releases': list,
  'POST /repos/{owner}/{repo}/releases': create,
  'GET /repos/{owner}/{repo}/releases/latest': latest,
  'GET /repos/{owner}/{repo}/releases/tags/{tag}': getByTag,
  'GET /repos/{owner}/{repo}/releases/{release_id}': get,
  'PATCH /repos/{owner}/{repo}/releases/{release_id}': update,
  'DELETE /repos/{owner}/{repo}/releases/{release_id}': remove,
};
