import type { MilestoneInput } from '../../kit/shapes/inputs.js';
import { nativeMilestone, read } from '../schema.js';
import { time, timeOrNull } from './time.js';

/**
 * A milestone's number is its id: the forge counts them over the whole server and addresses them so.
 * @throws ForgewayError FORGEWAY_PAYLOAD_INVALID
 */
export function milestoneInput(native: unknown): MilestoneInput {
  const milestone = read('milestone', nativeMilestone, native);
  return {
    id: milestone.id,
    number: Number(milestone.id),
    title: milestone.title,
    description: milestone.description || null,
    state: milestone.state === 'closed' ? 'closed' : 'open',
    openIssues: milestone.open_issues ?? undefined,
    closedIssues: milestone.closed_issues ?? undefined,
    createdAt: time(milestone.created_at),
    updatedAt: time(milestone.updated_at),
    closedAt: timeOrNull(milestone.closed_at),
    dueOn: timeOrNull(milestone.due_on),
  };
}

/** Null where the forge says there is none, undefined where it says nothing that can be read. Never throws. */
export function milestoneIfTold(native: unknown): MilestoneInput | null | undefined {
  if (native === null) return null;
  return nativeMilestone.safeParse(native).success ? milestoneInput(native) : undefined;
}
