/** From a token of the API to the actor behind it. */
import type { Store } from '../../store/database.js';
import { seenAs } from '../../store/seen-as.js';
import { findToken } from '../api-tokens/rows.js';
import { hasTokenForm } from '../api-tokens/secret.js';
import type { Machine, Person } from './actor.js';
import { isRole, type Role } from './roles.js';

/** Everything known of a person by their id, or undefined when there is none. */
export type PersonOf = (userId: string) => Promise<Person | undefined>;

/** A person with their memberships. @param store opened as the api role */
export async function loadPerson(store: Store, userId: string): Promise<Person | undefined> {
  return seenAs(store, { userId }, async (tx) => {
    const people = await tx.query<{ name: string; platform_admin: boolean; suspended: boolean }>(
      'SELECT name, platform_admin, suspended_at IS NOT NULL AS suspended FROM "user" WHERE id = $1',
      [userId],
    );
    const [found] = people.rows;
    if (found === undefined) return undefined;
    const { rows } = await tx.query<{ organization_id: string; role: string }>(
      'SELECT organization_id, role FROM member WHERE user_id = $1',
      [userId],
    );
    // A role that we do not know gives nothing.
    const known = rows.flatMap(({ organization_id: id, role }) => (isRole(role) ? [[id, role] as const] : []));
    return {
      kind: 'user',
      userId,
      name: found.name,
      platformAdmin: found.platform_admin,
      suspended: found.suspended,
      memberships: new Map<string, Role>(known),
    };
  });
}

/** Undefined for a token that is unknown, expired, revoked, or whose owner is gone: a caller is not told which. */
export async function callerOfToken(
  store: Store,
  token: string,
  personOf: PersonOf,
): Promise<Person | Machine | undefined> {
  if (!hasTokenForm(token)) return undefined;
  const found = await findToken(store, token);
  if (found === undefined) return undefined;
  const { id, name, scopes, role, organizationId, userId } = found;
  if (userId !== null) {
    const person = await personOf(userId);
    return person && { ...person, token: { id, scopes, ...(organizationId !== null && { organizationId }) } };
  }
  if (organizationId === null || role === null) return undefined;
  return { kind: 'machine', tokenId: id, name, organizationId, role, scopes };
}
