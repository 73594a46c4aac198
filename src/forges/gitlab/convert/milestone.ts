import { z } from 'zod';
import type { MilestoneInput } from '../../kit/shapes/inputs.js';
import { id, time } from './read.js';

export const nativeMilestone = z.looseObject({
  id,
  iid: z.number(),
  title: z.string(),
  description: z.string().nullish(),
  state: z.string(),
  due_date: z.string().nullish(),
  created_at: z.string().optional(),
  updated_at: z.string().optional(),
  web_url: z.string().optional(),
});
export type NativeMilestone = z.output<typeof nativeMilestone>;

export const milestoneInput = (milestone: NativeMilestone): MilestoneInput => ({
  id: milestone.id,
  number: milestone.iid,
  title: milestone.title,
  description: milestone.description || null,
  state: milestone.state === 'closed' ? 'closed' : 'open',
  htmlUrl: milestone.web_url,
  creator: null,
  createdAt: time(milestone.created_at),
  updatedAt: time(milestone.updated_at),
  closedAt: milestone.state === 'closed' ? (time(milestone.updated_at) ?? null) : null,
  // GitLab keeps a day, GitHub a moment: the beginning of that day in UTC.
  dueOn: milestone.due_date ? `${milestone.due_date.slice(0, 10)}T00:00:00Z` : null,
});
