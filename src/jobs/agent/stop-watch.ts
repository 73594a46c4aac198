/** Whether somebody says to stop while something takes long: a clone, a push, a large work tree that is looked through. */
import { messageOf } from '../../lib/errors.js';
import type { AgentContext } from './context.js';
import type { SessionRecord } from './session-record.js';

const LOOK_MS = 500;

/**
 * Runs `work` with a signal that aborts when the session is to stop, or its lease went to another. A word on the way aborts nothing.
 */
export async function untilStopped<T>(
  { store, log }: Pick<AgentContext, 'store' | 'log'>,
  { id, organizationId, fence }: Pick<SessionRecord, 'id' | 'organizationId' | 'fence'>,
  work: (stopped: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let isLooking = false;
  const look = async () => {
    if (isLooking) return;
    isLooking = true;
    try {
      const { rowCount } = await store.tenant(organizationId, (tx) =>
        tx.query('SELECT FROM agent_session WHERE id = $1 AND fence = $2 AND stop_wanted IS NULL', [id, fence]),
      );
      if (rowCount === 0) controller.abort(new Error('somebody has said to stop'));
    } catch (error) {
      // Not known is not stopped: the next look may succeed.
      log.debug({ session: id, err: messageOf(error) }, 'whether a session is to stop could not be read');
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  try {
    return await work(controller.signal);
  } finally {
    clearInterval(timer);
  }
}
