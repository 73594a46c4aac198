/**
 * What no pause holds up, such as a comment that stops an agent. A row that a pause covers is run at once for that alone, and then
 * waits as it would have: when the pause is lifted everything in it is done in its order.
 */
import type pg from 'pg';
import { loadBodies } from './body-text.js';
import type { Dispatcher } from './dispatch.js';
import type { LaneRow } from './row.js';

/** A row's part that cannot wait: to be done in the run that begins now, or done before in this process. */
export type Urgency = 'now' | 'done';

/**
 * Of rows that a pause covers, those that are to be run for what in them cannot wait. Their bodies are with them then; of the others
 * only those are read that may have something of the kind.
 */
export async function urgentAmong<Each extends { row: LaneRow }>(
  pool: pg.Pool,
  dispatcher: Dispatcher,
  covered: readonly Each[],
): Promise<ReadonlySet<Each>> {
  const asked = covered.flatMap((each) => {
    const { app, eventName, action, writes, urgency } = each.row;
    // Nobody waits for what a rehearsal does.
    if (writes === 'rehearsal' || urgency === 'done') return [];
    const isUrgent = dispatcher.urgent?.(app, eventName, action);
    return isUrgent === undefined ? [] : [{ each, isUrgent }];
  });
  const missing = asked.filter(({ each }) => each.row.body === undefined).map(({ each }) => each.row.deliveryId);
  const bodies = missing.length === 0 ? new Map<bigint, Buffer>() : await loadBodies(pool, missing);
  const found = new Set<Each>();
  for (const { each, isUrgent } of asked) {
    const { row } = each;
    const body = row.body ?? bodies.get(row.deliveryId);
    if (body === undefined || !isUrgent(body.toString('utf8'))) continue;
    row.body = body;
    row.urgency = 'now';
    found.add(each);
  }
  return found;
}
