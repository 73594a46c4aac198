/** Who runs this installation of Forgeway, and who may not sign in. */
import type pg from 'pg';
import { ForgewayError } from '../../lib/errors.js';
import type { Store } from '../../store/database.js';
import { claimOwnership } from '../membership/members.js';
import { auditPlatform } from './policy.js';

export interface PersonSummary {
  id: string;
  name: string;
  platformAdmin: boolean;
  suspendedAt: Date | null;
  /** `login on host`, one for each forge that they signed in with. */
  identities: readonly { forge: string; host: string; login: string; remoteId: bigint }[];
  lastSignInAt: Date | null;
}

/** Everybody who has ever signed in, administrators first. @param pool of the role of the API */
export async function listPeople(pool: pg.Pool): Promise<PersonSummary[]> {
  const { rows } = await pool.query<
    Omit<PersonSummary, 'identities'> & { identities: PersonSummary['identities'] | null }
  >(
    `SELECT u.id, u.name, u.platform_admin AS "platformAdmin", u.suspended_at AS "suspendedAt",
            max(i.last_sign_in_at) AS "lastSignInAt",
            json_agg(json_build_object('forge', i.forge, 'host', i.host, 'login', i.login, 'remoteId', i.account_id)
                     ORDER BY i.created_at) FILTER (WHERE i.id IS NOT NULL) AS identities
     FROM "user" u LEFT JOIN identity i ON i.user_id = u.id
     GROUP BY u.id ORDER BY u.platform_admin DESC, u.created_at, u.id`,
  );
  return rows.map((row) => ({
    ...row,
    identities: (row.identities ?? []).map((one) => ({ ...one, remoteId: BigInt(one.remoteId) })),
  }));
}

export async function hasAdministrator(pool: pg.Pool): Promise<boolean> {
  const { rowCount } = await pool.query('SELECT FROM "user" WHERE platform_admin AND suspended_at IS NULL LIMIT 1');
  return rowCount === 1;
}

/** By id, or by a login that only one of them has. @throws ForgewayError FORGEWAY_PERSON_UNKNOWN */
export async function findPerson(pool: pg.Pool, named: string): Promise<PersonSummary> {
  const people = await listPeople(pool);
  const fitting = people.filter(
    ({ id, identities }) => id === named || identities.some(({ login }) => login === named),
  );
  const [only, ...others] = fitting;
  if (only !== undefined && others.length === 0) return only;
  throw new ForgewayError(
    'FORGEWAY_PERSON_UNKNOWN',
    only === undefined ? `Nobody who signed in is ${named}.` : `Several people are called ${named}.`,
  );
}

/** Makes somebody an administrator, or no longer one; in effect with their next request. */
export async function setPlatformAdmin(pool: pg.Pool, userId: string, to: boolean, actor: string): Promise<void> {
  await pool.query('UPDATE "user" SET platform_admin = $2, updated_at = now() WHERE id = $1', [userId, to]);
  const action = to ? 'administrator.granted' : 'administrator.revoked';
  await auditPlatform(pool, { actor, action, subject: `user ${userId}` });
}

/** Suspends somebody, which ends their sessions at once, or lets them in again. */
export async function setSuspended(pool: pg.Pool, userId: string, to: boolean, actor: string): Promise<void> {
  await pool.query(
    `UPDATE "user" SET suspended_at = CASE WHEN $2 THEN coalesce(suspended_at, now()) END, updated_at = now()
     WHERE id = $1`,
    [userId, to],
  );
  if (to) await endSessions(pool, userId);
  await auditPlatform(pool, { actor, action: to ? 'user.suspended' : 'user.restored', subject: `user ${userId}` });
}

/**
 * Signs somebody out everywhere; their browsers and devices learn of it with their next request. What they allowed and what was
 * not fetched yet ends first: a device that they were talked into allowing would fetch its session afterwards.
 */
export async function endSessions(pool: pg.Pool, userId: string): Promise<number> {
  await pool.query('UPDATE sign_in_code SET consumed_at = now() WHERE user_id = $1 AND consumed_at IS NULL', [userId]);
  const { rowCount } = await pool.query('DELETE FROM session WHERE user_id = $1', [userId]);
  return rowCount ?? 0;
}

/**
 * The person who came with the setup link runs this installation, and owns the organization of what is configured through the
 * environment where it has no owner, since nobody else could let anybody into it.
 */
export async function makeFirstAdministrator(store: Store, organizationId: string, userId: string): Promise<void> {
  await setPlatformAdmin(store.pool, userId, true, 'setup link');
  await store.tenant(organizationId, (tx) => claimOwnership(tx, organizationId, userId));
}
