/** Bounds what workspaces take: logs, plans and configurations of runs that are over, and versions of states, once they are old. */

import { sweepBlobs } from '../../accounts/blobs.js';
import { startBackgroundLoop } from '../../lib/background-loop.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';
import { dropOldStates } from '../../store/workspace/state-versions.js';

/** What is kept however much of it there is. */
export interface Kept {
  /** Of what runs leave. */
  days: number;
  /** Of states. */
  stateDays: number;
  stateVersions: number;
}

export interface RetentionOptions extends Kept {
  store: Store;
  log: Logger;
  tickMs?: number;
}

export interface Tidied {
  logs: number;
  plans: number;
  configurations: number;
  states: number;
  blobs: number;
}

const HOUR_MS = 3_600_000;
const NO_ID = '00000000-0000-0000-0000-000000000000';
const PAGE = 200;

/** One pass over one organization. */
export async function tidyRuns(store: Store, organizationId: string, kept: Kept): Promise<Tidied> {
  const { days } = kept;
  return store.tenant(organizationId, async (tx) => {
    const old = `SELECT id FROM run WHERE finished_at < now() - $1 * interval '1 day'`;
    const logs = await tx.query(
      `DELETE FROM run_log_chunk c USING run_phase p WHERE p.id = c.phase_id AND p.run_id IN (${old})`,
      [days],
    );
    const plans = await tx.query(
      `UPDATE run_phase SET plan_blob_id = NULL, json_blob_id = NULL, shown_blob_id = NULL, rendered = NULL, changes = NULL, log_size = 0, log_truncated = true
       WHERE run_id IN (${old}) AND (plan_blob_id IS NOT NULL OR json_blob_id IS NOT NULL OR shown_blob_id IS NOT NULL OR rendered IS NOT NULL OR log_size > 0)`,
      [days],
    );
    // The newest of a workspace that is no pull request's is what a run without one of its own takes.
    const configurations = await tx.query(
      `UPDATE configuration_version v SET status = 'archived', blob_id = NULL, updated_at = now()
       WHERE v.blob_id IS NOT NULL AND v.created_at < now() - $1 * interval '1 day'
         AND NOT EXISTS (SELECT FROM run r WHERE r.configuration_version_id = v.id
           AND (r.finished_at IS NULL OR r.finished_at >= now() - $1 * interval '1 day'))
         AND (v.speculative OR EXISTS (SELECT FROM configuration_version n WHERE n.workspace_id = v.workspace_id
           AND NOT n.speculative AND n.blob_id IS NOT NULL AND (n.created_at, n.id) > (v.created_at, v.id)))`,
      [days],
    );
    const states = await dropOldStates(tx, { days: kept.stateDays, newest: kept.stateVersions });
    const blobs = await sweepBlobs(tx, organizationId);
    return {
      logs: logs.rowCount ?? 0,
      plans: plans.rowCount ?? 0,
      configurations: configurations.rowCount ?? 0,
      states,
      blobs,
    };
  });
}

/** Every hour, in whichever process comes first; twice does no harm. */
export function startRunRetention(o: RetentionOptions): { stop(): Promise<void> } {
  const { store, log } = o;
  return startBackgroundLoop({
    tickMs: o.tickMs ?? HOUR_MS,
    graceMs: 5_000,
    async round(signal) {
      let after = NO_ID;
      for (;;) {
        const { rows } = await store.pool.query<{ id: string }>(
          'SELECT id FROM organization WHERE id > $1 ORDER BY id LIMIT $2',
          [after, PAGE],
        );
        for (const { id } of rows) {
          if (signal.aborted) return;
          const tidied = await tidyRuns(store, id, o);
          if (Object.values(tidied).some((count) => count > 0))
            log.info({ organization: id, ...tidied }, 'old runs tidied');
        }
        if (rows.length < PAGE) return;
        after = rows.at(-1)?.id ?? after;
      }
    },
    failed: (error) => log.warn({ err: messageOf(error) }, 'old runs were not tidied; tried again'),
  });
}
