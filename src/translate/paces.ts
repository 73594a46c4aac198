/**
 * Spends what a forge allows an installation evenly, before it says no: a forge that had to say no blocks everything of that
 * installation for a minute or more. What an installation waits for holds up no other.
 */
import type { Pace } from '../forges/endpoint.js';

const WINDOW_MS = 60_000;
/** A write costs as much as so many reads. */
const POINTS = { read: 1, write: 5 } as const;
/** Clocks of two machines, and the way of a request, make distances shorter. */
const MARGIN_MS = 20;

interface Spent {
  at: number;
  points: number;
}

interface Account {
  /** Requests that wait or are under way. */
  open: number;
  running: number;
  /** Requests of the last minute, the oldest first. */
  spent: Spent[];
  points: number;
  /** Writes that wait for their turn: reads leave the next of them its points. */
  writing: number;
  /** When the last write began. */
  wroteAt: number;
  /** Those that wait, one after another; writes do not stand in the way of reads. */
  lanes: Record<keyof typeof POINTS, Promise<unknown>>;
  /** Resolve when a request has ended. */
  watchers: (() => void)[];
}

export interface PaceClock {
  /** Milliseconds of a clock that never jumps. */
  now(): number;
  /** Resolves after so many milliseconds, or earlier when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Paces {
  /** Resolves when a request may be sent; the answer is to be called when it has ended. Rejects with the signal's reason. */
  enter(account: string, pace: Pace, kind: keyof typeof POINTS, signal?: AbortSignal): Promise<() => void>;
}

export function createPaces({ now, sleep }: PaceClock): Paces {
  const accounts = new Map<string, Account>();

  const expire = (account: Account): void => {
    const since = now() - WINDOW_MS - MARGIN_MS;
    let count = 0;
    while ((account.spent[count]?.at ?? Number.POSITIVE_INFINITY) <= since) {
      account.points -= account.spent[count]?.points ?? 0;
      count += 1;
    }
    account.spent.splice(0, count);
  };

  const accountOf = (name: string): Account => {
    const known = accounts.get(name);
    if (known !== undefined) return known;
    const idle = Promise.resolve();
    const made: Account = {
      open: 0,
      running: 0,
      spent: [],
      points: 0,
      writing: 0,
      wroteAt: Number.NEGATIVE_INFINITY,
      lanes: { read: idle, write: idle },
      watchers: [],
    };
    for (const [other, account] of accounts) {
      expire(account);
      if (account.open === 0 && account.spent.length === 0) accounts.delete(other);
    }
    accounts.set(name, made);
    return made;
  };

  /** Milliseconds until it may be sent, as far as time decides. */
  const waitOf = (account: Account, pace: Pace, kind: keyof typeof POINTS): number => {
    expire(account);
    const at = now();
    const write = kind === 'write' ? account.wroteAt + pace.writeEveryMs + MARGIN_MS - at : 0;
    const kept = kind === 'read' && account.writing > 0 ? POINTS.write : 0;
    let over = account.points + POINTS[kind] + kept - pace.pointsPerMinute;
    let until = 0;
    for (const spent of account.spent) {
      if (over <= 0) break;
      over -= spent.points;
      until = spent.at + WINDOW_MS + MARGIN_MS - at;
    }
    return Math.max(0, write, until);
  };

  const admit = async (account: Account, pace: Pace, kind: keyof typeof POINTS, signal?: AbortSignal) => {
    for (;;) {
      signal?.throwIfAborted();
      const wait = waitOf(account, pace, kind);
      if (wait > 0) await sleep(wait, signal);
      else if (account.running >= pace.concurrent)
        await new Promise<void>((resolve) => {
          account.watchers.push(resolve);
          signal?.addEventListener('abort', () => resolve(), { once: true });
        });
      else break;
    }
    const [at, points] = [now(), POINTS[kind]];
    account.running += 1;
    account.points += points;
    account.spent.push({ at, points });
    if (kind === 'write') account.wroteAt = at;
  };

  return {
    async enter(name, pace, kind, signal) {
      const account = accountOf(name);
      account.open += 1;
      if (kind === 'write') account.writing += 1;
      const turn = account.lanes[kind].then(() => admit(account, pace, kind, signal));
      // Whoever gives up lets the next one in.
      account.lanes[kind] = turn.catch(() => undefined);
      try {
        await turn;
      } catch (error) {
        account.open -= 1;
        throw error;
      } finally {
        if (kind === 'write') account.writing -= 1;
      }
      return () => {
        account.open -= 1;
        account.running -= 1;
        for (const wake of account.watchers.splice(0)) wake();
      };
    },
  };
}
