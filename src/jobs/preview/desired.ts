/** What a preview is wanted to be. Written by handlers in their transaction; the reconciler makes it so. */
import type { PoolClient } from 'pg';

export interface WantedPreview {
  id: string;
  version: bigint;
}

interface VersionRow {
  id: string;
  desired_version: bigint | string;
}

/** What a new row says until the reconciler, which knows what is configured, looks at it for the first time. */
const DRIVER = 'process';

/** What it is, or is to be, a preview of. */
export type PreviewOf = { pullRequestId: string } | { repositoryId: string; branch: string };

const whereOf = (of: PreviewOf): { sql: string; values: string[] } =>
  'branch' in of
    ? { sql: 'repository_id = $1 AND branch = $2', values: [of.repositoryId, of.branch] }
    : { sql: 'pull_request_id = $1', values: [of.pullRequestId] };

async function currentVersion(tx: PoolClient, of: PreviewOf): Promise<WantedPreview | null> {
  const { sql, values } = whereOf(of);
  const { rows } = await tx.query<VersionRow>(`SELECT id, desired_version FROM preview WHERE ${sql}`, values);
  return rows[0] === undefined ? null : { id: rows[0].id, version: BigInt(rows[0].desired_version) };
}

/**
 * Wants a preview of a commit. `actor` is who pushed it as the forge said, null when the event does not tell; every
 * pusher is remembered with its commit, so that events out of order cannot make one commit pass as another's. The same
 * wish again changes nothing and answers the version that stands.
 */
export async function wantPreview(
  tx: PoolClient,
  o: {
    organizationId: string;
    repositoryId: string;
    sha: string;
    actor: { id: bigint; login: string } | null;
    /** Somebody asked for it in words, and it wakes. */
    byHand?: boolean;
  } & ({ pullRequestId: string } | { branch: string }),
): Promise<WantedPreview> {
  const pusher = o.actor === null ? {} : { [o.sha]: { id: o.actor.id.toString(), login: o.actor.login } };
  const { rows } = await tx.query<VersionRow>(
    `INSERT INTO preview AS p (organization_id, repository_id, pull_request_id, branch, name, driver, desired_state,
         desired_sha, actor_id, actor_login, driver_state, by_hand)
       VALUES ($1, $2, $3, $9, 'unnamed-' || replace(gen_random_uuid()::text, '-', ''), $4, 'running', $5, $6, $7,
         jsonb_build_object('pushers', $8::jsonb), $10)
     ON CONFLICT ${'branch' in o ? '(repository_id, branch)' : '(pull_request_id)'} DO UPDATE SET
       desired_state = CASE WHEN p.desired_state = 'asleep' AND p.desired_sha = excluded.desired_sha
         AND NOT excluded.by_hand THEN 'asleep' ELSE 'running' END,
       by_hand = p.by_hand OR excluded.by_hand,
       ended_reason = NULL,
       desired_sha = excluded.desired_sha,
       actor_id = CASE WHEN p.desired_sha = excluded.desired_sha
         THEN coalesce(excluded.actor_id, p.actor_id) ELSE excluded.actor_id END,
       actor_login = CASE WHEN p.desired_sha = excluded.desired_sha
         THEN coalesce(excluded.actor_login, p.actor_login) ELSE excluded.actor_login END,
       driver_state = p.driver_state || jsonb_build_object('pushers',
         coalesce(p.driver_state -> 'pushers', '{}'::jsonb) || $8::jsonb),
       desired_version = p.desired_version + 1, attempts = 0, next_attempt_at = NULL,
       requested_at = now(), updated_at = now()
     WHERE p.desired_state = 'absent' OR p.desired_sha IS DISTINCT FROM excluded.desired_sha
       OR (excluded.actor_id IS NOT NULL AND p.actor_id IS DISTINCT FROM excluded.actor_id)
       OR (excluded.by_hand AND (NOT p.by_hand OR p.desired_state = 'asleep'))
     RETURNING id, desired_version`,
    [
      o.organizationId,
      o.repositoryId,
      'branch' in o ? null : o.pullRequestId,
      DRIVER,
      o.sha,
      o.actor?.id ?? null,
      o.actor?.login ?? null,
      JSON.stringify(pusher),
      'branch' in o ? o.branch : null,
      o.byHand ?? false,
    ],
  );
  if (rows[0] !== undefined) return { id: rows[0].id, version: BigInt(rows[0].desired_version) };
  const unchanged = await currentVersion(tx, o);
  if (unchanged === null) throw new Error('a preview row vanished inside a transaction');
  return unchanged;
}

/** Wants the preview of a pull request, or of a branch, gone. Null when it never had one. */
export async function wantNoPreview(
  tx: PoolClient,
  o: { organizationId: string } & PreviewOf,
): Promise<WantedPreview | null> {
  const found = await currentVersion(tx, o);
  return found && ((await endPreview(tx, { previewId: found.id, reason: null })) ?? found);
}

/** What was seen of a preview that nobody uses. Whoever looked may have been overtaken: by a visitor, by a push. */
export interface Unused {
  /** Its version then. */
  version: bigint | string;
  /** Nobody came for longer than this. */
  forMs: number;
}

/**
 * Wants one gone that nothing has ended by itself.
 * @param o.reason said to people
 * @param o.unused only if it still is; a push counts as a visit here
 * @returns null: it goes, or is gone, already, or is used again
 */
export async function endPreview(
  tx: PoolClient,
  o: { previewId: string; reason: string | null; unused?: Unused },
): Promise<WantedPreview | null> {
  const { rows } = await tx.query<VersionRow>(
    `UPDATE preview SET desired_state = 'absent', desired_version = desired_version + 1, attempts = 0, by_hand = false,
       ended_reason = $2, next_attempt_at = NULL, requested_at = now(), updated_at = now()
     WHERE id = $1 AND desired_state <> 'absent' AND ($3::bigint IS NULL OR (desired_version = $3
       AND now() - greatest(last_opened_at, ready_at, requested_at) > $4 * interval '1 millisecond'))
     RETURNING id, desired_version`,
    [o.previewId, o.reason, o.unused?.version ?? null, o.unused?.forMs ?? 0],
  );
  return rows[0] === undefined ? null : { id: rows[0].id, version: BigInt(rows[0].desired_version) };
}

/**
 * Asks for another look at a preview: to sleep, to wake, to be made anew, or because what runs is no longer what was
 * written down.
 * Null when there is nothing to do for it, such as waking what is not asleep.
 * @param o.unused of one that is to sleep: only if it still is
 */
export async function askPreview(
  tx: PoolClient,
  o: { previewId: string; to: 'sleep' | 'wake' | 'look-again' | 'rebuild'; unused?: Unused },
): Promise<WantedPreview | null> {
  const wish = {
    sleep: { state: 'asleep', from: "= 'running'" },
    wake: { state: 'running', from: "= 'asleep'" },
    'look-again': { state: null, from: "<> 'absent'" },
    rebuild: { state: 'running', from: "<> 'absent'" },
  }[o.to];
  // Another look is no new wish: a candidate that failed for the one that stands is not tried again because of it.
  const { rows } = await tx.query<VersionRow>(
    `UPDATE preview SET desired_state = coalesce($2, desired_state), desired_version = desired_version + 1, attempts = 0,
       rebuild_version = CASE WHEN $4 THEN desired_version + 1 ELSE rebuild_version END,
       driver_state = CASE WHEN $3 AND driver_state -> 'candidate' ->> 'version' = desired_version::text
         THEN jsonb_set(driver_state, '{candidate,version}', to_jsonb((desired_version + 1)::text)) ELSE driver_state END,
       next_attempt_at = NULL, updated_at = now() WHERE id = $1 AND desired_state ${wish.from}
       AND ($5::bigint IS NULL OR (desired_version = $5
         AND now() - coalesce(greatest(last_opened_at, ready_at), created_at) > $6 * interval '1 millisecond'))
     RETURNING id, desired_version`,
    [
      ...[o.previewId, wish.state, o.to === 'look-again', o.to === 'rebuild'],
      ...[o.unused?.version ?? null, o.unused?.forMs ?? 0],
    ],
  );
  return rows[0] === undefined ? null : { id: rows[0].id, version: BigInt(rows[0].desired_version) };
}
