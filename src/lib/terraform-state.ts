/** A state file of Terraform (format 4), as far as we read one: what it is of and what it holds, and never a value. */
import { z } from 'zod';

const stateSchema = z.object({
  version: z.literal(4, { error: 'must be 4: that of Terraform 0.12 and later' }),
  terraform_version: z.string().max(100).optional(),
  serial: z.number().int().min(0),
  lineage: z.string().max(200),
  outputs: z
    .record(z.string().max(300), z.object({ type: z.unknown(), value: z.unknown(), sensitive: z.boolean().optional() }))
    .nullish(),
  resources: z
    .array(
      z.object({
        module: z.string().max(1_000).optional(),
        mode: z.string().max(50),
        type: z.string().max(300),
        name: z.string().max(300),
        provider: z.string().max(1_000),
        instances: z.array(z.unknown()).nullish(),
      }),
    )
    .nullish(),
});

export interface StateContent {
  serial: bigint;
  lineage: string;
  terraformVersion: string | null;
  outputs: { name: string; type: unknown; sensitive: boolean }[];
  resources: { name: string; type: string; count: number; module: string; provider: string }[];
}

/** @throws z.ZodError or SyntaxError when it is no state file */
export function readStateContent(bytes: Uint8Array): StateContent {
  const state = stateSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  return {
    serial: BigInt(state.serial),
    lineage: state.lineage,
    terraformVersion: state.terraform_version ?? null,
    outputs: Object.entries(state.outputs ?? {}).map(([name, { type, sensitive }]) => ({
      name,
      type,
      sensitive: sensitive ?? false,
    })),
    resources: (state.resources ?? []).map((resource) => ({
      name: resource.name,
      type: resource.mode === 'data' ? `data.${resource.type}` : resource.type,
      count: resource.instances?.length ?? 0,
      module: resource.module ?? 'root',
      provider: resource.provider,
    })),
  };
}

/** Values of its outputs, for whoever may see them. */
export function outputValues(bytes: Uint8Array): Map<string, unknown> {
  const { outputs } = stateSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  return new Map(Object.entries(outputs ?? {}).map(([name, { value }]) => [name, value]));
}
