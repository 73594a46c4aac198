/**
 * Who belongs to an organization of a forge, and as what. Each forge's own words end here: owner, admin, maintainer, member,
 * reader. Accounts are told apart by the forge's numeric id; a login only asks.
 */
import type { ForgeRepository } from './administration.js';
import type { NativeClient } from './kit/native-client.js';

/** From most to least. A role says what its holder may do on the forge; what they may do here is a mapping of ours. */
export const forgeRoles = ['owner', 'admin', 'maintainer', 'member', 'reader'] as const;
export type ForgeRole = (typeof forgeRoles)[number];

/** The higher of two; undefined counts as none. */
export function higherRole(left: ForgeRole | undefined, right: ForgeRole | undefined): ForgeRole | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return forgeRoles.indexOf(left) <= forgeRoles.indexOf(right) ? left : right;
}

export interface ForgeOrganization {
  id: bigint;
  /** As apps see it: a nested group is one segment. */
  login: string;
  name: string;
  url: string;
}

/** A team of an organization; on a forge with nested groups, a group below the one that is the organization. */
export interface ForgeTeam {
  id: bigint;
  slug: string;
  name: string;
  url: string | null;
  /** The team above it; null when that is the organization itself. */
  parentId: bigint | null;
}

export interface ForgeMember {
  id: bigint;
  login: string;
  role: ForgeRole;
}

/** One list of people that a forge gives. Its key is the same from one reading to the next. */
export interface MemberList {
  key: string;
  /** Null: of the organization itself. */
  team: bigint | null;
  /** Whether who stands on it belongs to the organization with that role; a team's list need not say so. */
  ofOrganization: boolean;
  /** `unchanged`: the same as when the etag was given. */
  members: readonly ForgeMember[] | 'unchanged';
  /** For the next time, where the forge gives one and the whole list stood on one page. */
  etag: string | null;
  /** More than a page: what is not on it may have moved to another page while it was read. */
  paged: boolean;
}

export interface Roster {
  teams: readonly ForgeTeam[];
  lists: readonly MemberList[];
}

/** Somebody on the forge. The login may be an old one, the id decides. */
export interface ForgeAccount {
  id: bigint;
  login: string;
}

/** What one person is in one organization, as it is now. */
export interface Standing {
  /** By now. */
  login: string;
  /** Undefined: in some of the teams, and not in the organization. */
  role: ForgeRole | undefined;
  /** Of the teams that were asked for, those that the person is in. */
  teams: readonly { id: bigint; role: ForgeRole }[];
}

export interface ForgeRoles {
  /** Organizations of the person or account that the token belongs to. @throws RouteFailure */
  organizations(native: NativeClient): Promise<readonly (ForgeOrganization & { role: ForgeRole })[]>;
  /** Repositories that the person of the token may see. */
  repositories(native: NativeClient): AsyncIterable<ForgeRepository>;
  /** By name, as a person types it. Undefined when there is none that the token may see. @throws RouteFailure */
  find(native: NativeClient, login: string): Promise<ForgeOrganization | undefined>;
  /**
   * As it is called now. Undefined when it is gone, the token may not see it any more, or its name belongs to another one.
   * @throws RouteFailure
   */
  organization(native: NativeClient, known: ForgeAccount): Promise<ForgeOrganization | undefined>;
  /**
   * Everybody in it and in its teams. `etags` are those of an earlier reading, by list.
   * @throws RouteFailure also when the token may not see who belongs to it: half a list is never given
   */
  roster(native: NativeClient, organization: ForgeAccount, etags: Readonly<Record<string, string>>): Promise<Roster>;
  /**
   * One person, in a few requests. Undefined: not there, whoever bears the login now.
   * @throws RouteFailure when the forge does not say, which is not the same as no
   */
  standing(
    native: NativeClient,
    organization: ForgeAccount,
    person: ForgeAccount,
    teams: readonly Pick<ForgeTeam, 'id' | 'slug'>[],
  ): Promise<Standing | undefined>;
}
