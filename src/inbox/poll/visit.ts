/** One look at one repository: one request for what changed, or in some cycles for its refs or releases; then what changed. */
import type { ChangedObject, Listed } from '../../forges/poll.js';
import { pause } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import { seenVersions } from '../../store/told/rows.js';
import { wholeSeconds } from '../../store/told/state.js';
import { abreast } from './abreast.js';
import { beginCursor, type CursorMove } from './cursor.js';
import type { Finding } from './difference.js';
import { importOpen } from './import.js';
import { type Beginning, lookAt } from './object.js';
import type { Pending, Visit } from './ports.js';
import { statusOf } from './read-object.js';
import { lookAtBranches, lookAtTags, type RefsLooked } from './refs.js';
import { lookAtReleases } from './releases.js';

/** The list begins this much before the newest change of the last one: clocks differ, and commits come late. */
const OVERLAP_MS = 30_000;
/** Objects of one repository that are read at the same time. */
const WIDTH = 4;

export type LookResult = 'changed' | 'unchanged' | 'not_modified';

export interface Visited {
  result: LookResult;
  events: readonly { number: number; finding: Finding }[];
  /** Open objects that were taken in silently, in the first look. */
  imported: number;
  /** Objects that wait for the next cycle. */
  pending: number;
  move: CursorMove;
}

/** What one request of a cycle asks for. */
export type Turn = 'objects' | 'branches' | 'tags' | 'releases';

const LOOKS: Readonly<Record<Exclude<Turn, 'objects'>, (visit: Visit, watermark: Date) => Promise<RefsLooked>>> = {
  branches: lookAtBranches,
  tags: lookAtTags,
  releases: lookAtReleases,
};

export interface VisitOptions {
  /** Objects that one look may read. */
  mostObjects: number;
  /** How long webhooks that have just arrived may take to be taken in. */
  patienceMs: number;
  /** What is asked for in each cycle, over and over. */
  turns: readonly Turn[];
  /** A version that is younger than this can still be carried by another change. */
  settleMs: number;
  /** What has not been looked at when it aborts waits for the next cycle. */
  signal: AbortSignal | undefined;
}

/** Waits for what has arrived to be taken in, which tells what the poller need not. Not for ever: it is right without. */
async function awaitAssigned({ store, watched }: Visit, patienceMs: number): Promise<void> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const { rowCount } = await store.pool.query(
      `SELECT FROM webhook_delivery WHERE status = 'received' AND source = 'webhook' AND forge = $1 AND host = $2 LIMIT 1`,
      [watched.forge, watched.host],
    );
    if ((rowCount ?? 0) === 0 || performance.now() >= end) return;
    await pause(50);
  }
}

/** Those listed that were not read in this version, and those left over from before. */
async function toRead({ store, watched }: Visit, listed: readonly ChangedObject[]): Promise<Pending[]> {
  const { seen } = await store.tenant(watched.organizationId, (tx) =>
    seenVersions(
      tx,
      watched.id,
      listed.map(({ number }) => number),
    ),
  );
  const fresh = listed.filter(({ number, updatedAt }) => {
    const known = seen.get(number);
    return !(known?.settled && known.seenAt !== null && wholeSeconds(known.seenAt) === wholeSeconds(updatedAt));
  });
  const wanted = new Map<number, Pending>();
  // The oldest change first, so that events come in the order in which things happened.
  const ordered = [...fresh].sort((left, right) => left.updatedAt.getTime() - right.updatedAt.getTime());
  for (const { number, isPull } of [...watched.cursor.pending, ...ordered]) wanted.set(number, { number, isPull });
  return [...wanted.values()];
}

/** Reads and reports; answers what is left for the next cycle. One that fails holds up no other. */
async function readAll(
  visit: Visit,
  wanted: readonly Pending[],
  beginning: Beginning,
  o: VisitOptions,
): Promise<{ events: Visited['events']; left: Pending[] }> {
  const now = wanted.slice(0, o.mostObjects);
  const left: Pending[] = wanted.slice(o.mostObjects);
  const events: { number: number; finding: Finding }[] = [];
  if (now.length > 0) await awaitAssigned(visit, o.patienceMs);
  const failures: unknown[] = [];
  await abreast(now, WIDTH, async (pending) => {
    // A forge that wants silence, or is away, is not asked for the rest.
    if (o.signal?.aborted || failures.some(concernsAll)) return void left.push(pending);
    try {
      const { again, events: found } = await lookAt(visit, pending, beginning);
      if (again) left.push(pending);
      events.push(...found.map((finding) => ({ number: pending.number, finding })));
    } catch (error) {
      failures.push(error);
      left.push(pending);
      const repository = `${visit.watched.owner}/${visit.watched.name}`;
      visit.log.warn({ repository, number: pending.number, err: messageOf(error) }, 'not polled; tried again');
    }
  });
  return { events, left };
}

function concernsAll(error: unknown): boolean {
  const status = statusOf(error);
  return status === undefined || status === 401 || status === 403 || status === 429 || status >= 500;
}

type List = Extract<Listed<ChangedObject>, { kind: 'list' }>;

/** Where the next list begins: never in the future, whatever date an object has. */
function nextSince(since: Date, list: List, asOf: Date): Date {
  const newest = Math.max(...list.items.map(({ updatedAt }) => updatedAt.getTime()), 0);
  return new Date(Math.max(since.getTime(), Math.min(newest, asOf.getTime()) - OVERLAP_MS));
}

async function firstLook(visit: Visit, now: Date): Promise<Visited> {
  const { access, store, watched } = visit;
  const since = new Date(now.getTime() - OVERLAP_MS);
  const list = await access.poll.changed(access.native, watched, {
    since,
    etag: null,
    confidential: watched.confidential,
  });
  const asOf = (list.kind === 'list' && list.asOf) || now;
  const watermark = await beginCursor(store, watched, new Date(Math.floor(asOf.getTime() / 1_000) * 1_000));
  const imported = await importOpen(visit, watermark);
  const branches = await lookAtBranches(visit);
  await lookAtTags(visit);
  await lookAtReleases(visit, watermark);
  const move = { imported: true, pending: [], etag: null, branchesEtag: branches.etag };
  return { result: 'changed', events: [], imported, pending: 0, move };
}

/** Never looks at a repository twice at the same time: see runCycle. @throws what asking the forge throws */
export async function visitRepository(visit: Visit, now: Date, o: VisitOptions): Promise<Visited> {
  const { access, watched } = visit;
  const { cursor } = watched;
  const { watermarkAt, since } = cursor;
  if (watermarkAt === null || since === null || cursor.importedAt === null) return firstLook(visit, now);
  const beginning = { watermark: watermarkAt, imported: true, settleMs: o.settleMs };

  const turn = o.turns[cursor.cycles % o.turns.length] ?? 'objects';
  if (turn !== 'objects') {
    const looked = await LOOKS[turn](visit, watermarkAt);
    const { events, left } = await readAll(visit, cursor.pending, { ...beginning, asOf: now }, o);
    const told = looked.events.map((finding) => ({ number: 0, finding }));
    const move = { pending: left, ...(turn === 'branches' && { branchesEtag: looked.etag }) };
    return { result: looked.result, events: [...told, ...events], imported: 0, pending: left.length, move };
  }

  const list = await access.poll.changed(access.native, watched, {
    since,
    etag: cursor.etag,
    confidential: watched.confidential,
  });
  const listed = list.kind === 'list' ? list.items : [];
  const asOf = (list.kind === 'list' && list.asOf) || now;
  if (list.kind === 'list' && !list.whole)
    visit.log.warn({ repository: `${watched.owner}/${watched.name}` }, 'more has changed than is listed at a time');
  const wanted = await toRead(visit, listed);
  const { events, left } = await readAll(visit, wanted, { ...beginning, asOf }, o);
  if (list.kind === 'unchanged')
    return { result: 'not_modified', events, imported: 0, pending: left.length, move: { pending: left } };
  const next = nextSince(since, list, asOf);
  // An ETag is of one address, which holds the time.
  const etag = next.getTime() === since.getTime() ? list.etag : null;
  const result = wanted.length > 0 ? 'changed' : 'unchanged';
  return { result, events, imported: 0, pending: left.length, move: { pending: left, since: next, etag } };
}
