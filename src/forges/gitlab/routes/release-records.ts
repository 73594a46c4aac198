/** Numbers and drafts of releases: GitLab knows a release by its tag and has neither. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import type { ForgeRecord } from '../../kit/records.js';
import type { RouteContext } from '../../kit/route.js';
import * as shape from '../../kit/shapes/release.js';
import { read, time } from '../convert/read.js';
import { type NativeRelease, releaseInput } from '../convert/release.js';
import { account, nativeUser } from '../convert/user.js';
import type { Place } from './place.js';

export const RELEASE = 'release';

const kept = z.looseObject({
  draft: z.boolean(),
  prerelease: z.boolean().default(false),
  tag: z.string(),
  target: z.string().optional(),
  name: z.string().nullish(),
  body: z.string().nullish(),
  author: nativeUser.optional(),
});
export type KeptRelease = z.output<typeof kept>;

export const keptIn = (record: ForgeRecord): KeptRelease => read(kept, record.data, 'release record');

/** All that we keep about one project's releases. */
export const recordsOf = (context: RouteContext, project: number | string): Promise<readonly ForgeRecord[]> =>
  context.records.list(RELEASE, `${project}:`);

/** A key that no release had before: a draft may change its tag and keeps its number. */
export async function newDraftKey(context: RouteContext, project: number | string): Promise<string> {
  const drafts = (await recordsOf(context, project)).filter((record) => record.key.startsWith(`${project}:draft:`));
  const highest = Math.max(0, ...drafts.map((record) => Number(record.key.split(':').at(-1))));
  return `${project}:draft:${highest + 1}`;
}

/** The record of a release that GitLab has, made when it is seen first. */
export async function recordFor(
  context: RouteContext,
  project: number | string,
  tag: string,
  known: readonly ForgeRecord[],
): Promise<ForgeRecord> {
  const found = known.find((record) => record.data.tag === tag && record.data.draft === false);
  return found ?? context.records.put(RELEASE, `${project}:tag:${tag}`, { draft: false, prerelease: false, tag });
}

export const shownRelease = (
  context: RouteContext,
  place: Place,
  record: ForgeRecord,
  native: NativeRelease,
): JsonObject => {
  const { prerelease } = keptIn(record);
  const input = releaseInput(native, { id: record.id, prerelease }, `${context.base.web}/${place.path}`);
  return shape.release(context.base, place.owner, place.repo, input);
};

export function shownDraft(context: RouteContext, place: Place, record: ForgeRecord): JsonObject {
  const draft = keptIn(record);
  return shape.release(context.base, place.owner, place.repo, {
    id: record.id,
    tag: draft.tag,
    target: draft.target,
    name: draft.name ?? null,
    body: draft.body ?? null,
    draft: true,
    prerelease: draft.prerelease,
    htmlUrl: `${context.base.web}/${place.path}/-/releases`,
    author: draft.author ? account(draft.author) : null,
    createdAt: time(record.createdAt.toISOString()),
    publishedAt: null,
    assets: [],
  });
}
