import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LONGEST_PACKED, packBody, unpackBody } from './packed-body.js';

const repetitive = (length: number) => Buffer.alloc(length, '{"url":"https://api.example/repos/a/b"},');

describe('a packed body', () => {
  it('unpacks to the very same bytes, whatever they are', () => {
    const part = fc.tuple(fc.uint8Array({ maxLength: 3_000 }), fc.nat({ max: 40 }));
    fc.assert(
      fc.property(part, ([bytes, times]) => {
        const body = Buffer.concat(Array.from({ length: times }, () => bytes));
        expect(unpackBody(packBody(body)).equals(body)).toBe(true);
      }),
    );
  });

  it('is a fraction of a body that repeats itself', () => {
    const { coding, bytes } = packBody(repetitive(20_000));
    expect(coding).toBe('br');
    expect(bytes.length).toBeLessThan(2_000);
  });

  it('is packed up to the longest that is worth stopping for', () => {
    const body = repetitive(LONGEST_PACKED);
    const packed = packBody(body);
    expect(packed.coding).toBe('br');
    expect(unpackBody(packed).equals(body)).toBe(true);
  });

  it.each([
    ['short', repetitive(200)],
    ['too long', repetitive(LONGEST_PACKED + 1)],
    ['noise', randomBytes(20_000)],
    ['empty', Buffer.alloc(0)],
  ])('is the body itself when that is %s', (_what, body) => {
    const packed = packBody(body);
    expect(packed.coding).toBe('identity');
    expect(packed.bytes).toBe(body);
  });

  it('that was damaged is an error and not another body', () => {
    const { coding, bytes } = packBody(repetitive(20_000));
    expect(() => unpackBody({ coding, bytes: bytes.subarray(0, bytes.length >> 1) })).toThrow();
  });

  it('never unpacks to more than was ever packed', () => {
    const { bytes } = packBody(repetitive(LONGEST_PACKED));
    const twice = Buffer.concat([bytes, bytes]);
    expect(unpackBody({ coding: 'br', bytes: twice }).length).toBeLessThanOrEqual(LONGEST_PACKED);
  });
});
