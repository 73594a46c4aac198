/** What somebody who signs in belongs to, by their own token. */
import type { NativeClient } from '../../forges/kit/native-client.js';
import { RouteFailure } from '../../forges/kit/route.js';
import type { ForgeAccount } from '../../forges/roles.js';
import { pause } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import type { MemberChange } from './apply.js';
import { isKnown, refreshPerson } from './person.js';
import { type MembershipPorts, openSource, rolesOf } from './ports.js';
import { markDue, type Source, sourcesOfHost } from './sources.js';

/** Nobody waits longer than this to get in; what is learnt later is written down all the same. */
const PATIENCE_MS = 10_000;

export interface SignedIn {
  userId: string;
  /** As the forge told it to this sign-in, and stored before this is called. */
  identity: { forge: string; host: string; remoteId: bigint; login: string };
  /** Speaks with the person's own token; undefined when the sign-in gave none that may ask for organizations. */
  native: NativeClient | undefined;
}

export interface SignInOutcome {
  /** Linked organizations of the forge that the person is in, or was. */
  asked: readonly { source: string; organizationId: string; changes: readonly MemberChange[] }[];
  /** What could not be asked, in sentences for the log: the roles that were known before stand, until the next reading. */
  problems: readonly string[];
}

/** Never rejects for a forge that fails: whoever proved who they are gets in, with the roles that are known. */
export async function onSignIn(
  ports: MembershipPorts,
  who: SignedIn,
  patienceMs = PATIENCE_MS,
): Promise<SignInOutcome> {
  const { forge, host, remoteId, login } = who.identity;
  const sources = await sourcesOfHost(ports.store, forge, host);
  if (sources.length === 0) return { asked: [], problems: [] };
  const person: ForgeAccount = { id: remoteId, login };
  const asked: { source: string; organizationId: string; changes: readonly MemberChange[] }[] = [];
  const problems: string[] = [];
  const failed = (what: string, error: unknown) => {
    const problem = `${what}: ${redactText(messageOf(error))}`;
    problems.push(problem);
    ports.log.warn({ forge, host, err: problem }, 'a sign-in could not tell every membership');
  };

  const all = async () => {
    const own = await ownOrganizations(ports, who).catch((error: unknown) => {
      failed('The organizations of the person could not be listed', error);
      return new Set<bigint>();
    });
    const each = async (source: Source) => {
      const isListed = own.has(source.remoteId);
      try {
        if (!isListed && !(await isKnown(ports, source, person))) return;
        const changes =
          (isListed && (await asThemselves(ports, source, person, who.native))) ||
          (await asSource(ports, source, person));
        asked.push({ source: source.login, organizationId: source.organizationId, changes });
      } catch (error) {
        failed(source.login, error);
        await readSoon(ports, source);
      }
    };
    await Promise.all(sources.map(each));
  };
  const waiting = new AbortController();
  const late = pause(patienceMs, waiting.signal).then(() => false);
  const isDone = await Promise.race([all().then(() => true), late]);
  waiting.abort();
  if (!isDone) failed('The forge', new Error(`it did not answer within ${patienceMs / 1_000} s`));
  return { asked: [...asked], problems: [...problems] };
}

/** The mirror looks next, rather than when it would have. */
async function readSoon({ store, clock }: MembershipPorts, source: Source): Promise<void> {
  await store.tenant(source.organizationId, (tx) => markDue(tx, source, source.remoteId, { now: clock.now() }));
}

async function ownOrganizations(ports: MembershipPorts, { identity, native }: SignedIn): Promise<ReadonlySet<bigint>> {
  if (native === undefined) return new Set();
  const listed = await rolesOf(ports, identity.forge).organizations(native);
  return new Set(listed.map((one) => one.id));
}

/** Undefined where the person's token may not look: an organization can keep Apps of others out. */
async function asThemselves(
  ports: MembershipPorts,
  source: Source,
  person: ForgeAccount,
  native: NativeClient | undefined,
): Promise<readonly MemberChange[] | undefined> {
  if (native === undefined) return undefined;
  try {
    return await refreshPerson(ports, source, person, native);
  } catch (error) {
    if (error instanceof RouteFailure && (error.status === 403 || error.status === 404)) return undefined;
    throw error;
  }
}

async function asSource(
  ports: MembershipPorts,
  source: Source,
  person: ForgeAccount,
): Promise<readonly MemberChange[]> {
  const { native } = await openSource(ports, source);
  return refreshPerson(ports, source, person, native);
}
