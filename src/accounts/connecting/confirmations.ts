/**
 * Connections that no forge has confirmed, since theirs could not be reached, are tried again until it answers. When, and what
 * is to be done then, is written in a row of each, so that any number of processes may do this and one that dies loses nothing.
 */

import type pg from 'pg';
import { type BackgroundLoop, startBackgroundLoop } from '../../lib/background-loop.js';
import { type Backoff, retryDelay } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import type { Store } from '../../store/database.js';
import type { ConnectRequest } from './connect.js';

/** What is done once the forge has said whose token it is; empty: the connection alone is made. */
export type ConfirmationWish = Partial<
  Pick<ConnectRequest, 'repositories' | 'all' | 'level' | 'organization' | 'confidential' | 'mode'>
>;

/** A forge that was away for a day is found within a quarter of an hour. There is no last attempt. */
const BACKOFF: Omit<Backoff, 'attempts'> = { baseMs: 10_000, capMs: 15 * 60_000 };
/** Longer than an attempt takes, with all of its webhooks. */
const LEASE_MS = 5 * 60_000;
const TICK_MS = 2_000;
const WIDTH = 4;
const MOST_AT_ONCE = 100;
/** How long an attempt may take when everything is to stop; what is given up is tried again. */
const GRACE_MS = 5_000;

const delayAfter = (attempts: number, random?: () => number): number =>
  retryDelay({ ...BACKOFF, attempts: Number.POSITIVE_INFINITY }, attempts, random);

/**
 * Says that the forge of this connection is to be asked again. What was wished before stays, unless `wish` is given.
 * A new secret (`anew`) begins with the shortest wait.
 */
export async function awaitConfirmation(
  tx: pg.PoolClient,
  place: { organizationId: string; connectionId: string },
  o: { now: Date; wish?: ConfirmationWish; anew?: boolean },
): Promise<void> {
  const due = new Date(o.now.getTime() + delayAfter(1));
  await tx.query(
    `INSERT INTO connection_confirmation (connection_id, organization_id, wish, due_at) VALUES ($1, $2, coalesce($3::jsonb, '{}'), $4)
     ON CONFLICT (connection_id) DO UPDATE SET wish = coalesce($3::jsonb, connection_confirmation.wish),
       attempts = CASE WHEN $5 THEN 0 ELSE connection_confirmation.attempts END,
       due_at = CASE WHEN $5 THEN $4 ELSE connection_confirmation.due_at END`,
    [place.connectionId, place.organizationId, o.wish ? JSON.stringify(o.wish) : null, due, o.anew ?? false],
  );
}

/** The forge has answered: what was wished is done at once, and where it refused there is nothing to wait for. */
export async function confirmationAnswered(tx: pg.PoolClient, connectionId: string, confirmed: boolean): Promise<void> {
  await tx.query(
    confirmed
      ? 'UPDATE connection_confirmation SET due_at = least(due_at, now()) WHERE connection_id = $1'
      : 'DELETE FROM connection_confirmation WHERE connection_id = $1',
    [connectionId],
  );
}

export type ConfirmationOutcome =
  /** All is as it was asked for, or `problems` say what is not. */
  | { kind: 'done'; problems: readonly string[] }
  /** The forge refuses: somebody has to do something. */
  | { kind: 'refused' }
  | { kind: 'unreachable' };

export interface ConfirmationPorts {
  /** As the worker role. */
  store: Store;
  clock: Clock;
  log: Logger;
  /** Asks the forge, keeps what it says, tells the apps and makes what was wished. May be done twice. */
  confirm(organizationId: string, connectionId: string, wish: ConfirmationWish): Promise<ConfirmationOutcome>;
  /** In [0, 1). */
  random?: () => number;
}

interface Due {
  connectionId: string;
  organizationId: string;
}

const dueNow = async ({ store, clock }: ConfirmationPorts): Promise<Due[]> => {
  const { rows } = await store.pool.query<Due>(
    `SELECT connection_id AS "connectionId", organization_id AS "organizationId" FROM connection_confirmation
     WHERE due_at <= $1 AND (trying_until IS NULL OR trying_until <= $1) ORDER BY due_at LIMIT $2`,
    [clock.now(), MOST_AT_ONCE],
  );
  return rows;
};

/** Undefined when another process has it, or it is no longer due. */
async function begin({ store, clock }: ConfirmationPorts, { organizationId, connectionId }: Due) {
  const now = clock.now();
  return store.tenant(organizationId, async (tx) => {
    const { rows } = await tx.query<{ attempts: number; wish: ConfirmationWish }>(
      `UPDATE connection_confirmation SET attempts = attempts + 1, trying_until = $3
       WHERE connection_id = $1 AND due_at <= $2 AND (trying_until IS NULL OR trying_until <= $2)
       RETURNING attempts, wish`,
      [connectionId, now, new Date(now.getTime() + LEASE_MS)],
    );
    return rows[0];
  });
}

/** Nothing is changed by an attempt that was overtaken, or whose connection got a new secret meanwhile. */
async function end(
  { store, clock, random }: ConfirmationPorts,
  { organizationId, connectionId }: Due,
  attempts: number,
  outcome: ConfirmationOutcome,
): Promise<void> {
  await store.tenant(organizationId, async (tx) => {
    if (outcome.kind !== 'unreachable') {
      await tx.query('DELETE FROM connection_confirmation WHERE connection_id = $1 AND attempts = $2', [
        connectionId,
        attempts,
      ]);
      if (outcome.kind === 'done' && outcome.problems.length > 0)
        await tx.query(
          `UPDATE connection SET status_reason = $2, updated_at = now() WHERE id = $1 AND status = 'active'`,
          [connectionId, outcome.problems.join(' ')],
        );
      return;
    }
    const due = new Date(clock.now().getTime() + delayAfter(attempts, random));
    await tx.query(
      `UPDATE connection_confirmation SET due_at = $3, trying_until = NULL WHERE connection_id = $1 AND attempts = $2`,
      [connectionId, attempts, due],
    );
  });
}

/** Everything that is due now, once. Answers how many were tried by this process. */
export async function tryConfirmations(ports: ConfirmationPorts, signal?: AbortSignal): Promise<number> {
  const rest = (await dueNow(ports)).values();
  let tried = 0;
  const worker = async () => {
    for (const due of rest) {
      if (signal?.aborted) return;
      const begun = await begin(ports, due);
      if (begun === undefined) continue;
      tried += 1;
      const { organizationId, connectionId } = due;
      const outcome = await ports.confirm(organizationId, connectionId, begun.wish).catch((error: unknown) => {
        // A fault of ours, or of the database: the same attempt may go better later.
        ports.log.warn({ connection: connectionId, err: messageOf(error) }, 'a connection could not be confirmed');
        return { kind: 'unreachable' } as const;
      });
      await end(ports, due, begun.attempts, outcome);
      if (outcome.kind !== 'unreachable')
        ports.log.info(
          { connection: connectionId, outcome: outcome.kind },
          'the forge of a waiting connection answered',
        );
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  return tried;
}

export function startConfirmations(ports: ConfirmationPorts, o: { tickMs?: number } = {}): BackgroundLoop {
  return startBackgroundLoop({
    tickMs: o.tickMs ?? TICK_MS,
    graceMs: GRACE_MS,
    round: async (signal, givenUp) => void (await Promise.race([tryConfirmations(ports, signal), givenUp])),
    failed: (error) => ports.log.warn({ err: messageOf(error) }, 'waiting connections were not looked at; tried again'),
  });
}
