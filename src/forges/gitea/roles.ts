/** The forge's words for what somebody may do in a repository, as GitHub's; and who belongs to an organization. */
import { z } from 'zod';
import { findAs, readMemberList, readWholeList } from '../kit/member-list.js';
import { type NativeClient, segment } from '../kit/native-client.js';
import { readAs } from '../kit/poll-list.js';
import {
  type ForgeAccount,
  type ForgeOrganization,
  type ForgeRole,
  type ForgeRoles,
  higherRole,
  type MemberList,
} from '../roles.js';
import { administration } from './hooks.js';

/** GitHub's words, weakest first. */
type Permission = 'none' | 'read' | 'write' | 'admin';

const PERMISSIONS: Readonly<Record<string, Permission>> = {
  none: 'none',
  read: 'read',
  write: 'write',
  admin: 'admin',
  // An owner of the organization, or the repository's own account.
  owner: 'admin',
};

/**
 * GitHub's word for the `permission` in `GET /repos/{owner}/{repo}/collaborators/{user}/permission` and in teams. A word we
 * do not know is no permission: whoever asks decides by it who may run what.
 */
export function permissionOf(native: unknown): Permission {
  return typeof native === 'string' && Object.hasOwn(PERMISSIONS, native) ? (PERMISSIONS[native] ?? 'none') : 'none';
}

/** A team whose rights are set one by one is called `none`, and its people belong to the organization all the same. */
const ROLES: Readonly<Record<string, ForgeRole>> = { owner: 'owner', admin: 'admin', write: 'member' };
const roleOf = (permission: string): ForgeRole =>
  Object.hasOwn(ROLES, permission) ? (ROLES[permission] ?? 'reader') : 'reader';

/** Servers answer this many at most unless they are set up otherwise. */
const SIZE = ['limit', 50] as const;
const id = z.union([z.number(), z.string()]).transform(BigInt);
const userShape = z.looseObject({ id, login: z.string() });
const organizationShape = z.looseObject({ id, username: z.string(), full_name: z.string().nullish() });
const teamShape = z.looseObject({ id, name: z.string(), permission: z.string() });
const ownTeamShape = teamShape.extend({ organization: organizationShape.nullish() });
const foundUsers = z.looseObject({ data: z.array(userShape).nullish() });

const asOrganization = (one: z.output<typeof organizationShape>): ForgeOrganization => ({
  id: one.id,
  login: one.username,
  name: one.full_name || one.username,
  // No answer has the address of its pages.
  url: '',
});

/** By number: whoever is renamed keeps it, and whoever takes an old name has another one. */
async function loginNow(native: NativeClient, person: ForgeAccount): Promise<string | undefined> {
  const found = await findAs(native, `/users/${segment(person.login)}`, userShape);
  if (found?.id === person.id) return found.login;
  const answer = readAs(foundUsers, await native.get('/users/search', { uid: Number(person.id), limit: 1 }));
  return answer.data?.find((one) => one.id === person.id)?.login;
}

/**
 * Whoever is in a team of an organization belongs to it, with what the team may do; there is no other membership. A team is
 * no part of another.
 */
export const roles: ForgeRoles = {
  async organizations(native) {
    const found = new Map<bigint, ForgeOrganization & { role: ForgeRole }>();
    for (const team of await readWholeList(native, '/user/teams', {}, SIZE, ownTeamShape)) {
      if (team.organization == null) continue;
      const organization = asOrganization(team.organization);
      const role = higherRole(found.get(organization.id)?.role, roleOf(team.permission)) ?? 'reader';
      found.set(organization.id, { ...organization, role });
    }
    return [...found.values()];
  },
  repositories: (native) => administration.repositories(native),
  async find(native, login) {
    const found = await findAs(native, `/orgs/${segment(login)}`, organizationShape);
    return found && asOrganization(found);
  },
  async organization(native, known) {
    // An old name leads to the new one while nobody else has taken it; no call finds an organization by its number.
    const found = await roles.find(native, known.login);
    return found?.id === known.id ? found : undefined;
  },
  async roster(native, { login }) {
    const teams = await readWholeList(native, `/orgs/${segment(login)}/teams`, {}, SIZE, teamShape);
    const lists: MemberList[] = [];
    for (const team of teams) {
      const role = roleOf(team.permission);
      lists.push(
        await readMemberList(native, {
          key: `team:${team.id}`,
          team: team.id,
          ofOrganization: true,
          path: `/teams/${team.id}/members`,
          size: SIZE,
          etag: undefined,
          item: userShape.transform((one) => ({ id: one.id, login: one.login, role })),
        }),
      );
    }
    return {
      teams: teams.map((team) => ({ id: team.id, slug: team.name, name: team.name, url: null, parentId: null })),
      lists,
    };
  },
  async standing(native, { login: organization }, person, wanted) {
    const login = await loginNow(native, person);
    if (login === undefined) return undefined;
    const teams = await readWholeList(native, `/orgs/${segment(organization)}/teams`, {}, SIZE, teamShape);
    const asked = await Promise.all(
      teams.map(async (team) => {
        const found = await findAs(native, `/teams/${team.id}/members/${segment(login)}`, userShape);
        return found?.id === person.id ? { id: team.id, role: roleOf(team.permission) } : undefined;
      }),
    );
    const held = asked.filter((one) => one !== undefined);
    if (held.length === 0) return undefined;
    const role = held.map((one) => one.role).reduce<ForgeRole | undefined>(higherRole, undefined);
    return { login, role, teams: held.filter((one) => wanted.some((team) => team.id === one.id)) };
  },
};
