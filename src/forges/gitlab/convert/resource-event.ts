import { z } from 'zod';
import { id } from './read.js';
import { nativeUser } from './user.js';

/** Events that GitLab keeps of labels, milestones and states: what GitHub's timeline is made of. */
export const nativeResourceEvent = z.looseObject({
  id,
  user: nativeUser.nullish(),
  created_at: z.string(),
  action: z.string().optional(),
  state: z.string().optional(),
  label: z.looseObject({ name: z.string(), color: z.string().optional() }).nullish(),
  milestone: z.looseObject({ title: z.string() }).nullish(),
});
export type NativeResourceEvent = z.output<typeof nativeResourceEvent>;

const states: Readonly<Record<string, string>> = { closed: 'closed', reopened: 'reopened', merged: 'merged' };

/** GitHub's name of the event; undefined for one that GitHub does not have. */
export function eventName(event: NativeResourceEvent): string | undefined {
  const removed = event.action === 'remove';
  if (event.label) return removed ? 'unlabeled' : 'labeled';
  if (event.milestone) return removed ? 'demilestoned' : 'milestoned';
  return states[event.state ?? ''];
}
