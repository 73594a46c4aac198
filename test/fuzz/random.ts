/** Repeatable chance: the same seed and number give the same choices, whatever ran before. */

export interface Random {
  /** A whole number from 0 to `below` - 1. */
  below(below: number): number;
  /** True in `percent` of a hundred cases. */
  chance(percent: number): boolean;
  /** @throws RangeError when there is nothing to choose from */
  pick<T>(among: readonly T[]): T;
}

/** `mulberry32`, begun at a hash of both numbers. */
export function randomOf(seed: number, at: number): Random {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(at + 1, 0xc2b2ae35)) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    chance: (percent) => next() * 100 < percent,
    pick(among) {
      if (among.length === 0) throw new RangeError('There is nothing to choose from.');
      return among[below(among.length)] as (typeof among)[number];
    },
  };
}
