import type { Config } from '../config/config.js';
import { previewFollowsForge } from '../handlers/preview-follows-forge.js';
import { createPokes, type Pokes } from '../jobs/poke.js';
import { createQueueBackend } from '../jobs/queue/create-queue-backend.js';
import type { JobHandler } from '../jobs/queue/queue.js';
import type { Reconciler, ReconcilerOptions } from '../jobs/reconcile.js';
import { createKeyLocks } from '../jobs/reconcile-locks.js';
import { createCommentReconciler } from '../jobs/report/comment.js';
import { markerKey } from '../jobs/report/marker.js';
import { createStatusReconciler } from '../jobs/report/status.js';
import { startSweeper } from '../jobs/sweeper.js';
import { createSyncReconciler } from '../jobs/sync/pull-request.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Database, Store } from '../store/database.js';
import type { Bridge } from '../translate/bridge.js';
import { startPreviewJobs } from './preview-jobs.js';

export interface FeatureJobsOptions {
  config: Config;
  database: Database;
  masterKey: Buffer;
  store: Store;
  metrics: Metrics;
  log: Logger;
  /** See WorkerOptions; previews are run when it is set. */
  previewPort: number | undefined;
}

export interface FeatureJobs {
  /** For handlers; usable before `start`. */
  readonly pokes: Pokes;
  /** Begins to reconcile, once there is a bridge to the forges. */
  start(bridge: Bridge): Promise<void>;
  drain(timeoutMs: number): Promise<void>;
}

/** Tries each reconciler on a key: ids are unique over all tables, and one that finds no row does nothing. */
const each = (reconcilers: readonly Reconciler[]): JobHandler => {
  return async (key, signal) => {
    for (const reconciler of reconcilers) await reconciler.run(key, signal);
  };
};

/** Everything behind the job queue: the backend, the reconcilers, and the sweeper that makes the queue only a hint. */
export function startFeatureJobs(options: FeatureJobsOptions): FeatureJobs {
  const { config, database, masterKey, store, metrics, log } = options;
  const backend = createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics });
  const pokes = createPokes(backend);
  const locks = createKeyLocks({ store, log });
  const stopping: ((timeoutMs: number) => Promise<void>)[] = [];

  return {
    pokes,

    async start(bridge) {
      for (const warning of await backend.warnings().catch(() => [])) log.warn({ queue: backend.kind }, warning);
      const common: Omit<ReconcilerOptions, 'table' | 'settle' | 'queue'> = { store, locks, metrics, log };
      const octokitFor = bridge.octokitFor;

      const preview =
        options.previewPort === undefined
          ? undefined
          : await startPreviewJobs({ ...options, locks, bridge, pokes, previewPort: options.previewPort });
      const sync = createSyncReconciler({
        ...common,
        queue: pokes.sync,
        octokitFor,
        onState: previewFollowsForge({ pokes, previews: config.previewDriver !== 'off' }),
      });
      const report = { ...common, queue: pokes.report, octokitFor };
      const comment = createCommentReconciler({ ...report, markerKey: markerKey(masterKey) });
      const status = createStatusReconciler(report);

      const workers = [
        backend.work('sync', { concurrency: 8 }, each([sync])),
        backend.work('report', { concurrency: 8 }, each([comment, status])),
        ...(preview === undefined ? [] : [backend.work('preview', { concurrency: 4 }, each([preview.reconciler]))]),
      ];
      const sweeps = [sync, comment, status, ...(preview === undefined ? [] : [preview.reconciler])];
      const sweeper = startSweeper({ store, locks, sweeps, log });

      stopping.push(async (timeoutMs) => {
        await sweeper.stop();
        await Promise.all(workers.map((worker) => worker.drain(timeoutMs)));
        await preview?.stop();
      });
    },

    async drain(timeoutMs) {
      for (const stop of stopping) await stop(timeoutMs);
      await backend.close();
      await locks.close();
    },
  };
}
