/** What of a state file is kept beside it: names and counts, and no value. */
import { createHash } from 'node:crypto';
import type { PoolClient } from 'pg';
import { z } from 'zod';
import type { StoredBlob } from '../../accounts/blobs.js';
import { ForgewayError } from '../../lib/errors.js';
import { finalizeStateVersion, insertStateVersion } from '../../store/workspace/state-versions.js';

const state = z.object({
  version: z.literal(4),
  serial: z.number().int().nonnegative(),
  lineage: z.string(),
  terraform_version: z.string().nullish(),
  outputs: z
    .record(z.string(), z.object({ type: z.unknown().optional(), sensitive: z.boolean().optional() }))
    .default({}),
  resources: z
    .array(
      z.object({
        mode: z.string().default('managed'),
        type: z.string(),
        name: z.string(),
        module: z.string().optional(),
        provider: z.string().default(''),
        instances: z.array(z.unknown()).default([]),
      }),
    )
    .default([]),
});
export type StateFile = z.output<typeof state>;

/** @throws ForgewayError FORGEWAY_RUN_FAILED */
export function readState(bytes: Uint8Array): StateFile {
  try {
    return state.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new ForgewayError(
      'FORGEWAY_RUN_FAILED',
      'The run has left a state that cannot be read: it is no state of version 4.',
      {
        cause,
      },
    );
  }
}

/** From now on it is the workspace's state. @param tx the transaction in which the run is told to have left it */
export async function keepState(
  tx: PoolClient,
  run: { organizationId: string; workspaceId: string; id: string; createdBy: string },
  file: { bytes: Uint8Array; blob: StoredBlob; facts: StateFile },
): Promise<void> {
  const { facts, blob } = file;
  const id = await insertStateVersion(tx, run.organizationId, {
    workspaceId: run.workspaceId,
    runId: run.id,
    serial: BigInt(facts.serial),
    lineage: facts.lineage,
    md5: createHash('md5').update(file.bytes).digest('hex'),
    createdBy: run.createdBy,
  });
  await finalizeStateVersion(tx, id, {
    blobId: blob.id,
    size: blob.size,
    lineage: facts.lineage,
    terraformVersion: facts.terraform_version ?? null,
    resources: facts.resources.map(({ type, name, module, provider, instances }) => ({
      ...{ type, name, provider },
      module: module ?? 'root',
      count: instances.length,
    })),
    outputs: Object.entries(facts.outputs).map(([name, { type, sensitive }]) => ({
      ...{ name, type: type ?? null },
      sensitive: sensitive ?? false,
    })),
  });
}
