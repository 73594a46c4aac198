/** From a token of the API to the actor behind it. */
import type { Store } from '../../store/database.js';
import { seenAs } from '../../store/seen-as.js';
import { findToken } from '../api-tokens/rows.js';
import { hasTokenForm } from '../api-tokens/secret.js';
import type { Machine, Person } from './actor.js';
import { type Unconfirmed, worthOf } from './confirmed.js';
import { isRole, type Role } from './roles.js';

/** Everything known of a person by their id, or undefined when there is none. */
export type PersonOf = (userId: string) => Promise<Person | undefined>;

/** A person with their memberships, as far as forges have confirmed them lately. @param store opened as the api role */
export async function loadPerson(store: Store, userId: string, now = new Date()): Promise<Person | undefined> {
  return seenAs(store, { userId }, async (tx) => {
    const people = await tx.query<{ name: string; platform_admin: boolean; suspended: boolean }>(
      'SELECT name, platform_admin, suspended_at IS NOT NULL AS suspended FROM "user" WHERE id = $1',
      [userId],
    );
    const [found] = people.rows;
    if (found === undefined) return undefined;
    const { rows } = await tx.query<{ id: string; role: string; origin: string; confirmedAt: Date }>(
      'SELECT organization_id AS id, role, origin, confirmed_at AS "confirmedAt" FROM member WHERE user_id = $1',
      [userId],
    );
    const memberships = new Map<string, Role>();
    const unconfirmed = new Map<string, Unconfirmed>();
    for (const { id, role, origin, confirmedAt } of rows) {
      // A role that we do not know gives nothing.
      if (!isRole(role)) continue;
      const worth = origin === 'forge' ? worthOf(role, confirmedAt, now) : { role };
      if (worth.role !== undefined) memberships.set(id, worth.role);
      if (worth.unconfirmed !== undefined) unconfirmed.set(id, worth.unconfirmed);
    }
    return {
      kind: 'user',
      userId,
      name: found.name,
      platformAdmin: found.platform_admin,
      suspended: found.suspended,
      memberships,
      ...(unconfirmed.size > 0 && { unconfirmed }),
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
  const { id, name, scopes, role, organizationId, userId, expiresAt } = found;
  if (userId !== null) {
    const person = await personOf(userId);
    return (
      person && { ...person, token: { id, scopes, expiresAt, ...(organizationId !== null && { organizationId }) } }
    );
  }
  if (organizationId === null || role === null) return undefined;
  return { kind: 'machine', tokenId: id, name, organizationId, role, scopes, expiresAt };
}
