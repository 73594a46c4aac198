import type { JobQueue, QueueBackend } from './queue/queue.js';

/** The queues that handlers and reconcilers poke, always after their transaction has committed. */
export interface Pokes {
  preview: JobQueue;
  sync: JobQueue;
  report: JobQueue;
  /** Runs of workspaces. */
  run: JobQueue;
  /** Repositories that are looked at for workspaces. */
  watch: JobQueue;
  /** Sessions of agents. */
  agent: JobQueue;
}

export function createPokes(backend: QueueBackend): Pokes {
  const queue = (name: string) => backend.queue(name);
  return {
    preview: queue('preview'),
    sync: queue('sync'),
    report: queue('report'),
    run: queue('run'),
    watch: queue('watch'),
    agent: queue('agent'),
  };
}
