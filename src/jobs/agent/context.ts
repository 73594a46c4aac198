/** What every step of a session has in hand. */
import type { Access } from '../../accounts/access/access.js';
import type { Permissions } from '../../accounts/permissions.js';
import type { AgentDefinition } from '../../effects/agents/definition.js';
import type { AgentRef, AgentRunner, AgentTask } from '../../effects/agents/runner.js';
import type { GitSource } from '../../effects/git/mirror.js';
import type { NotifyHook } from '../../effects/notify/notify-hook.js';
import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';
import type { Pokes } from '../poke.js';
import type { OctokitFor } from '../sync/octokit.js';
import type { PlannedAgents } from './agents.js';
import { type Driven, type DriveOptions, drive } from './drive.js';
import type { HandOffs } from './hand-off.js';
import type { SessionInput } from './machine.js';
import type { SessionRecord } from './session-record.js';
import type { WorkItemNow, Written } from './work-item.js';

/** Everything an agent is told, before it is made into one text. */
export interface TaskFacts {
  session: SessionRecord;
  item: WorkItemNow;
  /** Title and text of the issue or pull request, and what was said there, each with what its author may do. */
  title: string;
  text: Written;
  comments: readonly Written[];
  /** What the agent and people said in earlier rounds, oldest first. */
  earlier: readonly { by: string; text: string; isPerson: boolean }[];
  /** Where the work can be looked at. */
  previewUrl: string | null;
  branch: string;
}

export interface AgentContext {
  store: Store;
  pokes: Pokes;
  runner: AgentRunner;
  agents: PlannedAgents;
  octokitFor: OctokitFor;
  permissions: Permissions;
  access: Access;
  clock: Clock;
  log: Logger;
  /** How git reads a repository, or writes to it. */
  gitAccess: (
    organizationId: string,
    repositoryId: string,
    o: { write: boolean },
  ) => Promise<GitSource & { pullRequestRef(number: number): string }>;
  /** The model keys and the like that an agent's definition names, from the vault. */
  secretsOf: (organizationId: string, agent: AgentDefinition) => Promise<Readonly<Record<string, string>>>;
  /** All of those that a session may have been given, also such as were replaced or taken away since. Hidden from then on. */
  everySecretOf: (organizationId: string, agent: AgentDefinition) => Promise<readonly string[]>;
  /** Where the operator wants to be told of sessions. */
  notify: NotifyHook | undefined;
  /** How issues are handed to the forges' own agents. */
  handOffs: HandOffs;
  taskOf: (facts: TaskFacts, agent: AgentDefinition) => AgentTask;
  /** Without sign of life for so long, a session is lost. */
  silenceMs: number;
  /** What a stopped agent has printed is read for so long: it may be more than anybody waits for. */
  lastWordsMs: number;
}

/** @throws Error for a session that never had a turn */
export function refOf(session: SessionRecord): AgentRef {
  if (session.fence === null) throw new Error('a session without a lease has no runner');
  return { sessionId: session.id, fence: Number(session.fence) };
}

/**
 * Moves the session in a transaction of its own, and tells whoever is to look at what follows. It must still be the start that
 * `session` was read of: whoever was away for long, and has lost it meanwhile, moves nothing.
 * @throws ForgewayError FORGEWAY_AGENT_FENCED
 */
export async function move(
  context: Pick<AgentContext, 'store' | 'pokes' | 'log'>,
  session: Pick<SessionRecord, 'id' | 'organizationId' | 'fence'>,
  inputs: readonly SessionInput[],
  options: DriveOptions = {},
): Promise<Driven> {
  const driven = await context.store.tenant(session.organizationId, (tx) =>
    drive(tx, session.id, inputs, { wakes: false, fence: session.fence, ...options }),
  );
  if (driven === undefined) throw new Error('a session vanished while it was worked on');
  await tellMoved(context, driven);
  return driven;
}

/** After the transaction that drove it has committed. */
export async function tellMoved(context: Pick<AgentContext, 'pokes' | 'log'>, driven: Driven): Promise<void> {
  await Promise.all(driven.reports.map((one) => context.pokes.report.poke(one, { version: one.version })));
  const { id, agent, status, repository, number } = driven.session;
  if (driven.changed)
    context.log.info(
      { session: id, agent, repository: `${repository.owner}/${repository.name}`, number, status },
      `agent session ${status}`,
    );
}
