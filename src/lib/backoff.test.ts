import { describe, expect, it } from '@jest/globals';
import { askedSilence, deliveryBackoff, retryAfter, retryDelay } from './backoff.js';

describe('retryDelay', () => {
  it('is uniform between zero and the doubled base, up to the cap', () => {
    for (let attempt = 1; attempt <= 20; attempt++) {
      const ceiling = Math.min(36_000_000, 5_000 * 2 ** (attempt - 1));
      expect(retryDelay(deliveryBackoff, attempt, () => 0)).toBe(0);
      expect(retryDelay(deliveryBackoff, attempt, () => 0.999_999_9)).toBeLessThan(ceiling);
      expect(retryDelay(deliveryBackoff, attempt, () => 0.5)).toBe(ceiling / 2);
    }
  });
});

describe('retryAfter', () => {
  const now = new Date('2026-01-01T00:00:00Z');
  it.each([
    ['120', 120_000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 60_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['1000000000', 3_600_000],
    ['1.5', 1_500],
    [' 7 ', 7_000],
    ['5, 60', 60_000],
    ['Thursday, 01-Jan-26 00:01:00 GMT', 60_000],
    ['Thu Jan  1 00:01:00 2026 GMT', 60_000],
    ['wait 60', undefined],
    ['soon 5', undefined],
    ['+5', undefined],
    ['-5', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('reads %p as %p ms', (header, expected) => {
    expect(retryAfter(header, now)).toBe(expected);
  });
});

describe('askedSilence', () => {
  const now = new Date('2026-01-01T00:00:00Z');
  const second = now.getTime() / 1_000;
  it.each([
    ['nothing', {}, undefined],
    ['a point in time', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${second + 30}` }, 30_000],
    [
      'a point in time, in milliseconds',
      { 'ratelimit-remaining': '0', 'ratelimit-reset': `${(second + 30) * 1_000}` },
      30_000,
    ],
    ['seconds to wait', { 'ratelimit-remaining': '0', 'ratelimit-reset': '30' }, 30_000],
    ['ten years', { 'ratelimit-remaining': '0', 'ratelimit-reset': `${second + 315_360_000}` }, 3_600_000],
    ['the past', { 'ratelimit-remaining': '0', 'ratelimit-reset': `${second - 30}` }, undefined],
    ['less than nothing', { 'ratelimit-remaining': '0', 'ratelimit-reset': '-30' }, undefined],
    ['a text', { 'ratelimit-remaining': '0', 'ratelimit-reset': 'soon' }, undefined],
    ['a budget that is not used up', { 'ratelimit-remaining': '9', 'ratelimit-reset': `${second + 30}` }, undefined],
    ['both', { 'retry-after': '5', 'ratelimit-remaining': '0', 'ratelimit-reset': '30' }, 5_000],
    [
      'a date by a clock that is an hour late',
      { date: 'Wed, 31 Dec 2025 23:00:00 GMT', 'retry-after': 'Wed, 31 Dec 2025 23:00:40 GMT' },
      40_000,
    ],
    [
      'a point in time by a clock that is an hour late',
      { date: 'Wed, 31 Dec 2025 23:00:00 GMT', 'ratelimit-remaining': '0', 'ratelimit-reset': `${second - 3_560}` },
      40_000,
    ],
  ])('%s', (_what, headers: Record<string, string>, expected) => {
    expect(askedSilence({ get: (name) => headers[name] ?? null }, now)).toBe(expected);
  });
});
