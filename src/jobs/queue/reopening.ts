/**
 * BullMQ remembers for ever that its first contact with the store failed. So whatever could not get ready is closed and
 * opened anew, until it is ready once; from then on its connections mend themselves.
 */
import { pause } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';

export interface Openable {
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

export interface Reopening<T> {
  /** The one in use, or undefined between two attempts. */
  current(): T | undefined;
  close(): Promise<void>;
}

const REOPEN_MS = 250;

export function reopening<T extends Openable>(open: () => T, log: Logger): Reopening<T> {
  const stopped = new AbortController();
  const state: { current?: T; closing?: Promise<void> } = { current: open() };

  async function untilReady(): Promise<void> {
    while (!stopped.signal.aborted) {
      const attempt = state.current ?? open();
      state.current = attempt;
      try {
        await attempt.waitUntilReady();
        return;
      } catch (error) {
        if (stopped.signal.aborted) return;
        log.debug({ error: messageOf(error) }, 'the job queue did not get ready; it is opened anew');
        delete state.current;
        await attempt.close().catch((cause: unknown) => log.debug({ error: messageOf(cause) }, 'not closed cleanly'));
        await pause(REOPEN_MS, stopped.signal);
      }
    }
  }

  void untilReady();
  return {
    current: () => state.current,
    close() {
      stopped.abort();
      state.closing ??= state.current?.close() ?? Promise.resolve();
      return state.closing;
    },
  };
}
