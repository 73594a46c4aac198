import type { Access } from '../accounts/access/access.js';
import type { Config } from '../config/config.js';
import { previewFollowsForge } from '../handlers/preview-follows-forge.js';
import type { PlannedAgents } from '../jobs/agent/agents.js';
import { sessionsFollowForge } from '../jobs/agent/follow-forge.js';
import { createPokes, type Pokes } from '../jobs/poke.js';
import { createQueueBackend } from '../jobs/queue/create-queue-backend.js';
import { handlerOf, type ReconcilerOptions } from '../jobs/reconcile.js';
import { createKeyLocks } from '../jobs/reconcile-locks.js';
import { createCommentReconciler } from '../jobs/report/comment.js';
import { markerKey } from '../jobs/report/marker.js';
import { createStatusReconciler } from '../jobs/report/status.js';
import { startSweeper } from '../jobs/sweeper.js';
import { createSyncReconciler, type SyncOptions } from '../jobs/sync/pull-request.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import type { Database, Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import type { Bridge } from '../translate/bridge.js';
import { startAgentJobs } from './agent-jobs.js';
import { lazyClusterJobs } from './cluster-jobs.js';
import { startPreviewJobs } from './preview-jobs.js';
import { startRunJobs } from './run-jobs.js';

export interface FeatureJobsOptions {
  config: Config;
  outbound: Outbound;
  database: Database;
  keys: MasterKeys;
  store: Store;
  access: Access;
  metrics: Metrics;
  log: Logger;
  /** See WorkerOptions; previews are run when it is set. */
  previewPort: number | undefined;
  /** Absent: none are configured. They work where previews do: on the server's machine. */
  agents: PlannedAgents | undefined;
  runsAgents: boolean;
}

export interface FeatureJobs {
  /** For handlers; usable before `start`. */
  readonly pokes: Pokes;
  /** Begins to reconcile, once there is a bridge to the forges. */
  start(bridge: Bridge): Promise<void>;
  /** Takes nothing new and waits for what runs, at most `timeoutMs`; then it is stopped, to be taken up later. */
  drain(timeoutMs: number): Promise<void>;
  /** After everything that may still poke has ended. */
  close(): Promise<void>;
}

type OnState = SyncOptions['onState'];

/**
 * A worker that is frozen must not keep people from stopping its agents. What it does when it wakes up is refused by the number of
 * its start, or is found to be done (ADR 53).
 */
const AGENT_SILENCE_MS = 30_000;

/** All of them in the same transaction, and what they ask for after it. */
const allOf =
  (...followers: readonly OnState[]): OnState =>
  async (tx, seen) => {
    const after: (() => Promise<void>)[] = [];
    for (const follow of followers) {
      const then = await follow(tx, seen);
      if (then !== undefined) after.push(then);
    }
    return async () => void (await Promise.all(after.map((then) => then())));
  };

/** Everything behind the job queue: the backend, the reconcilers, and the sweeper that makes the queue only a hint. */
export function startFeatureJobs(options: FeatureJobsOptions): FeatureJobs {
  const { config, database, keys, store, metrics, log } = options;
  const backend = createQueueBackend({ database, redisUrl: config.redisUrl, log, metrics });
  const pokes = createPokes(backend);
  const locks = createKeyLocks({ store, log });
  const agentLocks = createKeyLocks({ store, log, silenceMs: AGENT_SILENCE_MS });
  const stopping: ((timeoutMs: number) => Promise<void>)[] = [];

  return {
    pokes,

    async start(bridge) {
      const warnings = await backend
        .warnings()
        .catch((error: unknown) => [`the job queue cannot be asked for its settings: ${messageOf(error)}`]);
      for (const warning of warnings) log.warn({ queue: backend.kind }, warning);
      const common: Omit<ReconcilerOptions, 'table' | 'settle' | 'queue'> = { store, locks, metrics, log };
      const octokitFor = bridge.octokitFor;

      const clusterJobs = lazyClusterJobs(options);
      const preview =
        options.previewPort === undefined
          ? undefined
          : await startPreviewJobs({ ...options, locks, bridge, pokes, previewPort: options.previewPort });
      const agent =
        options.agents === undefined || !options.runsAgents
          ? undefined
          : await startAgentJobs({
              ...{ ...options, locks: agentLocks, bridge, pokes, planned: options.agents },
              clusterJobs: clusterJobs.open,
            });
      const sync = createSyncReconciler({
        ...common,
        queue: pokes.sync,
        octokitFor,
        onState: allOf(
          previewFollowsForge({ pokes, previews: config.previewDriver !== 'off' }),
          sessionsFollowForge({ pokes }),
        ),
      });
      const run = await startRunJobs({
        ...{ ...options, locks, bridge, pokes, isAtServer: process.connected },
        clusterJobs: clusterJobs.open,
      });
      const report = { ...common, queue: pokes.report, octokitFor };
      const comment = createCommentReconciler({ ...report, markerKey: markerKey(keys.root) });
      const status = createStatusReconciler(report);

      const workers = [
        backend.work('sync', { concurrency: 8 }, handlerOf(sync)),
        backend.work('report', { concurrency: 8 }, handlerOf(comment, status)),
        backend.work('watch', { concurrency: 16 }, handlerOf(run.watch)),
        ...(run.runs === undefined ? [] : [backend.work('run', { concurrency: config.runLimit }, handlerOf(run.runs))]),
        ...(agent === undefined ? [] : [backend.work('agent', { concurrency: 8 }, handlerOf(agent.reconciler))]),
        ...(preview === undefined
          ? []
          : [backend.work('preview', { concurrency: preview.concurrency }, handlerOf(preview.reconciler))]),
      ];
      const sweeps = [
        ...[sync, comment, status, run.watch],
        ...(run.runs === undefined ? [] : [run.runs]),
        ...(agent === undefined ? [] : [agent.reconciler]),
        ...(preview === undefined ? [] : [preview.reconciler]),
      ];
      const sweeper = startSweeper({ store, locks, sweeps, log });

      stopping.push(async (timeoutMs) => {
        await sweeper.stop();
        await Promise.all(workers.map((worker) => worker.drain(timeoutMs)));
        await run.stop();
        await agent?.stop();
        await clusterJobs.close();
        await preview?.stop();
      });
    },

    async drain(timeoutMs) {
      for (const stop of stopping) await stop(timeoutMs);
    },

    async close() {
      await backend.close();
      await locks.close();
      await agentLocks.close();
    },
  };
}
