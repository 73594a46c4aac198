import { describe, expect, it } from '@jest/globals';
import { passingKeys } from '../store/master-keys.js';
import { visitorLinks } from './preview-jobs.js';

const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const now = new Date('2026-03-01T12:00:00Z');
const keys = (active: number, ...versions: (readonly [number, Buffer])[]) => ({ active, versions: new Map(versions) });

describe('links to previews', () => {
  const before = keys(1, [1, first]);
  const announced = keys(1, [1, first], [2, second]);
  const rotated = keys(2, [1, first], [2, second]);
  const after = keys(2, [2, second]);

  it('are signed with the key in use, and open at every process in the midst of a rotation', () => {
    const made = [before, announced, rotated].map((of) => visitorLinks(of).tokenFor('p', now));
    expect(made[0]).toBe(made[1]);
    expect(made[2]).not.toBe(made[1]);
    for (const given of [announced, rotated])
      expect(made.map((token) => visitorLinks(given).isValid(token, 'p', now))).toEqual([true, true, true]);
  });

  it('of an earlier key end when that is taken away, whoever had it', () => {
    const old = visitorLinks(before).tokenFor('p', now);
    expect(visitorLinks(after).isValid(old, 'p', now)).toBe(false);
    expect(visitorLinks(after).isValid(visitorLinks(rotated).tokenFor('p', now), 'p', now)).toBe(true);
    expect(visitorLinks(after).isValid(visitorLinks(rotated).tokenFor('p', now), 'q', now)).toBe(false);
  });

  it('are not made without the key in use', () => expect(() => passingKeys(keys(2, [1, first]))).toThrow('version 2'));
});
