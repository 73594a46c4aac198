import { expect, it } from '@jest/globals';
import { Parsed } from './parsed.js';

const HOUR_MS = 3_600_000;

it('is handed out once, and let go of with the rows', () => {
  const parsed = new Parsed();
  parsed.keep(1n, { one: 1 });
  parsed.keep(2n, { two: 2 });
  expect([parsed.take(1n), parsed.take(1n)]).toEqual([{ one: 1 }, undefined]);
  parsed.clear();
  expect(parsed.take(2n)).toBeUndefined();
});

it('keeps those that run next when more come than there is room for', () => {
  const parsed = new Parsed();
  for (let id = 0n; id < 1_000n; id += 1n) parsed.keep(id, { id: String(id) });
  const kept = Array.from({ length: 1_000 }, (_, id) => parsed.take(BigInt(id)) !== undefined);
  const count = kept.lastIndexOf(true) + 1;
  expect(count).toBeGreaterThanOrEqual(100);
  expect(count).toBeLessThan(500);
  expect(kept.slice(0, count)).not.toContain(false);
});

it('lets the assigner go on when most have begun, when all are let go of, or after the time it is given', async () => {
  const parsed = new Parsed();
  await parsed.room(HOUR_MS);
  const fill = () => {
    for (let id = 0n; id < 100n; id += 1n) parsed.keep(id, {});
  };
  for (const make of [
    () => {
      for (let id = 0n; id < 99n; id += 1n) parsed.take(id);
    },
    () => parsed.clear(),
  ]) {
    fill();
    let waits = true;
    const room = parsed.room(HOUR_MS).then(() => {
      waits = false;
    });
    parsed.take(99n);
    await new Promise((resolve) => setImmediate(resolve));
    expect(waits).toBe(true);
    make();
    await room;
  }
  fill();
  await parsed.room(1);
});
