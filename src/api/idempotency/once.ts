/** Requests that change something and may be sent twice: with `Idempotency-Key`, and what is written on forges always. */
import { createHash } from 'node:crypto';
import type { Actor } from '../../accounts/access/actor.js';
import { ForgewayError, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/logger.js';
import { type RequestAttempt, runInRequest } from '../../lib/request-scope.js';
import type { Store } from '../../store/database.js';
import { InvalidRequest } from '../problem.js';
import { type Begun, beginKeyed, beginUnkeyed, LEASE_SECONDS, noteAnswer, noteFailure, prolong } from './rows.js';

export interface OnceServices {
  /** Opened as the api role. */
  store: Store;
  log: Logger;
}

export interface OnceRequest {
  organizationId: string;
  actor: Actor;
  /** From the header, see {@link readKey}. */
  key: string | undefined;
  /** What is asked for, such as `pullRequest.comment`, and with what. */
  what: string;
  input: unknown;
  /** It writes on a forge, and is recorded also without a key. */
  writesForge?: boolean;
  /** Its answer holds a secret that is told once. */
  toldOnce?: boolean;
}

export const KEY_HEADER = 'idempotency-key';
const KEY = /^[\x21\x23-\x7e]{1,255}$/;

/** As a structured string (`"…"`, as the draft of the IETF has it) or bare. @throws InvalidRequest */
export function readKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = Array.isArray(header) ? header.join(',') : header.trim();
  const key = /^"(.*)"$/.exec(text)?.[1] ?? text;
  if (KEY.test(key)) return key;
  throw new InvalidRequest([
    { path: ['Idempotency-Key'], message: 'is one word of 1 to 255 letters, digits and signs' },
  ]);
}

/** Whose the keys are: a person's, whichever token they use by now, or a machine's. */
function ownerOf(actor: Actor): string {
  if (actor.kind === 'user') return `user:${actor.userId}`;
  if (actor.kind === 'machine') return `machine:${actor.tokenId}`;
  throw new TypeError('only callers that are known change something');
}

/** Fields in any order are the same request. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, field]) => [name, canonical(field)]),
  );
}

const hashOf = ({ what, input }: OnceRequest): Buffer =>
  createHash('sha256')
    .update(JSON.stringify([what, canonical(input)]))
    .digest();

/** `answer` of the first one, or what stands in the way. */
function known<T>(begun: Exclude<Begun, { kind: 'run' }>, toldOnce: boolean): T {
  if (begun.kind === 'under-way')
    throw new ForgewayError('FORGEWAY_REQUEST_UNDER_WAY', 'The same request has not ended yet. Ask again.', {
      details: { retryAfterSeconds: begun.seconds },
    });
  if (begun.kind === 'other')
    throw new ForgewayError(
      'FORGEWAY_IDEMPOTENCY_KEY_REUSED',
      'This Idempotency-Key was sent before, with another request. Use a new one.',
    );
  if (toldOnce)
    throw new ForgewayError(
      'FORGEWAY_CONFLICT',
      'This was done, and its secret was told in the first answer alone. Revoke what was made, and ask with a new key.',
    );
  return begun.answer as T;
}

/** Keeps the attempt ours while it runs; aborts when it is not any more. */
function holding({ store, log }: OnceServices, organizationId: string, attempt: RequestAttempt) {
  const lost = new AbortController();
  const timer = setInterval(
    () => {
      store
        .tenant(organizationId, (tx) => prolong(tx, attempt))
        .then(
          (isOurs) => {
            if (!isOurs) lost.abort();
          },
          (error: unknown) => log.warn({ err: messageOf(error) }, 'a request that runs could not be prolonged'),
        );
    },
    (LEASE_SECONDS * 1_000) / 3,
  );
  timer.unref();
  return { signal: lost.signal, stop: () => clearInterval(timer) };
}

/**
 * Runs it, or answers what it was answered the first time. What fails is not kept: the same request with the same key tries
 * again, and what it had written on a forge is found and not written twice.
 * @throws ForgewayError FORGEWAY_REQUEST_UNDER_WAY, FORGEWAY_IDEMPOTENCY_KEY_REUSED, and whatever `run` throws
 */
export async function once<T>(services: OnceServices, o: OnceRequest, run: () => Promise<T>): Promise<T> {
  const { organizationId, key } = o;
  if (key === undefined && !o.writesForge) return run();
  const { store, log } = services;
  const asked = { organizationId, caller: ownerOf(o.actor), key, hash: hashOf(o) };
  const begun = await store.tenant(organizationId, (tx) =>
    key === undefined ? beginUnkeyed(tx, asked) : beginKeyed(tx, asked),
  );
  if (begun.kind !== 'run') return known(begun, o.toldOnce === true);
  const { attempt } = begun;
  const hold = holding(services, organizationId, attempt);
  const noted = async (work: Promise<void>): Promise<void> => {
    // It has happened, whatever the database says now; who asks again finds it by what was recorded before.
    await work.catch((error: unknown) =>
      log.warn({ err: messageOf(error) }, 'the end of a request could not be recorded'),
    );
  };
  try {
    const answer = await runInRequest({ organizationId, attempt, signal: hold.signal }, run);
    const kept = key === undefined || o.toldOnce ? undefined : answer;
    await noted(store.tenant(organizationId, (tx) => noteAnswer(tx, attempt, kept)));
    return answer;
  } catch (error) {
    await noted(store.tenant(organizationId, (tx) => noteFailure(tx, attempt)));
    throw error;
  } finally {
    hold.stop();
  }
}
