/**
 * Files of releases. GitLab keeps links to files there, and the files among the uploads of the project.
 *
 * @see https://docs.gitlab.com/api/releases/links/ and https://docs.gitlab.com/api/project_markdown_uploads/
 */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { assetBytes, pathBelow } from '../../kit/asset-bytes.js';
import { multipart } from '../../kit/multipart.js';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type Route,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import * as shape from '../../kit/shapes/release.js';
import { id, read, time } from '../convert/read.js';
import { nativeRelease } from '../convert/release.js';
import { accountOrNull, nativeUser } from '../convert/user.js';
import { accept, everything, idParam, type Place, placeOf, slice } from './place.js';
import { foundRelease } from './releases.js';

const uploaded = z.looseObject({ url: z.string(), full_path: z.string().optional() });
const link = z.looseObject({ id, name: z.string(), url: z.string() });

const upload: Route = {
  support: 'emulated',
  retry: 'findable',
  source:
    'project uploads: POST /projects/:id/uploads; releases/links: POST /projects/:id/releases/:tag_name/assets/links',
  note: 'Size and type are told in the answer to the upload only. A draft, which GitLab does not know, takes no files (422).',
  takesFile: true,
  async run(request, context) {
    const { place, release } = await foundRelease(request, context);
    const name = request.query.name ?? '';
    const { file } = request;
    if (name === '') throw invalid('ReleaseAsset', 'name', 'missing_field');
    if (file === undefined || file.bytes.length === 0)
      throw new RouteFailure(400, 'Invalid request: the file is empty.');
    if (release.draft)
      throw invalid(
        'ReleaseAsset',
        'release',
        'custom',
        'GitLab keeps no files for a draft: publish the release first.',
      );
    const path = `${place.api}/releases/${segment(release.tag)}`;
    const native = read(nativeRelease, await context.native.get(path), 'release');
    if ((native.assets?.links ?? []).some((one) => one.name === name))
      throw invalid('ReleaseAsset', 'name', 'already_exists');
    const sent = await context.native.send('POST', `${place.api}/uploads`, { file: multipart('file', name, file) });
    const where = read(uploaded, sent.data, 'upload');
    // Before GitLab 16.8 only the path below the project is told.
    const url = `${context.base.web}${where.full_path ?? `/${place.path}${where.url}`}`;
    const json = { name, url, link_type: 'other' };
    const made = read(link, (await context.native.send('POST', `${path}/assets/links`, { json })).data, 'link');
    const asset = { id: made.id, name, url: made.url, size: file.bytes.length, contentType: file.type };
    const author = accountOrNull(read(nativeUser, await context.native.get('/user'), 'user'));
    const createdAt = context.clock.now().toISOString();
    return {
      status: 201,
      data: shape.releaseAsset(context.base, place.owner, place.repo, asset, { author, createdAt }),
    };
  },
};

const list: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'releases: GET /projects/:id/releases/:tag_name',
  note: 'The links that the release itself tells.',
  async run(request, context) {
    const release = (await context.github('GET /repos/{owner}/{repo}/releases/{release_id}', request.params)) as {
      assets?: readonly unknown[];
    };
    const { items, pages } = slice(request, release.assets ?? []);
    return { data: items, pages };
  },
};

/** @throws RouteFailure 404 when no release of the project has it */
async function find(request: RouteRequest, context: RouteContext) {
  const place = placeOf(request);
  const number = idParam(request, 'asset_id');
  for (const release of await everything(context, `${place.api}/releases`, nativeRelease)) {
    const links = release.assets?.links ?? [];
    const native = links.find((one) => String(one.id) === number);
    const path = `${place.api}/releases/${segment(release.tag_name)}/assets/links/${number}`;
    if (native !== undefined) return { place, release, links, native, path };
  }
  throw notFound();
}

type Found = Awaited<ReturnType<typeof find>>;

const shown = (context: RouteContext, { place, release, native: { id: number, name, url } }: Found): JsonObject =>
  shape.releaseAsset(
    context.base,
    place.owner,
    place.repo,
    { id: number, name, url },
    { author: accountOrNull(release.author), createdAt: time(release.created_at) },
  );

/**
 * An upload or a package of this very project; undefined for any other address. Who writes a link names any file of the
 * instance, and the connection's token may read more than that person does.
 */
function pathOf({ base }: RouteContext, place: Place, address: string): string | undefined {
  const below = pathBelow(base.web, address);
  if (below === undefined) return undefined;
  const [, secret, name] = /^\/.+\/uploads\/([0-9a-f]{32})\/([^/]+)$/.exec(below) ?? [];
  // Of another project, there is none of this secret here.
  if (secret !== undefined && name !== undefined) return `${place.api}/uploads/${secret}/${name}`;
  const [, packaged] = /^\/api\/v4\/projects\/[^/]+(\/packages\/.+)$/.exec(below) ?? [];
  return packaged === undefined ? undefined : `${place.api}${packaged}`;
}

const FOUND = 'Looked for in the list of releases.';

const get: Route = {
  support: 'emulated',
  retry: 'read',
  source: 'releases: GET /projects/:id/releases; project uploads: GET /projects/:id/uploads/:secret/:filename',
  note: `${FOUND} The bytes of uploads and packages; a link that leads elsewhere is redirected to.`,
  async run(request, context) {
    const found = await find(request, context);
    const data = shown(context, found);
    if (request.media === 'file') return assetBytes(context, data, pathOf(context, found.place, found.native.url));
    return { data };
  },
};

const rename: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'releases/links: PUT /projects/:id/releases/:tag_name/assets/links/:link_id',
  note: `${FOUND} A link has a name and no label.`,
  async run(request, context) {
    const found = await find(request, context);
    const { name } = accept('ReleaseAsset', z.looseObject({ name: z.string().min(1).optional() }), request.body);
    if (name === undefined || name === found.native.name) return { data: shown(context, found) };
    if (found.links.some((one) => one.name === name)) throw invalid('ReleaseAsset', 'name', 'already_exists');
    const { data } = await context.native.send('PUT', found.path, { json: { name } });
    return { data: shown(context, { ...found, native: read(link, data, 'link') }) };
  },
};

const remove: Route = {
  support: 'emulated',
  retry: 'idempotent',
  source: 'releases/links: DELETE /projects/:id/releases/:tag_name/assets/links/:link_id',
  note: `${FOUND} The link goes, the upload that it led to stays.`,
  async run(request, context) {
    const { path } = await find(request, context);
    await context.native.send('DELETE', path);
    return { status: 204 };
  },
};

export const releaseAssets: RouteTable = {
  'GET /repos/{owner}/{repo}/releases/assets/{asset_id}': get,
  'PATCH /repos/{owner}/{repo}/releases/assets/{asset_id}': rename,
  'DELETE /repos/{owner}/{repo}/releases/assets/{asset_id}': remove,
  'GET /repos/{owner}/{repo}/releases/{release_id}/assets': list,
  'POST /repos/{owner}/{repo}/releases/{release_id}/assets': upload,
};
