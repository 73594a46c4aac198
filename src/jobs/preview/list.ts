/** Previews as an operator sees them, with the processes that run for each on this machine. */
import { z } from 'zod';
import { listProcesses, type ProcessRecord, withDescendants } from '../../effects/process/process-table.js';
import type { Store } from '../../store/database.js';
import { placesOf } from './preview-record.js';
import type { Phase } from './state.js';

export interface ListedPreview {
  name: string;
  phase: Phase | 'pending';
  /** The commit that visitors see, null while nothing is served. */
  sha: string | null;
  url: string | null;
  /** Where it answers: on this machine's loopback, or on its own where it has one. */
  port: number | null;
  /** Processes of this machine that belong to it; empty where they run on another. */
  pids: number[];
  message: string | null;
  id: string;
  /** Null: of a branch. */
  pullRequestId: string | null;
  branch: string | null;
  updatedAt: Date;
}

interface Row {
  name: string;
  phase: ListedPreview['phase'];
  observed_sha: string | null;
  url: string | null;
  message: string | null;
  id: string;
  pull_request_id: string | null;
  branch: string | null;
  updated_at: Date;
  driver_state: unknown;
}

const handleSchema = z.looseObject({
  uid: z.number().nullish(),
  process: z.looseObject({ pid: z.number(), started: z.string() }).nullish(),
});

function pidsOf(handle: unknown, processes: readonly ProcessRecord[]): number[] {
  const parsed = handleSchema.safeParse(handle);
  if (!parsed.success) return [];
  const { uid, process } = parsed.data;
  const launched = processes.find(({ pid, started }) => pid === process?.pid && started === process.started);
  const descended = launched === undefined ? [] : withDescendants(processes, launched.pid);
  // A user of its own may have processes that have left the launcher.
  const owned = typeof uid === 'number' ? processes.filter(({ uids }) => uids.includes(uid)) : [];
  return [...new Set([...descended, ...owned].map(({ pid }) => pid))];
}

/** SQL: not the row of a branch that only says that it has none. */
export const isSomething = `(v.branch IS NULL OR v.phase NOT IN ('pending', 'gone'))`;

/** Every preview of an organization that is not gone for good, last changed first. */
export async function listPreviews(store: Store, organizationId: string): Promise<ListedPreview[]> {
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<Row>(
      `SELECT id, branch, name, phase, observed_sha, url, message, pull_request_id, updated_at, driver_state
         FROM preview v WHERE ${isSomething} ORDER BY updated_at DESC LIMIT 500`,
    ),
  );
  const processes = await listProcesses();
  return rows.map((row) => {
    const { serving, candidate, retired } = placesOf(row.driver_state);
    const places = [serving, candidate, ...retired].filter((place) => place !== null);
    return {
      name: row.name,
      phase: row.phase,
      sha: serving?.answered ? serving.sha : row.observed_sha,
      url: row.url,
      port: serving?.port ?? null,
      pids: places.flatMap(({ handle }) => pidsOf(handle, processes)),
      message: row.message,
      id: row.id,
      pullRequestId: row.pull_request_id,
      branch: row.branch,
      updatedAt: row.updated_at,
    };
  });
}
