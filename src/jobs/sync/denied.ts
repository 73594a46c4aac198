/** What follows from a forge's refusal: when to look again, and what a person can do. */
import { retryAfter } from '../../lib/backoff.js';
import type { Settlement } from '../reconcile.js';

/** A refusal that only a person can mend is asked about this rarely. */
const REFUSED_RETRY_MS = 3_600_000;
const LIMIT_RETRY_MS = 60_000;

export interface Refusal {
  status: number;
  headers: Readonly<Record<string, unknown>>;
}

/** The HTTP answer in an Octokit error, or undefined when there was none (network, timeout, our own errors). */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof Error) || error.name !== 'HttpError') return undefined;
  const { status, response } = error as Error & { status?: unknown; response?: { headers?: unknown } };
  if (typeof status !== 'number' || response === undefined) return undefined;
  const headers = response.headers;
  return { status, headers: typeof headers === 'object' && headers !== null ? { ...headers } : {} };
}

/** Milliseconds to wait when the answer was about a rate limit, else undefined. */
function limitWait({ status, headers }: Refusal, now: Date): number | undefined {
  if (status !== 429 && status !== 403) return undefined;
  const text = (name: string) => (headers[name] === undefined ? undefined : String(headers[name]));
  const told = retryAfter(text('retry-after'), now);
  if (told !== undefined) return told;
  const reset = Number(text('x-ratelimit-reset'));
  if (text('x-ratelimit-remaining') === '0' && Number.isFinite(reset))
    return Math.min(Math.max(reset * 1_000 - now.getTime(), 1_000), REFUSED_RETRY_MS);
  return status === 429 ? LIMIT_RETRY_MS : undefined;
}

/** Whether the forge refused for now only, since it was asked too often: with a 403, too, which else only a person can mend. */
export function isRateLimited(error: unknown, now: Date): boolean {
  const refusal = refusalOf(error);
  return refusal !== undefined && limitWait(refusal, now) !== undefined;
}

/** Whether the forge said no to what was asked, and not that it is too much or out of order. */
export function saysNo(error: unknown, now: Date): boolean {
  const status = refusalOf(error)?.status;
  return status !== undefined && status < 500 && !isRateLimited(error, now);
}

/**
 * The settlement for a refused write. Rethrows what trying again may mend (network, 5xx, 401 while a token is renewed).
 * @param what such as `write comments in acme/web`
 * @param fix what a person does about a 403, as a sentence
 */
export function settleRefusal(error: unknown, what: string, fix: string, now: Date): Settlement {
  const refusal = refusalOf(error);
  if (refusal === undefined) throw error;
  const wait = limitWait(refusal, now);
  if (wait !== undefined) return { retryInMs: wait, error: `The forge limits how often we may ${what}.` };
  const { status } = refusal;
  if (status === 403) return { retryInMs: REFUSED_RETRY_MS, error: `We may not ${what} (403). ${fix}` };
  if (status === 404 || status === 410)
    return {
      retryInMs: REFUSED_RETRY_MS,
      error: `We could not ${what} (${status}): it is gone, or hidden from the App.`,
    };
  if (status === 422 || status === 501)
    return { retryInMs: REFUSED_RETRY_MS, error: `The forge does not let us ${what} (${status}).` };
  throw error;
}
