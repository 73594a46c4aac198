/** What a repository itself says about agents, on its default branch as it is now. It takes away and gives nothing. */
import { ForgewayError } from '../../lib/errors.js';
import { type Asks, readRepositoryFile } from '../preview/forge-facts.js';
import { CONFIG_PATH, parseAgentsSection } from '../preview/repository-config.js';
import type { PlannedAgent } from './agents.js';
import type { AgentsSection } from './repository-section.js';

type Limits = PlannedAgent['limits'];

export interface AgentRules {
  /** Why this agent may not work here, for a person; undefined when it may. */
  objection(agent: string): string | undefined;
  default: string | undefined;
  label: string | undefined;
  /** The lower of both. */
  lowered(limits: Limits): Limits;
}

const USD = 1_000_000;

const lower = (ours: number | null, theirs: number | undefined): number | null =>
  theirs === undefined ? ours : Math.min(ours ?? theirs, theirs);

export function rulesOf(section: AgentsSection | undefined): AgentRules {
  const { allow, default: first, label, limits = {} } = section ?? {};
  return {
    default: first,
    label,
    objection(agent) {
      if (allow === undefined || allow.includes(agent)) return undefined;
      const rest = allow.length === 0 ? 'It lets none.' : `It lets: ${allow.join(', ')}.`;
      return `${CONFIG_PATH} of this repository does not let ${agent} work here. ${rest}`;
    },
    lowered: ({ seconds, tokens, costMicros }) => ({
      seconds: Math.min(seconds, limits.seconds ?? seconds),
      tokens: lower(tokens, limits.tokens),
      costMicros: lower(costMicros, limits.costUsd === undefined ? undefined : Math.round(limits.costUsd * USD)),
    }),
  };
}

/** @throws ForgewayError FORGEWAY_REPOSITORY_CONFIG_INVALID: a file that cannot be read allows nothing (R3) */
export async function readAgentRules(
  octokit: Asks,
  place: { owner: string; name: string },
  signal?: AbortSignal,
): Promise<AgentRules> {
  const text = await readRepositoryFile(octokit, place, CONFIG_PATH, signal);
  return rulesOf(text === undefined ? undefined : parseAgentsSection(text));
}

/** The same, with what is wrong with the file as a sentence for whoever asked. */
export async function agentRulesOr(
  octokit: Asks,
  place: { owner: string; name: string },
): Promise<AgentRules | { say: string }> {
  try {
    return await readAgentRules(octokit, place);
  } catch (error) {
    if (error instanceof ForgewayError && error.code === 'FORGEWAY_REPOSITORY_CONFIG_INVALID')
      return { say: `no agent begins while the file has mistakes. ${error.message}` };
    throw error;
  }
}
