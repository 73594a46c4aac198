/** GitLab's access levels as GitHub's words for a permission. */

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
