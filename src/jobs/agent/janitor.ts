/**
 * What sessions left on a runner and nobody needs any more: work trees of those that failed, kept for a while to be looked
 * at or pushed, and of those that no row knows. What may still run, or be read, is never touched.
 */
import type { AgentRef, AgentRunner } from '../../effects/agents/runner.js';
import type { Clock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';
import { isLive, liveStatuses, type SessionStatus } from './machine.js';

/** So long it waits for whoever is at work on the same repository; the next round comes. */
const OTHERS_MS = 60_000;

export interface Leftover extends AgentRef {
  organizationId: string | null;
  status: SessionStatus | 'unknown';
  /** Such as `acme/web#12`. */
  on: string | null;
  endedAt: Date | null;
  /** When it goes; null: not while it is as it is. */
  goesAt: Date | null;
}

export interface JanitorOptions {
  store: Store;
  runner: Pick<AgentRunner, 'list' | 'remove'>;
  /** After its end a session's work is kept for so long. */
  keepMs: number;
  clock: Clock;
  log: Logger;
}

interface Row {
  id: string;
  status: SessionStatus;
  held: boolean;
  on: string;
  endedAt: Date | null;
}

export async function organizations(store: Store): Promise<string[]> {
  const { rows } = await store.pool.query<{ id: string }>('SELECT id FROM organization ORDER BY id');
  return rows.map(({ id }) => id);
}

/** Everything that the runner of this machine has something of, those that go first first. */
export async function leftovers(o: Omit<JanitorOptions, 'log'>): Promise<Leftover[]> {
  // Listed first: a session that begins meanwhile has a row by the time they are read.
  const refs = await o.runner.list();
  if (refs.length === 0) return [];
  const ids = refs.map(({ sessionId }) => sessionId);
  const known = new Map<string, Row & { organizationId: string }>();
  for (const organizationId of await organizations(o.store)) {
    const { rows } = await o.store.tenant(organizationId, (tx) =>
      tx.query<Row>(
        `SELECT s.id, s.status, s.lease_held AS held, r.remote_owner || '/' || r.remote_name || '#' || s.number AS "on",
           s.ended_at AS "endedAt" FROM agent_session s JOIN repository r ON r.id = s.repository_id WHERE s.id = ANY($1)`,
        [ids],
      ),
    );
    for (const row of rows) known.set(row.id, { ...row, organizationId });
  }
  const found = refs.map((ref): Leftover => {
    const row = known.get(ref.sessionId);
    if (row === undefined)
      return { ...ref, organizationId: null, status: 'unknown', on: null, endedAt: null, goesAt: o.clock.now() };
    const { status, held, on, endedAt, organizationId } = row;
    const stays = isLive(status) || held || endedAt === null;
    return {
      ...{ ...ref, organizationId, status, on, endedAt },
      goesAt: stays ? null : new Date(endedAt.getTime() + o.keepMs),
    };
  });
  const at = ({ goesAt }: Leftover) => goesAt?.getTime() ?? Number.MAX_SAFE_INTEGER;
  return found.sort((one, other) => at(one) - at(other));
}

/**
 * Removes one, if it still is over. That it goes is written down first, so that nobody has it pushed meanwhile; whoever begins it again
 * does so under a higher number, and then nothing is removed. No transaction waits for files, or for whoever has their lock.
 */
async function removeOne(o: JanitorOptions, { organizationId, sessionId, fence }: Leftover): Promise<boolean> {
  if (organizationId !== null) {
    const { rowCount } = await o.store.tenant(organizationId, (tx) =>
      tx.query(
        `UPDATE agent_session SET work_removed_at = now() WHERE id = $1 AND NOT lease_held AND NOT status = ANY($2)`,
        [sessionId, liveStatuses],
      ),
    );
    if (rowCount === 0) return false;
  }
  await o.runner.remove({ sessionId, fence }, AbortSignal.timeout(OTHERS_MS));
  return true;
}

/** Removes what is due. Answers what was removed; one that cannot be is logged and left for the next time. */
export async function removeLeftovers(o: JanitorOptions): Promise<Leftover[]> {
  const removed: Leftover[] = [];
  for (const one of await leftovers(o)) {
    if (one.goesAt === null || one.goesAt > o.clock.now()) continue;
    try {
      if (await removeOne(o, one)) removed.push(one);
    } catch (error) {
      o.log.warn({ session: one.sessionId, err: messageOf(error) }, 'what a session left cannot be removed');
    }
  }
  if (removed.length > 0) o.log.info({ sessions: removed.length }, 'what sessions left was removed');
  return removed;
}
