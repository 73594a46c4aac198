/**
 * What an earlier delivery of the same hook said of the same object. Some forges send only the new state of a thing; what
 * changed is found by comparing it with the state before, once, when the delivery is classified.
 */
import type pg from 'pg';
import { z } from 'zod';
import type { Classification, JsonObject, Snapshot } from '../forges/forge.js';
import { tokensHidden } from '../lib/redact.js';
import type { Received } from './received.js';

/** A state of an object, with the forge's version of it. */
interface State {
  updatedAt: string | undefined;
  state: JsonObject;
  /** The delivery that told it, which said nothing without a state before it: there was none, and one may still come. */
  unread?: string;
}

/** A label that came, a person who went, …: something that was told, and between which versions it happened. */
export interface ToldPart {
  part: string;
  after: string;
  until: string;
  /** The delivery that told it. */
  by?: string;
}

export interface Kept extends State {
  /** States of before the newest one, the newest first, for deliveries that were overtaken. */
  earlier: readonly State[];
  told: readonly ToldPart[];
}

/** What a delivery adds to what is kept of its object, and what it takes from it: parts that it told, or would have told again. */
interface Telling {
  told: readonly ToldPart[];
  repeated: readonly ToldPart[];
  /** It said nothing, and there was no state to compare it with. */
  isUnread: boolean;
  /** Its state is of before the one of the same version that is kept. */
  isOvertaken: boolean;
}

/** What is to be kept of a delivery. */
interface Keeping {
  deliveryId: bigint;
  hookId: string;
  snapshot: Snapshot;
  telling: Telling;
}

export interface Previous {
  get(key: string): Kept | undefined;
  /** Adds this state: as the newest one, unless there is a newer one. Of a delivery that is read again only what it told. */
  keep(keeping: Keeping): void;
  /** Deliveries that have a state before them now. */
  unread(): bigint[];
  /** What is to be written. */
  changed(): { hookId: string; snapshot: Snapshot; kept: Kept }[];
}

export const snapshotKey = (hookId: string, { repositoryId, kind, number }: Snapshot): string =>
  `${hookId}\n${repositoryId}\n${kind}\n${number}`;

/** Versions are compared as times: forges write them with and without fractions and offsets. */
export function isOlder(left: string | undefined, right: string | undefined): boolean {
  const [a, b] = [Date.parse(left ?? ''), Date.parse(right ?? '')];
  return a < b;
}

/** For how long after the next change a state may still be needed: webhooks of a busy forge wait, and some come minutes late. */
const LATE_MS = 3_600_000;
/** Of an object on which much happens in that time; a state has a few hundred bytes. */
const MOST_STATES = 4;
const MOST_TOLD = 24;
/** An object with a thousand labels is compared with its last state alone. */
const MOST_CHARACTERS = 32_768;

/** Without what no delivery is likely to come for. */
function lately(updatedAt: string | undefined, states: readonly State[], told: readonly ToldPart[]) {
  const oldest = new Date(Date.parse(updatedAt ?? '') - LATE_MS || 0).toISOString();
  const next = (at: number) => (at === 0 ? updatedAt : states[at - 1]?.updatedAt);
  return {
    earlier: states.filter((_, at) => !isOlder(next(at), oldest)).slice(0, MOST_STATES),
    told: told.filter(({ until }) => !isOlder(until, oldest)).slice(-MOST_TOLD),
  };
}

const statesOf = (kept: Kept | undefined): readonly State[] => (kept === undefined ? [] : [kept, ...kept.earlier]);

/** The delivery whose comparison waited for this state: nothing that is known came between the two. */
const waitedFor = (kept: Kept | undefined, { updatedAt }: Snapshot): string | undefined =>
  statesOf(kept).findLast((one) => isOlder(updatedAt, one.updatedAt))?.unread;

/** Whether this delivery is one that said nothing when it came, and is read again. */
export const isReadAgain = (kept: Kept, deliveryId: bigint): boolean =>
  statesOf(kept).some(({ unread }) => unread === String(deliveryId));

const stateOf = ({ updatedAt, state, unread }: State): State => ({ updatedAt, state, ...(unread && { unread }) });

/** What is kept once this state is known as well. */
function keptWith(kept: Kept | undefined, { deliveryId, snapshot, telling }: Keeping): Kept {
  const { updatedAt, state } = snapshot;
  const { told, repeated, isUnread, isOvertaken } = telling;
  const id = String(deliveryId);
  const own: State = { updatedAt, state, ...(isUnread && { unread: id }) };
  if (kept === undefined) return { ...own, ...lately(updatedAt, [], told) };
  const all = [...kept.told.filter((one) => !repeated.includes(one)), ...told];
  if (isReadAgain(kept, deliveryId)) {
    const [newest = own, ...others] = statesOf(kept).map(({ unread, ...one }) =>
      unread === undefined || unread === id ? one : { ...one, unread },
    );
    return { ...stateOf(newest), ...lately(newest.updatedAt, others.map(stateOf), all) };
  }
  if (isOvertaken && !isOlder(updatedAt, kept.updatedAt))
    return { ...stateOf(kept), ...lately(kept.updatedAt, kept.earlier, all) };
  if (!isOlder(updatedAt, kept.updatedAt)) {
    // Of several states of one version the last one counts.
    const isNewer = isOlder(kept.updatedAt, updatedAt);
    const others = isNewer ? statesOf(kept).map(stateOf) : kept.earlier;
    const same = isNewer ? {} : { ...(kept.unread && { unread: kept.unread }) };
    return { ...own, ...same, ...lately(updatedAt, others, all) };
  }
  const at = kept.earlier.findIndex((one) => !isOlder(updatedAt, one.updatedAt));
  const place = at === -1 ? kept.earlier.length : at;
  const earlier = [...kept.earlier.slice(0, place), own, ...kept.earlier.slice(place)];
  return { ...stateOf(kept), ...lately(kept.updatedAt, earlier, all) };
}

const storedState = z.object({
  updatedAt: z.string().optional(),
  state: z.record(z.string(), z.unknown()),
  unread: z.string().optional(),
});
const storedLately = z
  .object({
    earlier: z.array(storedState.transform(({ updatedAt, ...state }) => stateOf({ updatedAt, ...state }))),
    told: z.array(
      z
        .object({ part: z.string(), after: z.string(), until: z.string(), by: z.string().optional() })
        .transform(({ by, ...told }): ToldPart => ({ ...told, ...(by !== undefined && { by }) })),
    ),
    /** Of the newest state. */
    unread: z.string().optional(),
  })
  .transform(({ earlier, told, unread }) => ({ earlier, told, ...(unread !== undefined && { unread }) }));

/** Null of an object of which one state is known. */
const readLately = (value: unknown): Pick<Kept, 'earlier' | 'told' | 'unread'> =>
  value === null ? { earlier: [], told: [] } : storedLately.parse(value);

function latelyText({ earlier, told, unread }: Kept): string | null {
  if (earlier.length + told.length === 0 && unread === undefined) return null;
  const text = JSON.stringify({ earlier, told, unread });
  return text.length <= MOST_CHARACTERS ? text : JSON.stringify({ earlier: [], told });
}

/** Reads what was kept of the objects of these deliveries. */
export async function previousSnapshots(client: pg.PoolClient, deliveries: readonly Received[]): Promise<Previous> {
  const wanted = deliveries.flatMap(({ hookId, snapshot }) => (snapshot ? [{ hookId, snapshot }] : []));
  const known = new Map<string, Kept>();
  if (wanted.length > 0) {
    const { rows } = await client.query<{
      hook_id: string;
      repository_id: bigint | string;
      kind: Snapshot['kind'];
      number: number;
      remote_updated_at: string | null;
      state: JsonObject;
      lately: unknown;
    }>({
      name: 'inbox_snapshots',
      text: `SELECT DISTINCT s.hook_id, s.repository_id, s.kind, s.number, s.remote_updated_at, s.state, s.lately
        FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[]) AS k(hook_id, repository_id, kind, number)
        JOIN object_snapshot s USING (hook_id, repository_id, kind, number)`,
      values: [
        wanted.map(({ hookId }) => hookId),
        wanted.map(({ snapshot }) => snapshot.repositoryId),
        wanted.map(({ snapshot }) => snapshot.kind),
        wanted.map(({ snapshot }) => snapshot.number),
      ],
    });
    for (const row of rows) {
      const key = `${row.hook_id}\n${row.repository_id}\n${row.kind}\n${row.number}`;
      known.set(key, { updatedAt: row.remote_updated_at ?? undefined, state: row.state, ...readLately(row.lately) });
    }
  }
  const changed = new Map<string, { hookId: string; snapshot: Snapshot; kept: Kept }>();
  const unread = new Set<bigint>();
  return {
    get: (key) => known.get(key),
    keep(keeping) {
      const { hookId, snapshot } = keeping;
      const key = snapshotKey(hookId, snapshot);
      const before = known.get(key);
      const waited = waitedFor(before, snapshot);
      if (waited !== undefined) unread.add(BigInt(waited));
      const kept = keptWith(before, keeping);
      known.set(key, kept);
      changed.set(key, { hookId, snapshot, kept });
    },
    unread: () => [...unread],
    changed: () => [...changed.values()],
  };
}

/** Whether it is compared with a state before, which it replaces. */
const isCompared = ({ snapshot, again }: Received): boolean => snapshot !== undefined && !again;

/** Writes what the batch changed. Nobody else writes these rows: whoever assigns holds a lock that he read them under. */
export async function keepSnapshots(client: pg.PoolClient, previous: Previous): Promise<void> {
  const rows = previous.changed();
  if (rows.length === 0) return;
  await client.query({
    name: 'inbox_keep_snapshots',
    text: `INSERT INTO object_snapshot AS s
        (hook_id, organization_id, repository_id, kind, number, remote_updated_at, state, lately)
      SELECT n.hook_id, h.organization_id, n.repository_id, n.kind, n.number, n.remote_updated_at, n.state, n.lately
      FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::jsonb[], $7::jsonb[])
        AS n(hook_id, repository_id, kind, number, remote_updated_at, state, lately)
      JOIN hook h ON h.id = n.hook_id
      ORDER BY n.hook_id, n.repository_id, n.kind, n.number
      ON CONFLICT (hook_id, repository_id, kind, number) DO UPDATE SET remote_updated_at = excluded.remote_updated_at,
        state = excluded.state, lately = excluded.lately, updated_at = now()`,
    values: [
      rows.map(({ hookId }) => hookId),
      rows.map(({ snapshot }) => snapshot.repositoryId),
      rows.map(({ snapshot }) => snapshot.kind),
      rows.map(({ snapshot }) => snapshot.number),
      rows.map(({ kept }) => isoTime(kept.updatedAt)),
      rows.map(({ kept }) => JSON.stringify(kept.state)),
      rows.map(({ kept }) => latelyText(kept)),
    ],
  });
}

/**
 * What a delivery was found to be by comparison, to be kept with it: what it was compared with is replaced. Null for one that
 * says it by itself, or that was classified before.
 */
export const classificationToKeep = (delivery: Received): string | null =>
  isCompared(delivery)
    ? JSON.stringify(delivery.classification, (key, value: unknown) =>
        typeof value === 'bigint' ? value.toString() : tokensHidden(key, value),
      )
    : null;

/** As PostgreSQL reads it without fail; null for what is no time. */
function isoTime(value: string | undefined): string | null {
  const time = Date.parse(value ?? '');
  if (Number.isNaN(time)) return null;
  const text = new Date(time).toISOString();
  // JavaScript's years have a sign beyond four digits, and begin with 0; the database reads neither.
  return /^(?!0000)\d{4}-/.test(text) ? text : null;
}

const id = z.string().transform(BigInt).optional();
const stored = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ignored'), reason: z.string() }),
  z.object({
    kind: z.literal('events'),
    events: z.array(
      z.object({
        name: z.string(),
        action: z.string().optional(),
        change: z.record(z.string(), z.unknown()).optional(),
      }),
    ),
    repositoryId: id,
    number: z.number().optional(),
    installationId: id,
    semanticKey: z.string().optional(),
  }),
]);

/** What {@link classificationToKeep} said; undefined for a delivery that is seen for the first time. */
export function readClassification(value: unknown): Classification | undefined {
  return value === null || value === undefined ? undefined : stored.parse(value);
}
