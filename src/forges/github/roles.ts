/**
 * Members of an organization and of its teams.
 *
 * @see https://docs.github.com/rest/orgs/members, https://docs.github.com/rest/teams/members and
 *   https://docs.github.com/rest/users/users#get-a-user-using-their-id, which answers for organizations too
 */
import { z } from 'zod';
import type { ForgeRepository } from '../administration.js';
import { findAs, readMemberList, readWholeList } from '../kit/member-list.js';
import { type NativeClient, segment } from '../kit/native-client.js';
import { RouteFailure } from '../kit/route.js';
import type { ForgeAccount, ForgeOrganization, ForgeRole, ForgeRoles, MemberList, Standing } from '../roles.js';

const SIZE = ['per_page', 100] as const;
const id = z.union([z.number(), z.string()]).transform(BigInt);
const account = z.looseObject({ id, login: z.string() });
const organizationShape = account.extend({ name: z.string().nullish(), html_url: z.string().nullish() });
const teamShape = z.looseObject({
  id,
  slug: z.string(),
  name: z.string(),
  html_url: z.string().nullish(),
  parent: z.looseObject({ id }).nullish(),
});
/** `role` is `admin` for those whom its pages call owners. */
const membershipShape = z.looseObject({ state: z.string(), role: z.string(), user: account.nullish() });
const ownMembership = z.looseObject({ state: z.string(), role: z.string(), organization: account });
const teamMembership = z.looseObject({ state: z.string(), role: z.string() });
const repositoryShape = z.looseObject({
  id,
  name: z.string(),
  owner: z.looseObject({ login: z.string() }),
  html_url: z.string(),
  private: z.boolean().nullish(),
  default_branch: z.string().nullish(),
  permissions: z.looseObject({ admin: z.boolean().nullish(), push: z.boolean().nullish() }).nullish(),
});

/** A word that is not known gives nothing: `billing_manager` sees invoices, and no code. */
function roleOf(word: string): ForgeRole | undefined {
  if (word === 'admin') return 'owner';
  return word === 'member' ? 'member' : undefined;
}

const memberOf = (role: ForgeRole) => account.transform(({ id: number, login }) => ({ id: number, login, role }));

/** By number: whoever is renamed keeps it, and whoever takes an old name has another one. */
async function loginNow(native: NativeClient, known: ForgeAccount): Promise<string | undefined> {
  const found = await findAs(native, `/user/${known.id}`, account);
  return found?.id === known.id ? found.login : undefined;
}

async function membership(native: NativeClient, organization: string, person: ForgeAccount, login: string) {
  const path = `/orgs/${segment(organization)}/memberships/${segment(login)}`;
  const found = await findAs(native, path, membershipShape);
  return found?.user?.id === person.id ? found : undefined;
}

async function teamRole(
  native: NativeClient,
  organization: string,
  slug: string,
  login: string,
): Promise<ForgeRole | undefined> {
  const path = `/orgs/${segment(organization)}/teams/${segment(slug)}/memberships/${segment(login)}`;
  const found = await findAs(native, path, teamMembership);
  if (found?.state !== 'active') return undefined;
  return found.role === 'maintainer' ? 'maintainer' : 'member';
}

export const roles: ForgeRoles = {
  async organizations(native) {
    const own = await readWholeList(native, '/user/memberships/orgs', { state: 'active' }, SIZE, ownMembership);
    return own.flatMap(({ state, role: word, organization: { id: number, login } }) => {
      const role = state === 'active' ? roleOf(word) : undefined;
      // The list has no address of its pages; who asks for the organization itself gets it.
      return role === undefined ? [] : [{ id: number, login, name: login, url: '', role }];
    });
  },
  async *repositories(native): AsyncIterable<ForgeRepository> {
    for (let page = 1; ; page += 1) {
      const [name, size] = SIZE;
      const answer = await native.send('GET', '/user/repos', { query: { sort: 'full_name', [name]: size, page } });
      const found = z.array(repositoryShape).safeParse(answer.data);
      if (!found.success) throw new RouteFailure(502, 'The list of repositories was not understood.');
      for (const one of found.data)
        yield {
          id: one.id,
          owner: one.owner.login,
          name: one.name,
          url: one.html_url,
          private: one.private ?? true,
          defaultBranch: one.default_branch ?? null,
          mayHook: one.permissions?.admin ?? undefined,
          mayPush: one.permissions?.push ?? undefined,
        };
      if (answer.headers.get('link')?.includes('rel="next"') !== true) return;
    }
  },
  async find(native, login): Promise<ForgeOrganization | undefined> {
    const found = await findAs(native, `/orgs/${segment(login)}`, organizationShape);
    if (found === undefined) return undefined;
    return { id: found.id, login: found.login, name: found.name ?? found.login, url: found.html_url ?? '' };
  },
  async organization(native, known) {
    const found = await roles.find(native, known.login);
    if (found?.id === known.id) return found;
    const login = await loginNow(native, known);
    const renamed = login === undefined ? undefined : await roles.find(native, login);
    return renamed?.id === known.id ? renamed : undefined;
  },
  async roster(native, { login }, etags) {
    const at = `/orgs/${segment(login)}`;
    const list = (key: string, team: bigint | null, path: string, word: string, role: ForgeRole): Promise<MemberList> =>
      readMemberList(native, {
        key,
        team,
        ofOrganization: team === null,
        path,
        query: { role: word },
        size: SIZE,
        etag: etags[key],
        item: memberOf(role),
      });
    const lists = [
      await list('owners', null, `${at}/members`, 'admin', 'owner'),
      await list('members', null, `${at}/members`, 'member', 'member'),
    ];
    const teams = await readWholeList(native, `${at}/teams`, {}, SIZE, teamShape);
    for (const { id: number, slug } of teams)
      for (const role of ['maintainer', 'member'] as const)
        lists.push(await list(`team:${number}:${role}`, number, `${at}/teams/${segment(slug)}/members`, role, role));
    return {
      teams: teams.map(({ id: number, slug, name, html_url: url, parent }) => ({
        id: number,
        slug,
        name,
        url: url ?? null,
        parentId: parent?.id ?? null,
      })),
      lists,
    };
  },
  async standing(native, { login: organization }, person, teams): Promise<Standing | undefined> {
    let login = person.login;
    let found = await membership(native, organization, person, login);
    if (found === undefined) {
      const now = await loginNow(native, person);
      if (now === undefined || now === login) return undefined;
      login = now;
      found = await membership(native, organization, person, login);
    }
    const role = found?.state === 'active' ? roleOf(found.role) : undefined;
    // Whoever is in a team is in the organization.
    if (role === undefined) return undefined;
    const asked = await Promise.all(
      teams.map(async ({ id: number, slug }) => ({
        id: number,
        role: await teamRole(native, organization, slug, login),
      })),
    );
    return { login, role, teams: asked.flatMap((one) => (one.role === undefined ? [] : [{ ...one, role: one.role }])) };
  },
};
