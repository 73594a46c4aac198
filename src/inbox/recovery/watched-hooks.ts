/** Which hooks are looked at, and what the last look found. */
import type { Store } from '../../store/database.js';

/** A hook whose forge can be asked about it. */
export interface WatchedHook {
  id: string;
  organizationId: string;
  forge: string;
  host: string;
  /** Null for the hook of an App that no connection has. */
  connectionId: string | null;
  /** Of an App's hook. */
  appId: string | null;
  scope: 'app' | 'repository' | 'organization' | 'system';
  /** `owner/name`, an owner, or '' for the whole server; null for an App's. */
  target: string | null;
  remoteHookId: string | null;
  repositoryId: bigint | string | null;
  confidential: boolean;
  createdAt: Date;
  seen: bigint | null;
  page: string | null;
  pageTop: bigint | null;
  trouble: string | null;
  /** Whether the forge said lately that it lists no deliveries. */
  unlisted: boolean;
  enableAttempts: number;
  /** Whether the time has come to switch it on again, if it is off. */
  mayEnable: boolean;
  /** It has worked for a day since it was switched on, or never had to be. */
  steady: boolean;
}

/** Hooks of one connection, or of the App, that share a credential and its limits. */
const MOST_PER_CONNECTION = 50;

/**
 * Hooks whose turn has come, those that waited longest first, and a limited number of each connection: one with hundreds
 * takes several cycles.
 */
export async function dueHooks(store: Store): Promise<WatchedHook[]> {
  const { rows } = await store.pool.query<WatchedHook>(
    `SELECT * FROM (
       SELECT h.id, h.organization_id AS "organizationId", h.forge, h.host, h.connection_id AS "connectionId", h.app_id AS "appId", h.scope,
         h.target, h.remote_hook_id AS "remoteHookId", h.remote_repository_id AS "repositoryId", h.confidential, h.created_at AS "createdAt",
         w.seen, w.page, w.page_top AS "pageTop", w.trouble,
         coalesce(w.unlisted_until > now(), false) AS unlisted,
         coalesce(w.enable_attempts, 0) AS "enableAttempts",
         coalesce(w.next_enable_at <= now(), true) AS "mayEnable",
         coalesce(w.enabled_at < now() - interval '1 day', true) AS steady,
         row_number() OVER (PARTITION BY h.connection_id, h.forge, h.host
           ORDER BY w.next_look_at NULLS FIRST, h.created_at) AS turn
       FROM hook h LEFT JOIN hook_watch w ON w.hook_id = h.id
       WHERE h.enabled AND coalesce(w.next_look_at <= now(), true)
         AND (h.app_id IS NOT NULL OR (h.connection_id IS NOT NULL AND h.target IS NOT NULL AND h.remote_hook_id IS NOT NULL))
     ) due WHERE turn <= $1 ORDER BY turn`,
    [MOST_PER_CONNECTION],
  );
  return rows;
}

/** False when another process has taken it meanwhile. Not offered again before `seconds` are over, whatever becomes of it. */
export async function takeHook(store: Store, hook: WatchedHook, seconds: number): Promise<boolean> {
  return store.tenant(hook.organizationId, async (tx) => {
    const { rowCount } = await tx.query(
      `INSERT INTO hook_watch AS w (hook_id, organization_id, next_look_at)
       VALUES ($1, $2, now() + $3 * interval '1 second')
       ON CONFLICT (hook_id) DO UPDATE SET next_look_at = excluded.next_look_at WHERE w.next_look_at <= now()`,
      [hook.id, hook.organizationId, seconds],
    );
    return rowCount === 1;
  });
}

/** `trouble` is null when all is well. The time since when it is wrong stays while it is wrong. */
export async function noteLook(store: Store, hook: WatchedHook, trouble: string | null): Promise<void> {
  await store.tenant(hook.organizationId, (tx) =>
    tx.query(
      `UPDATE hook_watch SET looked_at = now(), trouble = $2,
         trouble_since = CASE WHEN $2::text IS NOT NULL THEN coalesce(trouble_since, now()) END
       WHERE hook_id = $1`,
      [hook.id, trouble],
    ),
  );
}

/** The forge asked for silence: the hook is looked at no earlier than after it. */
export async function postponeLook(store: Store, hook: WatchedHook, ms: number): Promise<void> {
  await store.tenant(hook.organizationId, (tx) =>
    tx.query(
      `UPDATE hook_watch SET next_look_at = greatest(next_look_at, now() + $2 * interval '1 millisecond')
       WHERE hook_id = $1`,
      [hook.id, ms],
    ),
  );
}

/** The forge lists no deliveries; a newer version may tomorrow. */
export async function noteUnlisted(store: Store, hook: WatchedHook): Promise<void> {
  await store.tenant(hook.organizationId, (tx) =>
    tx.query(`UPDATE hook_watch SET unlisted_until = now() + interval '1 day' WHERE hook_id = $1`, [hook.id]),
  );
}

/** Before the forge is asked to switch it on, so that a crash in between counts too. The next try is `waitMs` away. */
export async function noteEnabling(store: Store, hook: WatchedHook, waitMs: number): Promise<void> {
  await store.tenant(hook.organizationId, (tx) =>
    tx.query(
      `UPDATE hook_watch SET enable_attempts = enable_attempts + 1,
         next_enable_at = now() + $2 * interval '1 millisecond' WHERE hook_id = $1`,
      [hook.id, waitMs],
    ),
  );
}

export async function noteEnabled(store: Store, hook: WatchedHook): Promise<void> {
  await store.tenant(hook.organizationId, (tx) =>
    tx.query('UPDATE hook_watch SET enabled_at = now() WHERE hook_id = $1', [hook.id]),
  );
}

/** It has worked long enough: the next time it is switched off it is tried at once again. */
export async function forgetEnabling(store: Store, hook: WatchedHook): Promise<void> {
  await store.tenant(hook.organizationId, (tx) =>
    tx.query('UPDATE hook_watch SET enable_attempts = 0, next_enable_at = NULL WHERE hook_id = $1', [hook.id]),
  );
}
