import { describe, expect, it } from '@jest/globals';
import { release } from './release.js';

describe('releasing bytes', () => {
  it('gives their memory back at once', () => {
    const bytes = Buffer.alloc(10_000, 'x');
    const before = process.memoryUsage().arrayBuffers;
    release(bytes);
    expect(bytes).toHaveLength(0);
    expect(process.memoryUsage().arrayBuffers).toBeLessThanOrEqual(before - 10_000);
  });

  it('leaves those alone that share their memory with others', () => {
    const whole = Buffer.alloc(10_000, 'x');
    const part = whole.subarray(0, 5_000);
    const pooled = Buffer.from('short');
    release(part);
    release(pooled);
    expect([part.length, whole.length, pooled.toString()]).toEqual([5_000, 10_000, 'short']);
  });
});
