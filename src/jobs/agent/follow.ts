/** While an agent works: what it says is written down, what people say is handed over, and its end is noticed. */
import type { PoolClient } from 'pg';
import { formats } from '../../effects/agents/formats/registry.js';
import { spokenWords } from '../../effects/agents/prompt.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Settlement } from '../reconcile.js';
import { stopOfBudget, stopOfDay } from './budget.js';
import { type AgentContext, move, refOf, tellMoved } from './context.js';
import { drive } from './drive.js';
import { inputsOf, inputsOfTurn } from './line-inputs.js';
import type { SessionInput } from './machine.js';
import { wantNotice } from './notices.js';
import { noteTold, previewNote, tellPreview, untoldPreview } from './preview-told.js';
import { readSession, type SessionRecord } from './session-record.js';

const LOOK_MS = 1_000;
/** How long a stop may fail before the session counts as over all the same. */
const STOP_GRACE_MS = 60_000;
/** So long it waits for another process that is at work on the session, and may be frozen. */
const STOP_WAIT_MS = 20_000;
/** Lines in one transaction. */
const PAGE = 500;
/** Read in one look at most: an agent can print faster than it is read, and is held to its budgets all the same. */
const PAGES = 8;

/** Whether `fence` still is the session's, which a transaction that writes lines makes sure of. */
const isCurrent = (now: SessionRecord | undefined, then: SessionRecord): now is SessionRecord =>
  now !== undefined && now.fence === then.fence && now.lineCursor === then.lineCursor;

/** Sessions whose agents' keys this process has had in its hands, and until when that holds. */
const known = new WeakMap<AgentContext, Map<string, number>>();
const KNOWN_MS = 60_000;

/**
 * What an agent prints is hidden by value where it is one of its keys. A process that did not start it has never seen them: it
 * reads them from the vault first, which keeps also those that were replaced while a session has them.
 */
async function knowKeys(context: AgentContext, session: SessionRecord): Promise<void> {
  const planned = context.agents.byName.get(session.agent);
  if (planned === undefined || session.handOff) return;
  const mine = known.get(context) ?? new Map<string, number>();
  known.set(context, mine);
  const now = context.clock.now().getTime();
  if ((mine.get(session.id) ?? 0) > now) return;
  await context.everySecretOf(session.organizationId, planned.definition);
  for (const [id, until] of mine) if (until <= now) mine.delete(id);
  mine.set(session.id, now + KNOWN_MS);
}

/** Whether it ends after each turn, and can be told more as its next one. */
function endsTurns({ agents }: AgentContext, { agent }: SessionRecord): boolean {
  const definition = agents.byName.get(agent)?.definition;
  return definition?.resume !== undefined && formats[definition.format].input === 'whole';
}

async function ofTurn(tx: PoolClient, session: SessionRecord, said: readonly SessionInput[]): Promise<SessionInput[]> {
  const { rows } = await tx.query<{ kind: string }>(
    `SELECT kind FROM session_event WHERE session_id = $1 AND kind IN ('question', 'tool', 'diff') ORDER BY sequence DESC LIMIT 1`,
    [session.id],
  );
  const asks = session.status === 'blocked' && rows[0]?.kind === 'question';
  return inputsOfTurn(said, { asks, isToldMore: (await waitingInputs(tx, session)).length > 0 });
}

/**
 * Reads everything that the agent has printed since. Lines and the place up to which they were read are written together,
 * so that each is in the record once, whoever dies in between.
 */
export async function readLines(
  context: AgentContext,
  start: SessionRecord,
  signal: AbortSignal,
): Promise<SessionRecord> {
  return (await readPages(context, start, signal, Number.POSITIVE_INFINITY)).session;
}

/** `more`: there were more pages than `most`. */
async function readPages(
  context: AgentContext,
  start: SessionRecord,
  signal: AbortSignal,
  most: number,
): Promise<{ session: SessionRecord; more: boolean }> {
  let session = start;
  await knowKeys(context, session);
  for (let pages = 1; ; pages += 1) {
    signal.throwIfAborted();
    const page = await context.runner.read(refOf(session), session.lineCursor, PAGE);
    if (page.next === session.lineCursor) return { session, more: false };
    const driven = await context.store.tenant(session.organizationId, async (tx) => {
      const now = await readSession(tx, session.id, { lock: true });
      if (!isCurrent(now, session)) return undefined;
      const said = inputsOf(page.events, { tokens: now.roundTokens, costMicros: now.roundCostMicros });
      return drive(tx, session.id, endsTurns(context, now) ? await ofTurn(tx, now, said) : said, {
        wakes: false,
        columns: { line_cursor: page.next, heartbeat_at: context.clock.now() },
      });
    });
    // Somebody else has read them, or it was started anew: begin again from the row.
    if (driven === undefined) throw new Error('the session was moved on by somebody else');
    await tellMoved(context, driven);
    ({ session } = driven);
    if (!page.more || pages >= most) return { session, more: page.more };
  }
}

/** The same of one that prints no more, as far as it can be read in a time for which somebody waits. */
export async function readLastWords(
  context: AgentContext,
  session: SessionRecord,
  signal: AbortSignal,
): Promise<SessionRecord> {
  const enough = AbortSignal.timeout(context.lastWordsMs);
  try {
    return await readLines(context, session, AbortSignal.any([signal, enough]));
  } catch (error) {
    if (signal.aborted || !enough.aborted) throw error;
    context.log.warn({ session: session.id }, 'not all that an agent has printed was read: it is too much');
    const now = await context.store.tenant(session.organizationId, (tx) => readSession(tx, session.id));
    if (now === undefined || now.fence !== session.fence) throw error;
    return now;
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
  const listens = planned !== undefined && formats[planned.definition.format].input === 'follow';
  const preview = listens ? undefined : await untoldPreview(context, session);
  for (const { id, client_input_id: clientInputId, body } of waiting) {
    const said = spokenWords(body);
    const text = preview === undefined ? said : `${said}\n\n${previewNote(preview)}`;
    const taken = await runner.reply(refOf(session), { text, clientInputId, secrets });
    // It is at work and does not listen: its next turn begins with it.
    if (taken === 'ended' || taken === 'later') return false;
    await store.tenant(session.organizationId, (tx) =>
      tx.query('UPDATE client_input SET delivered_at = now() WHERE id = $1', [id]),
    );
  }
  if (preview !== undefined) await noteTold(context, session, preview);
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
    case 'vanished': {
      // Also of what was killed from outside: its last line may say that it was done.
      const last = await readLines(context, session, AbortSignal.timeout(context.silenceMs));
      if (last.status === session.status)
        await move(context, last, [{ kind: 'dead', why: seen.state === 'vanished' ? seen.why : undefined }]);
      return 'again';
    }
    case 'exited': {
      // It may have printed its last lines between the reading and this.
      await readLines(context, session, AbortSignal.timeout(context.silenceMs));
      const { code, reason, canResume } = seen;
      const driven = await context.store.tenant(session.organizationId, async (tx) => {
        const now = await readSession(tx, session.id, { lock: true });
        const works = now?.stop === null && (now.status === 'running' || now.status === 'blocked');
        // What somebody has said, until this very moment, begins another turn.
        if (canResume && works && (await waitingInputs(tx, now)).length > 0) return undefined;
        return drive(tx, session.id, [{ kind: 'exited', code, reason, canResume }], {
          ...{ wakes: false, fence: session.fence, columns: { heartbeat_at: clock.now() } },
        });
      });
      if (driven === undefined) return { retryInMs: 50 };
      await tellMoved(context, driven);
      return driven.session.status === session.status ? undefined : 'again';
    }
  }
}

/** Of a question that nobody answers: asks for it once more, and after a longer time ends the session for it. */
async function waitsInVain(context: AgentContext, session: SessionRecord): Promise<boolean> {
  const { status, askedAt, remindedAt, id } = session;
  if (status !== 'blocked' || askedAt === null) return false;
  const { remindMs, endMs } = context.agents.questions;
  const waitedMs = context.clock.now().getTime() - askedAt.getTime();
  if (waitedMs >= endMs) {
    const detail = `Nobody answered in ${Math.round(endMs / 3_600_000)} hours.`;
    await move(context, session, [{ kind: 'stop', why: 'unanswered', by: 'forgeway', detail }]);
    return true;
  }
  if (remindMs === null || remindedAt !== null || waitedMs < remindMs) return false;
  await context.store.tenant(session.organizationId, async (tx) => {
    const { rows } = await tx.query<{ sequence: bigint }>(
      `UPDATE agent_session SET reminded_at = now() WHERE id = $1 AND status = 'blocked' AND reminded_at IS NULL
       RETURNING event_sequence AS sequence`,
      [id],
    );
    if (rows[0] !== undefined) await wantNotice(tx, session, 'reminder', rows[0].sequence);
  });
  return false;
}

/** One look at an agent that works or waits for an answer. */
export async function follow(context: AgentContext, start: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  let session: SessionRecord;
  try {
    const read = await readPages(context, start, signal, PAGES);
    ({ session } = read);
    if (session.status !== start.status) return 'again';
    const stop = stopOfBudget(session, context.clock.now()) ?? (await stopOfToday(context, session));
    if (stop !== undefined) {
      await move(context, session, [stop]);
      return 'again';
    }
    if (await handOver(context, session)) return { retryInMs: 50 };
    // How it stands is judged when all that it has said is known.
    if (read.more) return 'again';
    if (await waitsInVain(context, session)) return 'again';
    const changed = await observe(context, session);
    if (changed !== undefined) return changed;
    await tellPreview(context, session);
    await context.store.tenant(session.organizationId, (tx) =>
      tx.query('UPDATE agent_session SET heartbeat_at = $2 WHERE id = $1', [session.id, context.clock.now()]),
    );
    return { retryInMs: LOOK_MS };
  } catch (error) {
    if (signal.aborted) throw error;
    // What it needs to be told anything was taken away, and will not come back by itself.
    if (error instanceof ForgewayError && error.code === 'FORGEWAY_AGENT_SECRET_MISSING') {
      await move(context, start, [{ kind: 'failed', reason: messageOf(error) }]);
      return 'again';
    }
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

/** What a session had used when the day's budgets were last looked at, by this process. */
const lookedAt = new WeakMap<AgentContext, Map<string, string>>();
const MOST_LOOKED_AT = 1_000;

/**
 * The stop that follows from what everybody has used in a day: looked at when this session has used something since the last time, and by
 * a process that comes to it anew. One that waits for a person uses nothing.
 */
async function stopOfToday(context: AgentContext, now: SessionRecord) {
  const looked = lookedAt.get(context) ?? new Map<string, string>();
  lookedAt.set(context, looked);
  const used = `${now.tokens} ${now.costMicros}`;
  if (now.status !== 'running' || used === '0 0' || looked.get(now.id) === used) return undefined;
  const stop = await context.store.tenant(now.organizationId, (tx) => stopOfDay(tx, now, context.agents));
  if (looked.size >= MOST_LOOKED_AT) looked.clear();
  looked.set(now.id, used);
  return stop;
}

/** Ends a session that is to end. It is over when nothing of it runs, and its last words have been read. */
export async function stopNow(context: AgentContext, session: SessionRecord, signal: AbortSignal): Promise<Settlement> {
  let last = session;
  try {
    await context.runner.stop(refOf(session), {
      signal: AbortSignal.any([signal, AbortSignal.timeout(STOP_WAIT_MS)]),
    });
    last = await readLastWords(context, session, signal);
  } catch (error) {
    if (signal.aborted || context.clock.now().getTime() - session.updatedAt.getTime() < STOP_GRACE_MS) throw error;
    // Nobody has to wait for a machine that is gone, nor for words that cannot be written down. The lease stays with it until it
    // is known to be dead, so that no second agent begins meanwhile.
    context.log.warn({ session: session.id, err: messageOf(error) }, 'a session ends without its last words');
  }
  await move(context, last, [{ kind: 'dead' }]);
  return 'again';
}
