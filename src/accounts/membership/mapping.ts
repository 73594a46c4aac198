/** Which role here a role on a forge gives. Rows of `role_mapping` say it; these are the defaults. */
import type { ForgeRole } from '../../forges/roles.js';
import { atLeast, type Role } from '../access/roles.js';

/** Nobody becomes owner by what a forge says: the type, the table and the member's own row leave it out. */
export const mappedRoles = ['none', 'viewer', 'member', 'maintainer', 'admin'] as const;
export type MappedRole = (typeof mappedRoles)[number];

/** Of the organization itself. A team gives no role unless a row says so. */
export const defaultMapping: Readonly<Record<ForgeRole, MappedRole>> = {
  owner: 'admin',
  admin: 'admin',
  maintainer: 'admin',
  member: 'member',
  reader: 'viewer',
};

export interface MappingRow {
  sourceId: string | null;
  team: bigint | null;
  forgeRole: ForgeRole | 'any';
  role: MappedRole;
}

/** That somebody stands on a list of a source. */
export interface Stand {
  sourceId: string;
  team: bigint | null;
  ofOrganization: boolean;
  role: ForgeRole;
  /** When the forge said so last. */
  seenAt: Date;
}

/** The nearest row counts: of the source before of all, of the one role before of any. */
function mapped(rows: readonly MappingRow[], stand: Stand, team: bigint | null): MappedRole | undefined {
  const nearness = (row: MappingRow) => (row.sourceId === null ? 0 : 2) + (row.forgeRole === 'any' ? 0 : 1);
  const fitting = rows
    .filter(
      (row) =>
        row.team === team &&
        (row.sourceId === null || row.sourceId === stand.sourceId) &&
        (row.forgeRole === 'any' || row.forgeRole === stand.role),
    )
    .sort((left, right) => nearness(right) - nearness(left));
  return fitting[0]?.role;
}

/** The most that any of the lists gives; undefined: no role. */
export function roleFrom(stands: readonly Stand[], rows: readonly MappingRow[]): GivenRole['role'] | undefined {
  return givenFrom(stands, rows)?.role;
}

export interface GivenRole {
  role: Exclude<Role, 'owner'>;
  /** When a list that gives this role was seen last: an older one beside it takes nothing away. */
  confirmedAt: Date;
}

/** The same, and how old that is. */
export function givenFrom(stands: readonly Stand[], rows: readonly MappingRow[]): GivenRole | undefined {
  let most: GivenRole | undefined;
  for (const stand of stands) {
    const given = [
      stand.ofOrganization ? (mapped(rows, stand, null) ?? defaultMapping[stand.role]) : 'none',
      stand.team === null ? undefined : mapped(rows, stand, stand.team),
    ];
    for (const role of given)
      if (role !== undefined && role !== 'none' && isMore({ role, confirmedAt: stand.seenAt }, most))
        most = { role, confirmedAt: stand.seenAt };
  }
  return most;
}

const isMore = (one: GivenRole, most: GivenRole | undefined): boolean =>
  most === undefined ||
  (atLeast(one.role, most.role) && (one.role !== most.role || one.confirmedAt > most.confirmedAt));
