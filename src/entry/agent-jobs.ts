/** Agents as the operator has configured them, and what runs them on this machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Access } from '../accounts/access/access.js';
import { readAgentSecrets } from '../accounts/agent-secrets.js';
import { createPermissions } from '../accounts/permissions.js';
import { createVault } from '../accounts/vault.js';
import type { Config } from '../config/config.js';
import { agentDefinition } from '../effects/agents/definition.js';
import type { AgentRunner } from '../effects/agents/runner.js';
import { openWorktreeRunner } from '../effects/agents/worktree-runner.js';
import { createGitMirrors } from '../effects/git/mirror.js';
import { openSandboxes, probeSandbox } from '../effects/process/sandbox.js';
import type { PlannedAgent, PlannedAgents } from '../jobs/agent/agents.js';
import { createAgentReconciler } from '../jobs/agent/reconciler.js';
import { taskFor } from '../jobs/agent/task.js';
import type { Pokes } from '../jobs/poke.js';
import type { Reconciler } from '../jobs/reconcile.js';
import type { KeyLocks } from '../jobs/reconcile-locks.js';
import { systemClock } from '../lib/clock.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import type { Metrics } from '../lib/metrics.js';
import type { Outbound } from '../lib/outbound/outbound.js';
import type { Store } from '../store/database.js';
import type { MasterKeys } from '../store/master-keys.js';
import type { Bridge } from '../translate/bridge.js';

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

/** Undefined when no agents are configured. @throws ForgewayError FORGEWAY_CONFIG_INVALID naming every mistake */
export function plannedAgents(config: Config): PlannedAgents | undefined {
  if (config.agents === undefined) return undefined;
  const agents = listedAgents(config.agents).map(
    ({ budget: { seconds, tokens, costUsd }, ...definition }): PlannedAgent => ({
      definition,
      limits: { seconds, tokens: tokens ?? null, costMicros: costUsd === undefined ? null : Math.round(costUsd * USD) },
    }),
  );
  return {
    byName: new Map(agents.map((agent) => [agent.definition.name, agent])),
    default: agents[0],
    atOnce: config.agentLimit,
    perDay: { tokens: orNull(config.agentDailyTokens), costMicros: orNull(Math.round(config.agentDailyCostUsd * USD)) },
    perPersonPerDay: {
      tokens: orNull(config.agentDailyTokensPerPerson),
      costMicros: orNull(Math.round(config.agentDailyCostUsdPerPerson * USD)),
    },
    branchPrefix: config.agentBranchPrefix,
    label: config.agentLabel,
    changes: CHANGES,
    mayChangeWorkflows: config.agentWorkflowChanges,
  };
}

/** @throws ForgewayError FORGEWAY_SANDBOX_UNAVAILABLE */
async function openRunner(config: Config, outbound: Outbound): Promise<AgentRunner> {
  const probe = await probeSandbox({ unsafeSameUser: config.unsafeSameUser });
  const directory = join(config.dataDir, 'agents');
  // Each agent brings limits of its own; these hold where it names none.
  const limits = { memoryMb: 4_096, processes: 512, diskMb: 10_240 };
  return openWorktreeRunner({
    directory: join(directory, 'records'),
    sandboxesDirectory: join(directory, 'work'),
    sandboxes: await openSandboxes({ directory: join(directory, 'work'), probe, limits }),
    mirrors: createGitMirrors({ directory: join(config.dataDir, 'git'), outbound }),
    outbound,
    egressCommand: [process.execPath, fileURLToPath(new URL('./agent-egress.js', import.meta.url))],
    unsafeSameUser: config.unsafeSameUser,
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
}

/** The reconciler of agent sessions, for a worker on the machine that runs them. */
export async function startAgentJobs(o: AgentJobsOptions): Promise<Reconciler> {
  const { config, outbound, store, locks, metrics, log, bridge, pokes, access, planned } = o;
  const runner = await openRunner(config, outbound);
  const vault = createVault(o.keys.versions);
  log.info({ agents: [...planned.byName.keys()], runner: runner.kind }, 'agents can work here');
  return createAgentReconciler({
    ...{ store, locks, metrics, log, pokes, access, runner, agents: planned },
    octokitFor: bridge.octokitFor,
    gitAccess: bridge.gitAccess,
    permissions: createPermissions({ clock: systemClock }),
    secretsOf: (organizationId, { secrets }) => readAgentSecrets(store, vault, organizationId, secrets),
    taskOf: taskFor,
  });
}
