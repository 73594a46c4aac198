/** What is kept of an issue or merge request from one hook to the next: plain JSON of a few hundred bytes. */
import { z } from 'zod';
import type { JsonObject } from '../../forge.js';
import { id } from '../schema.js';

const label = z.object({ id, name: z.string(), color: z.string(), description: z.string().optional() });
const account = z.object({ id, username: z.string(), avatar_url: z.string().optional() });

const keptState = z.object({
  updatedAt: z.string().optional(),
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

/**
 * What an older version of ours has kept may look otherwise, and then does not count. Nor does what is newer than the hook,
 * which was overtaken: the difference would be told backwards.
 */
export function readKeptState(state: JsonObject | undefined, updatedAt: string | undefined): KeptState | undefined {
  const kept = state === undefined ? undefined : keptState.safeParse(state).data;
  const isNewer = kept?.updatedAt !== undefined && updatedAt !== undefined && kept.updatedAt > updatedAt;
  return isNewer ? undefined : kept;
}
