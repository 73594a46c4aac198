/** Who is served here before anybody of them has an account: accounts with an installation, and people of organizations. */
import type { NativeClient } from '../../forges/kit/native-client.js';
import type { Store } from '../../store/database.js';
import { type MembershipPorts, rolesOf } from './ports.js';

interface Place {
  forge: string;
  host: string;
}

/** Whether what somebody belongs to on this instance matters here at all. @param store as the worker role */
export async function hasSources(store: Store, { forge, host }: Place): Promise<boolean> {
  const { rowCount } = await store.pool.query(
    'SELECT FROM organization_source WHERE forge = $1 AND host = $2 LIMIT 1',
    [forge, host],
  );
  return rowCount === 1;
}

/**
 * Whether a person is served here: their own account has an installation, or they belong to an organization that is linked or
 * that the App is installed on. By number; an invitation that was not accepted is no membership.
 * @param native speaks with the person's own token
 * @throws RouteFailure, ForgewayError when the forge does not say
 */
export async function isServed(
  ports: Pick<MembershipPorts, 'store' | 'forges'>,
  person: Place & { remoteId: bigint },
  native: NativeClient,
): Promise<boolean> {
  const { forge, host, remoteId } = person;
  const { pool } = ports.store;
  const own = await pool.query(
    `SELECT FROM installation WHERE forge = $1 AND host = $2 AND account_id = $3 AND status = 'active' LIMIT 1`,
    [forge, host, remoteId],
  );
  if (own.rowCount === 1) return true;
  const organizations = await rolesOf(ports, forge).organizations(native);
  // The account of a connection is whoever's token it is, which on some forges is numbered apart from organizations.
  const { rowCount } = await pool.query(
    `SELECT FROM organization_source WHERE forge = $1 AND host = $2 AND remote_id = ANY ($3::bigint[])
     UNION ALL
     SELECT FROM installation WHERE forge = $1 AND host = $2 AND account_id = ANY ($3::bigint[]) AND status = 'active'
       AND connection_id IS NULL
     LIMIT 1`,
    [forge, host, organizations.map(({ id }) => id)],
  );
  return rowCount === 1;
}
