/** The queue port on BullMQ, whatever store is below. What differs between stores comes in as a {@link BullmqStore}. */
import { randomUUID } from 'node:crypto';
import type { JobsOptions } from 'bullmq';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Metrics } from '../../lib/metrics.js';
import { createPokeBuffer } from './poke-buffer.js';
import type { JobHandler, JobKey, JobQueue, JobWorker, JobWorkerOptions, PokeOptions, QueueBackend } from './queue.js';
import type { Reopening } from './reopening.js';

export interface BullmqJob {
  name: string;
  data: JobKey;
  opts: JobsOptions;
}

export interface BullmqQueue {
  /** Adds all of them, in as few round trips as the store allows. */
  add(jobs: readonly BullmqJob[]): Promise<unknown>;
  close(): Promise<void>;
}

export interface BullmqWorker {
  close(): Promise<void>;
}

export type Processor = (job: { data: unknown }) => Promise<void>;

/** What a store hands in: queues and workers bound to its connections, and what to know about it. */
export interface BullmqStore {
  kind: QueueBackend['kind'];
  openQueue(name: string): BullmqQueue;
  openWorker(name: string, processor: Processor, options: WorkerTuning): BullmqWorker;
  /** False while adds could only wait, so that a poke is given up at once. */
  isReachable(): boolean;
  ping(): Promise<void>;
  warnings(): Promise<string[]>;
  close(): Promise<void>;
}

export interface WorkerTuning {
  concurrency: number;
  lockDuration: number;
  stalledInterval: number;
  runRetryDelay: number;
  /** Nothing that has ended is kept: the record of what happened is in PostgreSQL. */
  removeOnComplete: { count: number };
  removeOnFail: { count: number };
}

/** A queue that is opened anew until it is ready; between two attempts an add is refused at once. */
export function queueOf<T>(
  opened: Reopening<T>,
  add: (queue: T, jobs: readonly BullmqJob[]) => Promise<unknown>,
): BullmqQueue {
  return {
    async add(jobs) {
      const queue = opened.current();
      if (queue === undefined) throw new ForgewayError('FORGEWAY_QUEUE_UNAVAILABLE', 'the job queue is not ready');
      return add(queue, jobs);
    },
    close: () => opened.close(),
  };
}

/** A job of a process that died is given to another after at most these two together. */
const LOCK_MS = 20_000;
const STALLED_CHECK_MS = 10_000;
const JOB_NAME = 'look';
/** How long running jobs get after their signal aborted, before the worker is closed under them. */
const ABORT_GRACE_MS = 2_000;

/**
 * One job per waiting (key, version); a delayed look is another job than an immediate one; without a version always a
 * new one. Never left to BullMQ, which on PostgreSQL would make a sequence at run time.
 */
function jobId(key: JobKey, { version, delayMs = 0 }: PokeOptions): string {
  if (version === undefined) return randomUUID();
  const id = `${key.organizationId}.${key.id}.${version}`;
  return delayMs > 0 ? `${id}.${Math.ceil((Date.now() + delayMs) / 1_000)}` : id;
}

function keyOf(data: unknown): JobKey | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const { organizationId, id } = data as Record<string, unknown>;
  return typeof organizationId === 'string' && typeof id === 'string' ? { organizationId, id } : undefined;
}

function openJobQueue(
  name: string,
  store: BullmqStore,
  log: Logger,
  metrics: Metrics,
): JobQueue & { close(): Promise<void> } {
  const queue = store.openQueue(name);
  const buffer = createPokeBuffer({
    isReachable: () => store.isReachable(),
    add: (pokes) =>
      queue.add(
        pokes.map(({ key, options }) => ({
          name: JOB_NAME,
          data: { organizationId: key.organizationId, id: key.id },
          // No more than this: every option is stored with every job. One attempt is BullMQ's default, and workers
          // clear away what has ended.
          opts: { jobId: jobId(key, options), ...(options.delayMs ? { delay: options.delayMs } : {}) },
        })),
      ),
    lost(count, error) {
      metrics.lostPokes.inc({ queue: name }, count);
      log.warn({ queue: name, count, error: messageOf(error) }, 'pokes lost; the sweeper will repeat them');
    },
  });
  return { name, poke: (key, options = {}) => buffer.poke(key, options), close: () => queue.close() };
}

function openJobWorker(
  name: string,
  store: BullmqStore,
  { concurrency }: JobWorkerOptions,
  handler: JobHandler,
  log: Logger,
  metrics: Metrics,
): JobWorker & { close(): Promise<void> } {
  // One controller per job: a signal that outlives its jobs would collect their listeners.
  const running = new Set<AbortController>();
  const handled = metrics.jobs.labels(name, 'handled');
  const failed = metrics.jobs.labels(name, 'error');
  const processor: Processor = async ({ data }) => {
    const key = keyOf(data);
    if (key === undefined) {
      log.warn({ queue: name }, 'a job without a key was dropped');
      return;
    }
    const controller = new AbortController();
    running.add(controller);
    try {
      await handler(key, controller.signal);
      handled.inc();
    } catch (error) {
      failed.inc();
      log.warn({ queue: name, key: key.id, error: messageOf(error) }, 'job failed');
    } finally {
      running.delete(controller);
    }
  };
  const worker = store.openWorker(name, processor, {
    concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    runRetryDelay: 1_000,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });

  async function drain(timeoutMs: number): Promise<void> {
    // The reference is unused: BullMQ remembers that it is closing, and close() again gives the same promise.
    const closed = worker.close().catch((error: unknown) => {
      log.warn({ queue: name, error: messageOf(error) }, 'job worker did not close cleanly');
    });
    const within = (ms: number) => {
      const { promise, cancel } = timer(ms);
      return Promise.race([closed.then(() => true), promise.then(() => false)]).finally(cancel);
    };
    if (await within(timeoutMs)) return;
    for (const controller of running) controller.abort(new Error('the worker is shutting down'));
    if (await within(ABORT_GRACE_MS)) return;
    log.warn({ queue: name, jobs: running.size }, 'jobs still run after the drain time; they are left behind');
  }

  return { drain, close: () => drain(0) };
}

function timer(ms: number): { promise: Promise<void>; cancel(): void } {
  let handle: NodeJS.Timeout | undefined;
  const promise = new Promise<void>((resolve) => {
    handle = setTimeout(resolve, ms);
  });
  return { promise, cancel: () => clearTimeout(handle) };
}

/** A {@link QueueBackend} over any BullMQ store. */
export function createBullmqBackend(store: BullmqStore, log: Logger, metrics: Metrics): QueueBackend {
  const queues = new Map<string, ReturnType<typeof openJobQueue>>();
  const workers: ReturnType<typeof openJobWorker>[] = [];
  return {
    kind: store.kind,
    queue(name) {
      const queue = queues.get(name) ?? openJobQueue(name, store, log, metrics);
      queues.set(name, queue);
      return queue;
    },
    work(name, options, handler) {
      const worker = openJobWorker(name, store, options, handler, log, metrics);
      workers.push(worker);
      return worker;
    },
    ping: () => store.ping(),
    warnings: () => store.warnings(),
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
      await Promise.allSettled([...queues.values()].map((queue) => queue.close()));
      await store.close();
    },
  };
}
