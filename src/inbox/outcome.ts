import { askedSilence, type Backoff, retryDelay } from '../lib/backoff.js';
import { ForgewayError, messageOf } from '../lib/errors.js';
import { redactText } from '../lib/redact.js';
import { hashOf } from './lane.js';

/** What becomes of a row after an attempt. Waits are in milliseconds. */
export type Outcome =
  | { status: 'done' }
  | { status: 'ignored'; reason: string }
  /** Tried again at once where it stands; its lane waits. Without an error: what no pause holds up has been done. */
  | { status: 'pending'; error?: string; waitMs: number; uncounted?: true }
  /** Tried again later; its lane goes on. `uncounted`: the attempt is not one of those it has. */
  | { status: 'parked'; error: string; waitMs: number; uncounted?: true }
  | { status: 'dead'; reason: string; error: string };

export interface Failure {
  error: unknown;
  /** Trying again cannot help. */
  permanent: boolean;
  /** It held its lane for the whole time it may. */
  timedOut: boolean;
  /** Attempts made that count, this one included. */
  attempts: number;
  /** All that were begun, this one included. */
  begun: number;
  lane: string;
  /** When it was first to be run. */
  since: Date;
}

export interface RetryPolicy {
  backoff: Backoff;
  /** Wait before the one retry in place. */
  inPlaceMs: number;
  now: () => Date;
  random?: () => number;
}

/** What waits for a forge that is down longer than forges keep their own deliveries is a person's to replay. */
const LONGEST_OUTAGE_MS = 3 * 86_400_000;
/** Lanes that wait for the same forge come back over this time, and not all at once. */
const SPREAD_MS = 10_000;

/** The same for a limit, each time over twice as long. */
const LIMITED = { baseMs: SPREAD_MS, capMs: 600_000 };

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
  const headers = (response.headers ?? {}) as Readonly<Record<string, unknown>>;
  return askedSilence({ get: (name) => (headers[name] === undefined ? null : String(headers[name])) }, now);
}

/** What a forge did that is no failure of the app, as the reason of a row that has waited for its end too long. */
const NOT_SERVED: Readonly<Record<string, string>> = {
  FORGEWAY_FORGE_DOWN: 'the forge has been down since it came, for more than three days',
  FORGEWAY_FORGE_LIMIT: 'the forge has wanted to be asked less since it came, for more than three days',
};

/** How long a forge is not asked that is down, or asks for silence, when the attempt failed for that alone. */
function unserved({ error, permanent, begun, lane }: Failure): { waitMs: number; reason: string } | undefined {
  const reason = error instanceof ForgewayError ? NOT_SERVED[error.code] : undefined;
  if (permanent || !(error instanceof ForgewayError) || reason === undefined) return undefined;
  const { waitMs } = error.details;
  const asked = typeof waitMs === 'number' && waitMs >= 0 ? waitMs : 0;
  if (error.code !== 'FORGEWAY_FORGE_LIMIT') return { waitMs: spreadOf(lane, asked, SPREAD_MS), reason };
  // Many that come back together use up what is allowed before one of them is done: each time they come back further apart, and
  // in another order. So a limit that is never lifted does not become the work of three days either.
  const spreadMs = Math.min(LIMITED.capMs, LIMITED.baseMs * 2 ** (begun - 1));
  return { waitMs: spreadOf(`${begun} ${lane}`, asked, spreadMs), reason };
}

/** Lanes of neighbouring numbers have hashes that are close to each other; these are not. */
function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return (twice ^ (twice >>> 16)) >>> 0;
}

/**
 * The rows of a lane wait equally long after an outage, and come back in their order. To the second, since each wait is
 * counted from the moment at which it is written down.
 */
function spreadOf(lane: string, waitMs: number, spreadMs: number): number {
  return Math.ceil((waitMs + (mixed(hashOf(lane)) / 2 ** 32) * spreadMs) / 1_000) * 1_000;
}

/** Decides about a failed attempt (decision 10). Pure but for the jitter. */
export function outcomeOf(failure: Failure, policy: RetryPolicy): Outcome {
  const error = describeError(failure.error);
  const wait = unserved(failure);
  if (wait !== undefined) {
    if (policy.now().getTime() - failure.since.getTime() > LONGEST_OUTAGE_MS)
      return { status: 'dead', reason: wait.reason, error };
    return { status: 'parked', error, waitMs: wait.waitMs, uncounted: true };
  }
  if (failure.permanent) return { status: 'dead', reason: 'it failed in a way that trying again cannot mend', error };
  if (failure.attempts >= policy.backoff.attempts) {
    return { status: 'dead', reason: `it failed ${failure.attempts} times`, error };
  }
  const asked = askedWait(failure.error, policy.now());
  const waitMs = Math.max(asked ?? 0, retryDelay(policy.backoff, failure.attempts, policy.random));
  const inPlace = failure.attempts === 1 && !failure.timedOut && (asked ?? 0) <= policy.inPlaceMs;
  return inPlace ? { status: 'pending', error, waitMs: policy.inPlaceMs } : { status: 'parked', error, waitMs };
}
