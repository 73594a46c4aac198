/** Members of an organization: who they are, and the roles that people give here. Every function runs as the organization. */
import type pg from 'pg';
import { ForgewayError } from '../../lib/errors.js';
import type { Role } from '../access/roles.js';
import { audit } from '../audit.js';
import { applyMirror } from './apply.js';

export interface MemberSummary {
  userId: string;
  name: string;
  role: Role;
  origin: 'manual' | 'forge';
  /** `login@host` of each identity. */
  logins: readonly string[];
  teams: readonly string[];
}

export async function listMembers(tx: pg.PoolClient, organizationId: string): Promise<MemberSummary[]> {
  const { rows } = await tx.query<MemberSummary>(
    `SELECT m.user_id AS "userId", u.name, m.role, m.origin,
       ARRAY(SELECT i.login || '@' || i.host FROM identity i WHERE i.user_id = m.user_id ORDER BY 1) AS logins,
       ARRAY(SELECT t.slug FROM team_member tm JOIN team t ON t.id = tm.team_id
             WHERE tm.user_id = m.user_id AND tm.organization_id = $1 ORDER BY 1) AS teams
     FROM member m JOIN "user" u ON u.id = m.user_id WHERE m.organization_id = $1 ORDER BY u.name, m.user_id`,
    [organizationId],
  );
  return rows;
}

/** People of the linked organizations who have never signed in here. */
export async function listStrangers(
  tx: pg.PoolClient,
  organizationId: string,
): Promise<{ login: string; host: string; role: string }[]> {
  const { rows } = await tx.query<{ login: string; host: string; role: string }>(
    `SELECT DISTINCT ON (s.host, m.remote_user_id) m.login, s.host, m.role
     FROM forge_membership m JOIN organization_source s ON s.id = m.source_id
     WHERE m.organization_id = $1 AND NOT EXISTS (
       SELECT FROM identity i WHERE i.forge = s.forge AND i.host = s.host AND i.remote_id = m.remote_user_id)
     ORDER BY s.host, m.remote_user_id, m.of_organization DESC`,
    [organizationId],
  );
  return rows;
}

/**
 * Who is meant by an id, a login on a forge, or `login@host`, of all who have signed in here.
 * @throws ForgewayError FORGEWAY_PERSON_UNKNOWN when nobody is, or several are
 */
export async function personNamed(
  tx: pg.PoolClient,
  named: string,
): Promise<{ userId: string; name: string; logins: readonly string[] }> {
  const { rows } = await tx.query<{ userId: string; name: string; logins: string[] }>(
    `SELECT u.id AS "userId", u.name,
       ARRAY(SELECT i.login || '@' || i.host FROM identity i WHERE i.user_id = u.id ORDER BY 1) AS logins
     FROM "user" u WHERE u.id::text = $1 OR EXISTS (
       SELECT FROM identity i WHERE i.user_id = u.id AND lower($1) IN (lower(i.login), lower(i.login || '@' || i.host)))`,
    [named],
  );
  // Nobody can take an id for a login to stand in its owner's way.
  const found = rows.find(({ userId }) => userId === named) ?? rows[0];
  if (found !== undefined && (rows.length === 1 || found.userId === named)) return found;
  throw new ForgewayError(
    'FORGEWAY_PERSON_UNKNOWN',
    found === undefined
      ? `Nobody who signed in is ${named}.`
      : `Several people are called ${named}: ${rows.map(({ userId, logins }) => `${logins.join(' ')} (${userId})`).join(', ')}.`,
  );
}

async function keepAnOwner(tx: pg.PoolClient, organizationId: string, userId: string): Promise<void> {
  await tx.query('SELECT FROM organization WHERE id = $1 FOR NO KEY UPDATE', [organizationId]);
  const { rows } = await tx.query<{ last: boolean }>(
    `SELECT count(*) FILTER (WHERE user_id = $2) > 0 AND count(*) FILTER (WHERE user_id <> $2) = 0 AS last
     FROM member WHERE organization_id = $1 AND role = 'owner'`,
    [organizationId, userId],
  );
  if (rows[0]?.last)
    throw new ForgewayError('FORGEWAY_MEMBER_REFUSED', 'They are the only owner: make somebody else an owner first.');
}

/**
 * Gives a role by hand, which the mirror leaves alone from then on; `mirror` hands the person back to it. Whether the actor
 * may do so (`member.manage`, and `owner.manage` where an owner is made or unmade) is the caller's to decide.
 * @throws ForgewayError FORGEWAY_MEMBER_REFUSED when no owner would be left, or nobody has that id
 */
export async function giveRole(
  tx: pg.PoolClient,
  organizationId: string,
  o: { userId: string; role: Role | 'mirror'; by: string },
): Promise<void> {
  const { userId, role, by } = o;
  const { rowCount } = await tx.query('SELECT FROM "user" WHERE id = $1', [userId]);
  if (rowCount === 0)
    throw new ForgewayError('FORGEWAY_MEMBER_REFUSED', `Nobody with the id ${userId} has signed in here.`);
  if (role !== 'owner') await keepAnOwner(tx, organizationId, userId);
  if (role === 'mirror')
    await tx.query('DELETE FROM member WHERE organization_id = $1 AND user_id = $2', [organizationId, userId]);
  else
    await tx.query(
      `INSERT INTO member (organization_id, user_id, role, origin) VALUES ($1, $2, $3, 'manual')
       ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role, origin = 'manual', updated_at = now()`,
      [organizationId, userId, role],
    );
  await audit(tx, organizationId, 'member.given', `user ${userId}`, { role }, by);
  if (role === 'mirror') await applyMirror(tx, organizationId, by);
}

/**
 * Makes the administrator who sets up this installation the owner of an organization that has none. False when it has one:
 * then only an owner can make another. The caller has checked that the person is an administrator of the installation.
 */
export async function claimOwnership(tx: pg.PoolClient, organizationId: string, userId: string): Promise<boolean> {
  await tx.query('SELECT FROM organization WHERE id = $1 FOR NO KEY UPDATE', [organizationId]);
  const { rowCount } = await tx.query(`SELECT FROM member WHERE organization_id = $1 AND role = 'owner' LIMIT 1`, [
    organizationId,
  ]);
  if (rowCount !== 0) return false;
  await giveRole(tx, organizationId, { userId, role: 'owner', by: `user:${userId}` });
  return true;
}
