import type { ForgeRecord } from '../../kit/records.js';
import type { RouteContext } from '../../kit/route.js';
import { keptIn, shows, statusState } from './check-records.js';
import { statusesOf } from './commit-statuses.js';
import type { Place } from './place.js';

/** Those that the commit shows: of one whose answer was lost its statuses tell whether it arrived. */
export async function shownOn(
  context: RouteContext,
  place: Place,
  sha: string,
  records: readonly ForgeRecord[],
): Promise<readonly ForgeRecord[]> {
  if (!records.some((record) => keptIn(record).unshown)) return records;
  const statuses = await statusesOf(context, place, sha, true);
  const arrived = (record: ForgeRecord) =>
    statuses.some(
      (status) =>
        shows(context, record, status) ||
        (context.checkRunUrl(record.id) === undefined &&
          status.name === keptIn(record).name &&
          status.status === statusState(keptIn(record))),
    );
  return records.filter((record) => !keptIn(record).unshown || arrived(record));
}
