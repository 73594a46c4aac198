/** Replays of many deliveries, one after the other and not too fast; or what they would do, found out by rehearsing them. */

import { endRehearsals, type RehearsedRun, rehearsedRuns } from '../inbox/rehearsal-runs.js';
import { type Refusal, type ReplayOptions, replayDelivery } from '../inbox/replay.js';
import { pause } from '../lib/clock.js';
import type { Store } from '../store/database.js';

export interface ReplayRunOptions extends Omit<ReplayOptions, 'rehearsal'> {
  /** In ascending order, so that the order within a lane stays. */
  ids: readonly bigint[];
  /** Deliveries per second. */
  rate: number;
  /** Aborts when the person has had enough: what is queued stays queued, and rehearsals are taken back. */
  signal: AbortSignal;
  /** Told after each delivery. */
  progress(done: number): void;
}

export interface Skipped {
  id: bigint;
  reason: Refusal;
}

export interface Replayed {
  queued: { id: bigint; dispatches: number }[];
  skipped: Skipped[];
  /** It was stopped, and these were not come to. */
  left: bigint[];
}

/** Rests so long that `rate` deliveries fit into a second; sooner when it is stopped. */
const rest = (rate: number, signal: AbortSignal) => pause(1_000 / rate, signal);

/** Queues them; workers run them. */
export async function replayAll(store: Store, o: ReplayRunOptions): Promise<Replayed> {
  const queued: Replayed['queued'] = [];
  const skipped: Skipped[] = [];
  for (const [at, id] of o.ids.entries()) {
    if (o.signal.aborted) return { queued, skipped, left: o.ids.slice(at) };
    const replay = await replayDelivery(store, id, o);
    if (replay.kind === 'queued') queued.push({ id, dispatches: replay.dispatches.length });
    else skipped.push({ id, reason: replay.reason });
    o.progress(at + 1);
    if (at + 1 < o.ids.length) await rest(o.rate, o.signal);
  }
  return { queued, skipped, left: [] };
}

export interface Rehearsed {
  rehearsed: { id: bigint; runs: Omit<RehearsedRun, 'dispatchId'>[] }[];
  skipped: Skipped[];
  left: bigint[];
}

const POLL_MS = 150;

/**
 * Runs them in the workers, in a way that nothing of it lasts, and answers what each would have done. Gives up on those that
 * no worker has come to when nothing has happened for `patienceMs`.
 */
export async function rehearseAll(store: Store, o: ReplayRunOptions & { patienceMs: number }): Promise<Rehearsed> {
  const waiting = new Map<bigint, readonly bigint[]>();
  const rehearsed: Rehearsed['rehearsed'] = [];
  const skipped: Skipped[] = [];
  const end = async (id: bigint, dispatches: readonly bigint[]) => {
    waiting.delete(id);
    await endRehearsals(store.pool, dispatches);
  };
  const state = { since: performance.now() };

  /** Takes what is over. */
  const collect = async () => {
    const runs = await rehearsedRuns(store.pool, [...waiting.values()].flat());
    const byId = new Map(runs.map((run) => [run.dispatchId, run]));
    for (const [id, dispatches] of [...waiting]) {
      const own = dispatches.flatMap((dispatch) => byId.get(dispatch) ?? []);
      if (own.some(({ status }) => status === undefined)) continue;
      rehearsed.push({ id, runs: own.map(({ dispatchId: _, ...run }) => run) });
      await end(id, dispatches);
      state.since = performance.now();
      o.progress(rehearsed.length + skipped.length);
    }
  };
  const isOver = () => o.signal.aborted || performance.now() - state.since > o.patienceMs;

  const left: bigint[] = [];
  try {
    for (const id of o.ids) {
      if (isOver()) left.push(id);
      else {
        const replay = await replayDelivery(store, id, { ...o, rehearsal: true });
        if (replay.kind === 'queued') waiting.set(id, replay.dispatches);
        else skipped.push({ id, reason: replay.reason });
        await rest(o.rate, o.signal);
        await collect();
      }
    }
    while (waiting.size > 0 && !isOver()) {
      await pause(POLL_MS, o.signal);
      await collect();
    }
  } finally {
    left.push(...waiting.keys());
    for (const [id, dispatches] of [...waiting]) await end(id, dispatches);
  }
  const order = (one: { id: bigint }, other: { id: bigint }) => Number(one.id - other.id);
  return { rehearsed: rehearsed.sort(order), skipped, left: left.sort((a, b) => Number(a - b)) };
}
