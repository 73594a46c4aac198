/** Roles for administrative actions: what the mirror says may be five minutes old, so the forge is asked now. */
import { pause } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import type { Role } from '../access/roles.js';
import { applyMirror } from './apply.js';
import { isKnown, refreshPerson } from './person.js';
import { type MembershipPorts, openSource } from './ports.js';
import { listSources } from './sources.js';

/** An administrator waits this long for the forge, then is told no. */
const PATIENCE_MS = 5_000;

export interface FreshMemberships {
  /** By organization; one that is missing means no role, or none that could be made sure of. */
  roles: ReadonlyMap<string, Role>;
  /** Why an organization is missing although there may be a role, in one sentence for the person. */
  unknown: ReadonlyMap<string, string>;
}

/**
 * The roles that a person has now in these organizations. A role that a person gave here is as it stands; one that comes from
 * a forge counts only after the forge has said it again. A forge that does not answer in time means no.
 */
export async function freshMemberships(
  ports: MembershipPorts,
  o: { userId: string; organizationIds: readonly string[]; patienceMs?: number },
): Promise<FreshMemberships> {
  const { userId, patienceMs = PATIENCE_MS } = o;
  const roles = new Map<string, Role>();
  const unknown = new Map<string, string>();
  const each = async (organizationId: string) => {
    const stored = await memberOf(ports, organizationId, userId);
    if (stored === undefined) return;
    if (stored.origin === 'manual') {
      roles.set(organizationId, stored.role);
      return;
    }
    const problem = await within(patienceMs, askForge(ports, organizationId, userId));
    if (problem !== undefined) {
      unknown.set(organizationId, problem);
      return;
    }
    const now = await memberOf(ports, organizationId, userId);
    if (now !== undefined) roles.set(organizationId, now.role);
  };
  await Promise.all([...new Set(o.organizationIds)].map(each));
  return { roles, unknown };
}

function memberOf({ store }: MembershipPorts, organizationId: string, userId: string) {
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ role: Role; origin: 'manual' | 'forge' }>(
      'SELECT role, origin FROM member WHERE organization_id = $1 AND user_id = $2',
      [organizationId, userId],
    );
    return rows[0];
  });
}

async function within(patienceMs: number, asking: Promise<string | undefined>): Promise<string | undefined> {
  const waiting = new AbortController();
  const late = pause(patienceMs, waiting.signal).then(
    () => 'The forge did not answer in time, so your role could not be confirmed. Try again in a moment.',
  );
  try {
    return await Promise.race([asking, late]);
  } finally {
    waiting.abort();
  }
}

/** Every source that gives the person something; a sentence when one of them could not be asked. */
async function askForge(ports: MembershipPorts, organizationId: string, userId: string): Promise<string | undefined> {
  const { rows: identities } = await ports.store.pool.query<{
    forge: string;
    host: string;
    id: bigint;
    login: string;
  }>('SELECT forge, host, remote_id AS id, login FROM identity WHERE user_id = $1', [userId]);
  const sources = await listSources(ports.store, organizationId);
  const pairs = sources.flatMap((source) =>
    identities
      .filter(({ forge, host }) => forge === source.forge && host === source.host)
      .map((person) => ({ source, person })),
  );
  let asked = 0;
  const problems = await Promise.all(
    pairs.map(async ({ source, person }) => {
      try {
        if (!(await isKnown(ports, source, person))) return undefined;
        asked += 1;
        const { native } = await openSource(ports, source);
        await refreshPerson(ports, source, person, native);
        return undefined;
      } catch (error) {
        const text = redactText(messageOf(error));
        ports.log.warn({ source: source.login, host: source.host, err: text }, 'a role could not be confirmed');
        return `${source.host} could not be asked for your role in ${source.login}: ${text}`;
      }
    }),
  );
  // Nothing gives them the role any more, such as after they took an identity off their account.
  if (asked === 0) await ports.store.tenant(organizationId, (tx) => applyMirror(tx, organizationId, `user:${userId}`));
  return problems.find((one) => one !== undefined);
}
