/**
 * The write journal (decision 6): no write of an app, or of a caller of the API, is sent twice. Each is recorded before it is
 * sent and after it was answered. When the handler runs again, or the caller repeats the request, a write that was answered
 * is answered from here; one whose answer is unknown is looked for, sent again where that changes nothing, or given up.
 */
import { pause } from '../../lib/clock.js';
import { currentDelivery, isHeldBack } from '../../lib/delivery-scope.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { currentRequest } from '../../lib/request-scope.js';
import type { Store } from '../../store/database.js';
import type { Credential } from '../credential.js';
import type { Fetch } from '../forge-fetch.js';
import { responseOf, storedAnswer, withUrl } from './answer.js';
import { type Candidate, finders } from './find.js';
import { type InFlight, type Leave, newInFlight, watchRequests } from './in-flight.js';
import { CannotLook, createLook } from './look.js';
import { madeUpAnswer } from './made-up.js';
import { type AppRequest, createWriteReader, type Write } from './request.js';
import {
  type Attempt,
  beginWrite,
  claimedEffects,
  confirmSend,
  type KnownWrite,
  ledgerOf,
  noteAnswered,
  noteFailed,
  type Queryable,
  sendAgain,
  type WriteFacts,
  type WriteIdentity,
} from './statements.js';
import { createTurns, type Turn } from './turns.js';

export interface JournalPorts {
  /** Really sends the request. */
  send(): Promise<Response>;
  /** Asks the same API as the same credential. */
  ask: Fetch;
  /** Told of a write whose effect was found, with the answer that it would have had. */
  found?(write: Write, answer: unknown): Promise<void>;
}

export interface WriteJournal {
  /**
   * Carries out one request of an app, or of a caller of the API. Reads, and whatever belongs to neither, are sent as they are.
   * @throws ForgewayError FORGEWAY_WRITE_OUTCOME_UNKNOWN, FORGEWAY_LEASE_LOST, FORGEWAY_DATABASE_UNAVAILABLE
   */
  carryOut(credential: Credential, request: AppRequest, ports: JournalPorts): Promise<Response>;
}

export interface JournalOptions {
  /** Opened as the worker. */
  store: Store;
  log: Logger;
  /**
   * What was sent less than this ago may still be under way through some proxy when it is looked for; the look is repeated
   * when it is over. Milliseconds.
   */
  settleMs?: number;
}

const SETTLE_MS = 3_000;
/** What a write may be answered that is sent again, when it had been done the first time. */
const DONE_ALREADY: ReadonlySet<number> = new Set([404, 405, 409, 410, 422]);

const NOT_KEPT = 'what it was answered is not kept';

/** The run or the request that writes. */
interface Run {
  organizationId: string;
  signal: AbortSignal;
  attempt: Attempt;
  /** For the log. */
  labels: Readonly<Record<string, unknown>>;
}

/** One write on its way through the journal. */
interface Entry {
  run: Run;
  credential: Credential;
  ports: JournalPorts;
  write: Write;
  url: string;
  method: string;
  identity: WriteIdentity;
  turn: Turn;
  journal: bigint;
}

export function createWriteJournal(o: JournalOptions): WriteJournal {
  /** A request of the API is seen in its tenant alone; the inbox writes for every tenant, in one statement. */
  const as = <T>({ attempt, organizationId }: Run, work: (db: Queryable) => Promise<T>): Promise<T> =>
    ledgerOf(attempt) === 'dispatch' ? work(o.store.pool) : o.store.tenant(organizationId, work);
  const settleMs = o.settleMs ?? SETTLE_MS;
  const read = createWriteReader();
  const turnsOf = createTurns();

  /** What has happened on the forge is not undone by a database that cannot be told. */
  const recorded = async (entry: Entry, note: Promise<void>): Promise<void> => {
    await note.catch((error: unknown) =>
      o.log.warn(
        { ...entry.run.labels, request: entry.write.route, err: messageOf(error) },
        'the outcome of a write could not be recorded; it is looked for when it is asked for again',
      ),
    );
  };

  const noteFailure = async (entry: Entry, status: 'refused' | 'unknown', sends: number): Promise<void> => {
    const { run, journal, identity } = entry;
    const noted = as(run, (db) => noteFailed(db, ledgerOf(run.attempt), journal, identity, status, sends));
    await recorded(entry, noted);
  };

  const failed = async (entry: Entry, inFlight: InFlight, sends: number): Promise<void> => {
    entry.turn.failed = true;
    const status = inFlight.done + inFlight.lost > 0 ? 'unknown' : 'refused';
    await noteFailure(entry, status, sends);
  };

  const answered = async (entry: Entry, response: Response, found = false): Promise<void> => {
    const answer = await storedAnswer(response);
    const effect = effectOf(entry, answer.body);
    const { run, journal, identity } = entry;
    const noted = as(run, (db) =>
      noteAnswered(db, ledgerOf(run.attempt), journal, identity, { ...answer, effect, found }),
    );
    await recorded(entry, noted);
  };

  /** The first thing that the write may have made and no other write did. */
  const find = async (entry: Entry, known: KnownWrite): Promise<Candidate | undefined> => {
    const finder = finders[entry.write.route];
    if (finder === undefined) throw new CannotLook('what it makes cannot be told from anything else');
    const { credential, ports, write, run, journal } = entry;
    const inFlight = newInFlight();
    const look = createLook({ credential, ask: ports.ask, sentAt: known.createdAt, inFlight });
    const candidates = await watchRequests(inFlight, () => finder.find(write, look));
    const effects = candidates.map(({ data }) => placed(entry, finder.effect(data)));
    const named = effects.flatMap((effect) => effect ?? []);
    const { organizationId, attempt } = run;
    const facts = { organizationId, effects: named, ledger: ledgerOf(attempt), journal };
    // Both journals are asked, and one of them is seen in its tenant alone.
    const claimed = await ofDatabase(o.store.tenant(organizationId, (tx) => claimedEffects(tx, facts, entry.identity)));
    return candidates.find((_candidate, at) => !claimed.has(effects[at] ?? ''));
  };

  /** The answer to a write that is refused now because it had been done before; undefined when that cannot be told. */
  const doneAlready = async (entry: Entry, known: KnownWrite): Promise<Response | undefined> => {
    const nothing = () =>
      entry.method === 'DELETE' ? withUrl(new Response(null, { status: 204 }), entry.url) : undefined;
    try {
      const found = finders[entry.write.route] === undefined ? undefined : await find(entry, known);
      return found === undefined ? nothing() : withUrl(Response.json(found.data, { status: found.status }), entry.url);
    } catch (error) {
      if (error instanceof CannotLook) return nothing();
      throw error;
    }
  };

  const leaveOf = (entry: Entry, askedAt: number): Leave => ({
    askedAt,
    async confirm() {
      const { run, identity, write } = entry;
      if (!(await ofDatabase(as(run, (db) => confirmSend(db, run.attempt, identity))))) throw leaseLost(write);
    },
  });

  /** `askedAt`: by `performance.now()`, before its recording was asked for. */
  const send = async (entry: Entry, sends: number, askedAt: number, again?: KnownWrite): Promise<Response> => {
    const inFlight = newInFlight(leaveOf(entry, askedAt));
    let response: Response;
    try {
      response = await watchRequests(inFlight, entry.ports.send);
    } catch (error) {
      await failed(entry, inFlight, sends);
      throw error;
    }
    if (again !== undefined && DONE_ALREADY.has(response.status))
      response = (await doneAlready(entry, again)) ?? response;
    if (response.ok && entry.write.mutations !== undefined && (await hasErrors(response))) {
      // A single mutation that failed did nothing; of several, some may have been done.
      await failed(entry, entry.write.mutations > 1 ? inFlight : newInFlight(), sends);
    } else if (response.ok) await answered(entry, response);
    else await failed(entry, inFlight, sends);
    return response;
  };

  /** `again`: the answer to the last time was lost. */
  const resend = async (entry: Entry, again?: KnownWrite): Promise<Response> => {
    const askedAt = performance.now();
    const sends = await ofDatabase(as(entry.run, (db) => sendAgain(db, entry.run.attempt, entry.identity)));
    if (sends === undefined) throw leaseLost(entry.write);
    return send(entry, sends, askedAt, again);
  };

  const giveUp = async (entry: Entry, known: KnownWrite, why: string): Promise<never> => {
    entry.turn.failed = true;
    await noteFailure(entry, 'unknown', known.sends);
    throw new ForgewayError(
      'FORGEWAY_WRITE_OUTCOME_UNKNOWN',
      `${entry.write.route} was sent at ${known.createdAt.toISOString()} and cannot be gone on with: ${why}.`,
      { details: { route: entry.write.route, path: entry.write.path } },
    );
  };

  const lookThenSend = async (entry: Entry, known: KnownWrite): Promise<Response> => {
    let candidate: Candidate | undefined;
    try {
      candidate = await find(entry, known);
      if (candidate === undefined && known.ageMs < settleMs) {
        await pause(settleMs - known.ageMs, entry.run.signal);
        candidate = await find(entry, known);
      }
    } catch (error) {
      entry.turn.failed = true;
      if (!(error instanceof CannotLook)) throw error;
      if (known.sentBy === idOf(entry.run.attempt)) return giveUp(entry, known, error.message);
    }
    if (candidate === undefined && known.status === 'answered') return giveUp(entry, known, NOT_KEPT);
    if (candidate === undefined) return resend(entry, known);
    const response = withUrl(Response.json(candidate.data, { status: candidate.status }), entry.url);
    await entry.ports.found?.(entry.write, candidate.data);
    await answered(entry, response, true);
    return response;
  };

  const known = async (entry: Entry, found: KnownWrite): Promise<Response> => {
    if (found.status === 'refused' || found.status === 'shadow') return resend(entry);
    if (found.status === 'answered' && found.answer !== undefined) {
      const response = responseOf(found.answer, entry.url);
      if (response !== undefined) return response;
    }
    if (entry.write.safety === 'idempotent') return resend(entry, found);
    if (entry.write.safety === 'findable') return lookThenSend(entry, found);
    // Whoever replays a delivery that was given up has looked.
    if (found.status !== 'answered' && found.sentBy !== idOf(entry.run.attempt)) return resend(entry, found);
    return giveUp(entry, found, found.status === 'answered' ? NOT_KEPT : 'whether it arrived cannot be seen');
  };

  return {
    async carryOut(credential, request, ports) {
      const scope = currentDelivery();
      const shadow = isHeldBack(scope);
      const run = currentRun();
      if (run === undefined && !shadow) return ports.send();
      const write = await read(credential, request);
      if (write === undefined) return ports.send();
      const { method, body } = request;
      const url = request.url.href;
      const pretend = () => withUrl(madeUpAnswer(method, write.path, write.sent), url);
      if (run === undefined) return pretend();
      if (run.signal.aborted) throw leaseLost(write);

      const turn = turnsOf(run.attempt)(write.hash);
      const identity: WriteIdentity = { hash: write.hash, ordinal: turn.ordinal };
      const facts: WriteFacts = {
        ...identity,
        forge: credential.endpoint.forge,
        host: credential.endpoint.host,
        route: write.route,
        path: write.path,
        safety: write.safety,
        status: shadow ? 'shadow' : 'sent',
        requestBody: shadow && typeof body === 'string' ? Buffer.from(body) : undefined,
      };
      const askedAt = performance.now();
      const begun = await ofDatabase(as(run, (db) => beginWrite(db, run.attempt, facts)));
      if (begun.kind === 'refused') throw leaseLost(write);
      const entry: Entry = { run, credential, ports, write, url, method, identity, turn, journal: begun.journal };
      if (shadow) {
        const answer = begun.kind === 'known' ? begun.known.answer : undefined;
        return (answer && responseOf(answer, url)) ?? pretend();
      }
      return begun.kind === 'new' ? send(entry, 1, askedAt) : known(entry, begun.known);
    },
  };
}

const idOf = (attempt: Attempt): bigint => ('dispatchId' in attempt ? attempt.dispatchId : attempt.requestId);

/** Of the inbox, or of the API; undefined where nobody would ask again, and nothing is journaled. */
function currentRun(): Run | undefined {
  const request = currentRequest();
  if (request !== undefined) return { ...request, labels: { apiRequest: request.attempt.requestId.toString() } };
  const delivery = currentDelivery();
  if (delivery?.attempt === undefined) return undefined;
  const { organizationId, signal, attempt, deliveryKey, app } = delivery;
  return { organizationId, signal, attempt, labels: { delivery: deliveryKey, app } };
}

const leaseLost = ({ route }: Write): ForgewayError =>
  new ForgewayError('FORGEWAY_LEASE_LOST', `${route} was not sent: what wanted to write is over, or was begun anew.`);

/** Nothing is sent that could not be recorded. */
async function ofDatabase<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw new ForgewayError('FORGEWAY_DATABASE_UNAVAILABLE', `The write journal: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const placed = ({ credential }: Pick<Entry, 'credential'>, effect: string | undefined): string | undefined =>
  effect && `${credential.endpoint.forge} ${credential.endpoint.host} ${effect}`;

function effectOf(entry: Entry, body: Buffer | undefined): string | undefined {
  const finder = finders[entry.write.route];
  if (finder === undefined || body === undefined || body.length === 0) return undefined;
  try {
    const data: unknown = JSON.parse(body.toString('utf8'));
    return typeof data === 'object' && data !== null ? placed(entry, finder.effect({ ...data })) : undefined;
  } catch {
    // An answer that is no JSON names nothing that was made.
    return undefined;
  }
}

async function hasErrors(response: Response): Promise<boolean> {
  try {
    const data = (await response.clone().json()) as { errors?: unknown } | null;
    return Array.isArray(data?.errors) && data.errors.length > 0;
  } catch {
    return false;
  }
}
