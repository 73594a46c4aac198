/** Releases and the files attached to them. */
import type { JsonObject } from '../../forge.js';
import { segment } from '../../kit/native-client.js';
import { withNotes } from '../../kit/release-notes.js';
import { invalid, type RouteContext, type RouteRequest, type RouteTable } from '../../kit/route.js';
import { release } from '../../kit/shapes/release.js';
import { releaseInput } from '../convert/release.js';
import { failedWith, numberParam, param, repoPath, textInput, wishes } from './native.js';
import { pageOf } from './pages.js';
import { exact } from './row.js';

export const releasesPath = (request: RouteRequest): string => `${repoPath(request)}/releases`;
export const releasePath = (request: RouteRequest): string =>
  `${releasesPath(request)}/${numberParam(request, 'release_id')}`;

export const asRelease = (request: RouteRequest, context: RouteContext, native: unknown): JsonObject =>
  release(context.base, param(request, 'owner'), param(request, 'repo'), releaseInput(native));

function fields(request: RouteRequest): JsonObject {
  const { body } = request;
  const flag = (name: string) => (typeof body[name] === 'boolean' ? body[name] : undefined);
  return wishes({
    tag_name: textInput(request, 'tag_name'),
    target_commitish: textInput(request, 'target_commitish'),
    name: textInput(request, 'name'),
    body: textInput(request, 'body'),
    draft: flag('draft'),
    prerelease: flag('prerelease'),
  });
}

async function create(request: RouteRequest, context: RouteContext) {
  const tag = textInput(request, 'tag_name');
  if (!tag) throw invalid('Release', 'tag_name', 'missing_field');
  // The server wants a title where GitHub shows the tag.
  const notes = await withNotes(request, context);
  const json = wishes({ ...fields(request), name: notes.name ?? tag, body: notes.body });
  try {
    const { data } = await context.native.send('POST', releasesPath(request), { json });
    return { status: 201, data: asRelease(request, context, data) };
  } catch (error) {
    if (failedWith(error, 409)) throw invalid('Release', 'tag_name', 'already_exists');
    throw error;
  }
}

const found = (path: (request: RouteRequest) => string) => async (request: RouteRequest, context: RouteContext) => ({
  data: asRelease(request, context, await context.native.get(path(request))),
});

export const releases: RouteTable = {
  'GET /repos/{owner}/{repo}/releases': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/releases',
    (request, context) =>
      pageOf(request, context, releasesPath(request), {}, (native) => asRelease(request, context, native)),
  ),
  'GET /repos/{owner}/{repo}/releases/latest': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/releases/latest',
    found((request) => `${releasesPath(request)}/latest`),
  ),
  'GET /repos/{owner}/{repo}/releases/tags/{tag}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/releases/tags/{tag}',
    found((request) => `${releasesPath(request)}/tags/${segment(param(request, 'tag'))}`),
  ),
  'GET /repos/{owner}/{repo}/releases/{release_id}': exact(
    'read',
    'repository: GET /repos/{owner}/{repo}/releases/{id}',
    found(releasePath),
  ),
  'POST /repos/{owner}/{repo}/releases': exact('findable', 'repository: POST /repos/{owner}/{repo}/releases', create),
  'PATCH /repos/{owner}/{repo}/releases/{release_id}': exact(
    'idempotent',
    'repository: PATCH /repos/{owner}/{repo}/releases/{id}',
    async (request, context) => {
      const { data } = await context.native.send('PATCH', releasePath(request), { json: fields(request) });
      return { data: asRelease(request, context, data) };
    },
  ),
  'DELETE /repos/{owner}/{repo}/releases/{release_id}': exact(
    'idempotent',
    'repository: DELETE /repos/{owner}/{repo}/releases/{id}',
    async (request, context) => {
      await context.native.get(releasePath(request));
      await context.native.send('DELETE', releasePath(request));
      return { status: 204 };
    },
  ),
};
