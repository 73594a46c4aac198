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
  /** Writes it down within {@link FLUSH_MS}, what is alike as one row: for the many decisions that only let somebody look. */
  note(entry: DecisionEntry): void;
  /** Writes what was noted. */
  close(): Promise<void>;
}

const FLUSH_MS = 5_000;
/** Different decisions held at most; more are written at once. */
const MOST_HELD = 1_000;

interface Held {
  entry: DecisionEntry;
  times: number;
}

export function createDecisionTrail(o: { store: Store; log: Logger }): DecisionTrail {
  let held = new Map<string, Held>();
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  async function insert(organizationId: string, rows: readonly Held[]): Promise<void> {
    const columns = (pick: (held: Held) => unknown) => rows.map(pick);
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

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const tenants = new Map<string, Held[]>();
    for (const one of held.values()) {
      const others = tenants.get(one.entry.organizationId);
      if (others === undefined) tenants.set(one.entry.organizationId, [one]);
      else others.push(one);
    }
    held = new Map();
    for (const [organizationId, rows] of tenants)
      await insert(organizationId, rows).catch((error: unknown) =>
        // Nobody waits for these any more; the log has what the table lacks.
        o.log.error(
          { err: messageOf(error), decisions: rows.map(({ entry }) => entry) },
          'decisions were not written down',
        ),
      );
  }

  const soon = () => {
    writing = writing.then(flush);
    return writing;
  };

  return {
    write: (entry) => insert(entry.organizationId, [{ entry, times: 1 }]),
    note(entry) {
      const key = JSON.stringify(Object.values(entry));
      const known = held.get(key);
      if (known === undefined) held.set(key, { entry, times: 1 });
      else known.times += 1;
      if (held.size >= MOST_HELD) void soon();
      else timer ??= setTimeout(() => void soon(), FLUSH_MS).unref();
    },
    close: soon,
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

/** The newest first: ids are given as rows are written, which is when things are decided, or some seconds later. */
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
