/** The agents that the operator has configured, and what a session of one may use. */
import type { AgentDefinition } from '../../effects/agents/definition.js';

export interface PlannedAgent {
  definition: AgentDefinition;
  /** For a session, all rounds together where they are tokens and cost, each where it is time at work. */
  limits: { seconds: number; tokens: number | null; costMicros: number | null };
}

export interface PlannedAgents {
  byName: ReadonlyMap<string, PlannedAgent>;
  /** The one that is meant where none is named: the first. */
  default: PlannedAgent | undefined;
  /** Of an organization, at the same time. */
  atOnce: number;
  /** What one person, and everybody together, may use in a day. */
  perPersonPerDay: { tokens: number | null; costMicros: number | null };
  perDay: { tokens: number | null; costMicros: number | null };
  /** First word of the branches that work is pushed to. */
  branchPrefix: string;
  /** A label that has the default agent work on what it is put on; with `:name` behind it, the one of that name. */
  label: string;
  /** What an agent may change in one go. */
  changes: { files: number; lines: number; bytes: number };
  mayChangeWorkflows: boolean;
}
