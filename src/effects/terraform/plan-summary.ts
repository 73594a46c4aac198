/** What a plan would do, out of `terraform show -json`: counts and addresses, and no value, since any may be a secret. */
import { z } from 'zod';
import { ForgewayError } from '../../lib/errors.js';

export interface PlannedChange {
  address: string;
  type: string;
  name: string;
  module: string | null;
  actions: readonly string[];
  /** Why it is replaced, as Terraform says it; null when it does not. */
  reason: string | null;
  imported: boolean;
  /** Where it was before a `moved` block. */
  previousAddress: string | null;
}

export interface PlanSummary {
  hasChanges: boolean;
  additions: number;
  changes: number;
  destructions: number;
  imports: number;
  /** At most {@link MOST_CHANGES}, in Terraform's own order. */
  resources: readonly PlannedChange[];
  /** How many more there are. */
  left: number;
}

export const MOST_CHANGES = 2_000;
const TEXT = 1_000;

const text = z.string().transform((value) => value.slice(0, TEXT));
const change = z.object({
  address: text,
  mode: z.string().default('managed'),
  type: text.default(''),
  name: text.default(''),
  module_address: text.nullish(),
  previous_address: text.nullish(),
  action_reason: text.nullish(),
  change: z.object({ actions: z.array(z.string()), importing: z.unknown().optional() }),
});
const plan = z.object({
  format_version: z.string().regex(/^1\./),
  resource_changes: z.array(change).default([]),
  output_changes: z.record(z.string(), z.object({ actions: z.array(z.string()) })).default({}),
});

const isQuiet = (actions: readonly string[]): boolean =>
  actions.every((action) => action === 'no-op' || action === 'read');

/** @throws ForgewayError FORGEWAY_RUN_FAILED when it is not a plan in a format that we know */
export function summarizePlan(json: string): PlanSummary {
  let read: z.output<typeof plan>;
  try {
    read = plan.parse(JSON.parse(json));
  } catch (cause) {
    throw new ForgewayError('FORGEWAY_RUN_FAILED', 'The plan cannot be read: it is no JSON plan of format 1.', {
      cause,
    });
  }
  const managed = read.resource_changes.filter(({ mode }) => mode === 'managed');
  const count = (action: string) => managed.filter(({ change: { actions } }) => actions.includes(action)).length;
  const isImported = (one: (typeof managed)[number]) => one.change.importing != null;
  const told = managed.filter(
    (one) => !isQuiet(one.change.actions) || isImported(one) || (one.previous_address ?? one.address) !== one.address,
  );
  const outputs = Object.values(read.output_changes).some(({ actions }) => !isQuiet(actions));
  return {
    hasChanges: told.length > 0 || outputs,
    additions: count('create'),
    changes: count('update'),
    destructions: count('delete'),
    imports: managed.filter(isImported).length,
    resources: told.slice(0, MOST_CHANGES).map((one) => ({
      address: one.address,
      type: one.type,
      name: one.name,
      module: one.module_address ?? null,
      actions: one.change.actions,
      reason: one.action_reason ?? null,
      imported: isImported(one),
      previousAddress: one.previous_address ?? null,
    })),
    left: Math.max(0, told.length - MOST_CHANGES),
  };
}
