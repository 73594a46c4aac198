/** Writes down what a forge said of an organization. Runs as the organization, in the transaction that locks the source. */
import type pg from 'pg';
import type { ForgeTeam, MemberList, Roster } from '../../forges/roles.js';

async function writeTeams(
  tx: pg.PoolClient,
  source: { id: string; organizationId: string },
  teams: readonly ForgeTeam[],
  now: Date,
): Promise<void> {
  const ids = teams.map((team) => team.id);
  // Their people and what was mapped from them go with them.
  await tx.query('DELETE FROM team WHERE source_id = $1 AND NOT (vcs_team_id = ANY($2::bigint[]))', [source.id, ids]);
  await tx.query(
    'DELETE FROM role_mapping WHERE source_id = $1 AND team_remote_id IS NOT NULL AND NOT (team_remote_id = ANY($2::bigint[]))',
    [source.id, ids],
  );
  await tx.query(
    `INSERT INTO team (organization_id, source_id, vcs_team_id, vcs_parent_team_id, slug, name, url, vcs_synced_at)
     SELECT $1, $2, t.id, t.parent, t.slug, t.name, t.url, $8
       FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[]) AS t (id, parent, slug, name, url)
     ON CONFLICT (source_id, vcs_team_id) DO UPDATE SET vcs_parent_team_id = excluded.vcs_parent_team_id,
       slug = excluded.slug, name = excluded.name, url = excluded.url, vcs_synced_at = excluded.vcs_synced_at,
       updated_at = now()`,
    [
      source.organizationId,
      source.id,
      ids,
      teams.map((team) => team.parentId),
      teams.map((team) => team.slug),
      teams.map((team) => team.name),
      teams.map((team) => team.url),
      now,
    ],
  );
}

async function writeList(
  tx: pg.PoolClient,
  source: { id: string; organizationId: string },
  list: MemberList,
  now: Date,
): Promise<void> {
  if (list.members === 'unchanged') {
    await tx.query('UPDATE forge_membership SET seen_at = $3 WHERE source_id = $1 AND list = $2', [
      source.id,
      list.key,
      now,
    ]);
    return;
  }
  // A forge that names somebody twice on one list says the last of it.
  const members = [...new Map(list.members.map((one) => [one.id, one])).values()];
  const ids = members.map((one) => one.id);
  await tx.query(
    'DELETE FROM forge_membership WHERE source_id = $1 AND list = $2 AND NOT (remote_user_id = ANY($3::bigint[]))',
    [source.id, list.key, ids],
  );
  await tx.query(
    `INSERT INTO forge_membership
       (source_id, list, remote_user_id, organization_id, vcs_team_id, of_organization, login, role, seen_at)
     SELECT $1, $2, m.id, $3, $4, $5, m.login, m.role, $9
       FROM unnest($6::bigint[], $7::text[], $8::text[]) AS m (id, login, role)
     ON CONFLICT (source_id, list, remote_user_id) DO UPDATE SET vcs_team_id = excluded.vcs_team_id,
       of_organization = excluded.of_organization, login = excluded.login, role = excluded.role,
       seen_at = excluded.seen_at`,
    [
      source.id,
      list.key,
      source.organizationId,
      list.team,
      list.ofOrganization,
      ids,
      members.map((one) => one.login),
      members.map((one) => one.role),
      now,
    ],
  );
}

export async function writeRoster(
  tx: pg.PoolClient,
  source: { id: string; organizationId: string },
  { teams, lists }: Roster,
  now: Date,
): Promise<void> {
  await writeTeams(tx, source, teams, now);
  await tx.query('DELETE FROM forge_membership WHERE source_id = $1 AND NOT (list = ANY($2::text[]))', [
    source.id,
    lists.map((list) => list.key),
  ]);
  for (const list of lists) await writeList(tx, source, list, now);
}
