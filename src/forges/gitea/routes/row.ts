/** Short ways to write the rows of the table. */
import type { RetrySafety, Route, RouteTable } from '../../kit/route.js';

type Run = Route['run'];

/** A row that does and answers the same as on GitHub. `source` names the native call. */
export const exact = (retry: RetrySafety, source: string, run: Run): Route => ({
  support: 'exact',
  retry,
  source,
  run,
});

/** A row that is the same for an app, by other means; `note` says which. */
export const emulated = (retry: RetrySafety, source: string, note: string, run: Run): Route => ({
  support: 'emulated',
  retry,
  source,
  note,
  run,
});

/** A row of which an app could notice that something is missing; `note` says what. */
export const partial = (retry: RetrySafety, source: string, note: string, run: Run): Route => ({
  support: 'partial',
  retry,
  source,
  note,
  run,
});

/** @throws TypeError when two files define the same route */
export function joinTables(...tables: readonly RouteTable[]): RouteTable {
  const joined: Record<string, Route> = {};
  for (const table of tables)
    for (const [route, row] of Object.entries(table)) {
      if (Object.hasOwn(joined, route)) throw new TypeError(`${route} is defined twice.`);
      joined[route] = row;
    }
  return joined;
}
