import { describe, expect, it } from '@jest/globals';
import type { Walked } from './load-pending.js';
import type { LaneRow } from './row.js';
import { Window } from './window.js';

const rowOf = (id: number, lane = 'fake:fake.example:1:1'): LaneRow =>
  ({ id: BigInt(id), lane, shard: 0, organizationId: 'o', app: 'app' }) as LaneRow;
const NOTHING_MORE: Walked = { rows: [], next: -1, sawAll: true, everything: true };

describe('a window', () => {
  it.each([
    // A lane holds eight rows, a shard forty.
    ['lane', 8, () => 'fake:fake.example:1:1'],
    ['repository', 32, (id: number) => `fake:fake.example:1:${id}`],
  ])('is not complete after a reading that began before a row for which its %s had no room', (_, most, laneOf) => {
    const window = new Window();
    window.open(0, 1n);
    window.fill(window.wanted(true), [NOTHING_MORE]);
    for (let id = 1; id < most; id += 1) expect(window.addNewest(rowOf(id, laneOf(id)))).toBe(true);
    const wanted = window.wanted(true);
    window.beginReading(wanted);
    expect(window.addNewest(rowOf(most, laneOf(most)))).toBe(true);
    expect(window.addNewest(rowOf(most + 1, laneOf(most + 1)))).toBe(false);
    window.fill(wanted, [NOTHING_MORE]);
    // Once there is room, a newer row must not go before the one that was turned away.
    for (const shard of window.shards.values())
      for (const lane of [...shard.lanes.values()]) for (const _row of [...lane.rows]) window.finish(lane);
    expect(window.addNewest(rowOf(most + 2, laneOf(most + 1)))).toBe(false);
    const again = window.wanted(true);
    window.beginReading(again);
    const late = [most + 1, most + 2].map((id) => rowOf(id, laneOf(most + 1)));
    window.fill(again, [{ ...NOTHING_MORE, rows: late }]);
    expect(window.ids.slice(-2)).toEqual([BigInt(most + 1), BigInt(most + 2)]);
  });
});
