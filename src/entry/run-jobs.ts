/** Runs of workspaces in a worker: what looks at their repositories, and on the server's machine what executes them. */
import { createBlobs } from '../accounts/blobs.js';
import { createPermissions } from '../accounts/permissions.js';
import { createVault } from '../accounts/vault.js';
import type { Config } from '../config/config.js';
import { type ArchiveLimits, DEFAULT_ENTRIES } from '../effects/archive/archive.js';
import type { ClusterJobs } from '../effects/kubernetes/job/cluster-jobs.js';
import { createClusterExecutor } from '../effects/terraform/cluster-executor.js';
import type { TerraformExecutor } from '../effects/terraform/executor.js';
import type { Pokes } from '../jobs/poke.js';
import type { Reconciler } from '../jobs/reconcile.js';
import type { KeyLocks } from '../jobs/reconcile-locks.js';
import { approvalsGate } from '../jobs/run/approvals.js';
import { openExecutor } from '../jobs/run/open-executor.js';
import { startOrphanReaper } from '../jobs/run/orphans.js';
import { createRunReconciler } from '../jobs/run/reconciler.js';
import { startRunRetention } from '../jobs/run/retention.js';
import { createWatchReconciler } from '../jobs/run/watch.js';
import { systemClock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import type { Bridge } from '../translate/bridge.js';
import { pagesOf } from './pages-of.js';

const MB = 1024 * 1024;

export interface RunJobsOptions {
  config: Config;
  keys: MasterKeys;
  store: Store;
  locks: KeyLocks;
  metrics: Metrics;
  log: Logger;
  bridge: Pick<Bridge, 'octokitOf'>;
  pokes: Pokes;
  /** Whether this worker is on the server's machine, where what was executed is found again after a restart. */
  isAtServer: boolean;
  /** Opened when it is first needed. */
  clusterJobs(): ClusterJobs;
}

export interface RunJobs {
  watch: Reconciler;
  /** Undefined: runs are executed elsewhere. */
  runs: Reconciler | undefined;
  stop(): Promise<void>;
}

/** How large a configuration may be, as it comes and unpacked. */
export const archiveLimits = (config: Pick<Config, 'archiveMaxMb' | 'runDiskMb'>): ArchiveLimits => ({
  compressedBytes: config.archiveMaxMb * MB,
  bytes: config.runDiskMb * MB,
  entries: DEFAULT_ENTRIES,
});

/** Jobs on a cluster are found by every worker. */
function onCluster(o: RunJobsOptions, limits: ArchiveLimits): () => Promise<TerraformExecutor> {
  const { config } = o;
  let opened: TerraformExecutor | undefined;
  return async () => {
    opened ??= createClusterExecutor({
      ...{
        jobs: o.clusterJobs(),
        images: config.runImage ?? [],
        program: config.runBinary?.[0] ?? 'terraform',
        limits,
      },
      ...{ memoryMb: config.runMemoryMb, diskMb: config.runDiskMb, mirror: config.runProviderMirror },
      ...{ planSeconds: config.runPlanTimeoutSeconds, applySeconds: config.runApplyTimeoutSeconds },
    });
    return opened;
  };
}

/** What executes runs here; undefined where this machine does not. */
async function executorOf(
  o: RunJobsOptions,
  limits: ArchiveLimits,
): Promise<(() => Promise<TerraformExecutor>) | undefined> {
  const { config, log } = o;
  if (config.runExecutor === 'kubernetes') return onCluster(o, limits);
  if (config.runExecutor !== 'process') return undefined;
  let opened: Promise<TerraformExecutor> | undefined;
  const open = () => {
    opened ??= openExecutor({
      ...{ dataDir: config.dataDir, unsafeSameUser: config.unsafeSameUser, binaries: config.runBinary ?? [], log },
      limits: { memoryMb: config.runMemoryMb, processes: config.runProcesses, diskMb: config.runDiskMb },
      ...{ archive: limits, network: config.runNetwork, providerMirror: config.runProviderMirror },
      ...{ planSeconds: config.runPlanTimeoutSeconds, applySeconds: config.runApplyTimeoutSeconds },
    });
    // What is missing may be there at the next run.
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
  if (o.isAtServer) return open;
  // A run that waits is the server's to fail; another machine takes only what it can do.
  try {
    await open();
    return open;
  } catch (error) {
    log.info({ reason: messageOf(error) }, 'workspaces are not planned by this worker');
    return undefined;
  }
}

export async function startRunJobs(o: RunJobsOptions): Promise<RunJobs> {
  const { config, keys, store, locks, metrics, log, bridge, pokes } = o;
  const vault = createVault(keys.versions);
  const common = { store, locks, metrics, log, pokes, octokitOf: bridge.octokitOf };
  const limits = archiveLimits(config);
  const permissions = createPermissions({ clock: systemClock });
  const executor = await executorOf(o, limits);
  const runs =
    executor === undefined
      ? undefined
      : createRunReconciler({
          ...common,
          gate: approvalsGate({ store, octokitOf: bridge.octokitOf, permissions }),
          ...{
            vault,
            blobs: createBlobs({ store, vault }),
            limits,
            executor,
            pageOf: pagesOf(config, keys.root, 'run'),
          },
        });
  const orphans = executor === undefined ? undefined : startOrphanReaper({ store, executor, log });
  const retention = startRunRetention({
    ...{ store, log, days: config.runRetentionDays },
    stateDays: config.stateRetentionDays,
    stateVersions: config.stateVersionsKept,
  });
  return {
    watch: createWatchReconciler({
      ...common,
      permissions,
      intervalMs: (config.pollIntervalSeconds || 60) * 1_000,
    }),
    runs,
    async stop() {
      await Promise.all([retention.stop(), orphans?.stop()]);
    },
  };
}
