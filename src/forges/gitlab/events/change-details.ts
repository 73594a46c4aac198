/** The `change` of an event of ours, read back from where it was stored. */
import { z } from 'zod';
import type { ForgeEvent, JsonObject, TranslatePorts } from '../../forge.js';
import { user } from '../../kit/shapes/account.js';
import type { ShapeBase } from '../../kit/shapes/base.js';
import type { AccountInput } from '../../kit/shapes/inputs.js';
import { label as labelShape } from '../../kit/shapes/label.js';
import { milestone as milestoneShape } from '../../kit/shapes/milestone.js';
import { account, id } from '../schema.js';
import { accountInput } from './account.js';
import { askList, object } from './ask.js';
import type { Place } from './place.js';

const label = z.object({ id, name: z.string(), color: z.string(), description: z.string().optional() });

const details = z.object({
  label: label.optional().catch(undefined),
  assignee: account.optional().catch(undefined),
  requested_reviewer: account.optional().catch(undefined),
  reviewer: account.optional().catch(undefined),
  state: z.enum(['approved', 'changes_requested', 'commented', 'dismissed']).optional().catch(undefined),
  milestone_id: id.optional().catch(undefined),
  changes: z.record(z.string(), z.unknown()).optional().catch(undefined),
  before: z.string().optional().catch(undefined),
  after: z.string().optional().catch(undefined),
});
type ChangeDetails = z.output<typeof details>;

export const changeDetails = (event: ForgeEvent): ChangeDetails => details.safeParse(event.change ?? {}).data ?? {};

export const changedAccount = (base: ShapeBase, native: ChangeDetails['assignee']): AccountInput =>
  accountInput(base, native) ?? { id: 0, login: 'ghost' };

/** The milestone with this id, in full where anybody can tell: it is the thread's own, or one of the repository's. */
async function milestoneWithId(
  ports: TranslatePorts,
  place: Place,
  wanted: string | number,
  known: JsonObject | undefined,
): Promise<JsonObject> {
  const is = (one: JsonObject | undefined) => one !== undefined && String(one.id) === String(wanted);
  const own = object(known?.milestone);
  if (own !== undefined && is(own)) return own;
  const all = await askList(ports, 'GET /repos/{owner}/{repo}/milestones', {
    ...place.parameters,
    state: 'all',
    per_page: 100,
  });
  const unknown = { id: wanted, number: 0, title: '', state: 'open' } as const;
  return all.find(is) ?? milestoneShape(ports.base, place.owner, place.name, unknown);
}

/** The fields that an event carries beside the thing it is about. */
export async function changeFields(
  event: ForgeEvent,
  place: Place,
  ports: TranslatePorts,
  known: JsonObject | undefined,
): Promise<JsonObject> {
  const { label, assignee, requested_reviewer: reviewer, milestone_id: milestoneId, ...change } = changeDetails(event);
  const { base } = ports;
  return {
    ...(change.before !== undefined && { before: change.before }),
    ...(change.after !== undefined && { after: change.after }),
    ...(change.changes !== undefined && { changes: change.changes }),
    ...(label !== undefined && { label: labelShape(base, place.owner, place.name, label) }),
    ...(assignee !== undefined && { assignee: user(base, changedAccount(base, assignee)) }),
    ...(reviewer !== undefined && { requested_reviewer: user(base, changedAccount(base, reviewer)) }),
    ...(milestoneId !== undefined && { milestone: await milestoneWithId(ports, place, milestoneId, known) }),
  };
}
