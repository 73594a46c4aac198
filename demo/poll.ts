/** Waiting for something that is read from outside. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

export interface PollOptions {
  /** What is waited for, for the message. */
  what: string;
  limitMs?: number;
  pauseMs?: number;
  /** Ends the wait at once, with its reason. */
  signal: AbortSignal;
}

const defaultLimitMs = 120_000;
const MOST_REST_MS = 2_000;

/**
 * Asks until the answer is not undefined. A `Pending` answer is not one yet; its text says in the error what was seen last.
 * @throws Error naming what was waited for and what was seen last.
 */
export async function poll<T>(ask: () => Promise<T | Pending>, options: PollOptions): Promise<T> {
  const { what, limitMs = defaultLimitMs, pauseMs = 100, signal } = options;
  const limit = Date.now() + limitMs;
  const abort = new AbortController();
  // An answer that never comes must not outlast the signal.
  const aborted = once(signal, 'abort', { signal: abort.signal }).then(
    () => new Pending('stopped'),
    () => new Pending('answered first'),
  );
  try {
    for (;;) {
      signal.throwIfAborted();
      const asked = Date.now();
      const answer = await Promise.race([ask(), aborted]);
      signal.throwIfAborted();
      if (!(answer instanceof Pending)) return answer;
      if (Date.now() > limit) throw new Error(`${what} did not happen in ${limitMs / 1000} s; ${answer.seen}`);
      // Asking may take a core, by starting a program: half of the time it is left to what is waited for.
      const restMs = Math.max(pauseMs, Math.min(MOST_REST_MS, Date.now() - asked));
      // Aborted: the next turn throws the signal's own reason, which says more.
      await sleep(restMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    abort.abort();
  }
}

export class Pending {
  readonly seen: string;
  constructor(seen: string) {
    this.seen = seen;
  }
}
