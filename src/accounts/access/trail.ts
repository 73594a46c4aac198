/** The trail of decisions: who was let do what, and who was not. */

import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';

export interface DecisionEntry {
  organizationId: string;
  /** From `nameOfActor`. */
  actor: string;
  action: string;
  /** What it was done to, such as `pull-request acme/web#12`. */
  subject: string;
  allowed: boolean;
  because: string | null;
  why: string;
}

export interface DecisionTrail {
  /** Writes it down before it resolves. Rejects when it cannot, and then nothing may be done on the strength of it. */
  write(entry: DecisionEntry): Promise<void>;
  /**
   * For the many decisions that only let somebody look, or not. The first is written down before it resolves; those alike in
   * the {@link REPEATS_MS} after it are one more row with their number. What cannot be written goes to the log.
   */
  note(entry: DecisionEntry): Promise<void>;
  /** Writes the numbers of what was repeated. */
  close(): Promise<void>;
}

const REPEATS_MS = 5_000;
/** Different decisions whose repeats are counted at most; beyond it they are written at once and counted anew. */
const MOST_HELD = 1_000;

interface Counted {
  entry: DecisionEntry;
  times: number;
}

/** Rows of one organization are one statement. */
function byOrganization(rows: readonly Counted[]): Map<string, Counted[]> {
  const tenants = new Map<string, Counted[]>();
  for (const one of rows) {
    const others = tenants.get(one.entry.organizationId);
    if (others === undefined) tenants.set(one.entry.organizationId, [one]);
    else others.push(one);
  }
  return tenants;
}

export function createDecisionTrail(o: { store: Store; log: Logger }): DecisionTrail {
  let repeats = new Map<string, Counted>();
  let timer: NodeJS.Timeout | undefined;
  let waiting: Counted[] = [];
  let nextWrite: Promise<void> | undefined;
  let writing: Promise<void> = Promise.resolve();

  async function insert(organizationId: string, rows: readonly Counted[]): Promise<void> {
    const columns = (pick: (one: Counted) => unknown) => rows.map(pick);
    await o.store.tenant(organizationId, (tx) =>
      tx.query(
        `INSERT INTO access_decision (organization_id, actor, action, subject, allowed, because, why, times)
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bool[], $6::text[], $7::text[], $8::int[])`,
        [
          organizationId,
          columns(({ entry }) => entry.actor),
          columns(({ entry }) => entry.action),
          columns(({ entry }) => entry.subject),
          columns(({ entry }) => entry.allowed),
          columns(({ entry }) => entry.because),
          columns(({ entry }) => entry.why),
          columns(({ times }) => times),
        ],
      ),
    );
  }

  async function writeWaiting(): Promise<void> {
    const rows = waiting;
    waiting = [];
    nextWrite = undefined;
    for (const [organizationId, ofOne] of byOrganization(rows))
      await insert(organizationId, ofOne).catch((error: unknown) =>
        // Nothing was done on the strength of these; the log has what the table lacks.
        o.log.error(
          { err: messageOf(error), decisions: ofOne.map(({ entry }) => entry) },
          'decisions were not written down',
        ),
      );
  }

  /** Callers that come while rows are being written share the next statement. */
  function writeSoon(rows: readonly Counted[]): Promise<void> {
    waiting.push(...rows);
    nextWrite ??= writing.then(writeWaiting);
    writing = nextWrite;
    return nextWrite;
  }

  function writeRepeats(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const repeated = [...repeats.values()].filter(({ times }) => times > 0);
    repeats = new Map();
    return writeSoon(repeated);
  }

  return {
    write: (entry) => insert(entry.organizationId, [{ entry, times: 1 }]),
    async note(entry) {
      const key = JSON.stringify(Object.values(entry));
      const known = repeats.get(key);
      if (known !== undefined) {
        known.times += 1;
        return;
      }
      if (repeats.size >= MOST_HELD) void writeRepeats();
      repeats.set(key, { entry, times: 0 });
      timer ??= setTimeout(() => void writeRepeats(), REPEATS_MS).unref();
      await writeSoon([{ entry, times: 1 }]);
    },
    close: writeRepeats,
  };
}

export interface DecisionRow {
  id: bigint;
  at: Date;
  actor: string;
  action: string;
  subject: string;
  allowed: boolean;
  because: string | null;
  why: string;
  times: number;
}

export interface DecisionFilter {
  /** Only what was refused. */
  denied?: boolean;
  /** A part of the actor's name. */
  actor?: string;
  action?: string;
  /** A part of the thing's name. */
  subject?: string;
  /** Only what was written down before this row, by its id. */
  before?: bigint;
  limit: number;
}

/** The newest first: ids are given as rows are written, which is when things are decided; numbers of repeats come seconds later. */
export async function listDecisions(
  store: Store,
  organizationId: string,
  filter: DecisionFilter,
): Promise<DecisionRow[]> {
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<DecisionRow>(
      `SELECT id, decided_at AS at, actor, action, subject, allowed, because, why, times FROM access_decision
       WHERE ($1::bool IS NULL OR allowed <> $1) AND ($2::text IS NULL OR position($2 IN actor) > 0)
         AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR position($4 IN subject) > 0)
         AND ($6::bigint IS NULL OR id < $6)
       ORDER BY id DESC LIMIT $5`,
      [
        filter.denied === true ? true : null,
        filter.actor ?? null,
        filter.action ?? null,
        filter.subject ?? null,
        filter.limit,
        filter.before ?? null,
      ],
    ),
  );
  return rows;
}

/** Deletes what is older than `days`, of every organization. Answers how many rows. @param store as the worker role */
export async function pruneDecisions(store: Store, days: number): Promise<number> {
  const { rows } = await store.pool.query<{ id: string }>('SELECT id FROM organization');
  let deleted = 0;
  for (const { id } of rows) {
    const { rowCount } = await store.tenant(id, (tx) =>
      tx.query(`DELETE FROM access_decision WHERE decided_at < now() - $1 * interval '1 day'`, [days]),
    );
    deleted += rowCount ?? 0;
  }
  return deleted;
}

const PRUNE_MS = 3_600_000;

/** Prunes the trail every hour. That two workers do it at once does no harm. */
export function keepTrailShort(o: { store: Store; days: number; log: Logger }): { stop(): void } {
  const prune = () =>
    pruneDecisions(o.store, o.days).catch((error: unknown) =>
      o.log.warn({ err: messageOf(error) }, 'old decisions could not be deleted; they are in an hour'),
    );
  const timer = setInterval(() => void prune(), PRUNE_MS).unref();
  return { stop: () => clearInterval(timer) };
}
