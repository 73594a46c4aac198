/** What a branch, tag or abbreviated SHA stands for. */
import { segment } from '../../kit/native-client.js';
import { notFound, type RouteContext, RouteFailure } from '../../kit/route.js';
import { type NativeCommit, nativeCommit } from '../convert/commit.js';
import { read } from '../convert/read.js';
import type { Place } from './place.js';

export async function findCommit(context: RouteContext, place: Place, ref: string): Promise<NativeCommit | undefined> {
  const found = await context.native.find(
    `${place.api}/repository/commits/${segment(ref.replace(/^(?:refs\/)?(?:heads|tags)\//, ''))}`,
  );
  return found === undefined ? undefined : read(nativeCommit, found, 'commit');
}

/** @throws RouteFailure 422 as GitHub for a SHA, 404 for a name that is not there */
export async function commitAt(context: RouteContext, place: Place, ref: string): Promise<NativeCommit> {
  const found = await findCommit(context, place, ref);
  if (found !== undefined) return found;
  if (/^[0-9a-f]{40,64}$/.test(ref)) throw new RouteFailure(422, `No commit found for SHA: ${ref}`);
  throw notFound();
}

/** A full SHA needs no question. */
export const shaAt = async (context: RouteContext, place: Place, ref: string): Promise<string> =>
  /^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(ref) ? ref : (await commitAt(context, place, ref)).id;
