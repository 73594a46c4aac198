/** From what a forge said of people to the roles that they have here. Every function runs as the organization. */
import type pg from 'pg';
import type { ForgeRole } from '../../forges/roles.js';
import type { Role } from '../access/roles.js';
import { givenFrom, type MappedRole, type MappingRow, roleFrom, type Stand } from './mapping.js';

export interface MemberChange {
  kind: 'added' | 'changed' | 'removed';
  userId: string;
  /** The role now; of somebody removed, the one they had. */
  role: Role;
  from?: Role;
}

export async function readMapping(tx: pg.PoolClient): Promise<MappingRow[]> {
  const { rows } = await tx.query<{
    sourceId: string | null;
    team: bigint | null;
    forgeRole: ForgeRole | 'any';
    role: MappedRole;
  }>(
    `SELECT source_id AS "sourceId", team_remote_id AS team, forge_role AS "forgeRole", role FROM role_mapping
     WHERE organization_id = current_organization()`,
  );
  return rows;
}

/** By person of ours. Whoever has not signed in yet is nobody here. */
async function standsByUser(tx: pg.PoolClient): Promise<Map<string, Stand[]>> {
  const { rows } = await tx.query<Stand & { userId: string }>(
    `SELECT i.user_id AS "userId", m.source_id AS "sourceId", m.vcs_team_id AS team,
       m.of_organization AS "ofOrganization", m.role, m.seen_at AS "seenAt"
     FROM forge_membership m JOIN organization_source s ON s.id = m.source_id
       JOIN identity i ON i.forge = s.forge AND i.host = s.host AND i.remote_id = m.remote_user_id
     WHERE m.organization_id = current_organization()`,
  );
  const found = new Map<string, Stand[]>();
  for (const { userId, ...stand } of rows) found.set(userId, [...(found.get(userId) ?? []), stand]);
  return found;
}

async function note(tx: pg.PoolClient, organizationId: string, actor: string, change: MemberChange): Promise<void> {
  const { kind, userId, role, from } = change;
  await tx.query(
    `INSERT INTO audit_entry (organization_id, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)`,
    [organizationId, actor, `member.${kind}`, `user ${userId}`, JSON.stringify({ role, ...(from && { from }) })],
  );
}

/**
 * Makes members and people of teams what the mirror says now, over all sources of the organization. Members whom a person
 * gave their role here are left as they are. `actor` stands in the trail. Two of these wait for each other.
 */
export async function applyMirror(tx: pg.PoolClient, organizationId: string, actor: string): Promise<MemberChange[]> {
  await tx.query('SELECT FROM organization WHERE id = $1 FOR NO KEY UPDATE', [organizationId]);
  const mapping = await readMapping(tx);
  const stands = await standsByUser(tx);
  const known = await tx.query<{ userId: string; role: Role; origin: 'manual' | 'forge' }>(
    'SELECT user_id AS "userId", role, origin FROM member WHERE organization_id = $1',
    [organizationId],
  );
  const members = new Map(known.rows.map((row) => [row.userId, row]));
  const changes: MemberChange[] = [];
  const confirmed: [string, Date][] = [];

  for (const [userId, its] of stands) {
    const given = givenFrom(its, mapping);
    const member = members.get(userId);
    if (given === undefined) continue;
    const { role } = given;
    confirmed.push([userId, given.confirmedAt]);
    if (member?.origin === 'manual' || member?.role === role) continue;
    await tx.query(
      `INSERT INTO member (organization_id, user_id, role, origin) VALUES ($1, $2, $3, 'forge')
       ON CONFLICT (organization_id, user_id) DO UPDATE SET role = excluded.role, updated_at = now()
         WHERE member.origin = 'forge'`,
      [organizationId, userId, role],
    );
    changes.push(
      member === undefined ? { kind: 'added', userId, role } : { kind: 'changed', userId, role, from: member.role },
    );
  }
  await tx.query(
    `UPDATE member m SET confirmed_at = c.at FROM unnest($2::text[], $3::timestamptz[]) AS c (user_id, at)
     WHERE m.organization_id = $1 AND m.user_id = c.user_id AND m.origin = 'forge' AND m.confirmed_at <> c.at`,
    [organizationId, confirmed.map(([userId]) => userId), confirmed.map(([, at]) => at)],
  );
  for (const { userId, role, origin } of known.rows) {
    if (origin === 'manual' || roleFrom(stands.get(userId) ?? [], mapping) !== undefined) continue;
    await tx.query(`DELETE FROM member WHERE organization_id = $1 AND user_id = $2 AND origin = 'forge'`, [
      organizationId,
      userId,
    ]);
    changes.push({ kind: 'removed', userId, role });
  }
  for (const change of changes) await note(tx, organizationId, actor, change);
  await applyTeams(tx, organizationId);
  return changes;
}

/** Somebody on two lists of one team, as on a forge that lists its maintainers apart, has the higher role. */
async function applyTeams(tx: pg.PoolClient, organizationId: string): Promise<void> {
  const wanted = `SELECT DISTINCT ON (t.id, i.user_id) t.id AS team_id, i.user_id, m.role
    FROM forge_membership m JOIN organization_source s ON s.id = m.source_id
      JOIN team t ON t.source_id = m.source_id AND t.vcs_team_id = m.vcs_team_id
      JOIN identity i ON i.forge = s.forge AND i.host = s.host AND i.remote_id = m.remote_user_id
    WHERE m.organization_id = $1
    ORDER BY t.id, i.user_id, array_position(ARRAY['owner', 'admin', 'maintainer', 'member', 'reader'], m.role)`;
  await tx.query(
    `DELETE FROM team_member tm WHERE tm.organization_id = $1 AND tm.origin = 'forge'
       AND NOT EXISTS (SELECT FROM (${wanted}) w WHERE w.team_id = tm.team_id AND w.user_id = tm.user_id)`,
    [organizationId],
  );
  await tx.query(
    `INSERT INTO team_member (organization_id, team_id, user_id, role, origin)
     SELECT $1, w.team_id, w.user_id, w.role, 'forge' FROM (${wanted}) w
     ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role
       WHERE team_member.origin = 'forge' AND team_member.role <> excluded.role`,
    [organizationId],
  );
}
