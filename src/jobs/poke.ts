import type { JobQueue, QueueBackend } from './queue/queue.js';

/** The queues that handlers and reconcilers poke, always after their transaction has committed. */
export interface Pokes {
  preview: JobQueue;
  sync: JobQueue;
  report: JobQueue;
  agent: JobQueue;
}

export function createPokes(backend: QueueBackend): Pokes {
  return {
    preview: backend.queue('preview'),
    sync: backend.queue('sync'),
    report: backend.queue('report'),
    agent: backend.queue('agent'),
  };
}
