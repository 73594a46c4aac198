import { segment } from '../../kit/native-client.js';
import type { RouteContext } from '../../kit/route.js';
import { type NativeStatus, nativeStatus } from '../convert/status.js';
import { everything, type Place } from './place.js';

/** Of one commit, newest first; of each name the newest unless `all`. */
export async function statusesOf(
  context: RouteContext,
  place: Place,
  sha: string,
  all: boolean,
): Promise<NativeStatus[]> {
  const path = `${place.api}/repository/commits/${segment(sha)}/statuses`;
  const found = await everything(context, path, nativeStatus, { all });
  return found.sort((a, b) => Number(BigInt(b.id) - BigInt(a.id)));
}
