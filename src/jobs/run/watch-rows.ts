/** Rows of repositories that are looked at for workspaces, and which workspaces each is looked at for. */
import type { PoolClient } from 'pg';
import { z } from 'zod';
import { getWorkspace, type WorkspaceRow } from '../../store/workspace/workspaces.js';

const seenPulls = z.object({ etag: z.string().nullable() });
export type SeenPulls = z.output<typeof seenPulls>;

/** What the forge last answered, and what was decided on it for good. */
const seenSchema = z.object({
  branches: z
    .record(z.string(), z.object({ sha: z.string(), etag: z.string().nullable(), pulls: seenPulls.optional() }))
    .optional(),
  /** Heads that change nothing of interest: `<workspace> <number> <sha>`. */
  skipped: z.array(z.string()).optional(),
  looks: z.number().int().optional(),
});

export interface WatchedRepository {
  id: string;
  organizationId: string;
  /** The desired version when it was read. */
  version: bigint;
  connectionId: string;
  forge: string;
  host: string;
  path: string;
  remoteId: bigint | null;
  remotePath: string | null;
  defaultBranch: string | null;
  seen: Omit<z.output<typeof seenSchema>, 'looks'>;
  looks: number;
}

interface Row extends Omit<WatchedRepository, 'seen' | 'looks'> {
  seen: unknown;
}

export async function readWatch(tx: PoolClient, id: string): Promise<WatchedRepository | undefined> {
  const { rows } = await tx.query<Row>(
    `SELECT w.id, w.organization_id AS "organizationId", w.desired_version AS version, w.connection_id AS "connectionId", w.forge, w.host, w.path,
       w.remote_id AS "remoteId", w.default_branch AS "defaultBranch", w.seen,
       -- Whoever told of a new name last.
       coalesce((SELECT r.remote_owner || '/' || r.remote_name FROM repository r WHERE r.forge = w.forge AND r.host = w.host
         AND r.remote_id = w.remote_id AND r.status <> 'removed'), w.remote_path) AS "remotePath"
     FROM repository_watch w WHERE w.id = $1`,
    [id],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  const { looks = 0, ...seen } = seenSchema.safeParse(row.seen).data ?? {};
  return { ...row, seen, looks, remotePath: row.remotePath?.replaceAll('~', '/') ?? null };
}

export async function workspacesOf(tx: PoolClient, watched: WatchedRepository): Promise<WorkspaceRow[]> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT id FROM workspace WHERE vcs_repo_url IS NOT NULL AND vcs_connection_id = $1 AND forge = $2 AND host = $3
       AND execution_mode <> 'local' AND (lower(remote_path) = $4 OR remote_repository_id = $5) ORDER BY name`,
    [watched.connectionId, watched.forge, watched.host, watched.path, watched.remoteId],
  );
  const found: WorkspaceRow[] = [];
  for (const { id } of rows) {
    const workspace = await getWorkspace(tx, id);
    if (workspace !== undefined) found.push(workspace);
  }
  return found;
}

/**
 * What was seen is kept only while nobody has asked for another look: a workspace that was linked meanwhile, or an approval, wants
 * everything judged anew, and its wish to forget is not written over.
 * @param at when a look came to its end
 */
export async function writeWatch(
  tx: PoolClient,
  watched: WatchedRepository,
  workspaces: readonly WorkspaceRow[],
  at?: Date,
): Promise<void> {
  const { id, version, remoteId, remotePath, defaultBranch, seen, looks } = watched;
  await tx.query(
    `UPDATE repository_watch SET remote_id = $2, remote_path = $3, default_branch = $4,
       seen = CASE WHEN desired_version = $7 THEN $5 ELSE seen END, checked_at = coalesce($6, checked_at), updated_at = now() WHERE id = $1`,
    [id, remoteId, remotePath, defaultBranch, JSON.stringify({ ...seen, looks }), at ?? null, version],
  );
  await tx.query(
    `UPDATE workspace SET remote_repository_id = $2, remote_path = $3 WHERE id = ANY ($1)
       AND (remote_repository_id, remote_path) IS DISTINCT FROM ($2, $3)`,
    [workspaces.map((workspace) => workspace.id), remoteId, remotePath],
  );
}

/** To be poked once the transaction has committed. */
export interface WantedWatch {
  id: string;
  version: bigint;
}

/**
 * Asks for a look at a repository now, for whatever workspaces are linked to it.
 * @param forget also what was decided about its pull requests before
 */
export async function lookAgain(
  tx: PoolClient,
  repository: { forge: string; host: string; remoteId: bigint },
  o: { forget?: boolean } = {},
): Promise<WantedWatch[]> {
  const { rows } = await tx.query<WantedWatch>(
    `UPDATE repository_watch SET desired_version = desired_version + 1, next_attempt_at = NULL,
       seen = CASE WHEN $4 THEN '{}'::jsonb ELSE seen END
     WHERE forge = $1 AND host = $2 AND (remote_id = $3 OR (remote_id IS NULL AND EXISTS (
       SELECT FROM repository r WHERE r.forge = $1 AND r.host = $2 AND r.remote_id = $3
         AND lower(replace(r.remote_owner, '~', '/') || '/' || r.remote_name) = repository_watch.path)))
     RETURNING id, desired_version AS version`,
    [repository.forge, repository.host, repository.remoteId, o.forget ?? false],
  );
  return rows;
}

/** What is noted here for longer was given up by whoever asked: it was run, or is gone. */
const NOTED_FOR_MS = 86_400_000;

/** Notes that a question was not answered. Answers for how long that has been so. */
export async function unansweredFor(tx: PoolClient, watchId: string, question: string, now: Date): Promise<number> {
  const at = now.getTime();
  const { rows } = await tx.query<{ since: string }>(
    `UPDATE repository_watch SET unanswered =
       (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(unanswered) WHERE value::bigint > $4)
       || jsonb_build_object($2::text, coalesce(unanswered -> $2, to_jsonb($3::bigint)))
     WHERE id = $1 RETURNING unanswered ->> $2 AS since`,
    [watchId, question, at, at - NOTED_FOR_MS],
  );
  return rows[0] === undefined ? 0 : at - Number(rows[0].since);
}
