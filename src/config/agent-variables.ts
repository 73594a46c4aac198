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
  commandLimit: {
    name: 'COMMAND_LIMIT',
    meaning:
      'Commands that one person may give by comments, labels and assignments in ten minutes; what comes after is not run. `/cancel` has three times as many.',
    default: '30',
    schema: positive,
    fix: 'Use a whole number.',
  },
  agentLimit: {
    name: 'AGENT_LIMIT',
    meaning: 'Agents of one organization that work at the same time; others wait for their turn.',
    default: '4',
    schema: positive,
    fix: 'Use a whole number.',
  },
  agentHandOff: {
    name: 'AGENT_HAND_OFF',
    meaning:
      'Whether issues can be handed to the forge’s own agent, as `/assign-agent copilot` on GitHub; each person needs a connection of their own for it.',
    default: 'false',
    schema: flag,
    fix: 'Use true or false.',
  },
  agentReminderHours: {
    name: 'AGENT_REMINDER_HOURS',
    meaning:
      'After so long without an answer, whoever asked for a session is told of its question once more. 0 for never.',
    default: '24',
    schema: limit,
    fix: 'Use a whole number of hours.',
  },
  agentQuestionHours: {
    name: 'AGENT_QUESTION_HOURS',
    meaning: 'After so long without an answer a session fails, and says so. A later `/reply` has it go on.',
    default: '72',
    schema: positive.max(168, 'may be 168 at most: an agent waits for a week and no longer'),
    fix: 'Use a whole number of hours, 168 at most.',
  },
  agentKeepHours: {
    name: 'AGENT_KEEP_HOURS',
    meaning: 'How long the work tree of a session that failed is kept, to be looked at or pushed.',
    default: '168',
    schema: positive,
    fix: 'Use a whole number of hours.',
  },
  agentMentions: {
    name: 'AGENT_MENTIONS',
    meaning:
      'Of what whoever asked for a session is told by a comment that names them: `all` (questions, reminders, and how it ended), `questions`, `none`.',
    default: 'all',
    schema: z.enum(['all', 'questions', 'none']),
    fix: 'Use all, questions or none.',
  },
  agentNotifyUrl: {
    name: 'AGENT_NOTIFY_URL',
    meaning:
      'Address that is told of every session: a question, a reminder, ready for review, finished, failed, cancelled, merged; by a signed POST in JSON, whose `text` chat programs show as it is.',
    schema: z.url({ protocol: /^https?$/ }),
    fix: 'Use an address such as `https://hooks.example.com/forgeway`. One in a private network is named in ALLOWED_PRIVATE_NETWORKS, too.',
    secret: true,
  },
  agentNotifySecret: {
    name: 'AGENT_NOTIFY_SECRET',
    meaning:
      'Signs what AGENT_NOTIFY_URL is told, as `webhook-signature` of standardwebhooks.com, 16 characters or more.',
    schema: z.string().min(16, 'has fewer than 16 characters'),
    fix: 'Set the same random text here and where it is received, e.g. from `openssl rand -hex 32`.',
    secret: true,
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
