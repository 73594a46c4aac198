/** What went wrong in a handler, and whether trying again can help. */
import { inspect } from 'node:util';
import { z } from 'zod';
import { RouteFailure } from '../forges/kit/route.js';
import type { Outage } from '../lib/delivery-scope.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import type { LeftBehind } from '../lib/left-behind.js';
import { legacyHint } from './legacy/hint.js';
import { isRateLimit } from './request-limits.js';

/** Answers that stay the same whatever we do. 401 is not one: a key or a token is mended outside of us. */
const PERMANENT: ReadonlySet<number> = new Set([404, 410, 422, 451, 501]);
const MAX_CAUSES = 10;

/** Octokit's RequestError, known by its shape: its package is Octokit's own and may be there more than once. */
interface RequestFailure {
  status: number;
  response?: { headers?: Record<string, unknown> };
}

function requestFailure(error: unknown): RequestFailure | undefined {
  // Of a question of our own, which no Octokit carried.
  if (error instanceof RouteFailure) return { status: error.status, response: { headers: { ...error.headers } } };
  const isOne =
    error instanceof Error &&
    error.name === 'HttpError' &&
    'request' in error &&
    'status' in error &&
    typeof error.status === 'number';
  return isOne ? (error as unknown as RequestFailure) : undefined;
}

/**
 * Octokit's GraphqlResponseError: GraphQL answers 200 whatever is wrong. It repeats unless something moved meanwhile, which
 * the query has to be asked again for.
 */
function graphqlErrors(error: unknown): readonly { type?: unknown }[] | undefined {
  const isOne = error instanceof Error && error.name === 'GraphqlResponseError' && 'errors' in error;
  return isOne && Array.isArray(error.errors) ? (error.errors as { type?: unknown }[]) : undefined;
}
const MOVED = 'STALE_DATA';

/** Ours, wherever in the chain of causes: Octokit wraps what its fetch throws. */
function ownFailure(error: unknown): ForgewayError | undefined {
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && current instanceof Error; depth += 1) {
    if (current instanceof ForgewayError) return current;
    current = current.cause;
  }
  return undefined;
}

/**
 * True for errors that repeat whatever we do. A 403 is one unless it is a rate limit: a permission that the App lacks
 * is granted by a person, who can replay the delivery. When several listeners of an app failed, one that may succeed
 * later is reason enough to try again.
 */
export function isPermanent(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isPermanent);
  const own = ownFailure(error);
  if (own !== undefined) return own.retry === 'never';
  if (error instanceof z.ZodError) return true;
  const queried = graphqlErrors(error);
  if (queried !== undefined) return queried.every(({ type }) => type !== MOVED && type !== 'RATE_LIMITED');
  const failure = requestFailure(error);
  if (failure === undefined) return false;
  if (failure.status !== 403) return PERMANENT.has(failure.status);
  const headers = failure.response?.headers ?? {};
  return !isRateLimit(403, { get: (name) => (headers[name] === undefined ? null : String(headers[name])) });
}

const MOST_SHOWN = 200;

/** For what an app threw instead of an error, which says as much of it as can be shown. */
export function notAnError(thrown: unknown): Error {
  // Octokit makes an object of a text, to attach the event to it.
  const plain = thrown instanceof String ? thrown.valueOf() : thrown;
  const { event: _event, ...own } = typeof plain === 'object' && plain !== null ? { event: undefined, ...plain } : {};
  const shown =
    typeof plain === 'object' && plain !== null ? inspect(own, { depth: 2, breakLength: Infinity }) : String(plain);
  return new Error(`A handler threw what is no Error: ${shown.slice(0, MOST_SHOWN)}`);
}

/** A thing to throw for whatever was thrown; Octokit attaches the event, and with it the payload, to each error. */
function cleaned(thrown: unknown): Error {
  if (!(thrown instanceof Error)) return notAnError(thrown);
  Reflect.deleteProperty(thrown, 'event');
  const level = legacyHint(thrown);
  if (level !== undefined)
    thrown.message = `${thrown.message}. If the app was written for an older Probot, run it with --legacy ${level}.`;
  return thrown;
}

/**
 * The error behind what `probot.receive` rejects with: the one that a listener threw, or when several did, all of them
 * together under a message that has each of theirs.
 */
export function unwrap(error: unknown): Error {
  if (!(error instanceof AggregateError)) return cleaned(error);
  const causes = error.errors.map(cleaned);
  if (causes.length === 1 && causes[0] !== undefined) return causes[0];
  return new AggregateError(causes, causes.map((cause) => cause.message).join('; '));
}

/**
 * Waits for the handlers of an app, and for what they have begun and do not await.
 * @throws what they threw, and what promises were rejected with that nobody awaited, together
 */
export async function wholeRun(handlers: Promise<void>, leftBehind: LeftBehind | undefined): Promise<void> {
  const [result] = await Promise.allSettled([handlers]);
  const rejections = (await leftBehind?.settled()) ?? [];
  const failures = [
    ...(result.status === 'rejected' ? [unwrap(result.reason)] : []),
    ...rejections.map((rejection) => {
      const error = cleaned(rejection);
      error.message = `a promise that the handler did not await was rejected: ${error.message}`;
      return error;
    }),
  ];
  if (failures.length > 0) throw new AggregateError(failures);
}

/**
 * What a run has failed with when a forge that is down, or wants to be asked less, did not serve it: it is no failure of the
 * app, whatever the app made of it. Undefined when everything was served, or when it would fail again all the same.
 */
export function notServed(error: unknown, { until, why }: Outage): ForgewayError | undefined {
  if (until === undefined || isPermanent(error)) return undefined;
  const waitMs = Math.max(0, Math.ceil(until - performance.now()));
  const code = why === 'limit' ? 'FORGEWAY_FORGE_LIMIT' : 'FORGEWAY_FORGE_DOWN';
  return new ForgewayError(code, messageOf(error), { cause: error, details: { waitMs } });
}
