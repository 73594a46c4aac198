/** What teams may do in a workspace. Every function runs in one transaction that has named the tenant. */
import type pg from 'pg';

export const teamAccesses = ['read', 'plan', 'write', 'admin'] as const;
export type TeamAccess = (typeof teamAccesses)[number];

export interface TeamAccessRow {
  id: string;
  workspaceId: string;
  teamId: string;
  teamName: string;
  access: TeamAccess;
}

const SELECT = `SELECT a.id, a.workspace_id AS "workspaceId", a.team_id AS "teamId", t.name AS "teamName", a.access
  FROM workspace_team a JOIN team t ON t.id = a.team_id`;

/** Those of every team that this person is in. */
export async function teamAccessOf(tx: pg.PoolClient, workspaceId: string, userId: string): Promise<TeamAccess[]> {
  const { rows } = await tx.query<{ access: TeamAccess }>(
    `SELECT a.access FROM workspace_team a JOIN team_member m ON m.team_id = a.team_id
     WHERE a.workspace_id = $1 AND m.user_id = $2`,
    [workspaceId, userId],
  );
  return rows.map(({ access }) => access);
}

export async function listTeamAccess(tx: pg.PoolClient, workspaceId: string): Promise<TeamAccessRow[]> {
  const { rows } = await tx.query<TeamAccessRow>(`${SELECT} WHERE a.workspace_id = $1 ORDER BY t.name`, [workspaceId]);
  return rows;
}

export async function getTeamAccess(tx: pg.PoolClient, id: string): Promise<TeamAccessRow | undefined> {
  const { rows } = await tx.query<TeamAccessRow>(`${SELECT} WHERE a.id = $1`, [id]);
  return rows[0];
}

/** Answers its id; undefined: there is no such team. One that it had is replaced. */
export async function setTeamAccess(
  tx: pg.PoolClient,
  organizationId: string,
  o: { workspaceId: string; teamId: string; access: TeamAccess },
): Promise<string | undefined> {
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO workspace_team (organization_id, workspace_id, team_id, access)
     SELECT $1, $2, t.id, $4 FROM team t WHERE t.id = $3
     ON CONFLICT (workspace_id, team_id) DO UPDATE SET access = excluded.access RETURNING id`,
    [organizationId, o.workspaceId, o.teamId, o.access],
  );
  return rows[0]?.id;
}

export async function deleteTeamAccess(tx: pg.PoolClient, id: string): Promise<void> {
  await tx.query('DELETE FROM workspace_team WHERE id = $1', [id]);
}
