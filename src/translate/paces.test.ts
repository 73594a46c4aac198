/** Against a forge that refuses whatever is too much, in a time that passes as fast as the test runs. */
import { describe, expect, it } from '@jest/globals';
import type { Pace } from '../forges/endpoint.js';
import { createPaces, type PaceClock } from './paces.js';

const PACE: Pace = { concurrent: 100, pointsPerMinute: 900, writeEveryMs: 1_000 };

/** Time that goes on to the next thing that somebody waits for, once nothing else is to be done. */
function fastTime(): PaceClock & { run(until: Promise<unknown>): Promise<void> } {
  let at = 0;
  let waiting: { at: number; wake: () => void }[] = [];
  return {
    now: () => at,
    sleep: (ms) => new Promise((wake) => void waiting.push({ at: at + ms, wake })),
    async run(until) {
      let over = false;
      until.then(
        () => (over = true),
        () => (over = true),
      );
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        if (over) return;
        const next = Math.min(...waiting.map((one) => one.at));
        if (!Number.isFinite(next)) throw new Error('everybody waits for nothing');
        at = Math.max(at, next);
        const due = waiting.filter((one) => one.at <= at);
        waiting = waiting.filter((one) => one.at > at);
        for (const { wake } of due) wake();
      }
    },
  };
}

/** GitHub as its documentation describes it, one account for each installation. */
function strictForge(time: PaceClock, latencyMs: number) {
  const accounts = new Map<string, { running: number; spent: { at: number; points: number }[]; wroteAt: number }>();
  const refused: string[] = [];
  return {
    refused,
    async request(installation: string, kind: 'read' | 'write') {
      const account = accounts.get(installation) ?? { running: 0, spent: [], wroteAt: Number.NEGATIVE_INFINITY };
      accounts.set(installation, account);
      const at = time.now();
      account.spent = account.spent.filter((one) => one.at > at - 60_000);
      const points = account.spent.reduce((sum, one) => sum + one.points, 0) + (kind === 'write' ? 5 : 1);
      if (account.running >= 100) refused.push(`${installation} at ${at}: 100 under way`);
      if (points > 900) refused.push(`${installation} at ${at}: ${points} points`);
      if (kind === 'write' && at - account.wroteAt < 1_000) refused.push(`${installation} at ${at}: two writes`);
      account.spent.push({ at, points: kind === 'write' ? 5 : 1 });
      if (kind === 'write') account.wroteAt = at;
      account.running += 1;
      await time.sleep(latencyMs);
      account.running -= 1;
    },
  };
}

describe('ten thousand effects of fifty installations', () => {
  it('are refused nothing, and no installation waits for another', async () => {
    const time = fastTime();
    const forge = strictForge(time, 120);
    const paces = createPaces(time);
    const request = async (installation: string, kind: 'read' | 'write') => {
      const leave = await paces.enter(installation, PACE, kind);
      try {
        await forge.request(installation, kind);
      } finally {
        leave();
      }
    };
    const ends = new Map<string, number>();
    const effects: Promise<void>[] = [];
    // One installation reads a hundred times as much as the others, all at once.
    for (let at = 0; at < 2_000; at += 1) effects.push(request('installation 0', 'read'));
    for (let at = 0; at < 10_000; at += 1) {
      const installation = `installation ${at % 50}`;
      const effect = async () => {
        await request(installation, 'read');
        await request(installation, 'write');
        ends.set(installation, time.now());
      };
      effects.push(effect());
    }
    const all = Promise.all(effects);
    await time.run(all);
    await all;
    expect(forge.refused).toEqual([]);
    // Two hundred writes of one installation, one per second, are its fair share: 200 s.
    const [noisy = 0, ...others] = [...ends.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, end]) => end);
    expect(ends.size).toBe(50);
    expect(Math.max(...others)).toBeLessThan(3 * 200_000);
    expect(noisy).toBeLessThan(3 * 200_000);
  });
});

it('lets a write through, however much is read', async () => {
  const time = fastTime();
  const paces = createPaces(time);
  const busy = Array.from({ length: 5_000 }, async () => (await paces.enter('one', PACE, 'read'))());
  const wrote = paces.enter('one', PACE, 'write').then((leave) => {
    leave();
    return time.now();
  });
  await time.run(Promise.all([wrote]));
  // The first minute's points are spent when it comes.
  expect(await wrote).toBeLessThan(61_000);
  await time.run(Promise.all(busy));
  expect(time.now()).toBeGreaterThan(300_000);
});

it('lets whoever gives up while waiting go, and the next one in', async () => {
  const time = fastTime();
  const paces = createPaces({ ...time, sleep: (ms) => time.sleep(ms) });
  const tight: Pace = { concurrent: 1, pointsPerMinute: 900, writeEveryMs: 0 };
  const leave = await paces.enter('one', tight, 'read');
  const gone = new AbortController();
  const second = paces.enter('one', tight, 'read', gone.signal);
  const third = paces.enter('one', tight, 'read');
  gone.abort(new Error('its handler is over'));
  await expect(second).rejects.toThrow('its handler is over');
  leave();
  (await third)();
  // Another installation has not been asked to wait.
  (await paces.enter('other', tight, 'write'))();
});
