/**
 * What really left for the forge while one write of an app was carried out. Only that tells, when the write failed, whether
 * anything can have been done: a refusal did nothing, a lost answer may have, and of a write that takes several requests
 * some may have been done.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ForgewayError } from '../../lib/errors.js';

/** Whether the run that a write belongs to may still send, and when that was asked. */
export interface Leave {
  /** Asks again. @throws ForgewayError FORGEWAY_LEASE_LOST when it may not any more */
  confirm(): Promise<void>;
  /** By `performance.now()`, before the question left. */
  askedAt: number;
}

export interface InFlight {
  /** Undefined where nothing but a look for an effect is under way. */
  leave: Leave | undefined;
  /** Mutations that the forge carried out. */
  done: number;
  /** Mutations that left and whose result nobody knows. */
  lost: number;
  /** The forge's clock minus ours, in milliseconds, from its last answer. */
  clockOffsetMs: number | undefined;
}

/** A token is no effect on anything an app could see. */
const TOKENS = /\/access_tokens$/;
/** The connection was never there, so nothing can have arrived. */
const NEVER_CONNECTED: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'FORGEWAY_ADDRESS_REFUSED',
  // The certificate is looked at before anything is sent.
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
/** Calls of the system that come before anything is sent, whatever the reason for their failure. */
const BEFORE_SENDING: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);
const MAX_CAUSES = 10;

/** A leave older than this is asked for again. Well below the time in which the next worker looks twice. */
const LEAVE_MS = 1_000;
const MOST_QUESTIONS = 5;

const storage = new AsyncLocalStorage<InFlight>();

/** Runs one write, or a look for its effect, and fills in what left meanwhile. */
export function watchRequests<T>(inFlight: InFlight, run: () => Promise<T>): Promise<T> {
  return storage.run(inFlight, run);
}

export const newInFlight = (leave?: Leave): InFlight => ({ leave, done: 0, lost: 0, clockOffsetMs: undefined });

/**
 * Before a mutation leaves. A process that stood still since its write was recorded, or whose request waited for its turn, may
 * have lost its lease meanwhile, and then another one is looking for what this one would only now send.
 * @throws ForgewayError FORGEWAY_LEASE_LOST, FORGEWAY_DATABASE_UNAVAILABLE
 */
export async function mayStillLeave(method: string, path: string): Promise<void> {
  const leave = storage.getStore()?.leave;
  if (leave === undefined || isRead(method) || TOKENS.test(path)) return;
  for (let asked = 0; performance.now() - leave.askedAt > LEAVE_MS; asked += 1) {
    if (asked === MOST_QUESTIONS)
      throw new ForgewayError(
        'FORGEWAY_DATABASE_UNAVAILABLE',
        'The database answers too slowly to tell whether a write may still be sent; it was not sent.',
      );
    const askedAt = performance.now();
    await leave.confirm();
    leave.askedAt = askedAt;
  }
}

/** The way out tells of each answer. `path` is below the API's base. */
export function noteAnswer(method: string, path: string, response: Response, now: Date): void {
  const inFlight = storage.getStore();
  if (inFlight === undefined) return;
  const date = Date.parse(response.headers.get('date') ?? '');
  if (!Number.isNaN(date)) inFlight.clockOffsetMs = date - now.getTime();
  if (isRead(method) || TOKENS.test(path)) return;
  if (response.status < 300) inFlight.done += 1;
  // A gateway that gave up, and a server that broke, may have done it all the same.
  else if (response.status >= 500 || response.status === 408) inFlight.lost += 1;
}

/** The way out tells of each request without an answer. */
export function noteLost(method: string, path: string, error: unknown): void {
  const inFlight = storage.getStore();
  if (inFlight === undefined || isRead(method) || TOKENS.test(path)) return;
  if (!neverConnected(error)) inFlight.lost += 1;
}

/** For what reaches the forge by another way than a request, as a push does. */
export async function watchMutation<T>(run: () => Promise<T>): Promise<T> {
  await mayStillLeave('PUSH', '');
  const inFlight = storage.getStore();
  try {
    const result = await run();
    if (inFlight !== undefined) inFlight.done += 1;
    return result;
  } catch (error) {
    if (inFlight !== undefined) inFlight.lost += 1;
    throw error;
  }
}

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD';

function neverConnected(error: unknown): boolean {
  let current = error;
  // By their shape: what Node's own fetch rejects with need not be an Error of this realm.
  for (let depth = 0; depth < MAX_CAUSES && typeof current === 'object' && current !== null; depth += 1) {
    if ('code' in current && NEVER_CONNECTED.has(current.code)) return true;
    if ('syscall' in current && BEFORE_SENDING.has(current.syscall)) return true;
    current = 'cause' in current ? current.cause : undefined;
  }
  return false;
}
