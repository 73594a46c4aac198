/** The state of a workspace: each version whole and sealed, and never one that does not follow the one before. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { ForgewayError } from '../lib/errors.js';
import { readStateContent, type StateContent } from '../lib/terraform-state.js';
import type { Store } from '../store/database.js';
import {
  currentStateVersion,
  finalizeStateVersion,
  getStateVersion,
  insertStateVersion,
  type StateVersionRow,
} from '../store/workspace/state-versions.js';
import { holdWorkspace } from '../store/workspace/workspaces.js';
import type { Blobs } from './blobs.js';

/** What one state may have. */
export const STATE_LIMIT = 64 * 1024 * 1024;

export interface StateStore {
  store: Store;
  blobs: Blobs;
}

export const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

/** @throws ForgewayError FORGEWAY_REQUEST_INVALID when it is no state file */
export function contentOf(bytes: Uint8Array): StateContent {
  try {
    return readStateContent(bytes);
  } catch (cause) {
    throw new ForgewayError('FORGEWAY_REQUEST_INVALID', 'This is no state file of Terraform 0.12 or later.', { cause });
  }
}

const conflict = (message: string) => new ForgewayError('FORGEWAY_CONFLICT', message);

/**
 * Whether a state may follow the current one. To be called with the workspace held.
 * @throws ForgewayError FORGEWAY_CONFLICT with what is wrong; the same state again is nothing wrong
 */
export async function checkSuccession(
  tx: pg.PoolClient,
  workspaceId: string,
  next: { serial: bigint; lineage: string | null | undefined; md5: string },
): Promise<void> {
  const current = await currentStateVersion(tx, workspaceId);
  if (current === undefined) return;
  if (next.lineage && current.lineage && next.lineage !== current.lineage)
    throw conflict(
      `The state is of another lineage (${next.lineage}) than the workspace's (${current.lineage}): it was made for something else.`,
    );
  if (next.serial < current.serial)
    throw conflict(`The workspace has the newer state ${current.serial}; this one is ${next.serial}. Read it again.`);
  if (next.serial === current.serial && next.md5 !== current.md5)
    throw conflict(`The workspace has another state of the same serial ${current.serial}. Read it again.`);
}

export interface SavedState {
  organizationId: string;
  workspaceId: string;
  runId?: string | null;
  bytes: Uint8Array;
  by: string;
}

/**
 * Makes it the workspace's current state, in one step. The same bytes again change nothing.
 * @throws ForgewayError FORGEWAY_REQUEST_INVALID, FORGEWAY_CONFLICT (see {@link checkSuccession}), FORGEWAY_TOO_LARGE
 */
export async function saveState({ store, blobs }: StateStore, o: SavedState): Promise<string> {
  const { organizationId, workspaceId, bytes } = o;
  const content = contentOf(bytes);
  const md5 = md5Of(bytes);
  const blob = await blobs.write(organizationId, 'state', [bytes], { limit: STATE_LIMIT });
  return store.tenant(organizationId, async (tx) => {
    if ((await holdWorkspace(tx, workspaceId)) === undefined)
      throw new ForgewayError('FORGEWAY_NOT_FOUND', 'The workspace is gone.');
    const current = await currentStateVersion(tx, workspaceId);
    if (current !== undefined && current.serial === content.serial && current.md5 === md5) return current.id;
    await checkSuccession(tx, workspaceId, { ...content, md5 });
    const { serial, lineage } = content;
    const id = await insertStateVersion(tx, organizationId, {
      ...{ workspaceId, serial, lineage, md5, runId: o.runId ?? null, createdBy: o.by },
    });
    await finalizeStateVersion(tx, id, { ...content, blobId: blob.id, size: blob.size });
    return id;
  });
}

/**
 * The bytes of a version that was announced before; from now on it is the workspace's current state.
 * @throws ForgewayError FORGEWAY_REQUEST_INVALID when they are not those that were announced, FORGEWAY_CONFLICT
 */
export async function receiveState(
  { store, blobs }: StateStore,
  organizationId: string,
  announced: StateVersionRow,
  bytes: Uint8Array,
): Promise<void> {
  const md5 = md5Of(bytes);
  if (md5 !== announced.md5)
    throw new ForgewayError(
      'FORGEWAY_REQUEST_INVALID',
      'The state is not the one that was announced: its MD5 differs.',
    );
  const content = contentOf(bytes);
  if (content.serial !== announced.serial)
    throw new ForgewayError('FORGEWAY_REQUEST_INVALID', 'The state has another serial than was announced.');
  const blob = await blobs.write(organizationId, 'state', [bytes], { limit: STATE_LIMIT });
  await store.tenant(organizationId, async (tx) => {
    await holdWorkspace(tx, announced.workspaceId);
    const now = await getStateVersion(tx, announced.id);
    if (now?.status === 'finalized') return;
    if (!announced.forced) await checkSuccession(tx, announced.workspaceId, { ...content, md5 });
    await finalizeStateVersion(tx, announced.id, { ...content, blobId: blob.id, size: blob.size });
  });
}
