import type { ReleaseInput, RepositoryInput } from '../../kit/shapes/inputs.js';
import { nativeAsset, nativeRelease, read } from '../schema.js';
import { time } from './time.js';
import { accountIfTold } from './user.js';

/** @throws ForgewayError FORGEWAY_PAYLOAD_INVALID */
export function releaseInput(native: unknown, repository?: RepositoryInput): ReleaseInput {
  const release = read('release', nativeRelease, native);
  const draft = release.draft ?? false;
  return {
    id: release.id,
    tag: release.tag_name,
    target: release.target_commitish || undefined,
    name: release.name ?? null,
    body: release.body ?? null,
    draft,
    prerelease: release.prerelease ?? false,
    htmlUrl: release.html_url || `${repository?.htmlUrl ?? ''}/releases/tag/${encodeURIComponent(release.tag_name)}`,
    author: accountIfTold(release.author) ?? accountIfTold(release.publisher),
    createdAt: time(release.created_at),
    publishedAt: draft ? null : (time(release.published_at) ?? time(release.created_at)),
    assets: (release.assets ?? []).flatMap((entry) => {
      const asset = nativeAsset.safeParse(entry);
      if (!asset.success) return [];
      const { id, name, size, browser_download_url: url } = asset.data;
      return [{ id, name, url: url ?? '', size: size ?? 0 }];
    }),
  };
}
