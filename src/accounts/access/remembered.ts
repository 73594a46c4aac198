/**
 * What the forge said last of somebody's right in a repository (ADR 44). Only a stop may be decided by it, and only while the forge does
 * not answer: whoever could have an agent work yesterday may end today what they can see going wrong.
 */
import type { PoolClient } from 'pg';
import { type PermissionLevel, permissionAtLeast } from '../permissions.js';

/** As long as reading outlives an outage, see `confirmed.ts`. */
const REMEMBERED_HOURS = 24;
/** In place of an account or a repository: all of them. */
const ALL = 0n;

export interface RightPlace {
  organizationId: string;
  forge: string;
  host: string;
}

export interface RightOf extends RightPlace {
  remoteRepositoryId: bigint;
  accountId: bigint;
}

async function write(tx: PoolClient, of: RightOf, level: PermissionLevel, at: Date): Promise<void> {
  await tx.query(
    `INSERT INTO remembered_right AS r (organization_id, forge, host, remote_repository_id, account_id, level, asked_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (organization_id, forge, host, remote_repository_id, account_id) DO UPDATE
       SET level = excluded.level, asked_at = excluded.asked_at WHERE r.asked_at <= excluded.asked_at`,
    [of.organizationId, of.forge, of.host, of.remoteRepositoryId, of.accountId, level, at],
  );
}

/** Keeps an answer of the forge. Of strangers only what takes something away is kept. @param at when the forge was asked */
export async function rememberRight(tx: PoolClient, of: RightOf, level: PermissionLevel, at: Date): Promise<void> {
  if (permissionAtLeast(level, 'triage')) return write(tx, of, level, at);
  await tx.query(
    `UPDATE remembered_right SET level = 'none', asked_at = $6
     WHERE organization_id = $1 AND forge = $2 AND host = $3 AND remote_repository_id = $4 AND account_id = $5
       AND asked_at <= $6`,
    [of.organizationId, of.forge, of.host, of.remoteRepositoryId, of.accountId, at],
  );
}

/** Members have changed: what was said before counts no more, of one account or all, in one repository or all. */
export function forgetRights(
  tx: PoolClient,
  place: RightPlace & { remoteRepositoryId?: bigint; accountId?: bigint },
  at: Date,
): Promise<void> {
  const { remoteRepositoryId = ALL, accountId = ALL } = place;
  return write(tx, { ...place, remoteRepositoryId, accountId }, 'none', at);
}

/** What the forge said of them in the last day, if nothing has changed since that it has told us of. */
export async function rememberedRight(
  tx: PoolClient,
  of: RightOf,
  now: Date,
): Promise<{ level: PermissionLevel; at: Date } | undefined> {
  const { rows } = await tx.query<{ level: PermissionLevel; at: Date }>(
    `SELECT r.level, r.asked_at AS at FROM remembered_right r
     WHERE r.organization_id = $1 AND r.forge = $2 AND r.host = $3 AND r.remote_repository_id = $4 AND r.account_id = $5
       AND r.asked_at BETWEEN $6::timestamptz - interval '${REMEMBERED_HOURS} hours' AND $6::timestamptz
       AND NOT EXISTS (
         SELECT FROM remembered_right s WHERE s.organization_id = r.organization_id AND s.forge = r.forge AND s.host = r.host
           AND s.remote_repository_id IN (0, r.remote_repository_id) AND s.account_id IN (0, r.account_id)
           AND s.level = 'none' AND s.asked_at >= r.asked_at)`,
    [of.organizationId, of.forge, of.host, of.remoteRepositoryId, of.accountId, now],
  );
  return rows[0];
}
