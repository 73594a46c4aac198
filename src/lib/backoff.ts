/** Retry delays. All values are milliseconds. */

export interface Backoff {
  baseMs: number;
  capMs: number;
  /** Attempts in all, the first included. */
  attempts: number;
}

/** Decision 10: eight attempts, 5 s base, 10 h cap. */
export const deliveryBackoff: Backoff = { baseMs: 5_000, capMs: 36_000_000, attempts: 8 };

/** Longest wait a remote host may ask for; a hostile `Retry-After` cannot hold us longer. */
const RETRY_AFTER_CAP_MS = 3_600_000;

/** Full jitter: uniform in [0, min(cap, base * 2^(attempt-1))]. `attempt` is the number of attempts made, from 1. */
export function retryDelay(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.max(0, attempt - 1));
  return Math.floor(random() * ceiling);
}

/** Both forms of an HTTP date that servers still write. What else `Date.parse` makes a date of, as "wait 60", is none. */
const HTTP_DATE = /^[A-Za-z]{3,9},? .*\d{2}:\d{2}:\d{2}/;
/** Several, where a proxy and the server behind it each wrote one. */
const SECONDS = /^\d+(\.\d+)?(\s*,\s*\d+(\.\d+)?)*$/;

/** Reads a `Retry-After` header (seconds or HTTP date) as milliseconds from `now`; undefined when absent or not understood. */
export function retryAfter(header: string | undefined, now: Date): number | undefined {
  const text = header?.trim() ?? '';
  const wait = SECONDS.test(text)
    ? Math.max(...text.split(',').map(Number)) * 1_000
    : HTTP_DATE.test(text)
      ? Date.parse(text) - now.getTime()
      : Number.NaN;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(0, wait), RETRY_AFTER_CAP_MS);
}

/** The headers of an answer, whatever holds them. */
export interface AnswerHeaders {
  get(name: string): string | null;
}

/**
 * What time it is where an answer came from. A point in time that it names is compared with that: clocks of two machines differ,
 * and by ours a limit may be over before it began.
 */
export function serverTime(headers: AnswerHeaders, now: Date): Date {
  const date = headers.get('date')?.trim() ?? '';
  const told = HTTP_DATE.test(date) ? Date.parse(date) : Number.NaN;
  return Number.isNaN(told) ? now : new Date(told);
}

/** GitHub writes `x-ratelimit-…`; GitLab, Forgejo and the draft standard leave the `x-` out. */
function limitHeader(headers: AnswerHeaders, name: 'remaining' | 'reset'): string | null {
  return headers.get(`x-ratelimit-${name}`) ?? headers.get(`ratelimit-${name}`);
}

/** Whether an answer says that a budget is used up. */
export const isUsedUp = (headers: AnswerHeaders): boolean => limitHeader(headers, 'remaining')?.trim() === '0';

/** A year of seconds: a smaller number is a time to wait, a larger one a point in time. */
const LONGEST_DELTA_SECONDS = 31_536_000;
/** No second of these centuries is as large: it was written in milliseconds. */
const FIRST_IN_MS = 100_000_000_000;

/** Milliseconds until a budget that is used up is there again; undefined when nothing usable is said. At most an hour. */
export function untilReset(headers: AnswerHeaders, now: Date): number | undefined {
  const text = limitHeader(headers, 'reset')?.trim() ?? '';
  if (!isUsedUp(headers) || !/^\d+(\.\d+)?$/.test(text)) return undefined;
  const told = Number(text) / (Number(text) >= FIRST_IN_MS ? 1_000 : 1);
  const wait = told < LONGEST_DELTA_SECONDS ? told * 1_000 : told * 1_000 - serverTime(headers, now).getTime();
  // A reset in the far future is a clock that is wrong.
  return wait > 0 ? Math.min(wait, RETRY_AFTER_CAP_MS) : undefined;
}

/** How long an answer asks to be left alone, in milliseconds: by `Retry-After`, else until its budget is there again. */
export const askedSilence = (headers: AnswerHeaders, now: Date): number | undefined =>
  retryAfter(headers.get('retry-after') ?? undefined, serverTime(headers, now)) ?? untilReset(headers, now);
