/** While an agent works: what it says is written down, what people say is handed over, and its end is noticed. */
import type { PoolClient } from 'pg';
import { messageOf } from '../../lib/errors.js';
import type { Settlement } from '../reconcile.js';
import { stopOfBudget } from './budget.js';
import { type AgentContext, move, refOf, tellMoved } from './context.js';
import { drive } from './drive.js';
import { inputsOf } from './line-inputs.js';
import { readSession, type SessionRecord } from './session-record.js';

const LOOK_MS = 1_000;
/** How long a stop may fail before the session counts as over all the same. */
const STOP_GRACE_MS = 60_000;
/** Lines in one transaction. */
const PAGE = 500;

/** Whether `fence` still is the session's, which a transaction that writes lines makes sure of. */
const isCurrent = (now: SessionRecord | undefined, then: SessionRecord): now is SessionRecord =>
  now !== undefined && now.fence === then.fence && now.lineCursor === then.lineCursor;

/**
 * Reads everything that the agent has printed since. Lines and the place up to which they were read are written together,
 * so that each is in the record once, whoever dies in between.
 */
export async function readLines(
  context: AgentContext,
  start: SessionRecord,
  signal: AbortSignal,
): Promise<SessionRecord> {
  let session = start;
  for (;;) {
    signal.throwIfAborted();
    const page = await context.runner.read(refOf(session), session.lineCursor, PAGE);
    if (page.next === session.lineCursor) return session;
    const driven = await context.store.tenant(session.organizationId, async (tx) => {
      const now = await readSession(tx, session.id, { lock: true });
      if (!isCurrent(now, session)) return undefined;
      const use = { tokens: now.roundTokens, costMicros: now.roundCostMicros };
      return drive(tx, session.id, inputsOf(page.events, use), {
        wakes: false,
        columns: { line_cursor: page.next, heartbeat_at: context.clock.now() },
      });
    });
    // Somebody else has read them, or it was started anew: begin again from the row.
    if (driven === undefined) throw new Error('the session was moved on by somebody else');
    await tellMoved(context, driven);
    ({ session } = driven);
    if (!page.more) return session;
  }
}

interface Waiting {
  id: string;
  client_input_id: string;
  body: string;
}

const waitingInputs = async (tx: PoolClient, session: SessionRecord): Promise<Waiting[]> =>
  (
    await tx.query<Waiting>(
      `SELECT id, client_input_id, body FROM client_input WHERE session_id = $1 AND delivered_at IS NULL ORDER BY position`,
      [session.id],
    )
  ).rows;

/** Hands over what people said. The runner knows each by its id, so that one that is handed over twice arrives once. */
async function handOver(context: AgentContext, session: SessionRecord): Promise<boolean> {
  const { store, runner, agents } = context;
  const waiting = await store.tenant(session.organizationId, (tx) => waitingInputs(tx, session));
  if (waiting.length === 0) return false;
  const planned = agents.byName.get(session.agent);
  const secrets = planned === undefined ? {} : await context.secretsOf(session.organizationId, planned.definition);
  for (const { id, client_input_id: clientInputId, body } of waiting) {
    const taken = await runner.reply(refOf(session), { text: body, clientInputId, secrets });
    // It is at work and does not listen: its next turn begins with it.
    if (taken === 'ended' || taken === 'later') return false;
    await store.tenant(session.organizationId, (tx) =>
      tx.query('UPDATE client_input SET delivered_at = now() WHERE id = $1', [id]),
    );
  }
  return true;
}

/** What the runner says about the process, in the machine's words; undefined while it is as it should be. */
async function observe(context: AgentContext, session: SessionRecord): Promise<Settlement | undefined> {
  const { runner, clock } = context;
  const seen = await runner.observe(refOf(session));
  switch (seen.state) {
    case 'running':
      return undefined;
    case 'preparing':
      return { retryInMs: LOOK_MS };
    case 'absent':
    case 'vanished':
      // Of what was killed from outside the last lines may still have to be read; they were, just before.
      await move(context, session, [{ kind: 'dead' }]);
      return 'again';
    case 'exited': {
      // It may have printed its last lines between the reading and this.
      const last = await readLines(context, session, AbortSignal.timeout(context.silenceMs));
      const { code, reason, canResume } = seen;
      // What somebody said meanwhile begins another turn.
      if (canResume && last.status === session.status) {
        const waiting = await context.store.tenant(session.organizationId, (tx) => waitingInputs(tx, last));
        if (waiting.length > 0) return { retryInMs: 50 };
      }
      const driven = await move(context, last, [{ kind: 'exited', code, reason, canResume }], {
        columns: { heartbeat_at: clock.now() },
      });
      return driven.session.status === session.status ? undefined : 'again';
    }
  }
}

/** One look at an agent that works or waits for an answer. */
export async function follow(context: AgentContext, start: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  let session: SessionRecord;
  try {
    session = await readLines(context, start, signal);
    if (session.status !== start.status) return 'again';
    const stop = stopOfBudget(session, context.clock.now());
    if (stop !== undefined) {
      await move(context, session, [stop]);
      return 'again';
    }
    if (await handOver(context, session)) return { retryInMs: 50 };
    const changed = await observe(context, session);
    if (changed !== undefined) return changed;
    await context.store.tenant(session.organizationId, (tx) =>
      tx.query('UPDATE agent_session SET heartbeat_at = $2 WHERE id = $1', [session.id, context.clock.now()]),
    );
    return { retryInMs: LOOK_MS };
  } catch (error) {
    if (signal.aborted) throw error;
    const silentMs = context.clock.now().getTime() - (start.heartbeatAt?.getTime() ?? 0);
    if (silentMs < context.silenceMs) throw error;
    context.log.warn(
      { session: start.id, err: messageOf(error) },
      'an agent session is lost: its runner does not answer',
    );
    await move(context, start, [{ kind: 'stop', why: 'lost', by: 'forgeway', detail: messageOf(error).slice(0, 300) }]);
    return 'again';
  }
}

/** Ends a session that is to end. It is over when nothing of it runs, and its last words have been read. */
export async function stopNow(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  try {
    await context.runner.stop(refOf(session));
  } catch (error) {
    if (signal.aborted || context.clock.now().getTime() - session.updatedAt.getTime() < STOP_GRACE_MS) throw error;
    // Nobody has to wait for a machine that is gone. The lease stays with it until it is known to be dead, so that no
    // second agent begins meanwhile.
    await move(context, session, [{ kind: 'dead' }]);
    return 'again';
  }
  const last = await readLines(context, session, signal);
  await move(context, last, [{ kind: 'dead' }]);
  return 'again';
}
