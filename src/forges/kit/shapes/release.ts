/** Releases and their assets. */
import type { JsonObject } from '../../forge.js';
import { userOrGhost } from './account.js';
import type { ShapeBase } from './base.js';
import { UNKNOWN_TIME } from './fields.js';
import type { ReleaseInput } from './inputs.js';
import { jsonId, nodeId } from './node-id.js';
import { apiOf } from './repository.js';

/** A draft has no archives and was not published. */
export function release(base: ShapeBase, owner: string, repo: string, input: ReleaseInput): JsonObject {
  const api = apiOf(base, owner, repo);
  const url = `${api}/releases/${input.id}`;
  const draft = input.draft ?? false;
  const created = input.createdAt ?? UNKNOWN_TIME;
  const tag = encodeURIComponent(input.tag);
  return {
    url,
    assets_url: `${url}/assets`,
    upload_url: `${url}/assets{?name,label}`,
    html_url: input.htmlUrl,
    id: jsonId(input.id),
    author: userOrGhost(base, input.author),
    node_id: nodeId('Release', input.id, `${owner}/${repo}`),
    tag_name: input.tag,
    target_commitish: input.target ?? '',
    name: input.name ?? '',
    draft,
    prerelease: input.prerelease ?? false,
    created_at: created,
    published_at: draft ? null : (input.publishedAt ?? created),
    assets: (input.assets ?? []).map((asset) => releaseAsset(base, owner, repo, asset, input)),
    tarball_url: draft ? null : `${api}/tarball/${tag}`,
    zipball_url: draft ? null : `${api}/zipball/${tag}`,
    body: input.body ?? '',
  };
}

/** A file that is attached to a release. */
export function releaseAsset(
  base: ShapeBase,
  owner: string,
  repo: string,
  asset: NonNullable<ReleaseInput['assets']>[number],
  of: Pick<ReleaseInput, 'author' | 'createdAt'>,
): JsonObject {
  const created = of.createdAt ?? UNKNOWN_TIME;
  return {
    url: `${apiOf(base, owner, repo)}/releases/assets/${asset.id}`,
    id: jsonId(asset.id),
    node_id: nodeId('ReleaseAsset', asset.id),
    name: asset.name,
    label: null,
    uploader: userOrGhost(base, of.author),
    content_type: asset.contentType ?? 'application/octet-stream',
    state: 'uploaded',
    size: asset.size ?? 0,
    digest: null,
    download_count: 0,
    created_at: created,
    updated_at: created,
    browser_download_url: asset.url,
  };
}
