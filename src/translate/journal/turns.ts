/** Numbers the writes of one run of a handler that are the same, so that two on purpose are two and a repeat is one. */
import type { Attempt } from './statements.js';

export interface Turn {
  /** Counted from 1. */
  ordinal: number;
  /** It did not succeed: the same request again in this run is a repeat of it and not another one. */
  failed: boolean;
}

/**
 * Counts within one run, whichever Octokit of it asks. Only writes with the same hash are counted together, so writes that
 * run side by side may come in any order.
 */
export function createTurns(): (run: Attempt) => (hash: Buffer) => Turn {
  const runs = new WeakMap<Attempt, Map<string, Turn[]>>();
  return (run) => {
    const counted = runs.get(run) ?? new Map<string, Turn[]>();
    runs.set(run, counted);
    return (hash) => {
      const key = hash.toString('base64');
      const turns = counted.get(key) ?? [];
      counted.set(key, turns);
      const repeated = turns.find((turn) => turn.failed);
      if (repeated !== undefined) {
        repeated.failed = false;
        return repeated;
      }
      const turn = { ordinal: turns.length + 1, failed: false };
      turns.push(turn);
      return turn;
    };
  };
}
