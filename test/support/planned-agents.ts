/** Agents as an operator might have configured them. */
import { agentDefinition } from '../../src/effects/agents/definition.js';
import type { PlannedAgent, PlannedAgents } from '../../src/jobs/agent/agents.js';

const definition = (name: string): PlannedAgent => ({
  definition: agentDefinition.parse({ name, command: ['true'] }),
  limits: { seconds: 600, tokens: 1_000, costMicros: null },
});

export const plannedFor = (...names: string[]): PlannedAgents => planning(names.map(definition));

export function planning(agents: readonly PlannedAgent[]): PlannedAgents {
  return {
    byName: new Map(agents.map((agent) => [agent.definition.name, agent])),
    ofForges: new Map([
      ['github', { name: 'copilot', label: 'Copilot', limits: { seconds: 600, tokens: null, costMicros: null } }],
    ]),
    default: agents[0],
    atOnce: 10,
    perPersonPerDay: { tokens: null, costMicros: null },
    perDay: { tokens: null, costMicros: null },
    questions: { remindMs: 24 * 3_600_000, endMs: 72 * 3_600_000 },
    mentions: 'all',
    branchPrefix: 'forgeway',
    label: 'assign-agent',
    changes: { files: 100, lines: 1_000, bytes: 1_000_000 },
    mayChangeWorkflows: false,
  };
}
