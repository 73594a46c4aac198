/**
 * Pokes made while an earlier add is under way go out together in the next one: nothing waits when the queue is idle,
 * and a burst costs a few round trips instead of one each.
 */
import { ForgewayError } from '../../lib/errors.js';
import type { JobKey, PokeOptions } from './queue.js';

export interface BufferedPoke {
  key: JobKey;
  options: PokeOptions;
}

export interface PokeBufferOptions {
  isReachable(): boolean;
  add(pokes: BufferedPoke[]): Promise<unknown>;
  lost(count: number, error: unknown): void;
  /** Longest time a poke is waited for, in milliseconds. */
  timeoutMs?: number;
}

interface Waiting extends BufferedPoke {
  done(): void;
}

const BATCH = 200;

export function createPokeBuffer({ isReachable, add, lost, timeoutMs = 2_000 }: PokeBufferOptions) {
  const waiting: Waiting[] = [];
  const state = { flushing: false };

  async function send(batch: Waiting[]): Promise<void> {
    const { promise: late, cancel } = rejectAfter(timeoutMs);
    try {
      if (!isReachable()) throw unavailable('is not connected');
      // An add that answers too late may still arrive; one look too many does no harm.
      await Promise.race([add(batch.map(({ key, options }) => ({ key, options }))), late]);
    } catch (error) {
      lost(batch.length, error);
    } finally {
      cancel();
      for (const poke of batch) poke.done();
    }
  }

  async function flush(): Promise<void> {
    if (state.flushing) return;
    state.flushing = true;
    while (waiting.length > 0) await send(waiting.splice(0, BATCH));
    state.flushing = false;
  }

  return {
    /** Resolves when the queue has it, or when it is lost. Never rejects. */
    poke(key: JobKey, options: PokeOptions): Promise<void> {
      return new Promise((resolve) => {
        waiting.push({ key, options, done: resolve });
        void flush();
      });
    },
  };
}

function unavailable(what: string): ForgewayError {
  return new ForgewayError('FORGEWAY_QUEUE_UNAVAILABLE', `the job queue ${what}`);
}

function rejectAfter(ms: number): { promise: Promise<never>; cancel(): void } {
  let handle: NodeJS.Timeout | undefined;
  const promise = new Promise<never>((_, reject) => {
    handle = setTimeout(() => reject(unavailable(`did not answer within ${ms} ms`)), ms);
  });
  return { promise, cancel: () => clearTimeout(handle) };
}
