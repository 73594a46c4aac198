import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { createMetrics } from '../lib/metrics.js';
import { createCircuits } from './circuits.js';

const HOST = 'git.example';

function rig() {
  const time = { at: 1_000_000 };
  const metrics = createMetrics();
  const lines: string[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) });
  const circuits = createCircuits({ log, metrics, now: () => time.at });
  /** What a request is told that may not be sent; undefined when it may, and is abandoned. */
  const wait = (host = HOST): number | undefined => {
    try {
      circuits.enter('any', host).abandoned();
      return undefined;
    } catch (error) {
      expect(error).toMatchObject({ code: 'FORGEWAY_FORGE_DOWN', retry: 'backoff' });
      return (error as { details: { waitMs: number } }).details.waitMs;
    }
  };
  const fail = (times: number, apartMs = 0, host = HOST): number[] =>
    Array.from({ length: times }, () => {
      time.at += apartMs;
      return circuits.enter('any', host).failed();
    });
  const open = async () => {
    const { values } = await metrics.openCircuits.get();
    return values.map(({ labels, value }) => [labels.forge, value]);
  };
  return { circuits, time, wait, fail, open, lines };
}

describe('a circuit', () => {
  it('opens at the fifth failure in a row, and says how long it stays open', () => {
    const { fail, wait, time } = rig();
    expect(fail(4, 1_000)).toEqual([0, 0, 0, 0]);
    expect(wait()).toBeUndefined();
    expect(fail(1)).toEqual([30_000]);
    expect(wait()).toBe(30_000);
    time.at += 29_999;
    expect(wait()).toBe(1);
  });

  it('is of one host alone', () => {
    const { fail, wait } = rig();
    fail(5);
    expect([wait(), wait('other.example')]).toEqual([30_000, undefined]);
  });

  it('does not open while anything is answered: one request may be what the host stumbles over', () => {
    const { circuits, fail, wait } = rig();
    for (let round = 0; round < 10; round += 1) {
      fail(4);
      circuits.enter('any', HOST).succeeded();
    }
    expect(wait()).toBeUndefined();
  });

  it('opens after thirty seconds of nothing but failures, however few ask', () => {
    const { fail, time } = rig();
    expect(fail(3, 14_000)).toEqual([0, 0, 0]);
    time.at += 2_000;
    expect(fail(1)).toEqual([30_000]);
  });

  it('forgets a failure that has nothing to do with the next', () => {
    expect(rig().fail(3, 300_001)).toEqual([0, 0, 0]);
  });

  it('lets one request try when it is time, and the others only after that one', () => {
    const { circuits, fail, wait, time } = rig();
    fail(5);
    time.at += 30_000;
    const trial = circuits.enter('any', HOST);
    expect(wait()).toBe(5_000);
    trial.succeeded();
    expect([wait(), wait()]).toEqual([undefined, undefined]);
    // All that it knew is forgotten: it takes five again.
    expect(fail(5)).toEqual([0, 0, 0, 0, 30_000]);
  });

  it('stays open twice as long after each trial that fails, up to five minutes', () => {
    const { circuits, fail, time } = rig();
    const waits = [fail(5).at(-1) ?? 0];
    while (waits.length < 6) {
      time.at += waits.at(-1) ?? 0;
      waits.push(circuits.enter('any', HOST).failed());
    }
    expect(waits).toEqual([30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
  });

  it('lets the next one try when the trial was given up by whoever made it', () => {
    const { circuits, fail, wait, time } = rig();
    fail(5);
    time.at += 30_000;
    circuits.enter('any', HOST).abandoned();
    expect(wait()).toBeUndefined();
  });

  it('waits as long as the host asks, up to an hour', () => {
    const { circuits, fail, wait } = rig();
    fail(4);
    expect(circuits.enter('any', HOST).failed(600_000)).toBe(600_000);
    expect(wait()).toBe(600_000);
    fail(4, 0, 'hostile.example');
    expect(circuits.enter('any', 'hostile.example').failed(1e12)).toBe(3_600_000);
  });

  it('learns nothing from requests that were under way when it opened, unless one is answered', () => {
    const { circuits, time, wait } = rig();
    const under = Array.from({ length: 12 }, () => circuits.enter('any', HOST));
    const waits = under.slice(0, 11).map((one) => {
      time.at += 100;
      return one.failed();
    });
    expect(waits).toEqual([0, 0, 0, 0, 30_000, 29_900, 29_800, 29_700, 29_600, 29_500, 29_400]);
    under[11]?.succeeded();
    expect(wait()).toBeUndefined();
  });

  it('is counted by forge while it is open, and told of once when it opens and once when it closes', async () => {
    const { circuits, fail, open, lines, time } = rig();
    fail(5);
    fail(4, 0, 'second.example');
    expect(await open()).toEqual([['any', 1]]);
    time.at += 30_000;
    circuits.enter('any', HOST).failed();
    expect(await open()).toEqual([['any', 1]]);
    time.at += 60_000;
    circuits.enter('any', HOST).succeeded();
    expect(await open()).toEqual([['any', 0]]);
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'a forge does not answer; it is not asked for a while',
      'a forge answers again',
    ]);
  });
});
