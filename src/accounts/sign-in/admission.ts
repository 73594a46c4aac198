/** Whether somebody whom a forge vouches for may come in: known and not suspended, or new and allowed by the policy. */
import type pg from 'pg';
import type { ForgeIdentity } from '../../forges/oauth.js';
import type { OutboundRoute } from '../../lib/outbound/outbound.js';
import { consumeSetupCode } from './codes.js';
import type { SignInClient } from './oauth-clients.js';
import { readSignUpPolicy } from './policy.js';

/** Why not; also what the page is told by `?error=`. */
export type Refusal =
  | 'suspended'
  | 'sign_up_closed'
  | 'not_in_organization'
  | 'organizations_unknown'
  | 'too_many_attempts'
  | 'setup_link_used';

export interface Vouched {
  client: SignInClient;
  identity: ForgeIdentity;
  accessToken: string;
  /** How the instance is reached, where that is not as usual. */
  route?: OutboundRoute;
  /** Hash of a setup code that this browser came with. */
  setup?: string;
}

export interface AdmissionPorts {
  /** Of the role of the API. */
  pool: pg.Pool;
  /** Whether the person, or an organization that they belong to there, is served here; `unknown`: the forge did not say. */
  isServed(vouched: Vouched): Promise<boolean | 'unknown'>;
}

export type Admission = { admitted: true; administrator: boolean } | { admitted: false; because: Refusal };

const no = (because: Refusal): Admission => ({ admitted: false, because });

async function findPerson(pool: pg.Pool, { client, identity }: Vouched): Promise<{ suspended: boolean } | undefined> {
  const { rows } = await pool.query<{ suspended: boolean }>(
    `SELECT u.suspended_at IS NOT NULL AS suspended FROM identity i JOIN "user" u ON u.id = i.user_id
     WHERE i.forge = $1 AND i.host = $2 AND i.remote_id = $3`,
    [client.endpoint.forge, client.endpoint.host, identity.id],
  );
  return rows[0];
}

/**
 * A setup code is used up by the first who comes with it, before anything is made for them: should the rest fail, there is
 * `forgeway admin link`. It lets in past the policy, never past a suspension.
 */
export async function admit(ports: AdmissionPorts, vouched: Vouched): Promise<Admission> {
  const person = await findPerson(ports.pool, vouched);
  if (person?.suspended) return no('suspended');
  if (vouched.setup !== undefined)
    return (await consumeSetupCode(ports.pool, vouched.setup))
      ? { admitted: true, administrator: true }
      : no('setup_link_used');
  const known: Admission = { admitted: true, administrator: false };
  if (person !== undefined) return known;
  const policy = await readSignUpPolicy(ports.pool);
  if (policy === 'open') return known;
  if (policy === 'closed') return no('sign_up_closed');
  const served = await ports.isServed(vouched);
  if (served === 'unknown') return no('organizations_unknown');
  return served ? known : no('not_in_organization');
}
