import { type Backoff, retryAfter, retryDelay } from '../lib/backoff.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { redactText } from '../lib/redact.js';

/** What becomes of a row after an attempt. Waits are in milliseconds. */
export type Outcome =
  | { status: 'done' }
  | { status: 'ignored'; reason: string }
  /** Tried again at once where it stands; its lane waits. */
  | { status: 'pending'; error: string; waitMs: number }
  /** Tried again later; its lane goes on. */
  | { status: 'parked'; error: string; waitMs: number }
  | { status: 'dead'; reason: string; error: string };

export interface Failure {
  error: unknown;
  /** Trying again cannot help. */
  permanent: boolean;
  /** It held its lane for the whole time it may. */
  timedOut: boolean;
  /** Attempts made, this one included. */
  attempts: number;
}

export interface RetryPolicy {
  backoff: Backoff;
  /** Wait before the one retry in place. */
  inPlaceMs: number;
  now: () => Date;
  random?: () => number;
}

const LONGEST_ERROR = 2_000;

/** What is stored about an error: its code and message, without anything that looks like a credential. */
export function describeError(error: unknown): string {
  const code = error instanceof ForgewayError ? `${error.code}: ` : '';
  return redactText(`${code}${messageOf(error)}`).slice(0, LONGEST_ERROR);
}

/** The wait that the error's HTTP answer asks for, as Octokit's RequestError carries it. */
function askedWait(error: unknown, now: Date): number | undefined {
  if (typeof error !== 'object' || error === null || !('response' in error)) return undefined;
  const { response } = error;
  if (typeof response !== 'object' || response === null || !('headers' in response)) return undefined;
  const { headers } = response;
  if (typeof headers !== 'object' || headers === null || !('retry-after' in headers)) return undefined;
  return retryAfter(String(headers['retry-after']), now);
}

/** Decides about a failed attempt (decision 10). Pure but for the jitter. */
export function outcomeOf(failure: Failure, policy: RetryPolicy): Outcome {
  const error = describeError(failure.error);
  if (failure.permanent) return { status: 'dead', reason: 'it failed in a way that trying again cannot mend', error };
  if (failure.attempts >= policy.backoff.attempts) {
    return { status: 'dead', reason: `it failed ${failure.attempts} times`, error };
  }
  const asked = askedWait(failure.error, policy.now());
  const waitMs = Math.max(asked ?? 0, retryDelay(policy.backoff, failure.attempts, policy.random));
  const inPlace = failure.attempts === 1 && !failure.timedOut && (asked ?? 0) <= policy.inPlaceMs;
  return inPlace ? { status: 'pending', error, waitMs: policy.inPlaceMs } : { status: 'parked', error, waitMs };
}
