/** A session whose work has been opened as a pull request stands where that stands: merged, closed, or open. */
import type { PoolClient } from 'pg';
import type { StoredPullRequest } from '../../store/mirror/pull-request.js';
import type { Pokes } from '../poke.js';
import type { Wanted } from '../report/desired.js';
import { drive } from './drive.js';

/** For the sync reconciler: runs in its transaction, and returns the hints to give after the commit. */
export function sessionsFollowForge(o: { pokes: Pick<Pokes, 'report'> }) {
  return async (tx: PoolClient, { now }: { now: StoredPullRequest }): Promise<(() => Promise<void>) | undefined> => {
    const { rows } = await tx.query<{ id: string }>(
      `SELECT id FROM agent_session WHERE pull_request_id = $1 AND status IN ('in_review', 'completed') ORDER BY id`,
      [now.id],
    );
    const reports: Wanted[] = [];
    for (const { id } of rows) {
      // What is left to do is to tell of it, for which its row is found in a while.
      const driven = await drive(tx, id, [{ kind: 'pull-request', state: now.state }]);
      reports.push(...(driven?.reports ?? []));
    }
    if (reports.length === 0) return undefined;
    return async () =>
      void (await Promise.all(reports.map((one) => o.pokes.report.poke(one, { version: one.version }))));
  };
}
