/** Whether the server and its workers run, as the doctor sees it from another process. */
import type { Config } from '../config/config.js';
import type { Store } from '../store/database.js';
import { claimHolder } from '../store/embedded/server-claim.js';
import { type Finding, ok, problem, warning } from './finding.js';

/** Whether a server runs on the embedded database; one on an external database may run anywhere. */
export async function server(config: Pick<Config, 'dataDir' | 'databaseUrl'>): Promise<Finding[]> {
  if (config.databaseUrl !== undefined) return [];
  try {
    const pid = await claimHolder(config.dataDir);
    if (pid === undefined) return [warning('server', `none runs on ${config.dataDir}`, 'forgeway up')];
    return [ok('server', `runs, process ${pid}`)];
  } catch (error) {
    return [problem('server', error)];
  }
}

/** A worker is alive while it holds a lease that has not run out, and its session is there. */
export async function workers(store: Pick<Store, 'pool'>): Promise<Finding> {
  const { rows } = await store.pool.query<{ count: number }>(
    `SELECT count(DISTINCT l.owner)::int AS count FROM lane_lease l WHERE l.expires_at > clock_timestamp()
       AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.application_name = l.owner)`,
  );
  const count = rows[0]?.count ?? 0;
  if (count > 0) return ok('workers', `${count} at work`);
  const fix = 'Start one with `forgeway work`, or `forgeway up` with WORKER_PROCESSES above 0.';
  return warning('workers', 'none runs: deliveries are kept and wait', fix);
}
