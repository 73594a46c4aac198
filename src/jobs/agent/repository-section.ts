/** The section `agents:` of `.forgeway.yml`: what a repository allows of what the operator has set up, and never more. */
import { z } from 'zod';

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,38}$/, 'must be small letters, digits and hyphens')
  .meta({ description: 'Name of an agent that the operator has set up.' });

export const agentsSection = z
  .strictObject({
    allow: z.array(name).max(50).optional().meta({
      description: 'The only agents that may work here. Without it all of the operator’s; an empty list for none.',
    }),
    default: name.optional().meta({ description: 'The agent that is meant where nobody names one.' }),
    label: z
      .string()
      .regex(/^[a-z0-9][a-z0-9 _.-]{0,48}$/, 'must be a label in small letters, without a colon')
      .optional()
      .meta({ description: 'Label that has an agent work here, in place of the operator’s AGENT_LABEL.' }),
    limits: z
      .strictObject({
        seconds: z.int().min(10).max(604_800).optional().meta({ description: 'At work, in a round.' }),
        tokens: z.int().positive().optional().meta({ description: 'Of a session.' }),
        costUsd: z.number().positive().max(1_000_000).optional().meta({ description: 'Of a session, in US dollars.' }),
      })
      .optional()
      .meta({ description: 'What a session may use here, where that is less than what the operator allows.' }),
  })
  .meta({ description: 'Which agents may work in this repository, and how much.' });

export type AgentsSection = z.output<typeof agentsSection>;
