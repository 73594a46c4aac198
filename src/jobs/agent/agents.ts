/** The agents that the operator has configured, and what a session of one may use. */
import type { AgentDefinition } from '../../effects/agents/definition.js';

export interface PlannedAgent {
  definition: AgentDefinition;
  /** For a session, all rounds together where they are tokens and cost, each where it is time at work. */
  limits: { seconds: number; tokens: number | null; costMicros: number | null };
}

export interface PlannedAgents {
  byName: ReadonlyMap<string, PlannedAgent>;
  /** The forges' own, by the id of the forge: what can be handed over to them. */
  ofForges: ReadonlyMap<string, { name: string; label: string; limits: PlannedAgent['limits'] }>;
  /** The one that is meant where none is named: the first. */
  default: PlannedAgent | undefined;
  /** Of an organization, at the same time. */
  atOnce: number;
  /** What one person, and everybody together, may use in a day. */
  perPersonPerDay: { tokens: number | null; costMicros: number | null };
  perDay: { tokens: number | null; costMicros: number | null };
  /** How long a question waits: until it is asked once more, and until the session ends for it. */
  questions: { remindMs: number | null; endMs: number };
  /** Of what whoever asked for a session is told by a comment that names them. */
  mentions: 'all' | 'questions' | 'none';
  /** First word of the branches that work is pushed to. */
  branchPrefix: string;
  /** A label that has the default agent work on what it is put on; with `:name` behind it, the one of that name. */
  label: string;
  /** What an agent may change in one go. */
  changes: { files: number; lines: number; bytes: number };
  mayChangeWorkflows: boolean;
}

/** An agent that may be asked for in a repository of this forge, by its name. */
export function agentNamed(
  agents: PlannedAgents,
  forge: string,
  name: string,
): { limits: PlannedAgent['limits']; handOff: boolean } | undefined {
  const planned = agents.byName.get(name);
  if (planned !== undefined) return { limits: planned.limits, handOff: false };
  const own = agents.ofForges.get(forge);
  return own?.name === name ? { limits: own.limits, handOff: true } : undefined;
}
