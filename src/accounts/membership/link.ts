/** Linking an organization of a forge to one of ours. Whoever links it has to be able to speak for it. */

import { RouteFailure } from '../../forges/kit/route.js';
import type { ForgeOrganization, ForgeRoles } from '../../forges/roles.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { audit } from '../audit.js';
import { applyMirror, type MemberChange } from './apply.js';
import { actorOf, type MembershipPorts } from './ports.js';
import { insertSource, type Source } from './sources.js';

/** Who has less could claim what others own, since the first claim has it. */
const MAY_CLAIM: ReadonlySet<string> = new Set(['owner', 'admin', 'maintainer']);

interface Candidate {
  id: string;
  forge: string;
  host: string;
  virtualId: bigint;
  /** Of an App: whom it is installed for. */
  accountId: bigint | null;
  /** Of a connection by token: the token's account. */
  tokenAccount: string | null;
  tokenLogin: string | null;
}

export interface LinkWish {
  organizationId: string;
  /** As a person writes it: `acme`, or `acme/platform` where groups are nested. */
  login: string;
  /** Only through installations of this forge, or of this host. */
  forge?: string;
  host?: string;
  linkedBy: string;
}

/**
 * Finds an installation of ours through which the organization can be read and which proves the right to it: an App that is
 * installed on it, or a token whose account maintains it. The people come with the first reading.
 * @throws ForgewayError FORGEWAY_SOURCE_REFUSED, FORGEWAY_SOURCE_TAKEN
 */
export async function linkOrganization(
  ports: MembershipPorts,
  wish: LinkWish,
): Promise<{ id: string; isNew: boolean; organization: ForgeOrganization; forge: string; host: string }> {
  const { store, clock } = ports;
  const { organizationId, linkedBy } = wish;
  const candidates = await candidatesOf(ports, wish);
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const { id: installationId, forge, host } = candidate;
    const verified = await verify(ports, candidate, wish.login.replaceAll('/', '~'));
    if ('reason' in verified) {
      reasons.push(`${host}: ${verified.reason}`);
      continue;
    }
    const { organization } = verified;
    const source = { organizationId, forge, host, organization, installationId, linkedBy };
    const made = await store.tenant(organizationId, async (tx) => {
      const inserted = await insertSource(tx, source, clock.now());
      const detail = { forge, host, remoteId: organization.id.toString(), login: organization.login };
      await audit(tx, organizationId, 'organization.linked', `source ${inserted.id}`, detail, linkedBy);
      return inserted;
    });
    return { ...made, organization, forge, host };
  }
  throw new ForgewayError(
    'FORGEWAY_SOURCE_REFUSED',
    reasons.length === 0
      ? 'No connected forge has organizations. Install the App on the organization, or connect the forge with `forgeway connections add`.'
      : `${wish.login} cannot be linked. ${reasons.join(' ')}`,
  );
}

async function candidatesOf(
  { store }: MembershipPorts,
  { organizationId, forge, host }: LinkWish,
): Promise<Candidate[]> {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<Candidate>(
      `SELECT i.id, i.forge, i.host, i.virtual_id AS "virtualId",
         CASE WHEN i.connection_id IS NULL THEN i.account_id END AS "accountId",
         c.provider_account_id AS "tokenAccount", c.account_login AS "tokenLogin"
       FROM installation i LEFT JOIN connection c ON c.id = i.connection_id
       WHERE i.organization_id = $1 AND i.status = 'active' AND ($2::text IS NULL OR i.forge = $2)
         AND ($3::text IS NULL OR i.host = $3)
       ORDER BY i.created_at, i.id`,
      [organizationId, forge ?? null, host ?? null],
    );
    return rows;
  });
}

async function verify(
  ports: MembershipPorts,
  candidate: Candidate,
  login: string,
): Promise<{ organization: ForgeOrganization } | { reason: string }> {
  const roles: ForgeRoles | undefined = ports.forges.get(candidate.forge)?.roles;
  if (roles === undefined) return { reason: 'This forge has no organizations.' };
  try {
    const { native } = await ports.access(candidate.virtualId);
    const organization = await roles.find(native, login);
    if (organization === undefined) return { reason: 'There is no such organization, or it cannot be seen from here.' };
    if (candidate.tokenAccount === null)
      return candidate.accountId === organization.id
        ? { organization }
        : { reason: 'The App is not installed on it; an installation on another account proves nothing.' };
    const account = { id: BigInt(candidate.tokenAccount), login: candidate.tokenLogin ?? '' };
    const standing = await roles.standing(native, organization, account, []);
    return standing?.role !== undefined && MAY_CLAIM.has(standing.role)
      ? { organization }
      : {
          reason: `${account.login}, whose token is connected, is ${standing?.role ?? 'nobody'} there: it takes a maintainer.`,
        };
  } catch (error) {
    if (error instanceof RouteFailure || error instanceof ForgewayError)
      return { reason: `It could not be asked: ${messageOf(error)}` };
    throw error;
  }
}

/** Whoever has a role through it alone loses it at once. */
export async function unlinkOrganization(
  { store }: MembershipPorts,
  source: Source,
  by: string,
): Promise<readonly MemberChange[]> {
  return store.tenant(source.organizationId, async (tx) => {
    await tx.query('DELETE FROM organization_source WHERE id = $1', [source.id]);
    const detail = {
      forge: source.forge,
      host: source.host,
      remoteId: source.remoteId.toString(),
      login: source.login,
    };
    await audit(tx, source.organizationId, 'organization.unlinked', `source ${source.id}`, detail, by);
    return applyMirror(tx, source.organizationId, actorOf(source));
  });
}
