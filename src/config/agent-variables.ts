/** Settings about agents; a part of the table in `variables.ts`. */
import { z } from 'zod';

const positive = z.coerce.number().int().positive();
const limit = z.coerce.number().int().min(0);
const flag = z
  .enum(['true', 'false', '1', '0', 'yes', 'no'])
  .transform((value) => value === 'true' || value === '1' || value === 'yes');

export const agentVariables = {
  agents: {
    name: 'AGENTS',
    meaning:
      'Agents that people may have work on issues and pull requests: a JSON list, or the absolute path of a file with one; see guides/agents.md. Without it there are none.',
    schema: z.string().regex(/^\s*[[/]/, 'is neither a list in JSON nor an absolute path'),
    fix: 'Write it as `[{"name":"claude","command":["claude","-p","{prompt}"]}]`, or as `/etc/forgeway/agents.json`.',
  },
  agentLimit: {
    name: 'AGENT_LIMIT',
    meaning: 'Agents of one organization that work at the same time; others wait for their turn.',
    default: '4',
    schema: positive,
    fix: 'Use a whole number.',
  },
  agentLabel: {
    name: 'AGENT_LABEL',
    meaning: 'Label that has the first agent work on what it is put on; `LABEL:name` the one of that name.',
    default: 'assign-agent',
    schema: z.string().regex(/^[a-z0-9][a-z0-9 _.-]{0,48}$/, 'must be a label in small letters, without a colon'),
    fix: 'Use a short word in small letters.',
  },
  agentBranchPrefix: {
    name: 'AGENT_BRANCH_PREFIX',
    meaning: 'First part of the branches that agents’ work is pushed to.',
    default: 'forgeway',
    schema: z.string().regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'must be one word of small letters, digits and hyphens'),
    fix: 'Use one word, as in `forgeway`.',
  },
  agentWorkflowChanges: {
    name: 'AGENT_WORKFLOW_CHANGES',
    meaning: 'Whether what agents push may change files that steer the forge’s own pipelines.',
    default: 'false',
    schema: flag,
    fix: 'Use true or false.',
  },
  agentDailyTokens: {
    name: 'AGENT_DAILY_TOKENS',
    meaning: 'Tokens that all agents of an organization may use in a day; none begins after that. 0 for no limit.',
    default: '0',
    schema: limit,
    fix: 'Use a whole number, or 0.',
  },
  agentDailyCostUsd: {
    name: 'AGENT_DAILY_COST_USD',
    meaning: 'The same in US dollars, as far as agents tell what they cost.',
    default: '0',
    schema: z.coerce.number().min(0),
    fix: 'Use a number, or 0.',
  },
  agentDailyTokensPerPerson: {
    name: 'AGENT_DAILY_TOKENS_PER_PERSON',
    meaning: 'Tokens that agents may use in a day for one person. 0 for no limit.',
    default: '0',
    schema: limit,
    fix: 'Use a whole number, or 0.',
  },
  agentDailyCostUsdPerPerson: {
    name: 'AGENT_DAILY_COST_USD_PER_PERSON',
    meaning: 'The same in US dollars.',
    default: '0',
    schema: z.coerce.number().min(0),
    fix: 'Use a number, or 0.',
  },
} as const;
