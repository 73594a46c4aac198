/** Previews as an operator sees them, with the processes that run for each on this machine. */
import { z } from 'zod';
import { listProcesses, type ProcessRecord, withDescendants } from '../../effects/process/process-table.js';
import type { Store } from '../../store/database.js';
import { placesOf, UNNAMED } from './preview-record.js';
import type { Phase } from './state.js';

export interface ListedPreview {
  /** Null: none was allocated, since nothing of it was ever made. */
  name: string | null;
  /** What it is a preview of: `acme/web#12`, or `acme/web at staging`. */
  of: string;
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
  of: string;
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

/** Previews of an organization, last changed first; `all`: those that were removed, too. */
export async function listPreviews(
  store: Store,
  organizationId: string,
  { all = false }: { all?: boolean } = {},
): Promise<ListedPreview[]> {
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<Row>(
      `SELECT v.id, v.branch, v.name, v.phase, v.observed_sha, v.url, v.message, v.pull_request_id, v.updated_at,
           v.driver_state, replace(r.remote_owner, '~', '/') || '/' || r.remote_name ||
             coalesce('#' || q.number, ' at ' || v.branch) AS "of"
         FROM preview v JOIN repository r ON r.id = v.repository_id LEFT JOIN pull_request q ON q.id = v.pull_request_id
         WHERE ${isSomething} AND ($1 OR v.phase <> 'gone') ORDER BY v.updated_at DESC LIMIT 500`,
      [all],
    ),
  );
  const processes = await listProcesses();
  return rows.map((row) => {
    const { serving, candidate, retired } = placesOf(row.driver_state);
    const places = [serving, candidate, ...retired].filter((place) => place !== null);
    return {
      name: row.name.startsWith(UNNAMED) ? null : row.name,
      of: row.of,
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
