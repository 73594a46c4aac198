import { expect, it } from '@jest/globals';
import { spanOf } from './search-span.js';

const DAY = Date.UTC(2026, 0, 2);
const NOON = Date.UTC(2026, 0, 2, 12);
const { NEGATIVE_INFINITY: never, POSITIVE_INFINITY: ever } = Number;

it.each([
  ['2026-01-02', DAY, DAY + 86_399_999],
  ['>2026-01-02', DAY + 86_400_000, ever],
  ['>=2026-01-02', DAY, ever],
  ['<2026-01-02', never, DAY - 1],
  ['<=2026-01-02', never, DAY + 86_399_999],
  ['*..2026-01-02', never, DAY + 86_399_999],
  ['2026-01-02..2026-01-02T12:00:00', DAY, NOON + 999],
  ['<2026-01-02T12:00:00', never, NOON - 1],
  ['>2026-01-02T12:00:00Z', NOON + 1_000, ever],
  ['>=2026-01-02T12:00:00+00:00', NOON, ever],
])('%s is a span of time', (value, from, to) => {
  expect(spanOf(value, 'time')).toEqual({ from, to });
});

it.each([
  ['7', 7, 7],
  ['>3', 4, ever],
  ['<3', never, 2],
  ['<=3', never, 3],
  ['2..4', 2, 4],
  ['2..*', 2, ever],
])('%s is a span of numbers', (value, from, to) => {
  expect(spanOf(value, 'number')).toEqual({ from, to });
});

it.each(['', '>', 'yesterday', '2026-01-02..', '=5', '2026-01-02..soon'])('"%s" is none', (value) => {
  expect(spanOf(value, 'time')).toBeUndefined();
  expect(spanOf(value, 'number')).toBeUndefined();
});
