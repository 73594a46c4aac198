/** Agents as the operator has configured them, and what runs them on this machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Access } from '../accounts/access/access.js';
import { everyAgentSecret, forgetReplacedSecrets, readAgentSecrets } from '../accounts/agent-secrets.js';
import { createPermissions } from '../accounts/permissions.js';
import { createVault } from '../accounts/vault.js';
import type { Config } from '../config/config.js';
import { openClusterRunner } from '../effects/agents/cluster-runner.js';
import { agentDefinition } from '../effects/agents/definition.js';
import { noRunner } from '../effects/agents/no-runner.js';
import { createRoutedRunner } from '../effects/agents/routed-runner.js';
import type { AgentRunner } from '../effects/agents/runner.js';
import { openWorktreeRunner } from '../effects/agents/worktree-runner.js';
import { createGitMirrors } from '../effects/git/mirror.js';
import type { ClusterJobs } from '../effects/kubernetes/job/cluster-jobs.js';
import { createNotifyHook } from '../effects/notify/notify-hook.js';
import { openSandboxes, probeSandbox } from '../effects/process/sandbox.js';
import { forges } from '../forges/registry.js';
import type { PlannedAgent, PlannedAgents } from '../jobs/agent/agents.js';
import { organizations, removeLeftovers } from '../jobs/agent/janitor.js';
import { createAgentReconciler } from '../jobs/agent/reconciler.js';
import { taskFor } from '../jobs/agent/task.js';
import type { Pokes } from '../jobs/poke.js';
import type { Reconciler } from '../jobs/reconcile.js';
import type { KeyLocks } from '../jobs/reconcile-locks.js';
import { startBackgroundLoop } from '../lib/background-loop.js';
import { systemClock } from '../lib/clock.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import type { Bridge } from '../translate/bridge.js';
import { handOffsOf } from './hand-offs.js';

/** What one session may use, all its rounds together; time is of each round, at work. */
const budget = z.strictObject({
  seconds: z.number().int().min(10).max(604_800).default(7_200),
  tokens: z.number().int().positive().optional(),
  costUsd: z.number().positive().optional(),
});
const listed = z
  .array(agentDefinition.extend({ budget: budget.prefault({}) }))
  .min(1)
  .max(50);

/** What an agent may change in one go; more is not reviewed by anybody. */
const CHANGES = { files: 300, lines: 20_000, bytes: 5_000_000 };
const USD = 1_000_000;
const HOUR_MS = 3_600_000;

function refuse(problem: string): never {
  throw new ForgewayError('FORGEWAY_CONFIG_INVALID', `AGENTS ${problem}`);
}

function listedAgents(setting: string): z.output<typeof listed> {
  const isFile = setting.trimStart().startsWith('/');
  let value: unknown;
  try {
    value = JSON.parse(isFile ? readFileSync(setting.trim(), 'utf8') : setting);
  } catch (error) {
    refuse(`cannot be read: ${messageOf(error)}`);
  }
  const parsed = listed.safeParse(value);
  if (!parsed.success)
    refuse(
      `has problems: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`,
    );
  const names = parsed.data.map(({ name }) => name);
  if (new Set(names).size !== names.length) refuse('names two agents alike.');
  return parsed.data;
}

const orNull = (value: number): number | null => (value === 0 ? null : value);

/** What an issue that was handed over may take: the forge itself says what its agent may use. */
const HAND_OFF_SECONDS = 86_400;

const forgesOwn = (config: Config): PlannedAgents['ofForges'] =>
  new Map(
    [...forges.values()].flatMap(({ id, agent }) =>
      agent === undefined || !config.agentHandOff
        ? []
        : [[id, { ...agent, limits: { seconds: HAND_OFF_SECONDS, tokens: null, costMicros: null } }] as const],
    ),
  );

/** Undefined when no agents are configured. @throws ForgewayError FORGEWAY_CONFIG_INVALID naming every mistake */
export function plannedAgents(config: Config): PlannedAgents | undefined {
  if (config.agents === undefined && !config.agentHandOff) return undefined;
  const agents = (config.agents === undefined ? [] : listedAgents(config.agents)).map(
    ({ budget: { seconds, tokens, costUsd }, ...definition }): PlannedAgent => ({
      definition,
      limits: { seconds, tokens: tokens ?? null, costMicros: costUsd === undefined ? null : Math.round(costUsd * USD) },
    }),
  );
  return {
    byName: new Map(agents.map((agent) => [agent.definition.name, agent])),
    ofForges: forgesOwn(config),
    default: agents[0],
    atOnce: config.agentLimit,
    perDay: { tokens: orNull(config.agentDailyTokens), costMicros: orNull(Math.round(config.agentDailyCostUsd * USD)) },
    perPersonPerDay: {
      tokens: orNull(config.agentDailyTokensPerPerson),
      costMicros: orNull(Math.round(config.agentDailyCostUsdPerPerson * USD)),
    },
    questions: {
      remindMs: config.agentReminderHours === 0 ? null : config.agentReminderHours * HOUR_MS,
      endMs: config.agentQuestionHours * HOUR_MS,
    },
    mentions: config.agentMentions,
    branchPrefix: config.agentBranchPrefix,
    label: config.agentLabel,
    changes: CHANGES,
    mayChangeWorkflows: config.agentWorkflowChanges,
  };
}

/** @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE */
export async function openRunner(
  o: Pick<AgentJobsOptions, 'config' | 'outbound' | 'clusterJobs'> & { planned: PlannedAgents | undefined },
): Promise<AgentRunner> {
  const { config, outbound } = o;
  const agents = [...(o.planned?.byName.values() ?? [])].map(({ definition }) => definition);
  const directory = join(config.dataDir, 'agents');
  const mirrors = createGitMirrors({ directory: join(config.dataDir, 'git'), outbound });
  const worktree = async () =>
    openWorktreeRunner({
      directory: join(directory, 'records'),
      sandboxesDirectory: join(directory, 'work'),
      sandboxes: await openSandboxes({
        directory: join(directory, 'work'),
        probe: await probeSandbox({ unsafeSameUser: config.unsafeSameUser }),
        // Each agent brings limits of its own; these hold where it names none.
        limits: { memoryMb: 4_096, processes: 512, diskMb: 10_240 },
      }),
      ...{ mirrors, outbound, unsafeSameUser: config.unsafeSameUser },
      egressCommand: [process.execPath, fileURLToPath(new URL('./agent-egress.js', import.meta.url))],
    });
  if (agents.every(({ image }) => image === undefined)) return worktree();
  return createRoutedRunner({
    worktree: agents.every(({ image }) => image !== undefined) ? undefined : await worktree(),
    kubernetes: await openClusterRunner({
      ...{ jobs: o.clusterJobs(), directory: join(directory, 'cluster'), mirrors, outbound },
    }),
  });
}

export interface AgentJobsOptions {
  config: Config;
  outbound: Outbound;
  store: Store;
  locks: KeyLocks;
  metrics: Metrics;
  log: Logger;
  bridge: Bridge;
  pokes: Pokes;
  access: Access;
  planned: PlannedAgents;
  keys: Pick<MasterKeys, 'versions'>;
  /** Opened when an agent works on a cluster. */
  clusterJobs(): ClusterJobs;
}

export interface AgentJobs {
  reconciler: Reconciler;
  /** Ends who clears up, and waits for what that is at. */
  stop(): Promise<void>;
}

/** The reconciler of agent sessions, and who clears up after them, for a worker on the machine that runs them. */
export async function startAgentJobs(o: AgentJobsOptions): Promise<AgentJobs> {
  const { config, store, locks, metrics, log, bridge, pokes, access, planned } = o;
  const runner = planned.byName.size === 0 ? noRunner() : await openRunner(o);
  const vault = createVault(o.keys.versions);
  log.info({ agents: [...planned.byName.keys()], runner: runner.kind }, 'agents can work here');
  const reconciler = createAgentReconciler({
    ...{ store, locks, metrics, log, pokes, access, runner, agents: planned },
    octokitFor: bridge.octokitFor,
    gitAccess: bridge.gitAccess,
    permissions: createPermissions({ clock: systemClock }),
    notify:
      config.agentNotifyUrl === undefined
        ? undefined
        : createNotifyHook({
            ...{ url: config.agentNotifyUrl, secret: config.agentNotifySecret },
            ...{ fetch: o.outbound.fetch, clock: systemClock },
          }),
    everySecretOf: (organizationId, { secrets }) => everyAgentSecret(store, vault, organizationId, secrets),
    secretsOf: (organizationId, { secrets }) => readAgentSecrets(store, vault, organizationId, secrets),
    handOffs: handOffsOf({ store, bridge, publicUrl: config.publicUrl }),
    taskOf: taskFor,
  });
  const keepMs = config.agentKeepHours * HOUR_MS;
  const janitor = startBackgroundLoop({
    tickMs: HOUR_MS,
    graceMs: 5_000,
    async round() {
      await removeLeftovers({ store, runner, keepMs, clock: systemClock, log });
      for (const organizationId of await organizations(store)) await forgetReplacedSecrets(store, organizationId);
    },
    failed: (error) => log.warn({ err: messageOf(error) }, 'what sessions left could not be looked through'),
  });
  return { reconciler, stop: () => janitor.stop() };
}
