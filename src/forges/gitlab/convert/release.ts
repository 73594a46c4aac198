import { z } from 'zod';
import type { ReleaseInput } from '../../kit/shapes/inputs.js';
import { toGitHubText } from '../references.js';
import { id, time } from './read.js';
import { accountOrNull, nativeUser } from './user.js';

export const nativeRelease = z.looseObject({
  tag_name: z.string(),
  name: z.string().nullish(),
  description: z.string().nullish(),
  created_at: z.string().nullish(),
  released_at: z.string().nullish(),
  author: nativeUser.nullish(),
  commit: z.looseObject({ id: z.string() }).nullish(),
  assets: z
    .looseObject({ links: z.array(z.looseObject({ id, name: z.string(), url: z.string() })).nullish() })
    .nullish(),
  _links: z.looseObject({ self: z.string().optional() }).nullish(),
});
export type NativeRelease = z.output<typeof nativeRelease>;

/** GitLab knows a release by its tag; the number is that of our record of it. */
export const releaseInput = (
  release: NativeRelease,
  kept: { id: number; prerelease: boolean },
  webUrl: string,
): ReleaseInput => ({
  id: kept.id,
  tag: release.tag_name,
  target: release.commit?.id,
  name: release.name ?? release.tag_name,
  body: release.description ? toGitHubText(release.description) : null,
  draft: false,
  prerelease: kept.prerelease,
  htmlUrl: release._links?.self ?? `${webUrl}/-/releases/${encodeURIComponent(release.tag_name)}`,
  author: accountOrNull(release.author),
  createdAt: time(release.created_at),
  publishedAt: time(release.released_at ?? release.created_at) ?? null,
  assets: (release.assets?.links ?? []).map(({ id: link, name, url }) => ({ id: link, name, url })),
});
