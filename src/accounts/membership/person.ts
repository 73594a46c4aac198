/** One person in one source, asked for now: at sign-in, and before an administrative action. */
import type pg from 'pg';
import type { NativeClient } from '../../forges/kit/native-client.js';
import { RouteFailure } from '../../forges/kit/route.js';
import { type ForgeAccount, type ForgeRole, higherRole, type Standing } from '../../forges/roles.js';
import { applyMirror, type MemberChange } from './apply.js';
import { actorOf, type MembershipPorts, rolesOf } from './ports.js';
import type { Source } from './sources.js';

interface StoredStand {
  team: bigint | null;
  ofOrganization: boolean;
  role: ForgeRole;
}

/** Teams whose people have another role here than the rest: the others make no difference. */
async function mappedTeams(tx: pg.PoolClient, source: Source): Promise<{ id: bigint; slug: string }[]> {
  const { rows } = await tx.query<{ id: bigint; slug: string }>(
    `SELECT vcs_team_id AS id, slug FROM team t WHERE source_id = $1
       AND EXISTS (SELECT FROM role_mapping r WHERE r.source_id = t.source_id AND r.team_remote_id = t.vcs_team_id)`,
    [source.id],
  );
  return rows;
}

async function storedStands(tx: pg.PoolClient, source: Source, person: ForgeAccount): Promise<StoredStand[]> {
  const { rows } = await tx.query<StoredStand>(
    `SELECT vcs_team_id AS team, of_organization AS "ofOrganization", role FROM forge_membership
     WHERE source_id = $1 AND remote_user_id = $2`,
    [source.id, person.id],
  );
  return rows;
}

function isSame(
  stored: readonly StoredStand[],
  standing: Standing | undefined,
  teams: readonly { id: bigint }[],
): boolean {
  const of = (stands: readonly StoredStand[]) =>
    stands.map((one) => one.role).reduce<ForgeRole | undefined>(higherRole, undefined);
  if (of(stored.filter((one) => one.ofOrganization)) !== standing?.role) return false;
  return teams.every(
    ({ id }) => of(stored.filter((one) => one.team === id)) === standing?.teams.find((team) => team.id === id)?.role,
  );
}

/** In place of the lists, until the next full reading: their etags do not hold for it, nor does a reading under way. */
async function writeStanding(
  tx: pg.PoolClient,
  source: Source,
  person: ForgeAccount,
  standing: Standing | undefined,
  teams: readonly { id: bigint }[],
  now: Date,
): Promise<void> {
  await tx.query(
    `UPDATE organization_source SET etags = '{}', reading = reading + 1, reading_until = NULL,
       asked_version = asked_version + 1, due_at = least(due_at, $2), updated_at = now() WHERE id = $1`,
    [source.id, now],
  );
  // Who is still there keeps the places in teams that were not asked for.
  const asked = standing === undefined ? null : teams.map((team) => team.id);
  await tx.query(
    `DELETE FROM forge_membership WHERE source_id = $1 AND remote_user_id = $2
       AND ($3::bigint[] IS NULL OR of_organization OR vcs_team_id = ANY($3))`,
    [source.id, person.id, asked],
  );
  if (standing === undefined) return;
  const rows = [
    ...(standing.role === undefined ? [] : [{ list: 'standing', team: null, of: true, role: standing.role }]),
    ...standing.teams.map(({ id, role }) => ({ list: `standing:${id}`, team: id, of: false, role })),
  ];
  for (const { list, team, of, role } of rows)
    await tx.query(
      `INSERT INTO forge_membership
         (source_id, list, remote_user_id, organization_id, vcs_team_id, of_organization, login, role, seen_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       ON CONFLICT (source_id, list, remote_user_id) DO UPDATE SET role = excluded.role, login = excluded.login,
         seen_at = excluded.seen_at`,
      [source.id, list, person.id, source.organizationId, team, of, standing.login, role, now],
    );
}

/**
 * Asks the forge what the person is, writes it down where it is not what was known, and gives the role here that follows.
 * Whatever is done meanwhile by a reading of the whole source gives way to it.
 *
 * @param own the client speaks as the person: a refusal means that they may not see the organization, so they are not in it
 * @throws RouteFailure, ForgewayError when the forge does not say; nothing was changed then
 */
export async function refreshPerson(
  { store, clock, ...ports }: MembershipPorts,
  source: Source,
  person: ForgeAccount,
  native: NativeClient,
): Promise<readonly MemberChange[]> {
  const roles = rolesOf({ ...ports }, source.forge);
  // By number first: asked by a name that another organization has taken, it would tell of that one's people.
  const organization = await roles.organization(native, { id: source.remoteId, login: source.login });
  if (organization === undefined)
    throw new RouteFailure(404, `${source.login} on ${source.host} is not there, or cannot be seen.`);
  const teams = await store.tenant(source.organizationId, (tx) => mappedTeams(tx, source));
  const standing = await roles.standing(native, organization, person, teams);
  return store.tenant(source.organizationId, async (tx) => {
    // One after the other with a reading that ends now.
    await tx.query('SELECT FROM organization_source WHERE id = $1 FOR UPDATE', [source.id]);
    const stored = await storedStands(tx, source, person);
    if (!isSame(stored, standing, teams)) await writeStanding(tx, source, person, standing, teams, clock.now());
    else
      await tx.query('UPDATE forge_membership SET seen_at = $3 WHERE source_id = $1 AND remote_user_id = $2', [
        source.id,
        person.id,
        clock.now(),
      ]);
    return applyMirror(tx, source.organizationId, actorOf(source));
  });
}

/** Whether the mirror knows the person in this source. */
export function isKnown(
  { store }: MembershipPorts,
  source: Source,
  person: Pick<ForgeAccount, 'id'>,
): Promise<boolean> {
  return store.tenant(source.organizationId, async (tx) => {
    const { rowCount } = await tx.query(
      'SELECT FROM forge_membership WHERE source_id = $1 AND remote_user_id = $2 LIMIT 1',
      [source.id, person.id],
    );
    return rowCount !== 0;
  });
}
