/** Ends what executes a run that is not there any more, as when its workspace was removed meanwhile, or that is over. */
import type { TerraformExecutor } from '../../effects/terraform/executor.js';
import { startBackgroundLoop } from '../../lib/background-loop.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';

export interface OrphanReaperOptions {
  store: Store;
  executor(): Promise<TerraformExecutor>;
  log: Logger;
  tickMs?: number;
}

const TICK_MS = 300_000;
const WORK = /^[0-9a-f-]{36}-([0-9a-f-]{36})-(?:plan|apply)$/;

/** @returns the ids of what was removed */
export async function reapOrphans({ store, executor, log }: OrphanReaperOptions): Promise<string[]> {
  const works = new Map<string, string[]>();
  const opened = await executor();
  for (const id of await opened.list()) {
    const run = WORK.exec(id)?.[1];
    if (run !== undefined) works.set(run, [...(works.get(run) ?? []), id]);
  }
  if (works.size === 0) return [];
  const { rows: organizations } = await store.pool.query<{ id: string }>('SELECT id FROM organization');
  for (const { id } of organizations) {
    const ids = [...works.keys()];
    const { rows } = await store.tenant(id, async (tx) => {
      // Told to have vanished while this machine was away: whoever looks at the run again keeps what it left, then removes it.
      await tx.query(
        `UPDATE run SET desired_version = desired_version + 1, next_attempt_at = NULL
         WHERE id = ANY ($1) AND finished_at < now() - interval '10 minutes' AND observed_version = desired_version`,
        [ids],
      );
      return tx.query<{ id: string }>('SELECT id FROM run WHERE id = ANY ($1)', [ids]);
    });
    for (const row of rows) works.delete(row.id);
  }
  const removed = [...works.values()].flat();
  for (const id of removed) {
    await opened.remove(id);
    log.warn({ work: id }, 'what executed a run that is gone was ended');
  }
  return removed;
}

export function startOrphanReaper(o: OrphanReaperOptions): { stop(): Promise<void> } {
  return startBackgroundLoop({
    tickMs: o.tickMs ?? TICK_MS,
    graceMs: 5_000,
    async round() {
      await reapOrphans(o);
    },
    failed: (error) => o.log.debug({ err: messageOf(error) }, 'what executes runs was not looked through'),
  });
}
