/** What is kept of an issue or merge request from one hook to the next: plain JSON of a few hundred bytes. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { id } from '../schema.js';

const label = z.object({ id, name: z.string(), color: z.string(), description: z.string().optional() });
const account = z.object({ id, username: z.string(), avatar_url: z.string().optional() });

const keptState = z.object({
  state: z.string().optional(),
  head: z.string().optional(),
  target: z.string().optional(),
  draft: z.boolean().optional(),
  labels: z.array(label).optional(),
  assignees: z.array(account).optional(),
});

export type KeptState = z.output<typeof keptState>;
export type KeptLabel = z.output<typeof label>;
export type KeptAccount = z.output<typeof account>;

/** What an older version of ours has kept may look otherwise, and then does not count. */
export function readKeptState(state: JsonObject | undefined): KeptState | undefined {
  return state === undefined ? undefined : keptState.safeParse(state).data;
}
