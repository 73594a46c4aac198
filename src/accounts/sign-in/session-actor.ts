/** The person behind a request, as the permission engine wants to know them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Store } from '../../store/database.js';
import type { Person } from '../access/actor.js';
import { isRole, type Role } from '../access/roles.js';
import type { SignIn } from './sign-in.js';
import { forHeaders } from './sign-in.js';

/** Undefined: nobody has signed in, or not any more. A suspended person is answered as such, and `decide` says no. */
export type SessionActor = (headers: IncomingHttpHeaders) => Promise<Person | undefined>;

/** @param store of the role of the API */
export function createSessionActor(signIn: Pick<SignIn, 'session'>, store: Store): SessionActor {
  return async (headers) => {
    const session = await signIn.session(forHeaders(headers));
    return session === undefined ? undefined : await personOf(store, session.userId);
  };
}

/** Rights of a user as they are now: nothing of them is remembered between two requests. */
async function personOf(store: Store, userId: string): Promise<Person | undefined> {
  const client = await store.pool.connect();
  try {
    await client.query('BEGIN READ ONLY');
    await client.query(`SELECT set_config('app.user_id', $1, true)`, [userId]);
    const people = await client.query<{ name: string; platform_admin: boolean; suspended: boolean }>(
      'SELECT name, platform_admin, suspended_at IS NOT NULL AS suspended FROM "user" WHERE id = $1',
      [userId],
    );
    const members = await client.query<{ organization_id: string; role: string }>(
      'SELECT organization_id, role FROM member WHERE user_id = $1',
      [userId],
    );
    await client.query('COMMIT');
    const [person] = people.rows;
    if (person === undefined) return undefined;
    // A role that this version does not know gives nothing.
    const known = members.rows.filter((row): row is { organization_id: string; role: Role } => isRole(row.role));
    return {
      kind: 'user',
      userId,
      name: person.name,
      platformAdmin: person.platform_admin,
      suspended: person.suspended,
      memberships: new Map(known.map((row) => [row.organization_id, row.role])),
    };
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}
