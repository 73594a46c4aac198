/** GitLab's access levels: as GitHub's words for a permission, and as roles in a group. */
import { z } from 'zod';
import { findAs, readMemberList, readWholeList } from '../kit/member-list.js';
import { segment } from '../kit/native-client.js';
import type { ForgeMember, ForgeOrganization, ForgeRole, ForgeRoles } from '../roles.js';
import { administration } from './hooks.js';
import { groupPath } from './references.js';

/** Lowest to highest, as `role_name` of GET /repos/{owner}/{repo}/collaborators/{username}/permission. */
export type PermissionWord = 'none' | 'read' | 'triage' | 'write' | 'maintain' | 'admin';

/** `GET /projects/:id/members/all`: each level includes those below it. Planner (15) reads code and works on issues. */
const LEVELS: readonly (readonly [level: number, word: PermissionWord])[] = [
  [50, 'admin'],
  [40, 'maintain'],
  [30, 'write'],
  [15, 'triage'],
  [10, 'read'],
];

/**
 * GitHub's word for an access level, which may be a custom role's base level. Minimal access (5) may not even read.
 *
 * @example permissionOf(30) // 'write'
 */
export function permissionOf(accessLevel: number): PermissionWord {
  return LEVELS.find(([level]) => accessLevel >= level)?.[1] ?? 'none';
}

/** Hooks name the level by its label in English. */
const NAMES: Readonly<Record<string, number>> = {
  guest: 10,
  planner: 15,
  reporter: 20,
  developer: 30,
  maintainer: 40,
  master: 40,
  owner: 50,
};

/** The level that a hook calls `Developer`; 0 for a name that is unknown, such as a custom role's. */
export function accessLevelOf(name: string | null | undefined): number {
  const key = (name ?? '').toLowerCase();
  return Object.hasOwn(NAMES, key) ? (NAMES[key] ?? 0) : 0;
}

/** What is less than a guest may not even read. */
const ROLES: readonly (readonly [level: number, role: ForgeRole])[] = [
  [50, 'owner'],
  [40, 'maintainer'],
  [30, 'member'],
  [10, 'reader'],
];
const roleOf = (level: number): ForgeRole | undefined => ROLES.find(([least]) => level >= least)?.[1];

const SIZE = ['per_page', 100] as const;
const BY_ID = { order_by: 'id', sort: 'asc' } as const;
const id = z.union([z.number(), z.string()]).transform(BigInt);
const groupShape = z.looseObject({
  id,
  name: z.string(),
  full_path: z.string(),
  parent_id: id.nullish(),
  web_url: z.string(),
});
const memberShape = z.looseObject({
  id,
  username: z.string(),
  access_level: z.number(),
  state: z.string().nullish(),
  membership_state: z.string().nullish(),
});

/** Somebody who is blocked, or whose membership waits for a seat, is on the list and may do nothing. */
const activeMember = memberShape.transform((one): ForgeMember | undefined => {
  const role = roleOf(one.access_level);
  const active = (one.state ?? 'active') === 'active' && (one.membership_state ?? 'active') === 'active';
  return active && role !== undefined ? { id: one.id, login: one.username, role } : undefined;
});

const loginOf = (fullPath: string): string => fullPath.replaceAll('/', '~');
const groupOf = (one: z.output<typeof groupShape>): ForgeOrganization => ({
  id: one.id,
  login: loginOf(one.full_path),
  name: one.name,
  url: one.web_url,
});

/** With those of the groups above it, and of groups that were invited to it. */
const membersPath = (group: bigint) => `/groups/${group}/members/all`;

/**
 * A group is an organization, the groups below it are its teams. Somebody in a group is in all groups below it.
 *
 * @see https://docs.gitlab.com/api/members and https://docs.gitlab.com/api/groups
 */
export const roles: ForgeRoles = {
  async organizations(native) {
    const found = new Map<bigint, ForgeOrganization & { role: ForgeRole }>();
    // Lists do not tell the level: the first of these lists that a group is on does.
    for (const [least, role] of ROLES) {
      const query = { min_access_level: least, ...BY_ID };
      for (const one of await readWholeList(native, '/groups', query, SIZE, groupShape))
        if (!found.has(one.id)) found.set(one.id, { ...groupOf(one), role });
    }
    return [...found.values()];
  },
  repositories: (native) => administration.repositories(native),
  async find(native, login) {
    const path = `/groups/${segment(groupPath(login))}?with_projects=false`;
    const found = await findAs(native, path, groupShape);
    return found && groupOf(found);
  },
  async organization(native, known) {
    const found = await findAs(native, `/groups/${known.id}?with_projects=false`, groupShape);
    return found && groupOf(found);
  },
  async roster(native, { id: group }, etags) {
    const list = (key: string, team: bigint | null, of: bigint) =>
      readMemberList(native, {
        key,
        team,
        ofOrganization: team === null,
        path: membersPath(of),
        size: SIZE,
        etag: etags[key],
        item: activeMember,
      });
    const below = await readWholeList(native, `/groups/${group}/descendant_groups`, BY_ID, SIZE, groupShape);
    const lists = [await list('members', null, group)];
    for (const one of below) lists.push(await list(`team:${one.id}`, one.id, one.id));
    const teams = below.map((one) => ({
      id: one.id,
      slug: loginOf(one.full_path),
      name: one.name,
      url: one.web_url,
      parentId: one.parent_id == null || one.parent_id === group ? null : one.parent_id,
    }));
    return { teams, lists };
  },
  async standing(native, { id: group }, person, teams) {
    const ask = (of: bigint) => findAs(native, `${membersPath(of)}/${person.id}`, activeMember);
    const asked = await Promise.all(teams.map(async (team) => ({ id: team.id, found: await ask(team.id) })));
    const own = await ask(group);
    const found = own ?? asked.find((one) => one.found !== undefined)?.found;
    if (found === undefined) return undefined;
    return {
      login: found.login,
      role: own?.role,
      teams: asked.flatMap((one) => (one.found === undefined ? [] : [{ id: one.id, role: one.found.role }])),
    };
  },
};
