/** A session whose work has been opened as a pull request stands where that stands: merged, closed, or open. */
import type { PoolClient } from 'pg';
import type { StoredPullRequest } from '../../store/mirror/pull-request.js';
import type { Pokes } from '../poke.js';
import type { Wanted } from '../report/desired.js';
import { type Driven, drive } from './drive.js';

/** For the sync reconciler: runs in its transaction, and returns the hints to give after the commit. */
export function sessionsFollowForge(o: { pokes: Pick<Pokes, 'report' | 'agent'> }) {
  return async (tx: PoolClient, { now }: { now: StoredPullRequest }): Promise<(() => Promise<void>) | undefined> => {
    const { rows } = await tx.query<{ id: string }>(
      `SELECT id FROM agent_session WHERE pull_request_id = $1 AND status IN ('in_review', 'completed') ORDER BY id`,
      [now.id],
    );
    const reports: Wanted[] = [];
    const moved: Driven[] = [];
    for (const { id } of rows) {
      const driven = await drive(tx, id, [{ kind: 'pull-request', state: now.state }]);
      reports.push(...(driven?.reports ?? []));
      if (driven?.changed) moved.push(driven);
    }
    if (reports.length === 0 && moved.length === 0) return undefined;
    return async () =>
      void (await Promise.all([
        ...reports.map((one) => o.pokes.report.poke(one, { version: one.version })),
        // What is left to do is to tell of it.
        ...moved.map(({ session: { organizationId, id }, version }) =>
          o.pokes.agent.poke({ organizationId, id }, { version }),
        ),
      ]));
  };
}
