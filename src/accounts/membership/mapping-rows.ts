/** Rows of the mapping from roles on a forge to roles here. */
import type pg from 'pg';
import type { ForgeRole } from '../../forges/roles.js';
import { ForgewayError } from '../../lib/errors.js';
import { audit } from '../audit.js';
import { applyMirror, type MemberChange } from './apply.js';
import type { MappedRole } from './mapping.js';

export interface Mapping {
  /** Null: every source of the organization. */
  sourceId: string | null;
  /** Slug of a team of that source; null: the source itself. */
  team: string | null;
  forgeRole: ForgeRole | 'any';
}

export interface MappingSummary extends Mapping {
  role: MappedRole;
}

export async function listMappings(tx: pg.PoolClient): Promise<MappingSummary[]> {
  const { rows } = await tx.query<MappingSummary>(
    `SELECT r.source_id AS "sourceId", t.slug AS team, r.forge_role AS "forgeRole", r.role
     FROM role_mapping r LEFT JOIN team t ON t.source_id = r.source_id AND t.vcs_team_id = r.team_remote_id
     WHERE r.organization_id = current_organization() ORDER BY r.created_at, r.id`,
  );
  return rows;
}

/**
 * Sets or, with `undefined`, removes one row, and gives everybody the role that follows. The actor's right to do it is the
 * caller's to check. @throws ForgewayError FORGEWAY_SOURCE_REFUSED for a team that is not there
 */
export async function setMapping(
  tx: pg.PoolClient,
  organizationId: string,
  o: { mapping: Mapping; role: MappedRole | undefined; by: string },
): Promise<readonly MemberChange[]> {
  const { sourceId, team, forgeRole } = o.mapping;
  let teamId: bigint | null = null;
  if (team !== null) {
    const { rows } = await tx.query<{ id: bigint }>(
      'SELECT vcs_team_id AS id FROM team WHERE source_id = $1 AND slug = $2',
      [sourceId, team],
    );
    const found = rows[0]?.id;
    if (found === undefined)
      throw new ForgewayError(
        'FORGEWAY_SOURCE_REFUSED',
        `There is no team ${team} in it. It is known after the first reading, \`forgeway members sync\`.`,
      );
    teamId = found;
  }
  const key = [organizationId, sourceId, teamId, forgeRole];
  await tx.query(
    `DELETE FROM role_mapping WHERE organization_id = $1 AND source_id IS NOT DISTINCT FROM $2
       AND team_remote_id IS NOT DISTINCT FROM $3 AND forge_role = $4`,
    key,
  );
  if (o.role !== undefined)
    await tx.query(
      'INSERT INTO role_mapping (organization_id, source_id, team_remote_id, forge_role, role) VALUES ($1, $2, $3, $4, $5)',
      [...key, o.role],
    );
  const detail = { source: sourceId, team, forgeRole, role: o.role ?? 'default' };
  await audit(tx, organizationId, 'role.mapped', `role ${forgeRole}`, detail, o.by);
  return applyMirror(tx, organizationId, o.by);
}
