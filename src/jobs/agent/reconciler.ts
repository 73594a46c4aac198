/** Brings a session to where its row wants it: one step at a time, each of which may be repeated. */

import { systemClock } from '../../lib/clock.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import {
  createReconciler,
  type Reconciler,
  type ReconcilerOptions,
  type Settlement,
  type UnsettledRow,
} from '../reconcile.js';
import { provision, takeTurn } from './begin.js';
import { type AgentContext, move, refOf } from './context.js';
import { finish } from './finish.js';
import { follow, stopNow } from './follow.js';
import { isLive } from './machine.js';
import { readSession, type SessionRecord } from './session-record.js';

export type AgentReconcilerOptions = Pick<
  ReconcilerOptions,
  'store' | 'locks' | 'log' | 'metrics' | 'backoff' | 'supersededPollMs'
> &
  Omit<AgentContext, 'clock' | 'silenceMs'> &
  Partial<Pick<AgentContext, 'clock' | 'silenceMs'>>;

const BACKOFF = { baseMs: 1_000, capMs: 30_000 };
const SUPERSEDED_POLL_MS = 1_000;
const SILENCE_MS = 120_000;
/** A start that failed so often fails for good, and says why. */
const START_ATTEMPTS = 5;

/** Over, or about to begin anew: nothing of the last start may run, and then its lease is free. */
async function letGo(context: AgentContext, session: SessionRecord): Promise<Settlement> {
  const { runner, store } = context;
  await runner.stop(refOf(session));
  // What a failed session leaves stays to be looked at, until it is started again.
  if (session.status !== 'failed') await runner.remove(refOf(session));
  await store.tenant(session.organizationId, (tx) =>
    tx.query('UPDATE agent_session SET lease_held = false, updated_at = now() WHERE id = $1 AND fence = $2', [
      ...[session.id, session.fence],
    ]),
  );
  return 'again';
}

function stepOf(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  const { status, stop, leaseHeld } = session;
  if (!isLive(status)) return leaseHeld ? letGo(context, session) : Promise.resolve('settled');
  if (status === 'assigned') return leaseHeld ? letGo(context, session) : takeTurn(context, session);
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

/** The reconciler of the table `agent_session`. */
export function createAgentReconciler(options: AgentReconcilerOptions): Reconciler {
  const context: AgentContext = { clock: systemClock, silenceMs: SILENCE_MS, ...options };
  const { store } = options;

  async function settle(row: UnsettledRow, signal: AbortSignal): Promise<Settlement> {
    const session = await store.tenant(row.organizationId, (tx) => readSession(tx, row.id));
    if (session === undefined) return 'settled';
    try {
      return await stepOf(context, session, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const starting = session.status === 'provisioning' || session.status === 'pushing';
      const isFinal = error instanceof ForgewayError && error.retry === 'never';
      if (!starting || (!isFinal && row.attempts + 1 < START_ATTEMPTS)) throw error;
      const reason = `It could not be ${session.status === 'pushing' ? 'pushed' : 'started'}: ${messageOf(error)}`;
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
      heldBy: { repository: '"agent_session"."repository_id"', app: 'commands' },
    },
    settle,
  });
}
