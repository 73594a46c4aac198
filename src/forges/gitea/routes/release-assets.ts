/** Files of releases. The server knows one by its release and its own number, GitHub by the number alone. */
import type { JsonObject } from '../../forge.js';
import { assetBytes, pathBelow } from '../../kit/asset-bytes.js';
import { multipart } from '../../kit/multipart.js';
import { segment } from '../../kit/native-client.js';
import {
  invalid,
  notFound,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from '../../kit/route.js';
import { releaseAsset } from '../../kit/shapes/release.js';
import { releaseInput } from '../convert/release.js';
import { accountIfTold } from '../convert/user.js';
import { idOf, numberParam, objectOf, objectsOf, param, textIn, textInput, textOf } from './native.js';
import { everything, pageIn } from './pages.js';
import { asRelease, releasePath, releasesPath } from './releases.js';
import { emulated } from './row.js';

function shown(
  request: RouteRequest,
  context: RouteContext,
  { release, native }: { release: JsonObject; native: JsonObject },
  contentType?: string,
): JsonObject {
  const [asset] = releaseInput({ ...release, assets: [native] }).assets ?? [];
  if (asset === undefined) throw new RouteFailure(502, 'The server did not say what became of the file.');
  const of = { author: accountIfTold(release.author), createdAt: textIn(native, 'created_at') };
  return releaseAsset(
    context.base,
    param(request, 'owner'),
    param(request, 'repo'),
    { ...asset, ...(contentType !== undefined && { contentType }) },
    of,
  );
}

/** An attachment of the release, under the name that the app gave it. */
async function upload(request: RouteRequest, context: RouteContext) {
  const name = request.query.name ?? '';
  const { file } = request;
  const release = objectOf(await context.native.get(releasePath(request)));
  if (name === '') throw invalid('ReleaseAsset', 'name', 'missing_field');
  if (file === undefined || file.bytes.length === 0) throw new RouteFailure(400, 'Invalid request: the file is empty.');
  const same = objectsOf(release.assets).some((asset) => asset.name === name);
  if (same) throw invalid('ReleaseAsset', 'name', 'already_exists');
  const path = `${releasePath(request)}/assets`;
  const sent = { query: { name }, file: multipart('attachment', name, file) };
  const native = objectOf((await context.native.send('POST', path, sent)).data);
  return { status: 201, data: shown(request, context, { release, native }, file.type) };
}

/** @throws RouteFailure 404 when no release of the repository has it */
async function find(request: RouteRequest, context: RouteContext) {
  const id = String(numberParam(request, 'asset_id'));
  for (const release of objectsOf(await everything(context, releasesPath(request)))) {
    const native = objectsOf(release.assets).find((asset) => String(idOf(asset)) === id);
    if (native !== undefined)
      return { release, native, path: `${releasesPath(request)}/${idOf(release)}/assets/${id}` };
  }
  throw notFound();
}

async function rename(request: RouteRequest, context: RouteContext) {
  const { release, native, path } = await find(request, context);
  const name = textInput(request, 'name');
  if (name === '') throw invalid('ReleaseAsset', 'name', 'missing_field');
  if (name === undefined || name === native.name) return { data: shown(request, context, { release, native }) };
  if (objectsOf(release.assets).some((asset) => asset.name === name))
    throw invalid('ReleaseAsset', 'name', 'already_exists');
  const { data } = await context.native.send('PATCH', path, { json: { name } });
  return { data: shown(request, context, { release, native: objectOf(data) }) };
}

/**
 * A file of this very repository, for which the token is good beside the API; undefined for any other address. Who adds a file
 * may name any address, and the connection's token may read more than that person does.
 */
function pathOf(request: RouteRequest, { base }: RouteContext, native: JsonObject): string | undefined {
  const below = pathBelow(base.web, textOf(native, 'browser_download_url'));
  if (below === undefined) return undefined;
  const own = `/${segment(param(request, 'owner'))}/${segment(param(request, 'repo'))}/releases/download/`;
  const isOwn =
    below.toLowerCase().startsWith(own.toLowerCase()) || below === `/attachments/${textIn(native, 'uuid') ?? ''}`;
  // The API lies at `/api/v1` below the pages.
  return isOwn ? `/../..${below}` : undefined;
}

const FOUND = 'Looked for in the list of releases.';

export const releaseAssets: RouteTable = {
  'GET /repos/{owner}/{repo}/releases/{release_id}/assets': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/releases/{id}',
    'The assets that the release itself tells.',
    async (request, context) => {
      const native = objectOf(await context.native.find(releasePath(request)));
      if (native.id === undefined) throw notFound();
      return pageIn(request, asRelease(request, context, native).assets as unknown[]);
    },
  ),
  'POST /repos/{owner}/{repo}/releases/{release_id}/assets': {
    ...emulated(
      'findable',
      'repository: POST /repos/{owner}/{repo}/releases/{id}/assets',
      'The type of the file is told in the answer to the upload only.',
      upload,
    ),
    takesFile: true,
  },
  'GET /repos/{owner}/{repo}/releases/assets/{asset_id}': emulated(
    'read',
    'repository: GET /repos/{owner}/{repo}/releases',
    `${FOUND} The bytes themselves, where GitHub redirects to them; a file that lies elsewhere is redirected to.`,
    async (request, context) => {
      const found = await find(request, context);
      const data = shown(request, context, found);
      if (request.media === 'file') return assetBytes(context, data, pathOf(request, context, found.native));
      return { data };
    },
  ),
  'PATCH /repos/{owner}/{repo}/releases/assets/{asset_id}': emulated(
    'idempotent',
    'repository: PATCH /repos/{owner}/{repo}/releases/{id}/assets/{attachment_id}',
    `${FOUND} A file has a name and no label.`,
    rename,
  ),
  'DELETE /repos/{owner}/{repo}/releases/assets/{asset_id}': emulated(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/releases/{id}/assets/{attachment_id}',
    FOUND,
    async (request, context) => {
      const { path } = await find(request, context);
      await context.native.send('DELETE', path);
      return { status: 204 };
    },
  ),
};
