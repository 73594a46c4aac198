/**
 * `/api/events`: what changed in an organization, as server-sent events. Read from rows, page by page and never faster than
 * the client takes them, so that nothing is lost by a restart and nothing piles up in memory. An event says what changed and
 * holds nothing of it: the client asks, with its own rights.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Access } from '../accounts/access/access.js';
import type { Action } from '../accounts/access/actions.js';
import { type Actor, payerOf } from '../accounts/access/actor.js';
import { decide } from '../accounts/access/decide.js';
import type { Logger } from '../lib/logger.js';
import type { Store } from '../store/database.js';
import { authorizedOrganization } from './authorize.js';
import { InvalidRequest, parseInput } from './problem.js';
import { createServerSentStreams } from './server-sent.js';

/** What is told of, and what it takes to be told. */
const KINDS = {
  pull_request: 'pull-request.read',
  preview: 'preview.read',
  session: 'agent.read',
  connection: 'connection.read',
  workspace: 'workspace.read',
  run: 'workspace.read',
  delivery: 'delivery.read',
} as const satisfies Record<string, Action>;
type Kind = keyof typeof KINDS;
const kinds = Object.keys(KINDS) as Kind[];

const input = z.strictObject({
  organization: z.string().min(1).max(100).optional(),
  kinds: z
    .string()
    .transform((value) => value.split(','))
    .pipe(z.array(z.enum(kinds as [Kind])).min(1))
    .optional(),
  lastEventId: z.string().max(100).optional(),
});

export interface EventTiming {
  /** Between two looks. */
  pollMs: number;
  heartbeatMs: number;
  /** After this the caller is asked for anew: a token that was revoked ends its stream. */
  recheckMs: number;
  /** A client that takes nothing for so long is let go of. */
  stuckMs: number;
}

const TIMING: EventTiming = { pollMs: 1_000, heartbeatMs: 15_000, recheckMs: 30_000, stuckMs: 30_000 };
const PAGE = 200;
const MOST_STREAMS = { all: 500, perOrganization: 200, perCaller: 10 };
/** Rows are kept for a day; whoever was away for nearly as long may have missed some. */
const REMEMBERED_MS = 23 * 3_600_000;

interface Cursor {
  transaction: bigint;
  id: bigint;
  /** When it was given. */
  at: number;
}

const written = ({ transaction, id, at }: Cursor): string => `${transaction}-${id}-${at}`;

function cursorOf(text: string): Cursor {
  const [, transaction = '', id = '', at = ''] = /^(\d{1,18})-(\d{1,18})-(\d{1,15})$/.exec(text) ?? [];
  if (transaction === '') throw new InvalidRequest([{ path: ['lastEventId'], message: 'is no id of an event' }]);
  return { transaction: BigInt(transaction), id: BigInt(id), at: Number(at) };
}

interface Change {
  transaction_id: bigint;
  id: bigint;
  kind: string;
  subject_id: string;
  change: string;
  created_at: Date;
}

/** What is below it has been committed, or never will be. */
const SETTLED = 'pg_snapshot_xmin(pg_current_snapshot())::text::bigint';

/** A page of what is settled, and where the next one begins: after everything that was looked through, told or not. */
async function readChanges(
  store: Store,
  organizationId: string,
  wanted: readonly string[],
  from: Cursor,
): Promise<{ rows: Change[]; next: Cursor }> {
  return store.tenant(organizationId, async (tx) => {
    const asked = await tx.query<{ settled: bigint; at: Date }>(`SELECT ${SETTLED} AS settled, now() AS at`);
    const { settled = from.transaction, at = new Date() } = asked.rows[0] ?? {};
    const { rows } = await tx.query<Change>(
      `SELECT transaction_id, id, kind, subject_id, change, created_at FROM change_event
       WHERE (transaction_id, id) > ($1::bigint, $2::bigint) AND transaction_id < $3::bigint AND kind = ANY($4::text[])
       ORDER BY transaction_id, id LIMIT $5`,
      [from.transaction, from.id, settled, wanted, PAGE],
    );
    const end = rows.length === PAGE ? rows.at(-1) : undefined;
    if (end !== undefined)
      return { rows, next: { transaction: end.transaction_id, id: end.id, at: end.created_at.getTime() } };
    const isLater = settled > from.transaction;
    return { rows, next: { ...(isLater ? { transaction: settled, id: 0n } : from), at: at.getTime() } };
  });
}

async function startingNow(store: Store): Promise<Cursor> {
  const { rows } = await store.pool.query<{ settled: bigint }>(`SELECT ${SETTLED} AS settled`);
  return { transaction: rows[0]?.settled ?? 0n, id: 0n, at: Date.now() };
}

function eventText(row: Change): string {
  const id = written({ transaction: row.transaction_id, id: row.id, at: row.created_at.getTime() });
  const data = { kind: row.kind, id: row.subject_id, change: row.change, at: row.created_at.toISOString() };
  return `id: ${id}\nevent: ${row.kind}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The same question every half minute: what was allowed was written down when the stream began. */
export const askedAgain = (access: Pick<Access, 'check'>): Pick<Access, 'check'> => ({
  async check(actor, action, thing) {
    const decision = decide(actor, action, thing);
    return decision.allowed ? decision : access.check(actor, action, thing);
  },
});

export interface EventsOptions {
  store: Store;
  access: Pick<Access, 'check'>;
  log: Logger;
  callerOf(request: FastifyRequest): Promise<Actor>;
  timing?: Partial<EventTiming>;
}

/** Answers what ends every stream; new ones are refused then. */
export function addEvents(app: FastifyInstance, o: EventsOptions): () => void {
  const { store, log } = o;
  const timing = { ...TIMING, ...o.timing };
  const streams = createServerSentStreams({ limits: MOST_STREAMS, stuckMs: timing.stuckMs, log });

  /** @throws ForgewayError when they may not, or not any more */
  const allowed = async (
    request: FastifyRequest,
    organization: string | undefined,
    asked: readonly Kind[],
    access: Pick<Access, 'check'> = o.access,
  ) => {
    const actor = await o.callerOf(request);
    const organizationId = await authorizedOrganization({ store, access }, actor, 'event.read', organization);
    const wanted: Kind[] = [];
    for (const kind of asked)
      if ((await access.check(actor, KINDS[kind], { organizationId, name: 'event' })).allowed) wanted.push(kind);
    return { actor, organizationId, wanted };
  };
  const again = askedAgain(o.access);

  app.get('/api/events', async (request, reply) => {
    const query = parseInput(input, request.query);
    const first = await allowed(request, query.organization, query.kinds ?? kinds);
    const given = request.headers['last-event-id'] ?? query.lastEventId;
    const resumed = typeof given === 'string' && given !== '' ? cursorOf(given) : undefined;
    const whose = { organizationId: first.organizationId, payer: payerOf(first.actor) };
    const begin = async () => {
      const now = await startingNow(store);
      if (resumed === undefined) return { start: now, missed: false };
      // A place that this database has not come to yet is one of before it was put back from a copy: nothing would ever follow on it.
      const missed = now.at - resumed.at > REMEMBERED_MS || resumed.transaction > now.transaction;
      return { start: missed ? now : resumed, missed };
    };
    await streams.open(reply, whose, begin, async ({ signal, send }, { start, missed }) => {
      let cursor = start;
      let { wanted, organizationId } = first;
      let spoken = performance.now();
      let checked = spoken;
      await send(`retry: 2000\nid: ${written(cursor)}\nevent: ${missed ? 'reset' : 'ready'}\ndata: {}\n\n`);
      while (!signal.aborted) {
        if (performance.now() - checked >= timing.recheckMs) {
          ({ wanted, organizationId } = await allowed(request, query.organization, wanted, again));
          checked = performance.now();
        }
        const { rows, next } = await readChanges(store, organizationId, wanted, cursor);
        // Of one thing that changed several times, the last is enough: the client asks how it is now.
        const last = new Map(rows.map((row) => [`${row.kind} ${row.subject_id}`, row]));
        for (const row of rows) if (last.get(`${row.kind} ${row.subject_id}`) === row) await send(eventText(row));
        cursor = next;
        if (rows.length > 0) spoken = performance.now();
        else if (performance.now() - spoken >= timing.heartbeatMs) {
          // With where it is, so that a client that comes back reads nothing twice.
          await send(`id: ${written(cursor)}\n\n`);
          spoken = performance.now();
        }
        if (rows.length < PAGE) await sleep(timing.pollMs, undefined, { signal });
      }
    });
  });
  return () => streams.end();
}
