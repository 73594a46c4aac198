/** Keeps one installation within what a forge allows: one mutation at a time, and silence while it asks for it. */
import { retryAfter } from '../lib/backoff.js';
import { type Clock, pause } from '../lib/clock.js';

/** How long a request waits here for its turn; a longer wait is the caller's to arrange. */
const MAX_WAIT_MS = 10_000;
/** GitHub's advice for a limit that names no time. */
const UNNAMED_WAIT_MS = 60_000;

export interface RequestLimits {
  /** Milliseconds that remain of the silence a forge asked for; 0 when there is none. */
  blockedFor(installation: string, path: string): number;
  /** Waits out a short silence. False when it is longer than a request may wait. */
  awaitTurn(installation: string, path: string, signal: AbortSignal | undefined): Promise<boolean>;
  /** Reads what an answer says about limits. */
  note(installation: string, path: string, response: Response): void;
  /** Runs after the mutations of this installation that came before. */
  inOrder<T>(installation: string, run: () => Promise<T>): Promise<T>;
}

/** Some routes have a budget of their own; an empty one must not stop the others. */
function budgetOf(path: string): string {
  const first = path.split('/', 2)[1] ?? '';
  return first === 'search' || first === 'graphql' ? first : 'core';
}

/** A 403 without these is a missing permission, not a limit. */
export function isRateLimit(status: number, headers: { get(name: string): string | null }): boolean {
  if (status === 429) return true;
  return status === 403 && (headers.get('retry-after') !== null || limitHeader(headers, 'remaining') === '0');
}

/** GitHub writes `x-ratelimit-…`; GitLab, Forgejo and the draft standard leave the `x-` out. */
function limitHeader(headers: { get(name: string): string | null }, name: 'remaining' | 'reset'): string | null {
  return headers.get(`x-ratelimit-${name}`) ?? headers.get(`ratelimit-${name}`);
}

/** A year of seconds: a smaller number is a time to wait, a larger one a point in time. */
const LONGEST_DELTA_SECONDS = 31_536_000;

export function createRequestLimits(clock: Clock): RequestLimits {
  const silentUntil = new Map<string, number>();
  const lanes = new Map<string, Promise<unknown>>();

  const block = (key: string, until: number) => {
    const now = clock.now().getTime();
    for (const [known, end] of silentUntil) if (end <= now) silentUntil.delete(known);
    silentUntil.set(key, Math.max(until, silentUntil.get(key) ?? 0));
  };
  const blockedFor = (installation: string, path: string) => {
    const now = clock.now().getTime();
    const ends = [installation, `${installation} ${budgetOf(path)}`].map((key) => silentUntil.get(key) ?? 0);
    return Math.max(0, Math.max(...ends) - now);
  };

  return {
    blockedFor,
    async awaitTurn(installation, path, signal) {
      const wait = blockedFor(installation, path);
      if (wait > MAX_WAIT_MS) return false;
      if (wait > 0) await pause(wait, signal);
      return true;
    },
    note(installation, path, response) {
      const now = clock.now();
      const { headers, status } = response;
      if (limitHeader(headers, 'remaining') === '0') {
        const told = Number(limitHeader(headers, 'reset'));
        const reset = told * 1_000 + (told < LONGEST_DELTA_SECONDS ? now.getTime() : 0);
        // A reset in the far future is a clock that is wrong, theirs or ours.
        if (reset > now.getTime())
          block(`${installation} ${budgetOf(path)}`, Math.min(reset, now.getTime() + 3_600_000));
      } else if (isRateLimit(status, headers)) {
        const wait = retryAfter(headers.get('retry-after') ?? undefined, now) ?? UNNAMED_WAIT_MS;
        block(installation, now.getTime() + wait);
      }
    },
    inOrder(installation, run) {
      const before = lanes.get(installation) ?? Promise.resolve();
      const turn = before.then(run);
      // The lane outlives a failure, which belongs to the caller alone.
      const settled = turn.then(
        () => undefined,
        () => undefined,
      );
      lanes.set(installation, settled);
      settled.then(() => {
        if (lanes.get(installation) === settled) lanes.delete(installation);
      });
      return turn;
    },
  };
}
