/** Polls again and again, in one process of many. */

import type pg from 'pg';
import { startBackgroundLoop } from '../../lib/background-loop.js';
import { pause } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import { ADVISORY_LOCKS } from '../advisory-locks.js';
import { type CycleOptions, type CycleSummary, runCycle } from './cycle.js';
import type { PollPorts } from './ports.js';

/** How often it is looked whether something is due, or was asked for. */
const TICK_MS = 5_000;
/** Between two tries of somebody who waits for a cycle to end. */
const LOCK_PAUSE_MS = 100;
/** How long what is being looked at may take when everything is to stop: a forge may take longer to answer than we have. */
const GRACE_MS = 5_000;

export interface Poller {
  /** Resolves when the objects in hand are dealt with, or were given up: they are looked at again. */
  stop(): Promise<void>;
}

async function holding<T>(
  { store, log }: PollPorts,
  take: (client: pg.PoolClient) => Promise<boolean>,
  run: () => Promise<T>,
): Promise<T | undefined> {
  const client = await store.pool.connect();
  // The failing query says the same; without a listener the event would end the process.
  const lost = (error: Error) => log.debug({ err: messageOf(error) }, 'the poller lost its session');
  client.on('error', lost);
  let isHeld = true;
  try {
    isHeld = await take(client);
    if (!isHeld) return undefined;
    const result = await run();
    // It is done, whatever becomes of the session.
    isHeld = !(await giveBack(client).catch(lost));
    return result;
  } finally {
    client.off('error', lost);
    // Where nobody knows, the session is closed, and with it the lock.
    client.release(isHeld);
  }
}

const giveBack = async (client: pg.PoolClient): Promise<boolean> => {
  const { rows } = await client.query<{ was: boolean }>('SELECT pg_advisory_unlock($1) AS was', [
    ADVISORY_LOCKS.poller,
  ]);
  return rows[0]?.was ?? false;
};

const tryTake = async (client: pg.PoolClient): Promise<boolean> => {
  const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [
    ADVISORY_LOCKS.poller,
  ]);
  return rows[0]?.mine ?? false;
};

/** One cycle now, over all repositories, after the one that may be under way. */
export async function pollNow(ports: PollPorts, o: CycleOptions): Promise<CycleSummary> {
  const summary = await holding(
    ports,
    async (client) => {
      // A cycle may take longer than a statement may.
      while (!(await tryTake(client))) await pause(LOCK_PAUSE_MS);
      return true;
    },
    () => runCycle(ports, { ...o, all: true }),
  );
  if (summary === undefined) throw new Error('the lock was taken and not held');
  return summary;
}

/** Looks every few seconds what is due; when is written in the cursors, so that any number of processes may do this. */
export function startPoller(ports: PollPorts, o: CycleOptions & { tickMs?: number; graceMs?: number }): Poller {
  return startBackgroundLoop({
    tickMs: o.tickMs ?? TICK_MS,
    graceMs: o.graceMs ?? GRACE_MS,
    async round(signal, givenUp) {
      const summary = await holding(ports, tryTake, () => Promise.race([runCycle(ports, { ...o, signal }), givenUp]));
      if (summary === undefined || (summary.events.length === 0 && summary.imported === 0)) return;
      const { events, ...counts } = summary;
      ports.log.info({ ...counts, events: events.length }, 'polled');
    },
    failed: (error) => ports.log.warn({ err: messageOf(error) }, 'polling failed; tried again'),
  });
}
