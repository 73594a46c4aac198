/** Work that a process does again and again beside its other work, until it stops. */
import { pause } from './clock.js';

export interface BackgroundLoop {
  /** Resolves when the round under way has ended, or has been given up. */
  stop(): Promise<void>;
}

export interface BackgroundLoopOptions {
  tickMs: number;
  /** How long a round may go on once the process stops. */
  graceMs: number;
  /** `givenUp` resolves when nobody waits for the round any more. */
  round(signal: AbortSignal, givenUp: Promise<undefined>): Promise<void>;
  /** A round that failed; the next one follows all the same. */
  failed(error: unknown): void;
}

export function startBackgroundLoop(o: BackgroundLoopOptions): BackgroundLoop {
  const stopping = new AbortController();
  const { signal } = stopping;
  const givenUp = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => setTimeout(resolve, o.graceMs, undefined).unref(), { once: true });
  });
  const forever = async () => {
    while (!signal.aborted) {
      try {
        await o.round(signal, givenUp);
      } catch (error) {
        o.failed(error);
      }
      await pause(o.tickMs, signal);
    }
  };
  const loop = forever();
  return {
    async stop() {
      stopping.abort();
      await loop;
    },
  };
}
