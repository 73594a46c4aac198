/** Brings a session to where its row wants it: one step at a time, each of which may be repeated. */

import { systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import { isHeld } from '../../store/run-holds.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import { provision, takeTurn } from './begin.js';
import { type AgentContext, move, refOf } from './context.js';
import { finish, pushedSha } from './finish.js';
import { follow, stopNow } from './follow.js';
import { followHandOff, handOver, takeBack } from './hand-off.js';
import { settlePush } from './landed.js';
import { isLive, liveStatuses } from './machine.js';
import { postNotices } from './notices.js';
import { readSession, type SessionRecord } from './session-record.js';
import { attemptsAt, isDiskFull, unpushed } from './unpushed.js';

export type AgentReconcilerOptions = Pick<
  ReconcilerOptions,
  'store' | 'locks' | 'log' | 'metrics' | 'backoff' | 'supersededPollMs'
> &
  Omit<AgentContext, 'clock' | 'silenceMs' | 'lastWordsMs'> &
  Partial<Pick<AgentContext, 'clock' | 'silenceMs' | 'lastWordsMs'>>;

const BACKOFF = { baseMs: 1_000, capMs: 30_000 };
const SUPERSEDED_POLL_MS = 1_000;
const SILENCE_MS = 120_000;
const LAST_WORDS_MS = 30_000;
const NOTICE_RETRY_MS = 30_000;
/** So long a step waits for somebody else who is at work on the session or its repository, and may be frozen. */
const OTHERS_MS = 20_000;
const CLEAR_RETRY_MS = 10_000;
/** A start that failed so often fails for good, and says why. */
const START_ATTEMPTS = 5;

const HELD_BY = { repository: '"agent_session"."repository_id"', app: 'commands' };
/**
 * SQL: what somebody has stopped ends, and lets go of its lease, whatever is paused; no write to the forge is needed for that. Only where the
 * forge's own agent is to be taken back one is, and a shadow sends none.
 */
const STOPPING = `(("stop_wanted" IS NOT NULL
    OR ("lease_held" AND "status" NOT IN (${liveStatuses.map((status) => `'${status}'`).join(', ')})))
  AND (NOT "hand_off" OR NOT ${isHeld(HELD_BY, 'shadow')}))`;

const patiently = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(OTHERS_MS)]);

/**
 * Over, or about to begin anew: nothing of the last start may run, and then its lease is free. Files are removed afterwards: that waits
 * for whoever has the repository, such as a clone of an hour.
 */
async function letGo(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  const { runner, store } = context;
  if (!session.handOff) await runner.stop(refOf(session), { signal: patiently(signal) });
  await store.tenant(session.organizationId, (tx) =>
    tx.query('UPDATE agent_session SET lease_held = false, updated_at = now() WHERE id = $1 AND fence = $2', [
      ...[session.id, session.fence],
    ]),
  );
  return 'again';
}

/** What a failed session leaves stays to be looked at, until it is started again or was kept for long enough; nobody needs the rest. */
const isToBeCleared = ({ status, handOff, fence, workRemovedAt }: SessionRecord): boolean =>
  status !== 'failed' && !handOff && fence !== null && workRemovedAt === null;

async function clear(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  const { runner, store, log } = context;
  try {
    await runner.remove(refOf(session), patiently(signal));
  } catch (error) {
    if (signal.aborted) throw error;
    log.debug({ session: session.id, err: messageOf(error) }, 'what a session left cannot be removed yet');
    return { retryInMs: CLEAR_RETRY_MS };
  }
  await store.tenant(session.organizationId, (tx) =>
    tx.query('UPDATE agent_session SET work_removed_at = now() WHERE id = $1 AND fence = $2 AND NOT lease_held', [
      ...[session.id, session.fence],
    ]),
  );
  return 'again';
}

/** Nothing of it runs, and its lease is free. */
function afterwards(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  if (session.pushSha !== null) return settlePush(context, session, signal);
  if (session.status === 'assigned') return takeTurn(context, session);
  return isToBeCleared(session) ? clear(context, session, signal) : Promise.resolve('settled');
}

function stepOf(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  const { status, stop, leaseHeld } = session;
  if (!isLive(status) || status === 'assigned')
    return leaseHeld ? letGo(context, session, signal) : afterwards(context, session, signal);
  if (session.handOff) {
    if (stop !== null) return takeBack(context, session);
    return status === 'provisioning' ? handOver(context, session, signal) : followHandOff(context, session);
  }
  if (stop !== null) return stopNow(context, session, signal);
  switch (status) {
    case 'provisioning':
      return provision(context, session, signal);
    case 'running':
    case 'blocked':
      return follow(context, session, signal);
    default:
      return finish(context, session, signal);
  }
}

/** Whoever has asked for it can do nothing with the words of an operating system, but tell them. */
const reasonOf = (error: unknown): string =>
  isDiskFull(error) ? 'There is no room left on the disk that agents work on.' : messageOf(error);

/** The reconciler of the table `agent_session`. */
export function createAgentReconciler(options: AgentReconcilerOptions): Reconciler {
  const context: AgentContext = { clock: systemClock, silenceMs: SILENCE_MS, lastWordsMs: LAST_WORDS_MS, ...options };
  const { store } = options;

  async function wasRestarted({ organizationId, id, fence }: SessionRecord): Promise<boolean> {
    const now = await store.tenant(organizationId, (tx) => readSession(tx, id));
    return now === undefined || now.fence !== fence;
  }

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const session = await store.tenant(row.organizationId, (tx) => readSession(tx, row.id));
    if (session === undefined) return 'settled';
    try {
      const isStopping = session.stop !== null || !isLive(session.status);
      // Nobody is told in a hold; and what is to stop does not wait for a forge that may be down.
      const allTold = row.held || (isStopping && session.leaseHeld) || (await postNotices(context, session, signal));
      const settled = await stepOf(context, session, signal);
      return settled === 'settled' && !allTold ? { retryInMs: NOTICE_RETRY_MS } : settled;
    } catch (error) {
      if (signal.aborted) throw error;
      // Begun on a start that is not the newest any more: what is to be done now is read from the row.
      if (error instanceof ForgewayError && error.code === 'FORGEWAY_AGENT_FENCED' && (await wasRestarted(session)))
        return 'again';
      const starting = session.stop === null && (session.status === 'provisioning' || session.status === 'pushing');
      const isFinal = error instanceof ForgewayError && error.retry === 'never';
      const isPushing = session.status === 'pushing';
      const attempts = isPushing ? attemptsAt(error, context.clock.now()) : START_ATTEMPTS;
      if (!starting || (!isFinal && row.attempts + 1 < attempts)) throw error;
      const reason = isPushing
        ? unpushed(reasonOf(error), { isPushed: (await pushedSha(context, session)) !== undefined })
        : `It could not be started: ${reasonOf(error)}`;
      await move(context, session, [{ kind: 'failed', reason: reason.slice(0, 500) }]);
      return 'again';
    }
  }

  return createReconciler({
    ...options,
    backoff: options.backoff ?? BACKOFF,
    supersededPollMs: options.supersededPollMs ?? SUPERSEDED_POLL_MS,
    queue: options.pokes.agent,
    table: {
      name: 'agent_session',
      key: 'id',
      errorColumn: 'error',
      heldBy: HELD_BY,
      despiteHolds: STOPPING,
    },
    settle,
  });
}
