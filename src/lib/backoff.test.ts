import { describe, expect, it } from '@jest/globals';
import { deliveryBackoff, retryAfter, retryDelay } from './backoff.js';

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
    ['-5', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('reads %p as %p ms', (header, expected) => {
    expect(retryAfter(header, now)).toBe(expected);
  });
});
