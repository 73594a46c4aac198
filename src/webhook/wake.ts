import type pg from 'pg';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';

/** At most one notification in this time; the first after a quiet moment goes at once. */
const PAUSE_MS = 20;
/** A commit that writes nothing but this need not wait for the disk. */
const NOTIFY = "SELECT set_config('synchronous_commit', 'off', true), pg_notify('forgeway_inbox', '')";

/**
 * Tells workers that there are new deliveries. It runs after the commit and on another connection, since NOTIFY inside
 * the insert's transaction costs a third of the throughput. A lost one is made good by the workers' own polling.
 */
export function createWake(pool: pg.Pool, log: Logger): () => void {
  let waiting = false;
  let wanted = false;
  const send = () => {
    waiting = true;
    wanted = false;
    pool.query(NOTIFY).catch((error: unknown) => {
      log.debug({ err: messageOf(error) }, 'workers could not be notified; they poll');
    });
    setTimeout(() => {
      waiting = false;
      if (wanted) send();
    }, PAUSE_MS).unref();
  };
  return () => {
    if (waiting) wanted = true;
    else send();
  };
}
