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

/** Reads a `Retry-After` header (seconds or HTTP date) as milliseconds from `now`; undefined when absent or not understood. */
export function retryAfter(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const wait = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now.getTime();
  if (Number.isNaN(wait) || /^-/.test(text)) return undefined;
  return Math.min(Math.max(0, wait), RETRY_AFTER_CAP_MS);
}
