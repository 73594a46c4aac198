import { describe, expect, it } from '@jest/globals';
import { headOf, pushed, type RefHistory } from './refs.js';

const NONE = '0'.repeat(40);
const headAfter = (...pushes: readonly (readonly [before: string, after: string])[]) =>
  headOf(pushes.reduce<RefHistory | undefined>((history, [from, to]) => pushed(history, from, to), undefined));

describe('where a branch is told to point', () => {
  it('follows pushes in order, also back to where it was, to nothing and from there', () => {
    expect(headAfter([NONE, 'a'], ['a', 'b'])).toBe('b');
    expect(headAfter([NONE, 'a'], ['a', 'b'], ['b', 'a'])).toBe('a');
    expect(headAfter([NONE, 'a'], ['a', NONE])).toBeUndefined();
    expect(headAfter([NONE, 'a'], ['a', NONE], [NONE, 'a'])).toBe('a');
  });

  it('is not moved by a push that comes after the one that followed it', () => {
    expect(headAfter(['a', 'b'], ['b', 'c'], ['a', 'b'])).toBe('c');
    expect(headAfter(['a', 'b'], [NONE, 'a'])).toBe('b');
    expect(headAfter(['b', 'c'], ['a', 'b'])).toBe('c');
    expect(headAfter(['b', 'c'], ['c', 'd'], [NONE, 'a'], ['a', 'b'])).toBe('d');
  });
});
