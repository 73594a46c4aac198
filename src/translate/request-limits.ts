/** Keeps one installation within what a forge allows: one mutation at a time, and silence while it asks for it. */
import { type AnswerHeaders, isUsedUp, retryAfter, serverTime, untilReset } from '../lib/backoff.js';
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
export function isRateLimit(status: number, headers: AnswerHeaders): boolean {
  if (status === 429) return true;
  return status === 403 && (headers.get('retry-after') !== null || isUsedUp(headers));
}

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
      for (let waited = 0; ; ) {
        const wait = blockedFor(installation, path);
        if (wait === 0 || signal?.aborted) return true;
        waited += wait;
        if (waited > MAX_WAIT_MS) return false;
        await pause(wait, signal);
        // Once more: those that were let out before may have learnt that it goes on.
      }
    },
    note(installation, path, { headers, status }) {
      const now = clock.now();
      const reset = untilReset(headers, now);
      if (reset !== undefined) block(`${installation} ${budgetOf(path)}`, now.getTime() + reset);
      if (!isRateLimit(status, headers)) return;
      const asked = retryAfter(headers.get('retry-after') ?? undefined, serverTime(headers, now));
      // A budget that is used up stops what draws on it alone.
      if (asked === undefined && reset !== undefined) return;
      block(installation, now.getTime() + (asked ?? UNNAMED_WAIT_MS));
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
