/**
 * The job queue as Forgeway needs it: a way to say "look at this key now", nothing more. A job carries no data that
 * matters; what is wanted stands in PostgreSQL, and the sweeper pokes every row whose observed version is behind. The
 * queue may lose everything at any moment.
 */

export interface JobKey {
  organizationId: string;
  /** Primary key of the row to look at. */
  id: string;
}

export interface PokeOptions {
  /** Not before this many milliseconds from now. */
  delayMs?: number;
  /** Equal (key, version) pairs waiting at the same time are one job; a new version is always a new job. */
  version?: bigint | number;
}

export interface JobQueue {
  readonly name: string;
  /** Never rejects for a queue that is down: the poke is lost, counted and logged, and the sweeper repeats it. */
  poke(key: JobKey, options?: PokeOptions): Promise<void>;
}

/** Runs once per poke; a rejection is logged and counted, and retried by the reconciler's own next_attempt_at. */
export type JobHandler = (key: JobKey, signal: AbortSignal) => Promise<void>;

export interface JobWorkerOptions {
  concurrency: number;
}

export interface JobWorker {
  /** Stops taking jobs and waits for the running ones, at most `timeoutMs`; their signal aborts when it is over. */
  drain(timeoutMs: number): Promise<void>;
}

export interface QueueBackend {
  readonly kind: 'postgres' | 'redis';
  queue(name: string): JobQueue;
  work(name: string, options: JobWorkerOptions, handler: JobHandler): JobWorker;
  /** Resolves when the backend answers. @throws ForgewayError FORGEWAY_QUEUE_UNAVAILABLE */
  ping(): Promise<void>;
  /** Things an operator should know, such as a Redis that forgets; empty when all is well. */
  warnings(): Promise<string[]>;
  close(): Promise<void>;
}
