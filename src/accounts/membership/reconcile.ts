/**
 * The one reconciler of members: reads who belongs to an organization on its forge, writes it down, and makes roles here what
 * follows from it. It is told nothing but which source to look at: at sign-in, by a webhook and by time it does the same.
 */
import { RouteFailure } from '../../forges/kit/route.js';
import type { ForgeMember, ForgeOrganization, MemberList, Roster } from '../../forges/roles.js';
import { retryAfter, retryDelay } from '../../lib/backoff.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { redactText } from '../../lib/redact.js';
import { audit } from '../audit.js';
import { applyMirror, type MemberChange } from './apply.js';
import { actorOf, type MembershipPorts, openSource } from './ports.js';
import { beginReading, type Source } from './sources.js';
import { writeRoster } from './write-roster.js';

/** What is removed on a forge is removed here five minutes later at most: the rest is for the reading itself. */
export const REFRESH_MS = 240_000;
/** How long a reading is believed to go on after its process was heard of last. */
const LEASE_MS = 60_000;
const SHORTEST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 3_600_000;

export type Reconciled =
  | { kind: 'applied'; changes: readonly MemberChange[]; people: number; teams: number }
  /** Another process reads it just now. */
  | { kind: 'busy' }
  /** A newer reading, or something newer that was learnt of a person, came in between; it is due again. */
  | { kind: 'overtaken' }
  /** Nothing was changed. The sentence is for a person. */
  | { kind: 'failed'; reason: string };

type Begun = NonNullable<Awaited<ReturnType<typeof beginReading>>>;

/** Never rejects for a forge that fails: the source then says why, and is tried again. */
export async function reconcileMembership(ports: MembershipPorts, source: Source): Promise<Reconciled> {
  const { store, clock, log } = ports;
  const begun = await beginReading(store, source, { now: clock.now(), leaseMs: LEASE_MS });
  if (begun === undefined) return { kind: 'busy' };
  const beat = setInterval(() => void keepReading(ports, source, begun), LEASE_MS / 3).unref();
  try {
    const { organization, roster, ended } = await read(ports, source, begun);
    const result = await write(ports, source, begun, { organization, roster, ended });
    if (ended !== undefined && source.reason !== ENDED[ended])
      log.warn(
        { source: source.login, host: source.host, reason: ENDED[ended] },
        'an organization gives no roles any more',
      );
    if (result.kind === 'applied' && result.changes.length > 0)
      log.info({ source: source.login, host: source.host, changes: result.changes.length }, 'members changed');
    return result;
  } catch (error) {
    const reason = redactText(messageOf(error));
    log.warn({ source: source.login, host: source.host, err: reason }, 'members were not read; tried again later');
    await noteFailure(ports, source, begun, error, reason);
    return { kind: 'failed', reason };
  } finally {
    clearInterval(beat);
  }
}

async function keepReading(ports: MembershipPorts, source: Source, begun: Begun): Promise<void> {
  const until = new Date(ports.clock.now().getTime() + LEASE_MS);
  try {
    await ports.store.tenant(source.organizationId, (tx) =>
      tx.query('UPDATE organization_source SET reading_until = $3 WHERE id = $1 AND reading = $2', [
        source.id,
        begun.reading,
        until,
      ]),
    );
  } catch (error) {
    // The reading itself meets the same database when it ends.
    ports.log.debug({ err: messageOf(error) }, 'a reading of members could not be kept');
  }
}

class Gone extends Error {}

/**
 * One answer that it is not there may be a mishap of the forge, or of what stands before it; a second one this much later is
 * believed. Together with REFRESH_MS it is less than five minutes.
 */
const CONFIRM_MS = 30_000;

/** Why nobody has a role through it any more. */
const ENDED = {
  told: 'It was deleted on the forge; nobody has a role through it any more.',
  missing:
    'It is not there any more, or the account or App that asks may not see it any more, as two answers said: nobody has a role through it. Roles come back when it can be read again; `forgeway organizations unlink` ends it.',
} as const;

async function read(
  ports: MembershipPorts,
  source: Source,
  begun: Begun,
): Promise<{ organization: ForgeOrganization; roster: Roster; ended?: keyof typeof ENDED }> {
  const { roles, native } = await openSource(ports, source);
  const known = { id: source.remoteId, login: source.login };
  const organization = await roles.organization(native, known);
  if (organization === undefined) {
    const left = { organization: { ...source, id: source.remoteId }, roster: { teams: [], lists: [] } };
    if (source.toldDeleted) return { ...left, ended: 'told' };
    const { missingSince } = source;
    if (missingSince !== null && ports.clock.now().getTime() - missingSince.getTime() >= CONFIRM_MS)
      return { ...left, ended: 'missing' };
    throw new Gone(
      `${source.login} is not there any more, or cannot be seen any more with this installation or token. Nothing was changed yet: it is asked once more.`,
    );
  }
  const place = { id: organization.id, login: organization.login };
  const first = await roles.roster(native, place, begun.etags);
  if (!(await losesFromPages(ports, source, first))) return { organization, roster: first };
  // Whoever left while pages were turned moved somebody else from one to the other, who was seen on neither.
  return { organization, roster: united(first, await roles.roster(native, place, {})) };
}

/** Whether somebody would lose a place on a list of several pages. */
async function losesFromPages({ store }: MembershipPorts, source: Source, roster: Roster): Promise<boolean> {
  const paged = roster.lists.filter((list) => list.paged && list.members !== 'unchanged');
  if (paged.length === 0) return false;
  return store.tenant(source.organizationId, async (tx) => {
    const { rows } = await tx.query<{ list: string; id: bigint }>(
      'SELECT list, remote_user_id AS id FROM forge_membership WHERE source_id = $1 AND list = ANY($2::text[])',
      [source.id, paged.map((list) => list.key)],
    );
    return paged.some((list) => {
      const seen = new Set(list.members === 'unchanged' ? [] : list.members.map((one) => one.id));
      return rows.some((row) => row.list === list.key && !seen.has(row.id));
    });
  });
}

function united(first: Roster, second: Roster): Roster {
  const before = new Map(first.lists.map((list) => [list.key, list.members]));
  const lists = second.lists.map((list): MemberList => {
    const earlier = before.get(list.key);
    if (list.members === 'unchanged' || earlier === undefined || earlier === 'unchanged') return list;
    const seen = new Map<bigint, ForgeMember>([...earlier, ...list.members].map((one) => [one.id, one]));
    return { ...list, members: [...seen.values()], etag: null };
  });
  return { ...second, lists };
}

async function write(
  { store, clock }: MembershipPorts,
  source: Source,
  begun: Begun,
  { organization, roster, ended }: Awaited<ReturnType<typeof read>>,
): Promise<Reconciled> {
  return store.tenant(source.organizationId, async (tx): Promise<Reconciled> => {
    const now = clock.now();
    const { rows } = await tx.query<{ reading: bigint; asked: bigint; reason: string | null }>(
      'SELECT reading, asked_version AS asked, reason FROM organization_source WHERE id = $1 FOR UPDATE',
      [source.id],
    );
    const stored = rows[0];
    // Unlinked meanwhile, or read by somebody who began later.
    if (stored === undefined || stored.reading !== begun.reading) return { kind: 'overtaken' };
    // Its teams and what is mapped from them stay where nobody told of its end: it may be seen again.
    if (ended === 'missing') await tx.query('DELETE FROM forge_membership WHERE source_id = $1', [source.id]);
    else await writeRoster(tx, source, roster, now);
    const etags = Object.fromEntries(roster.lists.flatMap(({ key, etag }) => (etag === null ? [] : [[key, etag]])));
    await tx.query(
      `UPDATE organization_source SET login = $2, name = $3, url = CASE WHEN $4 = '' THEN url ELSE $4 END,
         state = CASE WHEN $9::text IS NULL THEN 'ok' ELSE 'gone' END,
         reason = $9::text, missing_since = CASE WHEN $9::text IS NULL THEN NULL ELSE coalesce(missing_since, $6::timestamptz) END,
         etags = $5::jsonb, failures = 0, read_at = $6::timestamptz, told_deleted = told_deleted AND $9::text IS NOT NULL, reading_until = NULL,
         due_at = CASE WHEN asked_version = $7::bigint THEN $8::timestamptz
           ELSE $6::timestamptz + interval '5 seconds' END, updated_at = now()
       WHERE id = $1`,
      [
        source.id,
        organization.login,
        organization.name,
        organization.url,
        JSON.stringify(etags),
        now,
        begun.askedVersion,
        new Date(now.getTime() + REFRESH_MS),
        ended === undefined ? null : ENDED[ended],
      ],
    );
    // Once, where administrators look.
    if (ended !== undefined && stored.reason !== ENDED[ended])
      await audit(
        tx,
        source.organizationId,
        'source.ended',
        `${source.forge}:${source.host}:${source.remoteId}`,
        { because: ended },
        actorOf(source),
      );
    const changes = await applyMirror(tx, source.organizationId, actorOf(source));
    const counted = await tx.query<{ people: number }>(
      'SELECT count(DISTINCT remote_user_id)::int AS people FROM forge_membership WHERE source_id = $1',
      [source.id],
    );
    return { kind: 'applied', changes, people: counted.rows[0]?.people ?? 0, teams: roster.teams.length };
  });
}

async function noteFailure(
  { store, clock }: MembershipPorts,
  source: Source,
  begun: Begun,
  error: unknown,
  reason: string,
): Promise<void> {
  const now = clock.now();
  const asked = error instanceof RouteFailure ? retryAfter(error.headers['retry-after'], now) : undefined;
  const backoff = { baseMs: 15_000, capMs: REFRESH_MS, attempts: Number.POSITIVE_INFINITY };
  const gone = error instanceof Gone;
  const waitMs = gone
    ? CONFIRM_MS
    : Math.min(LONGEST_RETRY_MS, Math.max(SHORTEST_RETRY_MS, asked ?? 0, retryDelay(backoff, source.failures + 1)));
  // A fault of ours is not the forge's, and is not told as such.
  const known = gone || error instanceof RouteFailure || error instanceof ForgewayError;
  await store.tenant(source.organizationId, (tx) =>
    tx.query(
      `UPDATE organization_source SET state = $3, reason = $4, failures = failures + 1, reading_until = NULL, due_at = $5,
         missing_since = CASE WHEN $3 = 'gone' THEN coalesce(missing_since, $6) END,
         updated_at = now()
       WHERE id = $1 AND reading = $2`,
      [
        source.id,
        begun.reading,
        gone ? 'gone' : 'failing',
        known ? reason : `Something failed here while it was read: ${reason}`,
        new Date(now.getTime() + waitMs),
        now,
      ],
    ),
  );
}
